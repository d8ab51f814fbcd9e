//! Asks Zoom for a new stream where one was lost beyond Zoom's windows and its meeting goes on.
//!
//! The request is a job in the store's durable queue, pushed before the end of the stream is stored: it survives a crash, and is done
//! at least once. What makes it happen once is a look at the records first: a stream that came back, a newer one of the same
//! meeting, or Zoom's word that the meeting is over settles the job without a request. Zoom announces the new stream by a webhook.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rtms_http::client::HttpClient;
use rtms_proto::next_step::NextStep;
use rtms_sink::backlog::{Backlog, BacklogError, Claimed, Stored};
use rtms_store::{
    error::StoreError, lease::OwnerId, queue::Ticket, store::Store, stream_record::StreamRecord, streams::StreamFilter,
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
    apps::Apps, backlog::StoreBacklog, clock, label::NewStreamRequest, live::stream_span, stop::Stop,
    telemetry::Metrics,
};

/// The queue of the store.
const QUEUE: &str = "new_streams";

/// Requests at a time. Zoom limits how often it is asked.
const AT_A_TIME: usize = 4;

/// The pause before the first repeat of a request; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// The longest pause between two requests.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The time after the loss of a stream for which Zoom is asked again. A meeting that refuses as long as this has ended, or never will
/// agree.
const GIVE_UP_AFTER: Duration = Duration::from_secs(15 * 60);

/// The records among which a newer stream of the same meeting is searched.
const LOOK_AT: usize = 1_000;

/// The pause after the store failed.
const STORE_AGAIN: Duration = Duration::from_secs(1);

/// Takes down which streams are to be asked for again. Clones share the queue.
#[derive(Clone)]
pub(crate) struct NewStreams(Arc<StoreBacklog>);

impl NewStreams {
    pub(crate) fn new(store: Arc<dyn Store>, owner: OwnerId) -> Self {
        Self(Arc::new(StoreBacklog::new(store, owner, QUEUE)))
    }

    /// Takes down that a stream is to be asked for again, whose run under this fencing token is lost; 0 if nobody ran it. That is
    /// durable when it returns. Doing it twice is doing it once.
    pub(crate) async fn ask_for(&self, stream_id: &StreamId, token: u64) {
        let key = SmolStr::new(stream_id.as_str());
        let payload = json!(Lost { stream_id: stream_id.clone(), token }).to_string().into();
        let job = Stored { id: key.clone(), key, payload };
        if let Err(error) = self.0.push(vec![job]).await {
            error!(%error, "cannot store the request for a new stream; ask with rtms zoom start");
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
    queue: NewStreams,
    store: Arc<dyn Store>,
    apps: Apps,
    http: HttpClient,
    endpoints: Endpoints,
    metrics: Arc<Metrics>,
    /// The API of each app, and the number of reloads of the secrets when it was made.
    apis: BTreeMap<SmolStr, (u64, ZoomApi)>,
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
        queue: NewStreams,
        store: Arc<dyn Store>,
        apps: Apps,
        http: HttpClient,
        endpoints: Endpoints,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { queue, store, apps, http, endpoints, metrics, apis: BTreeMap::new() }
    }

    /// Runs until the server stops. What is not done by then stays in the store.
    pub(crate) async fn run(mut self, mut stop: Stop) {
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

    async fn turn(&mut self) -> Result<(), BacklogError> {
        let queue = self.queue.0.clone();
        let claimed = queue.claim(AT_A_TIME).await?;
        if claimed.is_empty() {
            queue.changed().await;
        }
        for job in claimed {
            let ticket = job.ticket;
            match self.work(&job).await {
                Some(pause) => queue.nak(ticket, pause).await?,
                None => queue.ack(&[ticket]).await.map(|_| ())?,
            }
        }
        Ok(())
    }

    /// Does one job. Returns the pause after which it is to be done again, if it is not done.
    async fn work(&mut self, job: &Claimed<Ticket>) -> Option<Duration> {
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
        let lost_at = record.ended.as_ref().map_or(now, |ended| ended.at);
        span.in_scope(|| self.asked(asked, now.since(lost_at), pause))
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
    fn api(&mut self, name: &SmolStr) -> Option<(ZoomApi, String)> {
        let apps = self.apps.now();
        let app = apps.iter().find(|app| app.name == *name)?;
        let reloads = *self.apps.reloads().borrow();
        let kept = self.apis.get(name).filter(|(made_at, _)| *made_at == reloads);
        let api = match kept {
            Some((_, api)) => api.clone(),
            None => {
                let api = ZoomApi::new(self.http.clone(), self.endpoints.clone(), app.api_credentials());
                self.apis.insert(name.clone(), (reloads, api.clone()));
                api
            }
        };
        Some((api, app.client_id().to_owned()))
    }
}

/// Decides from the records whether Zoom is to be asked.
fn verdict(record: &StreamRecord, token: u64, others: &[StreamRecord], now: UnixMillis) -> Verdict {
    let Some(start) = record.wanted.newest_start() else { return Verdict::Settled("it never started") };
    if record.lease.as_ref().is_some_and(|lease| lease.token > token) {
        return Verdict::Settled("the stream came back");
    }
    let stop = record.wanted.stop.as_ref().filter(|_| !record.wanted.is_running());
    if stop.and_then(|stop| stop.reason).is_some_and(|reason| NextStep::of(reason) != NextStep::AskForNewStream) {
        return Verdict::Settled("Zoom has ended it for good");
    }
    let Some(ended) = record.ended.as_ref().filter(|_| record.lease.is_none() && record.open_wish().is_none()) else {
        return Verdict::Later;
    };
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
    if now.since(ended.at) > GIVE_UP_AFTER {
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
