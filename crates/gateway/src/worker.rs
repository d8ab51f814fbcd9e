//! Compares what is wanted with what is, and acts: claims streams, tells running ones what changed, renews leases.
//!
//! It is level-triggered. A hint only says where to look first; a look at everything, once a second, finds what a hint
//! missed, so that a repeat, a reordering, a crash or a restart needs no case of its own.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rtms_client::handle::StreamHandle;
use rtms_proto::{error::Misuse, signaling::StreamStart};
use rtms_record::RecordingAbout;
use rtms_store::{
    error::StoreError,
    lease::{Lease, OwnerId},
    receipts::{NotedOn, Step},
    streams::{Outcome, StreamRecord},
    wanted::Wish,
};
use rtms_wire::{ids::StreamId, message::Extra, signature::HandshakeSignature, time::UnixMillis};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};
use tracing::{debug, error, info, warn};

use crate::{
    apps::Apps,
    clock,
    stop::Stop,
    stream_task::{self, Finished, Surroundings},
};

/// How often everything is compared.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Owns the streams of this process.
pub(crate) struct Worker {
    surroundings: Arc<Surroundings>,
    apps: Apps,
    owner: OwnerId,
    term: Duration,
    renew_every: Duration,
    running: BTreeMap<StreamId, Running>,
    tasks: JoinSet<Finished>,
}

/// A stream of ours.
struct Running {
    handle: StreamHandle,
    lease: Lease,
    /// What the task was last told.
    start_at: UnixMillis,
    interrupted_at: Option<UnixMillis>,
    stopped: bool,
}

/// Why a claimed stream cannot be joined.
#[derive(Debug, thiserror::Error)]
enum CannotJoin {
    #[error("the start does not say what is streamed")]
    NoInstance,
    #[error("the product is unknown")]
    NoProduct,
    #[error("there is no app {0:?} any more and the webhook carries no signature")]
    NoCredentials(String),
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

impl Worker {
    pub(crate) fn new(
        surroundings: Arc<Surroundings>,
        apps: Apps,
        owner: OwnerId,
        term: Duration,
        renew_every: Duration,
    ) -> Self {
        Self { surroundings, apps, owner, term, renew_every, running: BTreeMap::new(), tasks: JoinSet::new() }
    }

    /// Runs until told to stop, then hands its streams over, which may take as long as `stop_within`.
    pub(crate) async fn run(mut self, mut hints: mpsc::Receiver<StreamId>, mut stop: Stop, stop_within: Duration) {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut renew = interval(self.renew_every);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.given() => break,
                _ = renew.tick() => self.renew_all().await,
                Some(finished) = self.tasks.join_next() => self.finished(finished).await,
                Some(stream_id) = hints.recv() => {
                    let compared = self.compare_by_id(&stream_id).await;
                    self.report(compared);
                }
                _ = look.tick() => {
                    let compared = self.compare_all().await;
                    self.report(compared);
                }
            }
        }
        self.hand_over(stop_within).await;
    }

    fn report(&self, compared: Result<(), StoreError>) {
        if let Err(error) = compared {
            self.surroundings.metrics.store_error();
            warn!(%error, "cannot compare what is wanted with what runs, trying again");
        }
    }

    async fn compare_all(&mut self) -> Result<(), StoreError> {
        let store = self.surroundings.store.clone();
        for record in store.claimable(clock::unix_millis()).await? {
            if !self.running.contains_key(&record.stream_id) {
                self.compare(&record).await?;
            }
        }
        for stream_id in self.running.keys().cloned().collect::<Vec<_>>() {
            self.compare_by_id(&stream_id).await?;
        }
        Ok(())
    }

    async fn compare_by_id(&mut self, stream_id: &StreamId) -> Result<(), StoreError> {
        match self.surroundings.store.get(stream_id).await? {
            Some(record) => self.compare(&record).await,
            None => Ok(()),
        }
    }

    async fn compare(&mut self, record: &StreamRecord) -> Result<(), StoreError> {
        let Some(running) = self.running.get_mut(&record.stream_id) else {
            return if record.is_claimable(clock::unix_millis()) { self.claim(record).await } else { Ok(()) };
        };
        match record.wanted.wish() {
            Some(wish) => running.tell(&wish).await,
            None if running.stopped => {}
            None => {
                running.stopped = true;
                running.handle.stopped(record.wanted.stop.as_ref().and_then(|stop| stop.reason)).await;
            }
        }
        Ok(())
    }

    async fn claim(&mut self, record: &StreamRecord) -> Result<(), StoreError> {
        let store = self.surroundings.store.clone();
        let stream_id = &record.stream_id;
        let Some(lease) = store.claim(stream_id, &self.owner, self.term, clock::unix_millis()).await? else {
            return Ok(());
        };
        store.note_step(NotedOn::from(stream_id.clone()), Step::Claimed, clock::unix_micros());
        // The record may have moved on between the look and the claim.
        let record = store.get(stream_id).await?;
        let Some(wish) = record.as_ref().and_then(StreamRecord::open_wish) else {
            return store.release(&lease, Outcome::HandedOver, clock::unix_millis()).await;
        };
        debug!(%stream_id, token = lease.token, "claimed");
        let mut lease = lease;
        lease.saw(&wish);
        match self.join(stream_id, &wish) {
            Ok(handle) => {
                let start_at = wish.start.at;
                let interrupted_at = wish.interruption.map(|interruption| interruption.at);
                let running = Running { handle, lease, start_at, interrupted_at, stopped: false };
                self.running.insert(stream_id.clone(), running);
                Ok(())
            }
            Err(why) => {
                error!(%stream_id, %why, "cannot join a stream");
                let outcome = Outcome::Ended { stop_reason: None, why: why.to_string() };
                store.release(&lease, outcome, clock::unix_millis()).await
            }
        }
    }

    fn join(&mut self, stream_id: &StreamId, wish: &Wish<'_>) -> Result<StreamHandle, CannotJoin> {
        let instance = wish.start.instance.clone().ok_or(CannotJoin::NoInstance)?;
        let product = wish.start.product.ok_or(CannotJoin::NoProduct)?;
        let signature = self.signature(stream_id, wish)?;
        let mut extra = Extra::new();
        extra.insert("app".into(), wish.start.app.as_str().into());
        if let Some(region) = &wish.start.region {
            extra.insert("region".into(), region.as_str().into());
        }
        let about = RecordingAbout {
            stream_id: stream_id.clone(),
            product,
            instance: instance.clone(),
            account_id: wish.start.account_id.clone(),
            started_at: wish.start.at,
            extra,
        };
        let start = StreamStart {
            stream_id: stream_id.clone(),
            instance,
            product,
            signature,
            server_urls: wish.server_urls.to_vec(),
        };
        let (handle, task) = stream_task::start(start, about, self.surroundings.clone())?;
        self.tasks.spawn(task);
        Ok(handle)
    }

    /// Ours if we know the app, otherwise the one that the webhook carried.
    fn signature(&self, stream_id: &StreamId, wish: &Wish<'_>) -> Result<HandshakeSignature, CannotJoin> {
        let start = wish.start;
        let instance = start.instance.as_ref().ok_or(CannotJoin::NoInstance)?;
        let ours = self.apps.now().iter().find(|app| app.name == start.app).map(|app| app.sign(instance, stream_id));
        ours.or_else(|| start.signature.clone()).ok_or_else(|| CannotJoin::NoCredentials(start.app.to_string()))
    }

    async fn renew_all(&mut self) {
        for (stream_id, running) in &mut self.running {
            match self.surroundings.store.renew(&running.lease, self.term, clock::unix_millis()).await {
                Ok(renewed) => running.lease = renewed,
                Err(StoreError::LeaseLost { .. }) => {
                    warn!(%stream_id, "the lease is lost, leaving the stream to its new owner");
                    running.handle.abandon().await;
                }
                Err(error) => warn!(%stream_id, %error, "a lease could not be renewed"),
            }
        }
    }

    async fn finished(&mut self, finished: Result<Finished, tokio::task::JoinError>) {
        let Finished { stream_id, outcome } = match finished {
            Ok(finished) => finished,
            Err(panic) => {
                // Which one it was is not known; its lease runs out, and then it is claimed again.
                error!(%panic, "a stream task broke");
                return;
            }
        };
        let Some(running) = self.running.remove(&stream_id) else { return };
        let store = self.surroundings.store.clone();
        match store.release(&running.lease, outcome, clock::unix_millis()).await {
            Ok(()) | Err(StoreError::LeaseLost { .. }) => {}
            Err(error) => {
                self.surroundings.metrics.store_error();
                error!(%stream_id, %error, "a stream could not be released");
            }
        }
    }

    async fn hand_over(mut self, within: Duration) {
        if !self.running.is_empty() {
            info!(streams = self.running.len(), "handing streams over");
        }
        for running in self.running.values() {
            running.handle.abandon().await;
        }
        let all = async {
            while let Some(finished) = self.tasks.join_next().await {
                self.finished(finished).await;
            }
        };
        if timeout(within, all).await.is_err() {
            warn!("some streams could not be closed in time");
        }
    }
}

impl Running {
    /// Tells the task what changed since it was last told.
    async fn tell(&mut self, wish: &Wish<'_>) {
        let interrupted_at = wish.interruption.map(|interruption| interruption.at);
        if wish.start.at != self.start_at {
            self.handle.restarted(wish.server_urls.to_vec()).await;
        } else if interrupted_at != self.interrupted_at {
            self.handle.interrupted(wish.server_urls.to_vec()).await;
        } else {
            return;
        }
        self.start_at = wish.start.at;
        self.interrupted_at = interrupted_at;
        self.lease.saw(wish);
    }
}
