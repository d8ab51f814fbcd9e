//! Compares what is wanted with what is, and acts: claims streams, tells running ones what changed, renews leases.
//!
//! It is level-triggered. A hint only says where to look first; a look at everything, once a second, finds what a hint
//! missed, so that a repeat, a reordering, a crash or a restart needs no case of its own.

mod accounts;
mod chores;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use rtms_proto::{
    credentials::Credentials, error::Misuse, join_options::JoinOptions, reconnect::FIRST_CONNECT_WINDOW,
    signaling::StreamStart,
};
use rtms_record::RecordingAbout;
use rtms_sink::delivery::WeakRecall;
use rtms_store::{
    error::StoreError,
    lease::{Lease, OwnerId},
    receipts::{NotedOn, Receipt, ReceiptFilter, Step},
    stream_record::{Ended, StreamRecord},
    streams::{Outcome, StreamFilter},
    summary::RunSummary,
    wanted::{Interruption, Start, Wish},
};
use rtms_wire::{
    Bytes,
    codes::{product::Product, stop_reason::StopReason},
    extra::Extra,
    ids::{InstanceId, InstanceIdField, StreamId},
    signature::HandshakeSignature,
    time::UnixMillis,
    webhook::{Webhook, event_name},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{JoinError, JoinSet},
    time::{MissedTickBehavior, interval, sleep},
};
use tracing::{debug, error, info, warn};

use self::chores::{Chore, Chores};
use crate::{
    accounting::ClockPair,
    apps::Apps,
    clock, retry,
    revoked::{self, is_revoked},
    stop::{Share, Stop},
    stream_task::{self, Finished, Joining, Surroundings, TaskHandle},
    summary,
};

/// How often everything is compared.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long until an end that could not be stored is stored again.
const RELEASE_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Ended streams that are looked at when the process starts: a crash may have come between the word that one is revoked
/// and the note that its recording is to be deleted. Those two are moments apart, so the stream is among the last.
const LOOK_BACK: usize = 10_000;

/// Owns the streams of this process.
pub(crate) struct Worker {
    surroundings: Arc<Surroundings>,
    apps: Apps,
    reloads: watch::Receiver<u64>,
    owner: OwnerId,
    term: Duration,
    renew_every: Duration,
    running: BTreeMap<StreamId, Running>,
    tasks: JoinSet<Finished>,
    /// Streams that have ended, whose end is on its way to the store.
    releasing: JoinSet<Released>,
    unreleased: BTreeSet<StreamId>,
    chores: Chores,
    looked_back: bool,
    /// Nothing is claimed any more.
    is_stopping: bool,
    /// Of streams that have ended, what may still wait for a sink.
    recalls: BTreeMap<StreamId, WeakRecall>,
}

/// What the worker does next.
enum Turn {
    Renew,
    Finished(Result<Finished, JoinError>),
    Released(Result<Released, JoinError>),
    ChoreOver(Result<(Chore, bool), JoinError>),
    Reloaded,
    Hint(StreamId),
    Look,
}

/// A stream whose end has reached the store.
struct Released {
    stream_id: StreamId,
    /// As in [`Running`].
    signed_at: u64,
}

/// A stream of ours.
struct Running {
    task: TaskHandle,
    /// By which its end is known even if it panicked.
    id: tokio::task::Id,
    lease: Lease,
    /// What the task was last told.
    start: Start,
    interruption: Option<Interruption>,
    /// The times of the wishes that it was told and has not said yet whether it acts on them, oldest first.
    told: VecDeque<(UnixMillis, oneshot::Receiver<bool>)>,
    stopped: bool,
    /// How often secrets had been read when its handshake was signed.
    signed_at: u64,
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
        Self {
            chores: Chores::new(surroundings.clone()),
            surroundings,
            reloads: apps.reloads(),
            apps,
            owner,
            term,
            renew_every,
            running: BTreeMap::new(),
            tasks: JoinSet::new(),
            releasing: JoinSet::new(),
            unreleased: BTreeSet::new(),
            looked_back: false,
            is_stopping: false,
            recalls: BTreeMap::new(),
        }
    }

    /// Runs until told to stop, then hands its streams over within the time that the stop has.
    pub(crate) async fn run(mut self, mut hints: mpsc::Receiver<StreamId>, mut stop: Stop) {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut renew = interval(self.renew_every);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let deadline = self.surroundings.deadline.clone();
        loop {
            let turn = tokio::select! {
                biased;
                () = stop.given() => break,
                _ = renew.tick() => Turn::Renew,
                Some(finished) = self.tasks.join_next() => Turn::Finished(finished),
                Some(released) = self.releasing.join_next() => Turn::Released(released),
                Some(over) = self.chores.over() => Turn::ChoreOver(over),
                Ok(()) = self.reloads.changed() => Turn::Reloaded,
                Some(stream_id) = hints.recv() => Turn::Hint(stream_id),
                _ = look.tick() => Turn::Look,
            };
            // A store that does not answer must not keep the streams from being handed over.
            if deadline.within(Share::Turn, self.take(turn)).await.is_none() {
                break;
            }
        }
        // Whoever has a hint finds out that nobody takes it.
        drop(hints);
        self.hand_over().await;
    }

    async fn take(&mut self, turn: Turn) {
        match turn {
            Turn::Renew => self.renew_all().await,
            Turn::Finished(finished) => self.finished(finished),
            Turn::Released(released) => self.released(released).await,
            Turn::ChoreOver(over) => self.chores.take(over),
            Turn::Reloaded => {
                let retried = self.retry_refused().await;
                self.report(retried);
            }
            Turn::Hint(stream_id) => {
                let compared = self.compare_by_id(&stream_id).await;
                self.report(compared);
            }
            Turn::Look => {
                let compared = self.compare_all().await;
                self.report(compared);
            }
        }
    }

    fn report(&self, compared: Result<(), StoreError>) {
        if let Err(error) = compared {
            self.surroundings.metrics.store_error();
            warn!(%error, "cannot compare what is wanted with what runs, trying again");
        }
    }

    async fn compare_all(&mut self) -> Result<(), StoreError> {
        self.look_back().await?;
        self.recalls.retain(|_, recall| recall.is_of_use());
        self.chores.start_next();
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
            if is_revoked(record) {
                self.revoke(&record.stream_id);
            } else if record.is_left_behind() && !self.close_left_behind(record).await? {
                self.conclude_unjoined(record).await?;
            } else if record.unclosed().is_some() {
                self.chores.add(Chore::Close(record.stream_id.clone()));
            } else if record.is_short_of_stop() {
                self.reach_stop(record).await?;
            }
            let close = Chore::Close(record.stream_id.clone());
            // Two must not write in one folder.
            let is_free = !self.is_stopping && self.chores.current() != Some(&close);
            let is_claimable = is_free && record.is_claimable(clock::unix_millis());
            return if is_claimable { self.claim(record).await } else { Ok(()) };
        };
        match record.wanted.wish() {
            Some(wish) => running.tell(&wish, record.wanted.stop.as_ref().map(|stop| stop.at)).await,
            None if running.stopped => {}
            None => {
                running.stopped = true;
                let stop = record.wanted.stop.as_ref();
                let newest = stop.and_then(|stop| stop.reason);
                let reason = if is_revoked(record) { Some(StopReason::StreamRevoked) } else { newest };
                if let Some(stop) = stop {
                    // It is set once: this is the first that the task hears of an end.
                    let _ = running.task.stopped_at.set(stop.at);
                }
                if revoked::is_revocation(reason) {
                    // What is on its way into the task yet is not worth taking back: the end follows.
                    running.task.recall.recall();
                }
                running.task.stream.stopped(reason).await;
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
        let Some((record, wish)) = record.as_ref().and_then(|record| Some((record, record.open_wish()?))) else {
            return store.release(&lease, Outcome::HandedOver, clock::unix_millis()).await;
        };
        debug!(%stream_id, token = lease.token, "claimed");
        let signed_at = *self.reloads.borrow();
        let mut lease = lease;
        lease.saw(wish.at);
        let receipts = self.receipts(stream_id).await;
        let start_webhook = self.start_webhook(record).await;
        match self.join(record, &wish, &receipts, start_webhook) {
            Ok((task, id)) => {
                let (start, interruption) = (wish.start.clone(), wish.interruption.cloned());
                let running =
                    Running { task, id, lease, start, interruption, told: VecDeque::new(), stopped: false, signed_at };
                self.running.insert(stream_id.clone(), running);
                Ok(())
            }
            Err(why) => {
                error!(%stream_id, %why, "cannot join a stream");
                let refused_signature = matches!(why, CannotJoin::NoCredentials(_));
                let summary = RunSummary { refused_signature, ..self.unjoined(record, None) };
                self.surroundings.metrics.ended_as(
                    summary::standing(Some(&summary)),
                    &summary::loss_of(&summary),
                    summary::counted(record).as_ref(),
                );
                let outcome =
                    Outcome::Ended { stop_reason: None, why: why.to_string(), summary: Some(Box::new(summary)) };
                store.release(&lease, outcome, clock::unix_millis()).await
            }
        }
    }

    fn join(
        &mut self,
        record: &StreamRecord,
        wish: &Wish<'_>,
        receipts: &[Receipt],
        start_webhook: Option<Bytes>,
    ) -> Result<(TaskHandle, tokio::task::Id), CannotJoin> {
        let stream_id = &record.stream_id;
        let instance = wish.start.instance.clone().ok_or(CannotJoin::NoInstance)?;
        let product = wish.start.product.ok_or(CannotJoin::NoProduct)?;
        let signature = self.signature(stream_id, wish)?;
        let about = about(stream_id, wish.start).ok_or(CannotJoin::NoInstance)?;
        let asked = receipts.iter().find(|receipt| Some(receipt.id) == record.connection_entry);
        let joining = Joining {
            circumstances: JoinOptions {
                age: asked.map_or(Duration::ZERO, |asked| age(asked, clock::unix_millis())),
                // Where waits begin; any number that others do not have.
                seed: uuid::Uuid::now_v7().as_u64_pair().1,
                alternatives: self.alternatives(stream_id, wish, &instance, &signature),
            },
            // A start without a time of its own has ours, which tells nothing.
            clocks: asked
                .map(|asked| ClockPair { zoom: wish.at, ours: asked.received_at })
                .filter(|pair| pair.zoom != pair.ours),
            start_webhook,
            was_connected: receipts.iter().any(|receipt| receipt.steps.at(Step::Connected).is_some()),
            counted: summary::counted(record),
            is_closing: record.wanted.is_closing(),
        };
        let start = StreamStart {
            stream_id: stream_id.clone(),
            instance,
            product,
            signature,
            server_urls: wish.server_urls.to_vec(),
        };
        let (handle, task) = stream_task::start(start, about, joining, self.surroundings.clone())?;
        let id = self.tasks.spawn(task).id();
        Ok((handle, id))
    }

    /// What is known of the webhooks of a stream. It is joined without if the store does not say.
    async fn receipts(&self, stream_id: &StreamId) -> Vec<Receipt> {
        let filter = ReceiptFilter { stream_id: Some(stream_id.clone()), ..ReceiptFilter::default() };
        self.surroundings.store.receipts(filter).await.unwrap_or_else(|error| {
            warn!(%stream_id, %error, "the receipts of a stream cannot be read");
            Vec::new()
        })
    }

    /// The body of the start webhook that asked for the connection, if a wire log wants it.
    async fn start_webhook(&self, record: &StreamRecord) -> Option<Bytes> {
        self.surroundings.captures.as_ref()?;
        let body = self.surroundings.store.receipt_body(record.connection_entry?).await;
        let body = body.inspect_err(|error| warn!(%error, "the wire log goes without the start webhook")).ok()??;
        let is_start = Webhook::decode(&body).is_ok_and(|webhook| webhook.event.kind() == event_name::Kind::Started);
        is_start.then_some(body)
    }

    /// Other names of the same stream: Zoom's documents disagree on the field of a webinar, and the signature that a
    /// webhook may carry is Zoom's own.
    fn alternatives(
        &self,
        stream_id: &StreamId,
        wish: &Wish<'_>,
        instance: &InstanceId,
        ours: &HandshakeSignature,
    ) -> Vec<Credentials> {
        let mut names = Vec::new();
        let other_field = match (wish.start.product, instance.field) {
            (Some(Product::Webinar), InstanceIdField::WebinarUuid) => Some(InstanceIdField::MeetingUuid),
            (Some(Product::Webinar), InstanceIdField::MeetingUuid) => Some(InstanceIdField::WebinarUuid),
            (_, _) => None,
        };
        if let Some(field) = other_field {
            // The signature is over the value, which stays.
            let instance = InstanceId { field, ..instance.clone() };
            names.push(Credentials { instance, signature: ours.clone() });
        }
        if let Some(theirs) = wish.start.signature.as_ref().filter(|theirs| *theirs != ours) {
            debug!(%stream_id, "the webhook's own signature is kept for a refusal of ours");
            names.push(Credentials { instance: instance.clone(), signature: theirs.clone() });
        }
        names
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
                    running.task.stream.abandon().await;
                }
                Err(error) => warn!(%stream_id, %error, "a lease could not be renewed"),
            }
        }
    }

    fn finished(&mut self, finished: Result<Finished, JoinError>) {
        let Finished { stream_id, outcome } = match finished {
            Ok(finished) => finished,
            Err(panic) => {
                error!(%panic, "a stream task broke");
                // Its lease runs out, and then it is claimed again.
                self.running.retain(|_, running| running.id != panic.id());
                return;
            }
        };
        let Some(mut running) = self.running.remove(&stream_id) else { return };
        running.listen();
        self.recalls.insert(stream_id.clone(), running.task.recall.downgrade());
        self.unreleased.insert(stream_id.clone());
        let surroundings = self.surroundings.clone();
        let (signed_at, mut lease, term) = (running.signed_at, running.lease, self.term);
        // Ends of many streams share a sync, and a store that does not answer holds up nothing else.
        self.releasing.spawn(async move {
            let mut is_told = false;
            loop {
                match surroundings.store.release(&lease, outcome.clone(), clock::unix_millis()).await {
                    Ok(()) | Err(StoreError::LeaseLost { .. }) => break,
                    Err(error) => {
                        surroundings.metrics.store_error();
                        if !std::mem::replace(&mut is_told, true) {
                            error!(%stream_id, %error, "the end of a stream could not be stored, trying again");
                        }
                    }
                }
                sleep(RELEASE_AGAIN_AFTER).await;
                // As long as it is ours, nobody joins a stream that has ended.
                if let Ok(renewed) = surroundings.store.renew(&lease, term, clock::unix_millis()).await {
                    lease = renewed;
                }
            }
            Released { stream_id, signed_at }
        });
    }

    async fn released(&mut self, released: Result<Released, JoinError>) {
        match released {
            Ok(Released { stream_id, signed_at }) => {
                self.unreleased.remove(&stream_id);
                if signed_at != *self.reloads.borrow() {
                    // Secrets changed while it was joined with the former ones.
                    let retried = self.retry_refused().await;
                    self.report(retried);
                }
                // Something may have come meanwhile: a newer start, or the word that it was revoked.
                let compared = self.compare_by_id(&stream_id).await;
                self.report(compared);
            }
            Err(panic) => error!(%panic, "the release of a stream broke"),
        }
    }

    /// Wants those streams again whose signature Zoom refused, as far as it still waits for them.
    async fn retry_refused(&mut self) -> Result<(), StoreError> {
        let store = self.surroundings.store.clone();
        let now = clock::unix_millis();
        for record in store.list(StreamFilter { open: Some(false), limit: LOOK_BACK }).await? {
            let is_refused = |ended: &Ended| {
                let summary = ended.summary.as_ref();
                now.since(ended.at) <= FIRST_CONNECT_WINDOW && summary.is_some_and(|summary| summary.refused_signature)
            };
            if !record.ended.as_ref().is_some_and(is_refused) {
                continue;
            }
            let stream_id = &record.stream_id;
            match retry::check(&*store, &record, now).await? {
                Ok(()) => {
                    if store.ask_to_retry(stream_id, now).await? {
                        info!(%stream_id, "secrets were read again, joining the stream whose signature was refused");
                    }
                }
                Err(why) => debug!(%stream_id, %why, "secrets were read again, too late for this stream"),
            }
        }
        Ok(())
    }

    /// Whatever is held of a stream that does not run here has to go.
    fn revoke(&mut self, stream_id: &StreamId) {
        if let Some(recall) = self.recalls.get(stream_id) {
            recall.recall();
        }
        self.chores.add(Chore::Delete(stream_id.clone()));
    }

    /// Goes on with what earlier processes of this store did not get to.
    async fn look_back(&mut self) -> Result<(), StoreError> {
        if self.looked_back {
            return Ok(());
        }
        let filter = StreamFilter { open: Some(false), limit: LOOK_BACK };
        for record in self.surroundings.store.list(filter).await? {
            if is_revoked(&record) {
                self.revoke(&record.stream_id);
            } else if record.is_left_behind() {
                self.close_left_behind(&record).await?;
            } else if record.unclosed().is_some() {
                self.chores.add(Chore::Close(record.stream_id));
            } else if record.is_short_of_stop() {
                self.reach_stop(&record).await?;
            }
        }
        self.looked_back = true;
        // Secrets may have changed with the restart.
        self.retry_refused().await
    }

    async fn hand_over(mut self) {
        self.is_stopping = true;
        let deadline = self.surroundings.deadline.clone();
        if !self.running.is_empty() {
            info!(streams = self.running.len(), "handing streams over");
        }
        // What has just been stopped ends with its own reason, within moments.
        let stopped = async {
            for stream_id in self.running.keys().cloned().collect::<Vec<_>>() {
                let compared = self.compare_by_id(&stream_id).await;
                self.report(compared);
            }
        };
        let _ = deadline.within(Share::Turn, stopped).await;
        let all = async {
            // One whose driver does not take it must not keep it from the others.
            let left = self.running.values().filter(|running| !running.stopped);
            join_all(left.map(|running| running.task.stream.abandon())).await;
            loop {
                tokio::select! {
                    Some(finished) = self.tasks.join_next() => self.finished(finished),
                    Some(released) = self.releasing.join_next() => self.released(released).await,
                    else => break,
                }
            }
        };
        let _ = deadline.within(Share::Streams, all).await;
        for (stream_id, running) in &self.running {
            let doing = running.task.progress.now();
            deadline.leave("stream", Some(stream_id), doing.waiting_for(), doing.lost());
        }
        for stream_id in &self.unreleased {
            let lost = "that the stream has ended; the next process finds it out again";
            deadline.leave("stream", Some(stream_id), "the store", lost);
        }
        match self.chores.current() {
            Some(Chore::Close(stream_id)) => {
                info!(%stream_id, "a recording is being closed, the next process goes on with it");
            }
            Some(Chore::FinishDeletions | Chore::Delete(_)) => {
                info!("a deletion is under way, the next process goes on with it");
            }
            None => {}
        }
    }
}

/// What the recording of a stream is about; none if its start does not say what is streamed.
fn about(stream_id: &StreamId, start: &Start) -> Option<RecordingAbout> {
    let mut extra = Extra::new();
    extra.insert("app".into(), start.app.as_str().into());
    if let Some(region) = &start.region {
        extra.insert("region".into(), region.as_str().into());
    }
    Some(RecordingAbout {
        stream_id: stream_id.clone(),
        product: start.product?,
        instance: start.instance.clone()?,
        account_id: start.account_id.clone(),
        started_at: start.at,
        extra,
    })
}

/// How long ago the window opened in which Zoom waits for us.
///
/// If somebody was connected on this webhook, the window opened when that connection was lost, and nobody here knows when.
fn age(asked: &Receipt, now: UnixMillis) -> Duration {
    if asked.steps.at(Step::Connected).is_some() { Duration::ZERO } else { now.since(asked.received_at) }
}

impl Running {
    /// Tells the task what changed since it was last told.
    async fn tell(&mut self, wish: &Wish<'_>, stopped_at: Option<UnixMillis>) {
        let interruption = wish.interruption.filter(|new| self.interruption.as_ref().is_none_or(|it| it.at != new.at));
        if wish.start.at == self.start.at && interruption.is_none() {
            return;
        }
        // A stop between the two makes the second a new start, under either name.
        let was_stopped = stopped_at.is_some_and(|at| at >= self.start.at);
        let is_restarted = wish.start.at != self.start.at && (was_stopped || !wish.start.is_twin_of(&self.start));
        let is_interrupted =
            interruption.is_some_and(|new| self.interruption.as_ref().is_none_or(|known| !new.is_twin_of(known)));
        self.start = wish.start.clone();
        self.interruption = wish.interruption.cloned();
        let acts = if is_restarted {
            self.task.stream.restarted(wish.server_urls.to_vec()).await
        } else if is_interrupted {
            self.task.stream.interrupted(wish.server_urls.to_vec()).await
        } else {
            // The same under another name: it is done with the last wish that the task got.
            match self.told.back_mut() {
                Some((told_at, _)) => *told_at = wish.at,
                None => self.lease.saw(wish.at),
            }
            return;
        };
        self.listen();
        self.told.push_back((wish.at, acts));
    }

    /// Puts down which wishes are acted on. One that comes when the stream is at its end is not: it stays open when the
    /// lease is released, and the stream is claimed again for it.
    fn listen(&mut self) {
        while let Some((wish_at, acts)) = self.told.front_mut() {
            if acts.try_recv() != Ok(true) {
                return;
            }
            self.lease.saw(*wish_at);
            self.told.pop_front();
        }
    }
}
