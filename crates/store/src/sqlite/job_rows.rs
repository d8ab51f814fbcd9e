//! Every statement about jobs. The columns are explained in `schema.rs`.

use bytes::Bytes;
use rtms_wire::time::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Row, params};
use smol_str::SmolStr;

use super::rows::{integer, text, unsigned};
use crate::{
    lease::OwnerId,
    queue::{Claimed, Job, MAX_CLAIM_BYTES, QueueCount, Ticket},
};

type Result<T> = rusqlite::Result<T>;

/// Adds a job unless one of its id is there.
pub(super) fn push(connection: &Connection, job: &Job) -> Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO jobs (queue, key, id, not_before, payload) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (queue, id) DO NOTHING",
    )?;
    let (queue, key, not_before) = (job.queue.as_str(), job.key.as_str(), integer(job.not_before.0));
    if insert.execute(params![queue, key, job.id.as_str(), not_before, &job.payload[..]])? == 1 {
        let mut insert = connection.prepare_cached(
            "INSERT INTO job_keys (queue, key, ready_at) VALUES (?1, ?2, ?3) ON CONFLICT (queue, key) DO NOTHING",
        )?;
        insert.execute(params![queue, key, not_before])?;
    }
    Ok(())
}

/// Hands out the first due jobs of the keys that are free.
pub(super) fn claim(
    connection: &Connection,
    queue: &str,
    owner: &OwnerId,
    until: UnixMillis,
    limit: usize,
    now: UnixMillis,
) -> Result<Vec<Claimed>> {
    let (mut claimed, mut bytes) = (Vec::new(), 0);
    for key in ready_keys(connection, queue, limit, now)? {
        let from = claimed.len();
        let mut select = connection.prepare_cached(
            "SELECT number, id, not_before, deliveries, payload FROM jobs WHERE queue = ?1 AND key = ?2
             ORDER BY number LIMIT ?3",
        )?;
        let mut rows = select.query(params![queue, key.as_str(), integer((limit - from) as u64)])?;
        while let Some(row) = rows.next()? {
            let next = handed_out(row, queue, &key)?;
            bytes += next.job.payload.len();
            if next.job.not_before > now || (bytes > MAX_CLAIM_BYTES && !claimed.is_empty()) {
                break;
            }
            claimed.push(next);
        }
        let Some(last) = claimed.get(from..).and_then(<[Claimed]>::last) else { break };
        let mut hand_out = connection.prepare_cached(
            "UPDATE jobs SET deliveries = deliveries + 1 WHERE queue = ?1 AND key = ?2 AND number <= ?3",
        )?;
        hand_out.execute(params![queue, key.as_str(), integer(last.ticket.number)])?;
        let mut take = connection.prepare_cached(
            "UPDATE job_keys SET ready_at = ?3, claimed_by = ?4, claimed_to = ?5 WHERE queue = ?1 AND key = ?2",
        )?;
        take.execute(params![queue, key.as_str(), integer(until.0), owner.as_str(), integer(last.ticket.number)])?;
        if claimed.len() >= limit {
            break;
        }
    }
    Ok(claimed)
}

/// Removes jobs that are done, and returns how many were still there.
pub(super) fn ack(connection: &Connection, tickets: &[Ticket]) -> Result<u64> {
    let mut delete = connection.prepare_cached("DELETE FROM jobs WHERE number = ?1 RETURNING queue, key")?;
    let mut keys = Vec::new();
    for ticket in tickets {
        keys.extend(delete.query_row([integer(ticket.number)], queue_and_key).optional()?);
    }
    let gone = keys.len() as u64;
    keys.sort();
    keys.dedup();
    for (queue, key) in keys {
        free_if_done(connection, &queue, &key)?;
    }
    Ok(gone)
}

/// Gives a job back together with those behind it, unless it was handed out again.
pub(super) fn nak(connection: &Connection, ticket: Ticket, not_before: UnixMillis) -> Result<()> {
    let mut update = connection
        .prepare_cached("UPDATE jobs SET not_before = ?3 WHERE number = ?1 AND deliveries = ?2 RETURNING queue, key")?;
    let number = integer(ticket.number);
    let given_back = update.query_row(params![number, ticket.delivery, integer(not_before.0)], queue_and_key);
    if let Some((queue, key)) = given_back.optional()? {
        let mut shorten = connection
            .prepare_cached("UPDATE job_keys SET claimed_to = min(claimed_to, ?3 - 1) WHERE queue = ?1 AND key = ?2")?;
        shorten.execute(params![queue.as_str(), key.as_str(), number])?;
        free_if_done(connection, &queue, &key)?;
    }
    Ok(())
}

pub(super) fn has_jobs(connection: &Connection, queue: &str, key: &str) -> Result<bool> {
    connection.prepare_cached("SELECT 1 FROM job_keys WHERE queue = ?1 AND key = ?2")?.exists([queue, key])
}

/// Removes every job of a key and returns their number.
pub(super) fn forget(connection: &Connection, queue: &str, key: &str) -> Result<u64> {
    let gone = connection.prepare_cached("DELETE FROM jobs WHERE queue = ?1 AND key = ?2")?.execute([queue, key])?;
    connection.prepare_cached("DELETE FROM job_keys WHERE queue = ?1 AND key = ?2")?.execute([queue, key])?;
    Ok(gone as u64)
}

pub(super) fn count(connection: &Connection, queue: &str) -> Result<QueueCount> {
    let mut select = connection.prepare_cached(
        "SELECT jobs, bytes, (SELECT min(ready_at) FROM job_keys WHERE queue = ?1) FROM job_queues WHERE queue = ?1",
    )?;
    let count = |row: &Row<'_>| {
        let next_at = row.get::<_, Option<i64>>(2)?.map(|at| UnixMillis(at.unsigned_abs()));
        Ok(QueueCount { jobs: unsigned(row, 0)?, bytes: unsigned(row, 1)?, next_at })
    };
    Ok(select.query_row([queue], count).optional()?.unwrap_or_default())
}

/// Ends the claims of earlier processes, which the lock of the store says are gone.
pub(super) fn void_claims(connection: &Connection) -> Result<()> {
    let mut select = connection.prepare("SELECT queue, key FROM job_keys WHERE claimed_by IS NOT NULL")?;
    let keys = select.query_map((), queue_and_key)?.collect::<Result<Vec<_>>>()?;
    for (queue, key) in keys {
        let mut shorten =
            connection.prepare_cached("UPDATE job_keys SET claimed_to = 0 WHERE queue = ?1 AND key = ?2")?;
        shorten.execute([queue.as_str(), key.as_str()])?;
        free_if_done(connection, &queue, &key)?;
    }
    Ok(())
}

/// The keys whose oldest job may be handed out, the longest due first.
fn ready_keys(connection: &Connection, queue: &str, limit: usize, now: UnixMillis) -> Result<Vec<SmolStr>> {
    let mut select = connection.prepare_cached(
        "SELECT key FROM job_keys INDEXED BY job_keys_ready WHERE queue = ?1 AND ready_at <= ?2
         ORDER BY ready_at, key LIMIT ?3",
    )?;
    let keys = select.query_map(params![queue, integer(now.0), integer(limit as u64)], |row| text(row, 0))?;
    keys.collect()
}

/// A job as it is once the handing out is counted.
fn handed_out(row: &Row<'_>, queue: &str, key: &SmolStr) -> Result<Claimed> {
    let deliveries = row.get::<_, u32>(3)?.saturating_add(1);
    let job = Job {
        queue: queue.into(),
        key: key.clone(),
        id: text(row, 1)?,
        payload: Bytes::copy_from_slice(row.get_ref(4)?.as_blob()?),
        not_before: UnixMillis(unsigned(row, 2)?),
    };
    Ok(Claimed { job, deliveries, ticket: Ticket { number: unsigned(row, 0)?, delivery: deliveries } })
}

/// Frees a key when no unfinished job is left that its claim covers, and removes it when it has no job at all.
fn free_if_done(connection: &Connection, queue: &str, key: &str) -> Result<()> {
    let mut oldest = connection
        .prepare_cached("SELECT number, not_before FROM jobs WHERE queue = ?1 AND key = ?2 ORDER BY number LIMIT 1")?;
    let oldest = oldest.query_row([queue, key], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
    let Some((number, not_before)) = oldest.optional()? else {
        connection.prepare_cached("DELETE FROM job_keys WHERE queue = ?1 AND key = ?2")?.execute([queue, key])?;
        return Ok(());
    };
    let mut free = connection.prepare_cached(
        "UPDATE job_keys SET ready_at = ?4, claimed_by = NULL, claimed_to = 0
         WHERE queue = ?1 AND key = ?2 AND claimed_to < ?3",
    )?;
    free.execute(params![queue, key, number, not_before])?;
    Ok(())
}

fn queue_and_key(row: &Row<'_>) -> Result<(SmolStr, SmolStr)> {
    Ok((text(row, 0)?, text(row, 1)?))
}
