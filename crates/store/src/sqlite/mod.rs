//! The store in one SQLite file: the default engine.
//!
//! Three threads: `commit` owns everything that is written and shares one sync among all who wait, `query` answers
//! questions, `checkpoint` bounds the log. Callers are async and never touch the file.

mod checkpoint;
mod commit;
mod failure;
mod job_rows;
mod jobs;
mod leases;
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
        Arc, Mutex,
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
    leases::Leases,
    query::Query,
    queue::{Needs, Queue, Task},
    schema::{Missing, known_version},
};
use crate::{
    changes::{ChangeSender, Changes},
    entry::{Entry, EntryHead, EntryId, NewEntry, Settled, Taken, Verdict},
    error::{Cause, StoreError},
    inbox::Inbox,
    lease::Lease,
    locked::locked,
    queue::{Queue as JobQueue, QueueBounds},
    receipts::{NotedOn, Receipt, ReceiptFilter, Receipts, Step, UnixMicros},
    store::{Pruned, Stats, Store},
    stream_record::{InstanceStop, Revision, StreamRecord},
    streams::{RecordChange, Safety, Saved, StreamFilter, Streams},
    takes::Takes,
    wanted::InstanceKey,
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
    takes: Mutex<Takes>,
    epoch: u32,
    inbox_changes: watch::Sender<u64>,
    changes: ChangeSender,
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
        rtms_private::make_folders(directory).map_err(unavailable)?;
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
            leases: Arc::default(),
            takes: Mutex::default(),
            epoch,
            inbox_changes: watch::Sender::new(0),
            changes: ChangeSender::new(),
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

    async fn take(&self, limit: usize, term: Duration, now: UnixMillis) -> Result<Vec<Taken>, StoreError> {
        // So many of the oldest may be somebody's.
        let taken = locked(&self.takes).len();
        let pending = self.pending(limit.saturating_add(taken)).await?;
        let mut takes = locked(&self.takes);
        let free = pending.into_iter().filter_map(|entry| {
            let deliveries = takes.take(entry.id, term, now)?;
            Some(Taken { entry, deliveries })
        });
        Ok(free.take(limit).collect())
    }

    async fn put_back(&self, ids: &[EntryId]) -> Result<(), StoreError> {
        let mut takes = locked(&self.takes);
        ids.iter().for_each(|id| takes.put_back(*id));
        Ok(())
    }

    async fn head(&self, id: EntryId) -> Result<Option<EntryHead>, StoreError> {
        self.query(move |connection| rows::entry_head(connection, id)).await
    }

    async fn settle(&self, id: EntryId, verdict: Verdict, now: UnixMillis) -> Result<Settled, StoreError> {
        let settle = move |connection: &Connection| {
            let settled = rows::settle(connection, id, &verdict, now)?;
            settled.ok_or_else(|| StoreError::NoSuchEntry(id).into())
        };
        let settled = self.write(Needs::Commit, 0, settle, |settled, _| Ok(settled)).await;
        if settled.is_ok() {
            locked(&self.takes).settled(id);
        }
        settled
    }

    fn inbox_changes(&self) -> watch::Receiver<u64> {
        self.inbox_changes.subscribe()
    }
}

#[async_trait]
impl Streams for SqliteStore {
    async fn get(&self, stream_id: &StreamId) -> Result<Option<StreamRecord>, StoreError> {
        // Before the row, so that a stream without a lease has its end.
        let slot = locked(&self.leases).slot(stream_id);
        let stream_id = stream_id.clone();
        let row = self.query(move |connection| rows::load(connection, &stream_id)).await?;
        Ok(row.map(|row| slot.complete(row)))
    }

    async fn save(&self, change: RecordChange) -> Result<Saved, StoreError> {
        let RecordChange { before, after, safety } = change;
        let expected = before.as_ref().map_or(0, |before| before.revision.0);
        let is_of_lease = before.as_ref().is_some_and(|before| before.differs_only_in_lease(&after));
        let has_lease_changed = before.as_ref().and_then(|before| before.lease.as_ref()) != after.lease.as_ref();
        let (leases, stream_id) = (Arc::clone(&self.leases), after.stream_id.clone());
        let saved = if is_of_lease {
            // Only the commit thread changes records, so nothing can come between looking and giving.
            let give = move |connection: &Connection| {
                let of_row = rows::revision(connection, &after.stream_id)?;
                let mut leases = locked(&leases);
                if leases.revision(&after.stream_id, of_row) != expected {
                    return Ok(Saved::Outrun);
                }
                leases.set(&after);
                Ok(Saved::As(Revision(leases.revision(&after.stream_id, of_row))))
            };
            self.between_groups(give).await?
        } else {
            let needs = match safety {
                Safety::Process => Needs::Commit,
                Safety::PowerCut => Needs::Sync,
            };
            let (looked_at, freed) = (Arc::clone(&leases), leases);
            let replace = move |connection: &Connection| {
                let of_row = rows::revision(connection, &after.stream_id)?;
                if locked(&looked_at).revision(&after.stream_id, of_row) != expected {
                    return Ok(None);
                }
                rows::save(connection, &after)?;
                Ok(Some((after, of_row + 1)))
            };
            // Who has it changes only when the rest is safe: a stream that is nobody's has its end.
            let after = move |replaced: Option<(StreamRecord, u64)>, _: &Connection| {
                let Some((after, of_row)) = replaced else { return Ok(Saved::Outrun) };
                let mut leases = locked(&freed);
                if has_lease_changed {
                    leases.set(&after);
                }
                Ok(Saved::As(Revision(leases.revision(&after.stream_id, of_row))))
            };
            self.write(needs, 0, replace, after).await?
        };
        if let Saved::As(revision) = saved {
            self.changes.report(&stream_id, revision);
        }
        Ok(saved)
    }

    async fn list(&self, filter: StreamFilter) -> Result<Vec<StreamRecord>, StoreError> {
        // Before the rows, so that a stream without a lease has its end.
        let leases = locked(&self.leases).clone();
        let records = self.query(move |connection| rows::list(connection, &filter)).await?;
        Ok(records.into_iter().map(|row| leases.slot(&row.stream_id).complete(row)).collect())
    }

    async fn claimable(&self, now: UnixMillis) -> Result<Vec<StreamRecord>, StoreError> {
        let leases = Arc::clone(&self.leases);
        let records = self.query(move |connection| {
            // Most open streams are somebody's; their records need not be read.
            let slots = rows::open_streams(connection)?.into_iter().map(|stream_id| {
                let slot = locked(&leases).slot(&stream_id);
                (stream_id, slot)
            });
            let free: Vec<_> = slots.filter(|(_, slot)| !slot.is_leased(now)).collect();
            let rows = free
                .iter()
                .map(|(stream_id, slot)| Ok(rows::load(connection, stream_id)?.map(|row| slot.complete(row))));
            rows.filter_map(Result::transpose).collect::<rusqlite::Result<Vec<_>>>()
        });
        Ok(records.await?.into_iter().filter(|record| record.is_claimable(now)).collect())
    }

    async fn renew_many(
        &self,
        leases: &[Lease],
        term: Duration,
        now: UnixMillis,
    ) -> Result<Vec<Result<Lease, StoreError>>, StoreError> {
        let mut known = locked(&self.leases);
        Ok(leases.iter().map(|lease| known.renew(lease, term, now)).collect())
    }

    fn changes(&self) -> Changes {
        self.changes.subscribe()
    }

    fn least_token(&self) -> u64 {
        // 2^32 claims in one run of the program are out of reach, so epochs do not overlap.
        (u64::from(self.epoch) << 32) + 1
    }

    async fn instance_stop(&self, instance: &InstanceKey) -> Result<Option<InstanceStop>, StoreError> {
        let instance = instance.clone();
        self.query(move |connection| rows::instance_stop(connection, &instance)).await
    }

    async fn add_instance_stop(
        &self,
        instance: &InstanceKey,
        stop: InstanceStop,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let instance = instance.clone();
        let add = move |connection: &Connection| Ok(rows::add_instance_stop(connection, &instance, stop, now)?);
        self.write(Needs::Commit, 0, add, |(), _| Ok(())).await
    }

    async fn streams_of(&self, instance: &InstanceKey) -> Result<Vec<StreamId>, StoreError> {
        let instance = instance.clone();
        self.query(move |connection| rows::streams_of(connection, &instance)).await
    }
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
                streams.retain(|stream_id| !locked(&leases).slot(stream_id).is_leased(older_than));
                for stream_id in &streams {
                    rows::remove_stream(connection, stream_id)?;
                }
                Ok(streams)
            };
            let forgotten = Arc::clone(&self.leases);
            let after = move |streams: Vec<StreamId>, _: &Connection| {
                let mut leases = locked(&forgotten);
                streams.iter().for_each(|stream_id| leases.forget(stream_id));
                Ok(streams.len())
            };
            let gone = self.write(Needs::Commit, 0, prune, after).await?;
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
            log_bytes: read(&self.counters.wal_pages) * WAL_PAGE_BYTES,
            is_failing: self.counters.is_failing.load(Ordering::Relaxed),
            is_full: self.counters.is_full.load(Ordering::Relaxed),
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
    let file = rtms_private::file().create(true).truncate(false).write(true).open(&path).map_err(unavailable)?;
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
    match rtms_private::file().create_new(true).write(true).open(path) {
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
