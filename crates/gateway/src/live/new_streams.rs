//! Asks Zoom for a new stream where one was lost beyond Zoom's windows and its meeting goes on.
//!
//! The request is a job in the store's durable queue, pushed before the end of the stream is stored: it survives a crash, and is done
//! at least once. What makes it happen once is a look at the records first: a stream that came back, a newer one of the same
//! meeting, or Zoom's word that the meeting is over settles the job without a request. Zoom announces the new stream by a webhook.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::join_all;
use rtms_http::client::HttpClient;
use rtms_proto::next_step::NextStep;
use rtms_sink::backlog::{Backlog, BacklogError, Claimed};
use rtms_store::{
    error::StoreError,
    lease::OwnerId,
    queue::{Job, Ticket},
    store::Store,
    stream_record::StreamRecord,
    streams::StreamFilter,
};
use rtms_wire::{SmolStr, codes::product::Product, ids::StreamId, time::UnixMillis};
use rtms_zoom_api::{
    api::{Endpoints, ZoomApi},
    control::{Action, Control},
    error::ControlError,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::{error, info, warn};

use crate::{
    apps::Apps,
    backlog::StoreBacklog,
    clock,
    label::NewStreamRequest,
    live::{revoked::is_revoked, stream_span},
    lock::locked,
    stop::Stop,
    telemetry::Metrics,
};

/// The queue of the store.
const QUEUE: &str = "new_streams";

/// Requests at a time. Zoom limits how often it is asked.
const AT_A_TIME: usize = 16;

/// The pause before the first repeat of a request; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// The longest pause between two requests.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The time after the loss of a stream for which a request that failed is repeated. A meeting that refuses as long as this has ended, or never will
/// agree.
const GIVE_UP_AFTER: Duration = Duration::from_secs(15 * 60);

/// The time after the loss of a stream for which its meeting's number is taken to be that of the same meeting. Numbers come again.
const ANOTHER_MEETING_AFTER: Duration = Duration::from_secs(3600);

/// The records among which a newer stream of the same meeting is searched.
const LOOK_AT: usize = 1_000;

/// The pause after the store failed.
const STORE_AGAIN: Duration = Duration::from_secs(1);

/// Takes down which streams are to be asked for again. Clones share the queue.
#[derive(Clone)]
pub(crate) struct NewStreams(Arc<dyn Store>);

impl NewStreams {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    /// Takes down that a stream is to be asked for again, whose run under this fencing token is lost; 0 if nobody ran it. That is
    /// durable when it returns. Doing it twice is doing it once. It belongs before the end of the stream is stored: that is what a
    /// later process goes by.
    ///
    /// # Errors
    /// That storage failed; the end must not be stored then.
    pub(crate) async fn ask_for(&self, stream_id: &StreamId, token: u64) -> Result<(), StoreError> {
        let key = SmolStr::new(stream_id.as_str());
        let payload = json!(Lost { stream_id: stream_id.clone(), token }).to_string().into();
        let (queue, not_before) = (SmolStr::new_static(QUEUE), clock::unix_millis());
        self.0.queue().push(vec![Job { queue, id: key.clone(), key, payload, not_before }]).await
    }

    /// The same, tried again until it is stored.
    pub(crate) async fn ask_until_stored(&self, stream_id: &StreamId, token: u64) {
        let mut is_logged = false;
        while let Err(error) = self.ask_for(stream_id, token).await {
            if !std::mem::replace(&mut is_logged, true) {
                error!(%error, "cannot store the request for a new stream, trying again");
            }
            tokio::time::sleep(STORE_AGAIN).await;
        }
    }
}

/// A job of the queue.
#[derive(Serialize, Deserialize)]
struct Lost {
    stream_id: StreamId,
    /// The fencing token of the run that lost it.
    token: u64,
}

/// Sends the requests that were taken down.
pub(crate) struct Requester {
    queue: StoreBacklog,
    store: Arc<dyn Store>,
    apps: Apps,
    http: HttpClient,
    endpoints: Endpoints,
    metrics: Arc<Metrics>,
    /// The API of each app, and the number of reloads of the secrets when it was made.
    apis: Mutex<BTreeMap<SmolStr, (u64, ZoomApi)>>,
}

/// What is to be done with a job.
enum Verdict {
    /// Zoom is to be asked.
    Ask(Box<Control>),
    /// The end of its run is not stored yet, or it is about to be joined again.
    Later,
    /// It is settled, for this reason.
    Settled(&'static str),
    /// It cannot be done, for this reason.
    Hopeless(&'static str),
}

impl Requester {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        owner: OwnerId,
        apps: Apps,
        http: HttpClient,
        endpoints: Endpoints,
        metrics: Arc<Metrics>,
    ) -> Self {
        let queue = StoreBacklog::new(store.clone(), owner, QUEUE);
        Self { queue, store, apps, http, endpoints, metrics, apis: Mutex::default() }
    }

    /// Runs until the server stops. What is not done by then stays in the store.
    pub(crate) async fn run(self, mut stop: Stop) {
        loop {
            let turn = async {
                if let Err(error) = self.turn().await {
                    warn!(%error, "cannot read the requests for new streams, trying again");
                    tokio::time::sleep(STORE_AGAIN).await;
                }
            };
            tokio::select! {
                biased;
                () = stop.given() => return,
                () = turn => {}
            }
        }
    }

    async fn turn(&self) -> Result<(), BacklogError> {
        let claimed = self.queue.claim(AT_A_TIME).await?;
        if claimed.is_empty() {
            self.queue.changed().await;
        }
        // An outage loses many streams at once, and each request may wait for its answer.
        let done = claimed.iter().map(async |job| match self.work(job).await {
            Some(pause) => self.queue.nak(job.ticket, pause).await,
            None => self.queue.ack(&[job.ticket]).await.map(|_| ()),
        });
        join_all(done).await.into_iter().collect()
    }

    /// Does one job. Returns the pause after which it is to be done again, if it is not done.
    async fn work(&self, job: &Claimed<Ticket>) -> Option<Duration> {
        let Ok(lost) = serde_json::from_slice::<Lost>(&job.stored.payload) else {
            error!("a request for a new stream cannot be read and is dropped");
            return None;
        };
        let stream_id = &lost.stream_id;
        let now = clock::unix_millis();
        let pause = FIRST_PAUSE.saturating_mul(1 << job.deliveries.min(8).saturating_sub(1)).min(LONGEST_PAUSE);
        let (record, verdict) = match self.look(&lost, now).await {
            Ok(Some(found)) => found,
            Ok(None) => return None,
            Err(error) => {
                warn!(%stream_id, %error, "cannot read the record of a lost stream, trying again");
                return Some(pause);
            }
        };
        let span = stream_span::of_record(&record);
        let mut control = match verdict {
            Verdict::Ask(control) => control,
            Verdict::Later => return Some(FIRST_PAUSE),
            Verdict::Settled(why) => {
                span.in_scope(|| info!(why, "no new stream is needed"));
                self.metrics.new_stream_request(NewStreamRequest::Needless);
                return None;
            }
            Verdict::Hopeless(why) => {
                span.in_scope(|| error!(why, "cannot ask Zoom for a new stream"));
                self.metrics.new_stream_request(NewStreamRequest::Failed);
                return None;
            }
        };
        let app = record.wanted.newest_start().map(|start| start.app.clone()).unwrap_or_default();
        let Some((api, client_id)) = self.api(&app) else {
            span.in_scope(|| error!(%app, "cannot ask Zoom for a new stream: the app is gone from the settings"));
            self.metrics.new_stream_request(NewStreamRequest::Failed);
            return None;
        };
        control.client_id = client_id;
        let asked = api.control(&control, now).await;
        span.in_scope(|| self.asked(asked, now.since(lost_at(&record, now)), pause))
    }

    /// Logs the answer. Returns the pause after which to ask again.
    fn asked(&self, asked: Result<impl Sized, ControlError>, since: Duration, pause: Duration) -> Option<Duration> {
        match asked {
            Ok(_) => {
                info!("asked Zoom for a new stream; it announces the stream by a webhook");
                self.metrics.new_stream_request(NewStreamRequest::Accepted);
                None
            }
            Err(error) if error.is_worth_a_retry() && since < GIVE_UP_AFTER => {
                warn!(%error, retry_in = %humantime::format_duration(pause), "cannot ask Zoom for a new stream yet, trying again");
                Some(pause)
            }
            Err(error) => {
                let remedy = error.remedy().unwrap_or("start the stream with rtms zoom start, or in the meeting");
                error!(%error, remedy, "Zoom gives no new stream");
                self.metrics.new_stream_request(NewStreamRequest::Failed);
                None
            }
        }
    }

    /// Looks at what is known of a stream now. None if it is not known any more.
    async fn look(&self, lost: &Lost, now: UnixMillis) -> Result<Option<(StreamRecord, Verdict)>, StoreError> {
        let Some(record) = self.store.get(&lost.stream_id).await? else { return Ok(None) };
        let filter = StreamFilter { open: None, limit: LOOK_AT };
        let others = self.store.list(filter).await?;
        let verdict = verdict(&record, lost.token, &others, now);
        Ok(Some((record, verdict)))
    }

    /// Returns the API of an app and the client id that receives the stream; none if the app is gone.
    fn api(&self, name: &SmolStr) -> Option<(ZoomApi, String)> {
        // First: secrets that change in between are read again the next time.
        let reloads = *self.apps.reloads().borrow();
        let apps = self.apps.now();
        let app = apps.iter().find(|app| app.name == *name)?;
        let mut apis = locked(&self.apis);
        let api = match apis.get(name).filter(|(made_at, _)| *made_at == reloads) {
            Some((_, api)) => api.clone(),
            None => {
                let api = ZoomApi::new(self.http.clone(), self.endpoints.clone(), app.api_credentials());
                apis.insert(name.clone(), (reloads, api.clone()));
                api
            }
        };
        Some((api, app.client_id().to_owned()))
    }
}

/// Returns when a stream was lost: at its end here, or when Zoom stopped it, if that was before.
fn lost_at(record: &StreamRecord, now: UnixMillis) -> UnixMillis {
    let ended_at = record.ended.as_ref().map_or(now, |ended| ended.at);
    let stopped_at = record.wanted.stop.as_ref().filter(|_| !record.wanted.is_running()).map(|stop| stop.at);
    stopped_at.map_or(ended_at, |stopped_at| stopped_at.min(ended_at))
}

/// Decides from the records whether Zoom is to be asked.
fn verdict(record: &StreamRecord, token: u64, others: &[StreamRecord], now: UnixMillis) -> Verdict {
    let Some(start) = record.wanted.newest_start() else { return Verdict::Settled("it never started") };
    if record.lease.as_ref().is_some_and(|lease| lease.token > token) {
        return Verdict::Settled("the stream came back");
    }
    if is_revoked(record) {
        return Verdict::Settled("it was revoked");
    }
    if record.wanted.is_closing() {
        return Verdict::Settled("its end was asked for here");
    }
    let stop = record.wanted.stop.as_ref().filter(|_| !record.wanted.is_running());
    if stop.is_some_and(|stop| stop.reason.map_or(NextStep::Over, NextStep::of) != NextStep::AskForNewStream) {
        return Verdict::Settled("Zoom has ended it for good");
    }
    let is_over = record.ended.is_some() && record.lease.is_none() && record.open_wish().is_none();
    if !is_over || record.is_left_behind() {
        return Verdict::Later;
    }
    let (Some(product), Some(instance)) = (start.product, start.instance.as_ref()) else {
        return Verdict::Hopeless("the start webhook does not name the meeting");
    };
    let is_newer = |other: &StreamRecord| {
        let newest = other.wanted.newest_start();
        other.stream_id != record.stream_id
            && newest.is_some_and(|newer| newer.at > start.at && newer.is_of_the_same_meeting(start))
    };
    if others.iter().any(is_newer) {
        return Verdict::Settled("a newer stream of the same meeting has started");
    }
    if now.since(lost_at(record, now)) > ANOTHER_MEETING_AFTER {
        return Verdict::Hopeless(
            "the stream was lost too long ago; is the meeting still running? then use rtms zoom start",
        );
    }
    // The number is what Zoom's documents name; the UUID is accepted where there is none.
    let number = start.meeting_id.as_ref().filter(|_| matches!(product, Product::Meeting | Product::Webinar));
    Verdict::Ask(Box::new(Control {
        product,
        id: number.unwrap_or(&instance.value).to_string(),
        action: Action::Start,
        client_id: String::new(),
        participant_user_id: None,
    }))
}

#[cfg(test)]
mod tests {
    use rtms_store::{
        entry::NewEntry,
        folding::{Change, FoldInput},
        inbox::Inbox,
        memory::MemoryStore,
        operations::Operations,
        outcome::Outcome,
        streams::Streams,
    };
    use rtms_wire::{
        Bytes,
        codes::stop_reason::StopReason,
        ids::{InstanceId, InstanceIdField},
    };

    use super::*;

    /// When the stream of each story was lost, in milliseconds.
    const LOST: u64 = 10_000;

    /// One stream and what became of it.
    struct Story {
        store: MemoryStore,
        token: u64,
    }

    impl Story {
        /// A stream that started, ran, and ended here at [`LOST`].
        async fn lost() -> Self {
            let mut story = Self { store: MemoryStore::new(), token: 0 };
            story.start("one", 1_000).await;
            let (stream, owner) = (StreamId::new("one"), OwnerId::new("owner"));
            let term = Duration::from_secs(60);
            let mut lease = story.store.claim(&stream, &owner, term, UnixMillis(2_000)).await.unwrap().unwrap();
            lease.saw(UnixMillis(1_000));
            story.token = lease.token;
            let at = UnixMillis(LOST);
            let outcome = Outcome::Ended { at, stop_reason: None, why: "lost".into(), summary: None };
            story.store.release(&lease, outcome, at).await.unwrap();
            story
        }

        async fn start(&self, stream: &str, at: u64) {
            self.fold(
                stream,
                at,
                Change::Started {
                    server_urls: vec!["wss://a.zoom.us".into()],
                    region: None,
                    meeting_id: Some("84920175563".into()),
                    operator_id: None,
                    is_original_host: None,
                    host_id: None,
                    session_key: None,
                    signature: None,
                },
            )
            .await;
        }

        async fn stop(&self, at: u64, reason: Option<StopReason>) {
            self.fold("one", at, Change::Stopped { reason }).await;
        }

        async fn fold(&self, stream: &str, at: u64, change: Change) {
            let entry = NewEntry { received_at: UnixMillis(at), app: "app".into(), body: Bytes::new() };
            let id = self.store.append(entry).await.unwrap();
            let input = FoldInput {
                event: "meeting.rtms_".into(),
                event_ts: Some(UnixMillis(at)),
                product: Some(Product::Meeting),
                instance: Some(InstanceId::new(InstanceIdField::MeetingUuid, "uuid")),
                stream_id: Some(StreamId::new(stream)),
                account_id: None,
                change,
            };
            self.store.fold(id, input, UnixMillis(at)).await.unwrap();
        }

        /// The verdict in a word.
        async fn verdict(&self, now: u64) -> String {
            let record = self.store.get(&StreamId::new("one")).await.unwrap().unwrap();
            let others = self.store.list(StreamFilter::default()).await.unwrap();
            match verdict(&record, self.token, &others, UnixMillis(now)) {
                Verdict::Ask(control) => format!("ask for {}", control.id),
                Verdict::Later => "later".into(),
                Verdict::Settled(why) | Verdict::Hopeless(why) => why.into(),
            }
        }
    }

    #[tokio::test]
    async fn a_lost_stream_is_asked_for_by_the_number_of_its_meeting_until_that_may_be_another_one() {
        let story = Story::lost().await;
        assert_eq!(story.verdict(LOST + 1).await, "ask for 84920175563");
        assert!(story.verdict(LOST + 3_601_000).await.contains("too long ago"));

        // That it is concluded late makes the loss no younger.
        story.stop(LOST - 5_000, Some(StopReason::AwaitReconnectionTimeout)).await;
        assert_eq!(story.verdict(LOST + 1).await, "ask for 84920175563");
        assert!(story.verdict(LOST + 3_596_000).await.contains("too long ago"));
    }

    #[tokio::test]
    async fn nothing_is_asked_for_what_was_revoked_ended_for_good_or_ended_by_us() {
        let story = Story::lost().await;
        story.stop(LOST + 1, Some(StopReason::StreamRevoked)).await;
        story.stop(LOST + 2, Some(StopReason::AwaitReconnectionTimeout)).await;
        assert_eq!(story.verdict(LOST + 3).await, "it was revoked", "whatever Zoom says afterwards");

        for reason in [None, Some(StopReason::MeetingEnded), Some(StopReason::HostTriggered)] {
            let story = Story::lost().await;
            story.stop(LOST + 1, reason).await;
            assert_eq!(story.verdict(LOST + 2).await, "Zoom has ended it for good", "{reason:?}");
        }

        let story = Story::lost().await;
        story.start("one", LOST + 1).await;
        assert!(story.store.ask_to_close(&StreamId::new("one"), UnixMillis(LOST + 2)).await.unwrap());
        assert_eq!(story.verdict(LOST + 3).await, "its end was asked for here");
    }

    #[tokio::test]
    async fn a_stream_that_came_back_or_goes_on_in_another_one_is_not_asked_for() {
        let story = Story::lost().await;
        story.start("one", LOST + 1).await;
        assert_eq!(story.verdict(LOST + 2).await, "later", "it is about to be joined");
        let owner = OwnerId::new("next");
        let lease =
            story.store.claim(&StreamId::new("one"), &owner, Duration::from_secs(60), UnixMillis(LOST + 3)).await;
        assert!(lease.unwrap().is_some());
        assert_eq!(story.verdict(LOST + 4).await, "the stream came back");

        let story = Story::lost().await;
        story.start("two", LOST + 1).await;
        assert_eq!(story.verdict(LOST + 2).await, "a newer stream of the same meeting has started");
    }
}
