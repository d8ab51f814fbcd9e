//! The commit thread: takes everything that waits, makes it one transaction, syncs it if one of them needs that, then
//! answers all.
//!
//! A sync covers all commits before it, so after a power cut the file is as it was after some commit: the last that was
//! synced, or a later one.
//!
//! After a failed commit nothing of its group is acknowledged, its connection is thrown away, and nothing is written
//! until a small write and commit on a fresh connection has gone through. That is tried when the next job comes, so
//! recovery needs no restart.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use rusqlite::{Connection, ErrorCode};

use crate::{
    error::{Cause, StoreError},
    sqlite::{
        checkpoint::{self, Anew, Checkpoints},
        failure::store_error,
        queue::{Batch, Job, Needs, Notes, Queue},
        rows,
        schema::{self, Missing},
    },
};

/// What the thread counts.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) appends: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) failed_commits: AtomicU64,
    pub(super) refused_busy: AtomicU64,
    pub(super) dropped_notes: AtomicU64,
    /// Pages in the write-ahead log after the last commit.
    pub(super) wal_pages: AtomicU64,
    pub(super) is_failing: AtomicBool,
    pub(super) is_full: AtomicBool,
}

/// What the commit thread holds.
pub(super) struct Committer {
    path: PathBuf,
    connection: Option<Connection>,
    /// Whether the connection syncs what it commits.
    syncs: bool,
    /// Whether there are commits in the log that are not synced.
    is_behind: bool,
    /// Whether the last commit went through.
    is_proven: bool,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    checkpoints: Checkpoints,
}

impl Committer {
    pub(super) fn new(
        path: PathBuf,
        connection: Connection,
        queue: Arc<Queue>,
        counters: Arc<Counters>,
        checkpoints: Checkpoints,
    ) -> rusqlite::Result<Self> {
        let connection = Some(watched(connection, &counters)?);
        Ok(Self { path, connection, syncs: true, is_behind: false, is_proven: true, queue, counters, checkpoints })
    }

    /// Works until the queue is closed and empty. Gives itself back, so that the caller chooses when its connection
    /// closes.
    pub(super) fn run(mut self) -> Self {
        let _abandon = AbandonOnExit(Arc::clone(&self.queue));
        while let Some(batch) = self.queue.take(self.checkpoints.look_after()) {
            if batch.is_empty() {
                self.bound_log(Checkpoints::while_idle);
            } else {
                self.serve(batch);
            }
        }
        self
    }

    fn serve(&mut self, batch: Batch) {
        let Batch { mut jobs, notes } = batch;
        let for_notes = if notes.is_empty() { Needs::Nothing } else { Needs::Commit };
        let needs = jobs.iter().map(|job| job.needs()).max().unwrap_or(Needs::Nothing).max(for_notes);
        let committed = match needs {
            Needs::Nothing => Ok(()),
            Needs::Commit | Needs::Sync => self.commit(&mut jobs, &notes, needs == Needs::Sync),
        };
        if committed.is_err() {
            self.queue.put_back(notes);
        }
        // What only reads is answered even when nothing can be written.
        let connection = Self::connected(&mut self.connection, &self.path, &self.counters);
        let connection = connection.map_err(|error| store_error(error, &self.path));
        for job in jobs {
            let group = match (&committed, &connection) {
                (Err(error), _) if job.needs() > Needs::Nothing => Err(error.clone()),
                (_, Ok(connection)) => Ok(*connection),
                (_, Err(error)) => Err(error.clone()),
            };
            job.answer(&self.path, group);
        }
        self.bound_log(Checkpoints::between_groups);
    }

    fn bound_log(&mut self, how: fn(&mut Checkpoints, &Connection, u64) -> u64) {
        if let Some(connection) = &self.connection {
            let pages = how(&mut self.checkpoints, connection, self.counters.wal_pages.load(Ordering::Relaxed));
            self.counters.wal_pages.store(pages, Ordering::Relaxed);
        }
    }

    /// Commits the group, with a sync or without, or says why not. Never both.
    fn commit(&mut self, jobs: &mut [Box<dyn Job>], notes: &Notes, sync: bool) -> Result<(), StoreError> {
        let committed = self.prove().and_then(|()| {
            let connection = Self::connected(&mut self.connection, &self.path, &self.counters)?;
            if self.syncs != sync {
                schema::sync_commits(connection, sync)?;
                self.syncs = sync;
            }
            run_group(connection, jobs, notes)
        });
        match committed {
            Ok(()) => {
                self.is_behind = !sync;
                self.counters.commits.fetch_add(1, Ordering::Relaxed);
                self.counters.syncs.fetch_add(u64::from(sync), Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                self.counters.failed_commits.fetch_add(1, Ordering::Relaxed);
                if self.is_proven {
                    tracing::error!(path = %self.path.display(), %error, "a commit failed; nothing is acknowledged until storage works again");
                }
                // With its connection goes the open transaction and whatever SQLite believes of the file.
                self.connection = None;
                self.syncs = true;
                self.is_proven = false;
                self.counters.is_failing.store(true, Ordering::Relaxed);
                let is_full = error.sqlite_error_code() == Some(ErrorCode::DiskFull);
                self.counters.is_full.store(is_full, Ordering::Relaxed);
                Err(store_error(error, &self.path))
            }
        }
    }

    /// After a failed commit: lets a fresh connection write and sync something small first.
    fn prove(&mut self) -> rusqlite::Result<()> {
        if self.is_proven {
            return Ok(());
        }
        let connection = Self::connected(&mut self.connection, &self.path, &self.counters)?;
        // A sync that failed may have lost what was to be synced, and the system says so only once. Read from its memory
        // it is whole still; but what comes behind it in the log would be lost with it in a power cut.
        if self.is_behind && !checkpoint::start_anew(connection, Anew::WrittenOver)? {
            return Err(failure("a reader keeps the log from being started anew"));
        }
        self.is_behind = false;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        rows::probe(connection)?;
        connection.execute_batch("COMMIT")?;
        self.is_proven = true;
        self.counters.is_failing.store(false, Ordering::Relaxed);
        self.counters.is_full.store(false, Ordering::Relaxed);
        tracing::info!(path = %self.path.display(), "storage works again");
        Ok(())
    }

    /// The connection; a fresh one if there is none.
    fn connected<'a>(
        connection: &'a mut Option<Connection>,
        path: &Path,
        counters: &Arc<Counters>,
    ) -> rusqlite::Result<&'a Connection> {
        let open = match connection.take() {
            Some(open) => open,
            None => watched(schema::open_writer(path, Missing::Refuse)?, counters)?,
        };
        Ok(connection.insert(open))
    }
}

/// Counts the pages of the log.
fn watched(mut connection: Connection, counters: &Arc<Counters>) -> rusqlite::Result<Connection> {
    let counters = Arc::clone(counters);
    connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
        counters.wal_pages.store(u64::from(pages.unsigned_abs()), Ordering::Relaxed);
        Ok(())
    }))?;
    Ok(connection)
}

/// Runs all jobs of a group in one transaction, each in a savepoint, so that one that fails does not spoil the others.
fn run_group(connection: &Connection, jobs: &mut [Box<dyn Job>], notes: &Notes) -> rusqlite::Result<()> {
    let execute = |sql| connection.prepare_cached(sql)?.execute(()).map(|_| ());
    execute("BEGIN IMMEDIATE")?;
    // Notes first: those on a stream belong to the entry that it had before this group.
    for (stream_id, steps) in &notes.by_stream {
        if let Some(id) = rows::connection_entry(connection, stream_id)? {
            rows::note_steps(connection, id, steps)?;
        }
    }
    for (id, steps) in &notes.by_entry {
        rows::note_steps(connection, *id, steps)?;
    }
    for job in jobs.iter_mut().filter(|job| job.needs() > Needs::Nothing) {
        execute("SAVEPOINT job")?;
        if !job.run(connection) {
            if connection.is_autocommit() {
                // After the worst errors SQLite has rolled everything back by itself.
                return Err(failure("the transaction was rolled back"));
            }
            execute("ROLLBACK TO job")?;
        }
        execute("RELEASE job")?;
    }
    execute("COMMIT")
}

/// An error of ours where SQLite's are expected.
fn failure(text: &'static str) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(Cause::new(text)))
}

/// However the thread ends, nobody waits for it in vain.
struct AbandonOnExit(Arc<Queue>);

impl Drop for AbandonOnExit {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
