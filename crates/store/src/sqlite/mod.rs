//! The store in one SQLite file: the default engine.
//!
//! Three threads: `commit` owns everything that is written and shares one sync among all who wait, `query` answers
//! questions, `checkpoint` bounds the log. Callers are async and never touch the file.

mod checkpoint;
mod commit;
mod failure;
mod job_rows;
mod jobs;
mod private;
mod query;
mod queue;
pub mod reader;
mod rows;
mod schema;

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::Ordering,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use rtms_wire::{ids::StreamId, time::UnixMillis};
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use self::{
    commit::{Committer, Counters},
    failure::{Failure, store_error},
    query::Query,
    queue::{Needs, Queue, Task},
    rows::SqlRecords,
    schema::{Missing, known_version},
};
use crate::{
    entry::{Entry, EntryId, NewEntry, Verdict},
    error::{Cause, StoreError},
    folding::{self, FoldInput, Folded, Folding},
    inbox::Inbox,
    lease::{Lease, Leases, OwnerId},
    queue::{Queue as JobQueue, QueueBounds},
    receipts::{NotedOn, Receipt, ReceiptFilter, Receipts, Step, UnixMicros},
    store::{Pruned, Stats, Store},
    stream_record::StreamRecord,
    streams::{Outcome, StreamFilter, Streams},
    summary::RunSummary,
};

/// The bounds of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    /// Jobs that may wait for a commit; more are refused as busy.
    pub queue_jobs: usize,
    /// Bytes of bodies that may wait for a commit; more are refused as busy.
    pub queue_bytes: usize,
    /// What each [`Queue`](crate::queue::Queue) of durable jobs may hold.
    pub job_bounds: QueueBounds,
}

impl Default for SqliteOptions {
    /// A tenth of a second of work, or 64 of the largest bodies.
    fn default() -> Self {
        Self { queue_jobs: 4096, queue_bytes: 64 << 20, job_bounds: QueueBounds::default() }
    }
}

/// The store in one SQLite file. One process has it at a time.
pub struct SqliteStore {
    path: PathBuf,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    leases: Arc<Mutex<Leases>>,
    inbox_changes: watch::Sender<u64>,
    stream_changes: watch::Sender<u64>,
    job_bounds: QueueBounds,
    job_changes: watch::Sender<u64>,
    running: Mutex<Option<Running>>,
}

/// What ends when the store is closed.
struct Running {
    queries: SyncSender<Query>,
    query: JoinHandle<()>,
    commit: JoinHandle<Committer>,
    checkpoint: JoinHandle<()>,
    lock: File,
}

impl SqliteStore {
    /// Questions that may wait; more are refused as busy.
    const MAX_QUERIES: usize = 1024;
    /// Rows that are pruned in one job: about as much work as one group of appends.
    const PRUNE_ROWS: usize = 256;

    /// Opens the store in a directory, which is made if it is missing. Blocks for the I/O this takes.
    ///
    /// All leases of earlier processes are void: the lock says that they are gone.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process has it, [`StoreError::Newer`] and [`StoreError::Damaged`] if the file is
    /// not to be worked with, [`StoreError::Unavailable`] if the disk says no.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        Self::open_with(directory, SqliteOptions::default())
    }

    /// Whether a process has the store in a directory open. One that cannot be looked at is taken for free.
    pub fn is_in_use(directory: &Path) -> bool {
        let lock = File::open(directory.join(schema::LOCK_NAME));
        lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Opens it with other bounds.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_with(directory: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        private::make_folders(directory).map_err(unavailable)?;
        let lock = lock(directory)?;
        let path = directory.join(schema::FILE_NAME);
        let (connection, epoch) = open_file(&path)?;
        // The new name must survive a power cut as well as what is in the file.
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(unavailable)?;

        let queue = Arc::new(Queue::new(options.queue_jobs, options.queue_bytes));
        let counters = Arc::new(Counters::default());
        let (checkpoints, checkpointer) = checkpoint::pair(&path);
        let (queries, queries_asked) = sync_channel(Self::MAX_QUERIES);
        let committer =
            Committer::new(path.clone(), connection, Arc::clone(&queue), Arc::clone(&counters), checkpoints);
        let committer = committer.map_err(|error| store_error(error, &path))?;
        let query_path = path.clone();
        let commit = spawn("store-commit", move || committer.run()).map_err(unavailable)?;
        let query = spawn("store-query", move || query::run(&query_path, &queries_asked)).map_err(unavailable)?;
        let checkpoint = spawn("store-checkpoint", move || checkpointer.run()).map_err(unavailable)?;
        Ok(Self {
            path,
            queue,
            counters,
            leases: Arc::new(Mutex::new(Leases::of_epoch(epoch))),
            inbox_changes: watch::Sender::new(0),
            stream_changes: watch::Sender::new(0),
            job_bounds: options.job_bounds,
            job_changes: watch::Sender::new(0),
            running: Mutex::new(Some(Running { queries, query, commit, checkpoint, lock })),
        })
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Has the commit thread do `work` in a transaction and `after` when it is as safe as it needs to be.
    async fn write<Middle: Send + 'static, Answer: Send + 'static>(
        &self,
        needs: Needs,
        bytes: usize,
        work: impl FnOnce(&Connection) -> Result<Middle, Failure> + Send + 'static,
        after: impl FnOnce(Middle, &Connection) -> Result<Answer, Failure> + Send + 'static,
    ) -> Result<Answer, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.push(Box::new(Task::writing(needs, work, after, reply)), bytes)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Changes the record of a stream, if there is one and `change` says so, and syncs that.
    async fn change(
        &self,
        stream_id: &StreamId,
        change: impl FnOnce(&mut StreamRecord) -> bool + Send + 'static,
    ) -> Result<bool, StoreError> {
        let (stream_id, leases, changes) = (stream_id.clone(), Arc::clone(&self.leases), self.stream_changes.clone());
        let work = move |connection: &Connection| {
            let Some(mut record) = rows::load(connection, &stream_id)? else { return Ok(false) };
            record.lease = locked(&leases).of(&stream_id).cloned();
            let is_changed = change(&mut record);
            if is_changed {
                rows::save(connection, &record)?;
            }
            Ok(is_changed)
        };
        let after = move |is_changed, _: &Connection| {
            if is_changed {
                bump(&changes);
            }
            Ok(is_changed)
        };
        self.write(Needs::Sync, 0, work, after).await
    }

    /// Has the commit thread do something between two groups, when all that is known is committed.
    async fn between_groups<Answer: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<Answer, Failure> + Send + 'static,
    ) -> Result<Answer, StoreError> {
        let (reply, answer) = oneshot::channel();
        let after = move |(), connection: &Connection| work(connection);
        self.push(Box::new(Task::between_groups(after, reply)), 0)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    fn push(&self, job: Box<dyn queue::Job>, bytes: usize) -> Result<(), StoreError> {
        let pushed = self.queue.push(job, bytes);
        if matches!(pushed, Err(StoreError::Busy { .. })) {
            self.counters.refused_busy.fetch_add(1, Ordering::Relaxed);
        }
        pushed
    }

    /// Asks the query thread.
    async fn query<Answer: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<Answer> + Send + 'static,
    ) -> Result<Answer, StoreError> {
        let (reply, answer) = oneshot::channel();
        let path = self.path.clone();
        let query: Query = Box::new(move |connection| {
            let answer = connection.and_then(|connection| ask(connection).map_err(|error| store_error(error, &path)));
            // Who went away does not want to know.
            let _ = reply.send(answer);
        });
        let sent = match &*locked(&self.running) {
            Some(running) => running.queries.try_send(query),
            None => return Err(StoreError::Closed),
        };
        match sent {
            Ok(()) => answer.await.unwrap_or(Err(StoreError::Closed)),
            Err(TrySendError::Full(_)) => Err(StoreError::Busy { queued: Self::MAX_QUERIES }),
            Err(TrySendError::Disconnected(_)) => Err(StoreError::Closed),
        }
    }

    fn stop(&self) -> Option<Running> {
        self.queue.close();
        locked(&self.running).take()
    }
}

#[async_trait]
impl Inbox for SqliteStore {
    async fn append(&self, entry: NewEntry) -> Result<EntryId, StoreError> {
        let bytes = entry.body.len();
        let (counters, changes) = (Arc::clone(&self.counters), self.inbox_changes.clone());
        let append = move |connection: &Connection| Ok(rows::append(connection, &entry)?);
        let after = move |id, _: &Connection| {
            counters.appends.fetch_add(1, Ordering::Relaxed);
            bump(&changes);
            Ok(id)
        };
        self.write(Needs::Sync, bytes, append, after).await
    }

    async fn pending(&self, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.query(move |connection| rows::pending(connection, limit)).await
    }

    async fn settle(&self, id: EntryId, verdict: Verdict, now: UnixMillis) -> Result<(), StoreError> {
        let settle = move |connection: &Connection| match rows::settle(connection, id, &verdict, now)? {
            true => Ok(()),
            false => Err(StoreError::NoSuchEntry(id).into()),
        };
        self.write(Needs::Commit, 0, settle, |(), _| Ok(())).await
    }

    fn inbox_changes(&self) -> watch::Receiver<u64> {
        self.inbox_changes.subscribe()
    }
}

#[async_trait]
impl Streams for SqliteStore {
    async fn fold(&self, id: EntryId, input: FoldInput, now: UnixMillis) -> Result<Folded, StoreError> {
        let changes = self.stream_changes.clone();
        let fold = move |connection: &Connection| {
            let head = rows::entry_head(connection, id)?.ok_or(StoreError::NoSuchEntry(id))?;
            let entry = Folding { id, received_at: head.received_at, app: &head.app, now };
            let mut folded = folding::fold(&mut SqlRecords(connection), &entry, &input)?;
            match head.settled {
                Some((class, reason)) => (folded.class, folded.reason) = (class, reason),
                None => {
                    rows::settle(connection, id, &folded.verdict(&input), now)?;
                }
            }
            Ok(folded)
        };
        let after = move |folded, _: &Connection| {
            bump(&changes);
            Ok(folded)
        };
        self.write(Needs::Commit, 0, fold, after).await
    }

    async fn claim(
        &self,
        stream_id: &StreamId,
        owner: &OwnerId,
        term: Duration,
        now: UnixMillis,
    ) -> Result<Option<Lease>, StoreError> {
        let (stream_id, owner) = (stream_id.clone(), owner.clone());
        let (leases, changes) = (Arc::clone(&self.leases), self.stream_changes.clone());
        // Only the commit thread changes records and gives leases, so nothing can come between looking and giving.
        self.between_groups(move |connection| {
            let wish_at = rows::load(connection, &stream_id)?.and_then(|record| Some(record.open_wish()?.at));
            let lease = wish_at.and_then(|at| locked(&leases).claim(&stream_id, &owner, at, term, now));
            if lease.is_some() {
                bump(&changes);
            }
            Ok(lease)
        })
        .await
    }

    async fn renew(&self, lease: &Lease, term: Duration, now: UnixMillis) -> Result<Lease, StoreError> {
        locked(&self.leases).renew(lease, term, now)
    }

    async fn release(&self, lease: &Lease, outcome: Outcome, now: UnixMillis) -> Result<(), StoreError> {
        let Outcome::Ended { stop_reason, why, summary } = outcome else {
            let mut leases = locked(&self.leases);
            leases.check(lease, now)?;
            leases.remove(lease);
            drop(leases);
            bump(&self.stream_changes);
            return Ok(());
        };
        let (lease, ended) = (lease.clone(), lease.clone());
        let (checked, freed) = (Arc::clone(&self.leases), Arc::clone(&self.leases));
        let changes = self.stream_changes.clone();
        let end = move |connection: &Connection| {
            locked(&checked).check(&lease, now)?;
            if let Some(mut record) = rows::load(connection, &lease.stream_id)? {
                record.end(&lease, stop_reason, why, summary, now);
                rows::save(connection, &record)?;
            }
            Ok(())
        };
        // Freed only when it is durable that there is nothing left to claim.
        let after = move |(), _: &Connection| {
            locked(&freed).remove(&ended);
            bump(&changes);
            Ok(())
        };
        self.write(Needs::Sync, 0, end, after).await
    }

    async fn ask_to_close(&self, stream_id: &StreamId, now: UnixMillis) -> Result<bool, StoreError> {
        self.change(stream_id, move |record| record.close(now)).await
    }

    async fn ask_to_retry(&self, stream_id: &StreamId, now: UnixMillis) -> Result<bool, StoreError> {
        self.change(stream_id, move |record| record.retry(now)).await
    }

    async fn conclude(
        &self,
        stream_id: &StreamId,
        owner: &OwnerId,
        why: String,
        summary: RunSummary,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let owner = owner.clone();
        self.change(stream_id, move |record| record.conclude(owner, why, summary, now)).await
    }

    async fn amend(&self, stream_id: &StreamId, summary: RunSummary, now: UnixMillis) -> Result<bool, StoreError> {
        self.change(stream_id, move |record| record.amend(summary, now)).await
    }

    async fn get(&self, stream_id: &StreamId) -> Result<Option<StreamRecord>, StoreError> {
        // Before the record, so that a stream without a lease has its end.
        let lease = locked(&self.leases).of(stream_id).cloned();
        let stream_id = stream_id.clone();
        let record = self.query(move |connection| rows::load(connection, &stream_id)).await?;
        Ok(record.map(|record| StreamRecord { lease, ..record }))
    }

    async fn list(&self, filter: StreamFilter) -> Result<Vec<StreamRecord>, StoreError> {
        let leases = locked(&self.leases).clone();
        let records = self.query(move |connection| rows::list(connection, &filter)).await?;
        Ok(records.into_iter().map(|record| with_lease(record, &leases)).collect())
    }

    async fn claimable(&self, now: UnixMillis) -> Result<Vec<StreamRecord>, StoreError> {
        let leases = Arc::clone(&self.leases);
        let records = self.query(move |connection| {
            // Most open streams are somebody's; their records need not be read.
            let mut free = rows::open_streams(connection)?;
            free.retain(|stream_id| !locked(&leases).is_leased(stream_id, now));
            let records = free.iter().map(|stream_id| rows::load(connection, stream_id));
            records.filter_map(Result::transpose).collect::<rusqlite::Result<Vec<_>>>()
        });
        let records = records.await?;
        let leases = locked(&self.leases);
        let records = records.into_iter().map(|record| with_lease(record, &leases));
        Ok(records.filter(|record| record.is_claimable(now)).collect())
    }

    fn stream_changes(&self) -> watch::Receiver<u64> {
        self.stream_changes.subscribe()
    }
}

fn with_lease(record: StreamRecord, leases: &Leases) -> StreamRecord {
    StreamRecord { lease: leases.of(&record.stream_id).cloned(), ..record }
}

#[async_trait]
impl Receipts for SqliteStore {
    fn note_step(&self, noted_on: NotedOn, step: Step, at: UnixMicros) {
        if !self.queue.note(noted_on, step, at) {
            self.counters.dropped_notes.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn receipts(&self, filter: ReceiptFilter) -> Result<Vec<Receipt>, StoreError> {
        if self.queue.has_notes() {
            // Notes ride on any commit. If this one fails, the receipts are still worth reading.
            let _ = self.write(Needs::Commit, 0, |_| Ok(()), |(), _| Ok(())).await;
        }
        self.query(move |connection| rows::receipts(connection, &filter)).await
    }

    async fn receipt_body(&self, id: EntryId) -> Result<Option<Bytes>, StoreError> {
        self.query(move |connection| rows::body(connection, id)).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn queue(&self) -> &dyn JobQueue {
        self
    }

    async fn prune(&self, older_than: UnixMillis) -> Result<Pruned, StoreError> {
        let limit = Self::PRUNE_ROWS;
        let mut pruned = Pruned::default();
        locked(&self.leases).forget_expired(older_than);
        loop {
            let prune = move |connection: &Connection| Ok(rows::prune_entries(connection, older_than, limit)?);
            let gone = self.write(Needs::Commit, 0, prune, |gone, _| Ok(gone)).await?;
            pruned.entries += gone;
            if gone < limit {
                break;
            }
        }
        loop {
            let leases = Arc::clone(&self.leases);
            let prune = move |connection: &Connection| {
                let mut streams = rows::prunable_streams(connection, older_than, limit)?;
                streams.retain(|stream_id| locked(&leases).of(stream_id).is_none());
                for stream_id in &streams {
                    rows::remove_stream(connection, stream_id)?;
                }
                Ok(streams.len())
            };
            let gone = self.write(Needs::Commit, 0, prune, |gone, _| Ok(gone)).await?;
            pruned.streams += gone;
            if gone < limit {
                break;
            }
        }
        loop {
            let prune = move |connection: &Connection| Ok(rows::prune_stops(connection, older_than, limit)?);
            let gone = self.write(Needs::Commit, 0, prune, |gone, _| Ok(gone)).await?;
            pruned.stops += gone;
            if gone < limit {
                break;
            }
        }
        bump(&self.stream_changes);
        Ok(pruned)
    }

    fn stats(&self) -> Stats {
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            appends: read(&self.counters.appends),
            commits: read(&self.counters.commits),
            syncs: read(&self.counters.syncs),
            failed_commits: read(&self.counters.failed_commits),
            refused_busy: read(&self.counters.refused_busy),
            dropped_notes: read(&self.counters.dropped_notes),
            queued: self.queue.len() as u64,
            wal_bytes: read(&self.counters.wal_pages) * WAL_PAGE_BYTES,
            is_failing: self.counters.is_failing.load(Ordering::Relaxed),
        }
    }

    async fn close(&self) {
        let Some(running) = self.stop() else { return };
        let (done, closed) = oneshot::channel();
        // Joining blocks, which this caller must not.
        let closer = spawn("store-close", move || {
            running.finish();
            let _ = done.send(());
        });
        if closer.is_ok() {
            // An error means that it is done all the same.
            let _ = closed.await;
        }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        if let Some(running) = self.stop() {
            running.finish();
        }
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Running {
    /// Waits for what is queued, then gives the files free.
    fn finish(self) {
        let Self { queries, query, commit, checkpoint, lock } = self;
        drop(queries);
        // A thread that panicked has told of it already.
        let _ = query.join();
        // One connection after the other: the last one moves the log into the database. Of two that close at once
        // each sees the other and neither does.
        drop(commit.join());
        let _ = checkpoint.join();
        drop(lock);
    }
}

/// A page of the log: 4 KiB and its header.
const WAL_PAGE_BYTES: u64 = 4096 + 24;

/// How long [`SqliteStore::is_in_use`] may have the lock.
const INSTANT: Duration = Duration::from_millis(10);

fn lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join(schema::LOCK_NAME);
    let file = private::file().create(true).truncate(false).write(true).open(&path).map_err(unavailable)?;
    // A command that asks whether the folder is in use has the lock for an instant.
    let locked = file.try_lock().or_else(|error| match error {
        TryLockError::WouldBlock => {
            std::thread::park_timeout(INSTANT);
            file.try_lock()
        }
        TryLockError::Error(_) => Err(error),
    });
    match locked {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path }),
        Err(TryLockError::Error(error)) => Err(unavailable(error)),
    }
}

/// Opens the file, looks whose it is, brings it to our version and starts an epoch.
fn open_file(path: &Path) -> Result<(Connection, u32), StoreError> {
    let failed = |error| store_error(error, path);
    // SQLite takes an empty file for a new database, and gives the files beside it the same mode. One that is there is not
    // touched: closing it would give up the locks of whoever reads it in this process.
    match private::file().create_new(true).write(true).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(unavailable(error)),
        Ok(_) | Err(_) => {}
    }
    let mut connection = schema::open_writer(path, Missing::Create).map_err(failed)?;
    let version = known_version(path, &schema::head(&connection).map_err(failed)?)?;
    let epoch = schema::migrate(&mut connection, version).map_err(failed)?;
    job_rows::void_claims(&connection).map_err(failed)?;
    Ok((connection, epoch))
}

fn spawn<T: Send + 'static>(name: &str, run: impl FnOnce() -> T + Send + 'static) -> std::io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.into()).spawn(run)
}

fn unavailable(error: std::io::Error) -> StoreError {
    StoreError::Unavailable(Cause::new(error))
}

fn bump(changes: &watch::Sender<u64>) {
    changes.send_modify(|count| *count += 1);
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one of ours is held, so what it guards is whole even then.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
