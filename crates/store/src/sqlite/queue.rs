//! What waits for the commit thread: jobs, bounded, and notes on receipts, which wait for company.

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rtms_wire::ids::StreamId;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::{
    entry::EntryId,
    error::StoreError,
    locked::locked,
    receipts::{NotedOn, Step, Steps, UnixMicros},
    sqlite::failure::Failure,
};

/// What has to be done before a job is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Needs {
    /// It only looks, between two groups.
    Nothing,
    /// It is to be committed, so that a kill cannot undo it. A power cut may: then it follows again from what is synced.
    Commit,
    /// It is to be synced, so that nothing undoes it.
    Sync,
}

/// Something that the commit thread does for somebody who waits.
pub(super) trait Job: Send {
    fn needs(&self) -> Needs;
    /// Does its part inside the transaction of its group. Returns whether the transaction keeps what it did.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Tells its caller, once the group is as safe as it needs to be, or why it is not.
    fn answer(self: Box<Self>, path: &Path, group: Result<&Connection, StoreError>);
}

/// A job made of two functions: one inside the transaction, one when it is safe.
pub(super) struct Task<Work, After, Middle, Answer> {
    work: Option<Work>,
    needs: Needs,
    done: Option<Result<Middle, Failure>>,
    after: After,
    reply: oneshot::Sender<Result<Answer, StoreError>>,
}

impl<Work, After, Middle, Answer> Task<Work, After, Middle, Answer> {
    /// A job that writes.
    pub(super) fn writing(
        needs: Needs,
        work: Work,
        after: After,
        reply: oneshot::Sender<Result<Answer, StoreError>>,
    ) -> Self {
        Self { work: Some(work), needs, done: None, after, reply }
    }
}

impl<After, Answer> Task<fn(&Connection) -> Result<(), Failure>, After, (), Answer> {
    /// A job that only looks at what is committed, between two groups.
    pub(super) fn between_groups(after: After, reply: oneshot::Sender<Result<Answer, StoreError>>) -> Self {
        Self { work: None, needs: Needs::Nothing, done: Some(Ok(())), after, reply }
    }
}

impl<Work, After, Middle, Answer> Job for Task<Work, After, Middle, Answer>
where
    Work: FnOnce(&Connection) -> Result<Middle, Failure> + Send,
    After: FnOnce(Middle, &Connection) -> Result<Answer, Failure> + Send,
    Middle: Send,
    Answer: Send,
{
    fn needs(&self) -> Needs {
        self.needs
    }

    fn run(&mut self, connection: &Connection) -> bool {
        if let Some(work) = self.work.take() {
            self.done = Some(work(connection));
        }
        matches!(self.done, Some(Ok(_)))
    }

    fn answer(self: Box<Self>, path: &Path, group: Result<&Connection, StoreError>) {
        let answer = match (group, self.done) {
            (Ok(connection), Some(Ok(middle))) => {
                (self.after)(middle, connection).map_err(|failure| failure.into_store_error(path))
            }
            (_, Some(Err(failure))) => Err(failure.into_store_error(path)),
            (Err(error), _) => Err(error),
            (Ok(_), None) => Err(StoreError::Closed),
        };
        // Who went away does not want to know.
        let _ = self.reply.send(answer);
    }
}

/// Steps that wait for a commit.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) by_entry: BTreeMap<EntryId, Steps>,
    pub(super) by_stream: BTreeMap<StreamId, Steps>,
}

impl Notes {
    pub(super) fn is_empty(&self) -> bool {
        self.by_entry.is_empty() && self.by_stream.is_empty()
    }

    fn len(&self) -> usize {
        self.by_entry.len() + self.by_stream.len()
    }
}

/// What the commit thread takes at once.
pub(super) struct Batch {
    pub(super) jobs: Vec<Box<dyn Job>>,
    pub(super) notes: Notes,
}

impl Batch {
    /// Whether nothing came for as long as the thread was willing to wait.
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.notes.is_empty()
    }
}

/// The bounded queue in front of the commit thread.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// Told when there is something to take.
    filled: Condvar,
    max_jobs: usize,
    max_bytes: usize,
}

struct Waiting {
    jobs: VecDeque<(Box<dyn Job>, usize)>,
    bytes: usize,
    notes: Notes,
    closed: bool,
}

impl Queue {
    /// Jobs in one transaction: many enough to share a sync, few enough that the first does not wait for the last.
    const GROUP_JOBS: usize = 1024;
    /// Bytes in one transaction: a write of this size takes no longer than a sync.
    const GROUP_BYTES: usize = 4 << 20;
    /// Entries and streams with notes. A million webhooks a minute would wait with this many in the second they wait.
    const MAX_NOTES: usize = 16 * 1024;
    /// How long notes wait for a commit that they can ride on.
    const NOTES_WAIT: Duration = Duration::from_secs(1);

    pub(super) fn new(max_jobs: usize, max_bytes: usize) -> Self {
        let waiting = Waiting { jobs: VecDeque::new(), bytes: 0, notes: Notes::default(), closed: false };
        Self { waiting: Mutex::new(waiting), filled: Condvar::new(), max_jobs, max_bytes }
    }

    /// Adds a job that holds so many bytes in memory.
    pub(super) fn push(&self, job: Box<dyn Job>, bytes: usize) -> Result<(), StoreError> {
        let mut waiting = self.waiting();
        if waiting.closed {
            return Err(StoreError::Closed);
        }
        let has_room = waiting.jobs.is_empty() || waiting.bytes + bytes <= self.max_bytes;
        if waiting.jobs.len() >= self.max_jobs || !has_room {
            return Err(StoreError::Busy { queued: waiting.jobs.len() });
        }
        waiting.jobs.push_back((job, bytes));
        waiting.bytes += bytes;
        drop(waiting);
        self.filled.notify_one();
        Ok(())
    }

    /// Adds a note. Returns whether there was room.
    pub(super) fn note(&self, noted_on: NotedOn, step: Step, at: UnixMicros) -> bool {
        let mut waiting = self.waiting();
        let is_first = waiting.notes.is_empty();
        let is_full = waiting.notes.len() >= Self::MAX_NOTES;
        let notes = &mut waiting.notes;
        let steps = match noted_on {
            NotedOn::Entry(id) if is_full => notes.by_entry.get_mut(&id),
            NotedOn::Entry(id) => Some(notes.by_entry.entry(id).or_default()),
            NotedOn::Stream(id) if is_full => notes.by_stream.get_mut(&id),
            NotedOn::Stream(id) => Some(notes.by_stream.entry(id).or_default()),
        };
        let Some(steps) = steps else { return false };
        steps.note(step, at);
        drop(waiting);
        if is_first {
            // The thread may be asleep without a time-out.
            self.filled.notify_one();
        }
        true
    }

    /// Puts notes back that could not be written. What was noted since is kept where both speak of the same step.
    pub(super) fn put_back(&self, notes: Notes) {
        let mut waiting = self.waiting();
        if waiting.closed {
            // Nobody comes to try again.
            return;
        }
        let room = Self::MAX_NOTES.saturating_sub(waiting.notes.len());
        let (by_entry, by_stream) = (notes.by_entry.into_iter(), notes.by_stream.into_iter());
        for (id, steps) in by_entry.take(room) {
            waiting.notes.by_entry.entry(id).or_insert(steps);
        }
        for (id, steps) in by_stream.take(room) {
            waiting.notes.by_stream.entry(id).or_insert(steps);
        }
    }

    pub(super) fn has_notes(&self) -> bool {
        !self.waiting().notes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting().jobs.len()
    }

    /// Takes what a group holds, or waits for it; if `at_most` so long is waited, an empty batch. None when the queue is
    /// closed and empty.
    pub(super) fn take(&self, at_most: Option<Duration>) -> Option<Batch> {
        let mut waiting = self.waiting();
        while waiting.jobs.is_empty() {
            if waiting.closed {
                return (!waiting.notes.is_empty()).then(|| waiting.take());
            }
            let wait = if waiting.notes.is_empty() { at_most } else { Some(Self::NOTES_WAIT) };
            let Some(wait) = wait else {
                waiting = self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let (woken, timed_out) = self.filled.wait_timeout(waiting, wait).unwrap_or_else(PoisonError::into_inner);
            waiting = woken;
            if timed_out.timed_out() && waiting.jobs.is_empty() && !waiting.closed {
                break;
            }
        }
        Some(waiting.take())
    }

    /// Lets nothing more in and wakes the thread to finish.
    pub(super) fn close(&self) {
        self.waiting().closed = true;
        self.filled.notify_all();
    }

    /// Lets nothing more in and throws away what waits: the callers see [`StoreError::Closed`].
    pub(super) fn abandon(&self) {
        let mut waiting = self.waiting();
        waiting.closed = true;
        let jobs = std::mem::take(&mut waiting.jobs);
        drop(waiting);
        drop(jobs);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        locked(&self.waiting)
    }
}

impl Waiting {
    fn take(&mut self) -> Batch {
        let mut jobs = Vec::new();
        let mut bytes = 0;
        while let Some((job, job_bytes)) = self.jobs.pop_front() {
            jobs.push(job);
            bytes += job_bytes;
            self.bytes -= job_bytes;
            if jobs.len() >= Queue::GROUP_JOBS || bytes >= Queue::GROUP_BYTES {
                break;
            }
        }
        Batch { jobs, notes: std::mem::take(&mut self.notes) }
    }
}
