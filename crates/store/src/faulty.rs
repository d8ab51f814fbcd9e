//! An engine for tests: another engine behind a bad network.
//!
//! It fails saves at random as if somebody had been faster, delays calls, does some twice, loses answers and fails calls before
//! they are done. Whatever it does follows from a seed. What a store promises holds all the same: a change is done once or not at
//! all, and who gets an error does not know which.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use rtms_wire::{ids::StreamId, time::UnixMillis};
use tokio::sync::watch;

use crate::{
    changes::Changes,
    entry::{Entry, EntryHead, EntryId, NewEntry, Settled, Taken, Verdict},
    error::{Cause, StoreError},
    inbox::Inbox,
    lease::Lease,
    queue::Queue,
    receipts::{NotedOn, Receipt, ReceiptFilter, Receipts, Step, UnixMicros},
    store::{Pruned, Stats, Store},
    stream_record::{InstanceStop, StreamRecord},
    streams::{RecordChange, Saved, StreamFilter, Streams},
    wanted::InstanceKey,
};

/// How often something goes wrong, of a thousand calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// A save is outrun by nobody.
    pub outrun: u32,
    /// A call fails before it is done.
    pub fails: u32,
    /// A call is done and its answer is lost.
    pub answer_lost: u32,
    /// A call is done twice.
    pub twice: u32,
    /// A call takes its time, up to `longest`.
    pub late: u32,
    /// The longest delay.
    pub longest: Duration,
}

impl Faults {
    /// A bad day: every tenth call meets something.
    pub const BAD: Self =
        Self { outrun: 20, fails: 20, answer_lost: 20, twice: 20, late: 20, longest: Duration::from_secs(2) };
}

/// How a caller sleeps: the store has no clock of its own.
pub type Sleep = Arc<dyn Fn(Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// An engine with faults.
pub struct FaultyStore {
    store: Arc<dyn Store>,
    faults: Mutex<Faults>,
    random: Mutex<u64>,
    sleep: Sleep,
    /// Whether nothing is answered at all.
    hangs: AtomicBool,
}

impl FaultyStore {
    /// Puts faults between the callers and an engine. What goes wrong when follows from the seed and the order of the calls.
    pub fn new(store: Arc<dyn Store>, faults: Faults, seed: u64, sleep: Sleep) -> Self {
        let random = Mutex::new(seed);
        Self { store, faults: Mutex::new(faults), random, sleep, hangs: AtomicBool::new(false) }
    }

    /// From here on other things go wrong.
    pub fn set(&self, faults: Faults) {
        *locked(&self.faults) = faults;
    }

    /// Lets calls hang until it is told otherwise; those that hang are done then.
    pub fn hang(&self, hangs: bool) {
        self.hangs.store(hangs, Ordering::Relaxed);
    }

    /// A number below a thousand.
    fn dice(&self) -> u32 {
        (self.random() % 1000) as u32
    }

    fn random(&self) -> u64 {
        // SplitMix64. Basis: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
        let mut state = locked(&self.random);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Does a call, with what goes wrong.
    async fn meddle<T, Call, Done>(&self, call: Call) -> Result<T, StoreError>
    where
        Call: Fn() -> Done + Send,
        Done: Future<Output = Result<T, StoreError>> + Send,
    {
        let faults = *locked(&self.faults);
        while self.hangs.load(Ordering::Relaxed) {
            (self.sleep)(Duration::from_millis(100)).await;
        }
        if self.dice() < faults.late {
            let longest = u64::try_from(faults.longest.as_millis()).unwrap_or(u64::MAX).max(1);
            (self.sleep)(Duration::from_millis(self.random() % longest)).await;
        }
        if self.dice() < faults.fails {
            return Err(unavailable("it was not done"));
        }
        let answer = call().await;
        let answer = if self.dice() < faults.twice { call().await.or(answer) } else { answer };
        if self.dice() < faults.answer_lost {
            return Err(unavailable("the answer was lost"));
        }
        answer
    }
}

fn unavailable(why: &'static str) -> StoreError {
    StoreError::Unavailable(Cause::new(why))
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What it guards is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultyStore").field("faults", &self.faults).finish_non_exhaustive()
    }
}

#[async_trait]
impl Inbox for FaultyStore {
    async fn append(&self, entry: NewEntry) -> Result<EntryId, StoreError> {
        // Once: a webhook that is stored twice is two entries, which no caller asks for.
        let id = self.store.append(entry).await?;
        self.meddle(|| async move { Ok(id) }).await
    }

    async fn pending(&self, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.meddle(|| self.store.pending(limit)).await
    }

    async fn take(&self, limit: usize, term: Duration, now: UnixMillis) -> Result<Vec<Taken>, StoreError> {
        // What was taken twice at once is taken by the first.
        let taken = self.store.take(limit, term, now).await?;
        self.meddle(|| std::future::ready(Ok(taken.clone()))).await
    }

    async fn put_back(&self, ids: &[EntryId]) -> Result<(), StoreError> {
        self.meddle(|| self.store.put_back(ids)).await
    }

    async fn head(&self, id: EntryId) -> Result<Option<EntryHead>, StoreError> {
        self.meddle(|| self.store.head(id)).await
    }

    async fn settle(&self, id: EntryId, verdict: Verdict, now: UnixMillis) -> Result<Settled, StoreError> {
        self.meddle(|| self.store.settle(id, verdict.clone(), now)).await
    }

    fn inbox_changes(&self) -> watch::Receiver<u64> {
        self.store.inbox_changes()
    }
}

#[async_trait]
impl Streams for FaultyStore {
    async fn get(&self, stream_id: &StreamId) -> Result<Option<StreamRecord>, StoreError> {
        self.meddle(|| self.store.get(stream_id)).await
    }

    async fn save(&self, change: RecordChange) -> Result<Saved, StoreError> {
        let outrun = locked(&self.faults).outrun;
        if self.dice() < outrun {
            return Ok(Saved::Outrun);
        }
        // Done twice, the second finds another revision; the first answer counts.
        let first = Mutex::new(None);
        self.meddle(|| async {
            let saved = self.store.save(change.clone()).await;
            locked(&first).get_or_insert(saved).clone()
        })
        .await
    }

    async fn list(&self, filter: StreamFilter) -> Result<Vec<StreamRecord>, StoreError> {
        self.meddle(|| self.store.list(filter.clone())).await
    }

    async fn claimable(&self, now: UnixMillis) -> Result<Vec<StreamRecord>, StoreError> {
        self.meddle(|| self.store.claimable(now)).await
    }

    async fn renew_many(
        &self,
        leases: &[Lease],
        term: Duration,
        now: UnixMillis,
    ) -> Result<Vec<Result<Lease, StoreError>>, StoreError> {
        self.meddle(|| self.store.renew_many(leases, term, now)).await
    }

    fn changes(&self) -> Changes {
        self.store.changes()
    }

    fn time(&self, ours: UnixMillis) -> UnixMillis {
        self.store.time(ours)
    }

    fn least_token(&self) -> u64 {
        self.store.least_token()
    }

    async fn instance_stop(&self, instance: &InstanceKey) -> Result<Option<InstanceStop>, StoreError> {
        self.meddle(|| self.store.instance_stop(instance)).await
    }

    async fn add_instance_stop(
        &self,
        instance: &InstanceKey,
        stop: InstanceStop,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        self.meddle(|| self.store.add_instance_stop(instance, stop.clone(), now)).await
    }

    async fn streams_of(&self, instance: &InstanceKey) -> Result<Vec<StreamId>, StoreError> {
        self.meddle(|| self.store.streams_of(instance)).await
    }
}

#[async_trait]
impl Receipts for FaultyStore {
    fn note_step(&self, noted_on: NotedOn, step: Step, at: UnixMicros) {
        self.store.note_step(noted_on, step, at);
    }

    async fn receipts(&self, filter: ReceiptFilter) -> Result<Vec<Receipt>, StoreError> {
        self.meddle(|| self.store.receipts(filter.clone())).await
    }

    async fn receipt_body(&self, id: EntryId) -> Result<Option<Bytes>, StoreError> {
        self.meddle(|| self.store.receipt_body(id)).await
    }
}

#[async_trait]
impl Store for FaultyStore {
    /// The engine's own: what becomes of jobs has tests of its own.
    fn queue(&self) -> &dyn Queue {
        self.store.queue()
    }

    async fn prune(&self, older_than: UnixMillis) -> Result<Pruned, StoreError> {
        self.store.prune(older_than).await
    }

    fn stats(&self) -> Stats {
        self.store.stats()
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
