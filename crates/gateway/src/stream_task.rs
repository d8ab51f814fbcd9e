//! One owned stream: the client's events to recording, sinks and counters, until the stream ends.

use std::sync::Arc;

use rtms_client::{
    connect::TcpConnector,
    handle::{StreamHandle, join},
    queue::EventReceiver,
};
use rtms_proto::{
    config::StreamConfig,
    error::Misuse,
    event::{Ending, Event, Odd},
    signaling::StreamStart,
};
use rtms_record::{Input, Note, RecordingAbout, Summary};
use rtms_sink::{
    delivery::Delivery,
    envelope::{Body, Envelope, Speaker, VERSION},
};
use rtms_store::{
    receipts::{NotedOn, Step},
    store::Store,
    streams::Outcome,
};
use rtms_wire::{
    codes::{product::Product, stop_reason::StopReason},
    ids::StreamId,
    media::medium::Medium,
    message::{
        Extra,
        event_update::{EventBody, EventUpdate},
        media_data::MediaData,
    },
};
use serde_json::{Value, json};
use tracing::{Instrument, error, info, info_span, trace, warn};

use crate::{
    clock,
    recording::{Recording, RecordingSetup},
    telemetry::Metrics,
};

/// What every stream task shares.
pub(crate) struct Surroundings {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) connector: Arc<TcpConnector>,
    pub(crate) config: StreamConfig,
    pub(crate) queue_bytes: usize,
    /// None when nothing is recorded.
    pub(crate) recording: Option<RecordingSetup>,
    pub(crate) sinks: Arc<Vec<Delivery>>,
    pub(crate) metrics: Arc<Metrics>,
}

/// What became of a stream.
pub(crate) struct Finished {
    pub(crate) stream_id: StreamId,
    pub(crate) outcome: Outcome,
}

/// Joins a stream and starts the task that takes its events.
///
/// # Errors
/// [`Misuse`] when Zoom would refuse what is wanted; nothing is dialed then.
pub(crate) fn start(
    start: StreamStart,
    about: RecordingAbout,
    surroundings: Arc<Surroundings>,
) -> Result<(StreamHandle, impl Future<Output = Finished> + Send), Misuse> {
    let span = info_span!("stream", stream_id = %start.stream_id);
    let _entered = span.enter();
    let (stream_id, product, instance) = (start.stream_id.clone(), start.product, start.instance.clone());
    let queue_bytes = surroundings.queue_bytes;
    let (handle, events) = join(start, surroundings.config.clone(), surroundings.connector.clone(), queue_bytes)?;
    surroundings.metrics.stream_joined();
    let template = Envelope {
        version: VERSION,
        rtms_stream_id: stream_id.clone(),
        product,
        instance,
        sequence: 0,
        received_at: clock::unix_millis(),
        body: Body::Started,
    };
    let task = StreamTask { stream_id, product, template, surroundings, connected: false, heard: false };
    let future = task.run(events, about).instrument(span.clone());
    Ok((handle, future))
}

struct StreamTask {
    stream_id: StreamId,
    product: Product,
    /// The next envelope but for its body.
    template: Envelope,
    surroundings: Arc<Surroundings>,
    /// Whether the steps of the receipt were noted.
    connected: bool,
    heard: bool,
}

impl StreamTask {
    async fn run(mut self, mut events: EventReceiver, about: RecordingAbout) -> Finished {
        info!(product = %self.product, "joining");
        self.publish(Body::Started);
        let mut recording = self.open_recording(about).await;
        let ending = loop {
            let event = match &mut recording {
                None => events.next().await,
                Some(recording) => tokio::select! {
                    biased;
                    () = recording.turn() => continue,
                    event = events.next(), if recording.has_room() => event,
                },
            };
            match event {
                Some(Event::Ended(ending)) => break ending,
                Some(event) => self.take(event, recording.as_mut()),
                // The driver tells an end before it goes; only its panic looks like this.
                None => break Ending::Abandoned,
            }
        };
        let dropped = events.dropped();
        if dropped.total() > 0 {
            warn!(?dropped, "events were dropped because the disk was too slow");
        }
        self.surroundings.metrics.stream_left(dropped);
        self.end(ending, recording).await
    }

    async fn open_recording(&self, about: RecordingAbout) -> Option<Recording> {
        let setup = self.surroundings.recording.clone()?;
        match Recording::open(setup, about, self.surroundings.metrics.clone()).await {
            Ok(recording) => Some(recording),
            Err(error) => {
                self.surroundings.metrics.record_error();
                error!(%error, "this stream is not recorded");
                None
            }
        }
    }

    async fn end(mut self, ending: Ending, recording: Option<Recording>) -> Finished {
        let (stop_reason, why) = explain(&ending);
        if matches!(ending, Ending::Failed(_)) {
            error!(why, "the stream failed");
        } else {
            info!(why, "the stream ended");
        }
        if let Some(recording) = recording
            && let Some(summary) = recording.finish(why.clone(), stop_reason).await
        {
            let Summary { folder, .. } = summary;
            info!(folder = %folder.display(), "recorded");
        }
        self.publish(Body::Ended { stop_reason, why: why.clone() });
        let outcome = match ending {
            Ending::Abandoned => Outcome::HandedOver,
            Ending::Stopped { .. } | Ending::Closed | Ending::Failed(_) => Outcome::Ended { stop_reason, why },
        };
        Finished { stream_id: self.stream_id, outcome }
    }

    fn take(&mut self, event: Event, mut recording: Option<&mut Recording>) {
        let mut record = |input| {
            if let Some(recording) = &mut recording {
                recording.push(input);
            }
        };
        match event {
            Event::Audio(data) => {
                self.count(Medium::Audio, &data);
                record(Input::Audio(data));
            }
            Event::Video(data) => {
                self.count(Medium::Video, &data);
                record(Input::Video(data));
            }
            Event::Deskshare(data) => {
                self.count(Medium::Deskshare, &data);
                record(Input::Deskshare(data));
            }
            Event::Transcript(line) => {
                self.heard(Medium::Transcript, line.data.len());
                trace!(text = line.data, "transcript");
                self.publish(Body::Transcript {
                    speaker: Speaker {
                        user_id: line.user_id.clone(),
                        user_name: line.user_name.clone(),
                        channel_id: line.channel_id.clone(),
                    },
                    text: line.data.clone(),
                    language: line.language,
                    start_time: line.start_time,
                    end_time: line.end_time,
                    attribute: line.attribute,
                    sentence_id: line.sentence_id,
                });
                record(Input::Transcript(line));
            }
            Event::Chat(chat) => {
                let message = chat.message();
                self.heard(Medium::Chat, message.text.len());
                let author = chat.author().map(|author| Speaker {
                    user_id: Some(author.user_id),
                    user_name: author.user_name,
                    channel_id: None,
                });
                let author = author.unwrap_or_default();
                self.publish(Body::Chat { author, timestamp: chat.timestamp, message });
                record(Input::Chat(chat));
            }
            Event::Update(event) => {
                self.publish(Body::EventUpdate { event: self.name_of(&event), update: fields(&event) });
                record(Input::Event(EventUpdate { event, extra: Extra::new() }));
            }
            Event::SignalingOpen => {
                self.note(Step::Connected, self.connected);
                self.connected = true;
                info!("signaling is open");
                record(note("signaling_open", json!({})));
            }
            Event::MediaOpen { media, granted } => {
                for medium in media.iter() {
                    info!(%medium, "medium is open");
                    self.publish(Body::MediumOpen { medium, granted: granted.clone() });
                    record(Input::Granted(medium, granted.clone()));
                }
            }
            Event::GrantDiffers { medium } => {
                warn!(%medium, "Zoom granted another form than was asked for");
                record(note("grant_differs", json!({ "medium": medium })));
            }
            Event::MediumUnavailable { medium, error } => {
                warn!(%medium, %error, "medium is not available");
                let why = error.to_string();
                record(note("medium_unavailable", json!({ "medium": medium, "why": why })));
                self.publish(Body::MediumUnavailable { medium, why });
            }
            Event::StreamState { state, reason, timestamp } => {
                info!(%state, ?reason, "stream state");
                record(note(
                    "stream_state",
                    json!({ "state": state, "name": state.name(), "reason": reason, "timestamp": timestamp }),
                ));
                self.publish(Body::StreamState { state, reason });
            }
            Event::SessionState { session, state, reason, timestamp } => {
                info!(%state, ?reason, "session state");
                record(note(
                    "session_state",
                    json!({
                        "rtms_session_id": session, "state": state, "name": state.name(), "reason": reason,
                        "timestamp": timestamp,
                    }),
                ));
                self.publish(Body::SessionState { session, state, reason });
            }
            Event::VideoSubscription { user_id, status } => {
                info!(%status, "video subscription");
                record(note("video_subscription", json!({ "user_id": user_id, "status": status })));
            }
            Event::VideoAsked { user_id } => {
                info!("video asked for");
                record(note("video_asked", json!({ "user_id": user_id })));
            }
            Event::VideoVoid { user_id } => {
                info!("the chosen camera is off");
                record(note("video_void", json!({ "user_id": user_id })));
            }
            Event::Interrupted { role, cause, unheard, why } => {
                warn!(%role, %cause, ?unheard, why, "a connection was lost");
                record(note("interrupted", json!({ "connection": role.to_string(), "why": why })));
                self.publish(Body::Interrupted { why });
            }
            Event::Reconnecting => {
                info!("connecting anew");
                record(note("reconnecting", json!({})));
            }
            Event::AttemptFailed { role, error, again_in } => warn!(%role, %error, ?again_in, "a try failed"),
            Event::DuplicatesRemoved { medium, count } => {
                info!(%medium, count, "media came twice");
                record(note("duplicates_removed", json!({ "medium": medium, "count": count })));
            }
            Event::Odd(odd) => {
                self.surroundings.metrics.odd_message();
                let what = match odd {
                    Odd::UnknownMessage(msg_type) => msg_type.to_string(),
                    Odd::Undecodable(why) => why,
                };
                warn!(what, "a message that means nothing here");
            }
            // The loop that calls this takes it.
            Event::Ended(_) => {}
        }
    }

    fn count(&mut self, medium: Medium, data: &MediaData) {
        self.heard(medium, data.data.len());
    }

    fn heard(&mut self, medium: Medium, bytes: usize) {
        self.surroundings.metrics.received(medium, bytes);
        self.note(Step::FirstMedia, self.heard);
        self.heard = true;
    }

    fn note(&self, step: Step, already: bool) {
        if !already {
            self.surroundings.store.note_step(NotedOn::from(self.stream_id.clone()), step, clock::unix_micros());
        }
    }

    /// Zoom's constant for an event, which the product decides.
    fn name_of(&self, event: &EventBody) -> &'static str {
        if self.product.has_voice_events() { event.voice().name() } else { event.meeting().name() }
    }

    fn publish(&mut self, body: Body) {
        self.template.sequence += 1;
        if self.surroundings.sinks.is_empty() {
            return;
        }
        let envelope = Arc::new(Envelope { body, received_at: clock::unix_millis(), ..self.template.clone() });
        for sink in self.surroundings.sinks.iter() {
            sink.offer(envelope.clone());
        }
    }
}

fn explain(ending: &Ending) -> (Option<StopReason>, String) {
    match ending {
        Ending::Stopped { reason: Some(reason) } => (Some(*reason), reason.to_string()),
        Ending::Stopped { reason: None } => (None, "stopped by Zoom without a reason".into()),
        Ending::Closed => (Some(StopReason::ReceiverRequestClose), "closed by us".into()),
        Ending::Abandoned => (None, "left by this process".into()),
        Ending::Failed(error) => (None, error.to_string()),
    }
}

fn note(kind: &'static str, fields: Value) -> Input {
    let fields = match fields {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Extra::new(),
    };
    Input::Note(Note { at: clock::unix_millis(), kind, fields })
}

fn fields(event: &EventBody) -> Extra {
    match serde_json::to_value(event) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Extra::new(),
    }
}
