//! The queue in the SQLite file: what each call does inside a transaction, and what it waits for.

use std::time::Duration;

use async_trait::async_trait;
use rtms_wire::time::UnixMillis;
use rusqlite::Connection;
use tokio::sync::watch;

use super::{SqliteStore, bump, job_rows, queue::Needs};
use crate::{
    error::StoreError,
    lease::OwnerId,
    queue::{Claimed, Job, Queue, QueueCount, Ticket, check_payloads},
};

#[async_trait]
impl Queue for SqliteStore {
    async fn push(&self, jobs: Vec<Job>) -> Result<(), StoreError> {
        check_payloads(&jobs)?;
        let bytes = jobs.iter().map(|job| job.payload.len()).sum();
        let (bounds, changes) = (self.job_bounds, self.job_changes.clone());
        let push = move |connection: &Connection| {
            for job in &jobs {
                job_rows::push(connection, job)?;
            }
            let mut queues: Vec<_> = jobs.iter().map(|job| &job.queue).collect();
            queues.sort();
            queues.dedup();
            for queue in queues {
                let count = job_rows::count(connection, queue)?;
                bounds.check(queue, count.jobs, count.bytes)?;
            }
            Ok(())
        };
        let after = move |(), _: &Connection| {
            bump(&changes);
            Ok(())
        };
        self.write(Needs::Sync, bytes, push, after).await
    }

    async fn claim(
        &self,
        queue: &str,
        owner: &OwnerId,
        term: Duration,
        limit: usize,
        now: UnixMillis,
    ) -> Result<Vec<Claimed>, StoreError> {
        let (queue, owner) = (queue.to_owned(), owner.clone());
        let claim =
            move |connection: &Connection| Ok(job_rows::claim(connection, &queue, &owner, now + term, limit, now)?);
        self.write(Needs::Commit, 0, claim, |claimed, _| Ok(claimed)).await
    }

    async fn ack(&self, tickets: &[Ticket]) -> Result<u64, StoreError> {
        let (tickets, changes) = (tickets.to_vec(), self.job_changes.clone());
        let ack = move |connection: &Connection| Ok(job_rows::ack(connection, &tickets)?);
        let after = move |gone, _: &Connection| {
            bump(&changes);
            Ok(gone)
        };
        self.write(Needs::Sync, 0, ack, after).await
    }

    async fn nak(&self, ticket: Ticket, not_before: UnixMillis) -> Result<(), StoreError> {
        let changes = self.job_changes.clone();
        let nak = move |connection: &Connection| Ok(job_rows::nak(connection, ticket, not_before)?);
        let after = move |(), _: &Connection| {
            bump(&changes);
            Ok(())
        };
        self.write(Needs::Commit, 0, nak, after).await
    }

    async fn forget(&self, queue: &str, key: &str) -> Result<u64, StoreError> {
        let (queue, key) = (queue.to_owned(), key.to_owned());
        let (asked_queue, asked_key) = (queue.clone(), key.clone());
        // Most keys that are to be forgotten have no job, and finding that out needs no sync.
        if !self.query(move |connection| job_rows::has_jobs(connection, &asked_queue, &asked_key)).await? {
            return Ok(0);
        }
        let forget = move |connection: &Connection| Ok(job_rows::forget(connection, &queue, &key)?);
        self.write(Needs::Sync, 0, forget, |gone, _| Ok(gone)).await
    }

    async fn count(&self, queue: &str) -> Result<QueueCount, StoreError> {
        let queue = queue.to_owned();
        self.query(move |connection| job_rows::count(connection, &queue)).await
    }

    fn job_changes(&self) -> watch::Receiver<u64> {
        self.job_changes.subscribe()
    }
}
