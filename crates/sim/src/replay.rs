//! Zoom's half of a stream, played back from a wire log ([`rtms_wire::wire_log`]). Time is an argument, effects come out
//! as values.
//!
//! There is one wire log and one place on it. [`Replay::play`] takes its lines in order and says what each one asks
//! for: that a frame be sent, a connection be closed, or that the wire log wait until the client has come far enough.
//! What was one connection then may be several now and the other way round, since a frame goes by its medium and not by
//! its connection. Handshakes are checked as [`crate::zoom`] checks them, and answered with what was answered then;
//! nothing else that a client says has an effect, but for message 7, before which no media flows.

pub mod wire_log;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use rtms_wire::{
    codes::{product::Product, state::StreamState, status_code::StatusCode, stop_reason::StopReason},
    error::DecodeError,
    media::medium::{MediaTypes, Medium},
    message::{Message, signaling_handshake::MediaUrls},
    signature::webhook_signature,
    time::UnixMillis,
    wire_log::{Channel, Frame, Side, What, WireLogLine},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::wire_log::Contents;
use crate::{
    checks::{expected::Expected, incomplete::incomplete, kinds, refusal::Refusal},
    config::{App, Timing},
    connection::{ConnectionId, Endpoint},
    handshake,
    webhook::post::{Purpose, WebhookId, WebhookPost},
};

/// So long after its last handshake a client that is ready is given for one more. Media that it has not asked for by
/// then is passed over.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// Refusals that are kept for a summary.
const MAX_REFUSALS: usize = 100;

/// The close code for everything that the wire log has none for.
const CLOSE_NORMAL: u16 = 1000;

/// Something to be done on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Send a frame.
    Send {
        /// On which connection.
        connection: ConnectionId,
        /// Whether it is a text frame.
        is_text: bool,
        /// What is in it.
        payload: Bytes,
    },
    /// Close with a close frame.
    Close {
        /// The connection.
        connection: ConnectionId,
        /// The code.
        code: u16,
    },
    /// Cut, without a close frame.
    Cut {
        /// The connection.
        connection: ConnectionId,
    },
}

/// What a line of the wire log asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Do this, and go on with the next line.
    Do(Vec<Act>),
    /// The client is not there yet: ask again about the same line when it has done something, and at this time at the
    /// latest.
    Wait(UnixMillis),
    /// Nobody is there to go on for.
    Over(Absence),
}

/// Why a wire log ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// No client ever joined.
    NobodyCame,
    /// The client left, and did not come back in Zoom's window.
    Left,
}

/// How much was played.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Frames on signaling.
    pub signaling: u64,
    /// Frames of media connections by medium; a keep-alive counts for the medium of its connection.
    pub media: BTreeMap<Medium, u64>,
    /// The number of frames of media that the client had no connection for.
    pub passed_over: BTreeMap<Medium, u64>,
    /// Signaling handshakes that were granted.
    pub joins: u64,
    /// Data handshakes that were granted.
    pub media_connections: u64,
    /// What was refused and why, the first hundred.
    pub refusals: Vec<String>,
}

/// A client's connection.
#[derive(Debug)]
enum Client {
    /// Before its handshake.
    New(Endpoint),
    Signaling,
    Media {
        carries: MediaTypes,
        since: UnixMillis,
        /// Whether message 7 came after its handshake.
        is_ready: bool,
    },
}

/// Whether a frame has somebody to go to.
enum Target {
    Here(ConnectionId),
    Wait(UnixMillis),
    PassOver,
}

/// A wire log that is being played.
#[derive(Debug)]
pub struct Replay {
    contents: Contents,
    app: App,
    expected: Expected,
    media_url: String,
    timing: Timing,
    /// What the app was granted then.
    granted: MediaTypes,
    /// Places in `contents.connections` whose answers were not given yet, and of each channel the one that was given
    /// last.
    signaling_answers: VecDeque<usize>,
    media_answers: BTreeMap<Medium, VecDeque<usize>>,
    /// Connections in the wire log whose answer the wire log has passed.
    answered: BTreeSet<u32>,
    clients: BTreeMap<ConnectionId, Client>,
    begun: UnixMillis,
    /// When the client last got as far as a handshake, or message 7.
    advanced: UnixMillis,
    is_joined: bool,
    signaling_lost: Option<UnixMillis>,
    media_lost: BTreeMap<Medium, UnixMillis>,
    /// Media that is not waited for.
    passed_over: BTreeSet<Medium>,
    /// The client was told that the stream is over.
    is_over: bool,
    played: Played,
}

impl Replay {
    /// Plays this to clients of this app. `media_url` is where they find media; a slash and the medium's key follow it.
    pub fn new(contents: Contents, app: App, media_url: &str, now: UnixMillis) -> Self {
        let header = &contents.header;
        let expected = Expected::new(header.product, &app, &header.instance, &header.rtms_stream_id);
        let mut signaling_answers = VecDeque::new();
        let mut media_answers = BTreeMap::<Medium, VecDeque<usize>>::new();
        let mut granted = BTreeSet::new();
        for (place, known) in contents.connections.iter().enumerate() {
            match known.on {
                Channel::Signaling => signaling_answers.push_back(place),
                Channel::Media(types) => {
                    for medium in types.iter() {
                        media_answers.entry(medium).or_default().push_back(place);
                    }
                    granted.extend(granted_by(&known.answer, types).iter());
                }
            }
        }
        Self {
            contents,
            app,
            expected,
            media_url: media_url.to_owned(),
            timing: Timing::default(),
            granted: MediaTypes::of(granted),
            signaling_answers,
            media_answers,
            answered: BTreeSet::new(),
            clients: BTreeMap::new(),
            begun: now,
            advanced: now,
            is_joined: false,
            signaling_lost: None,
            media_lost: BTreeMap::new(),
            passed_over: BTreeSet::new(),
            is_over: false,
            played: Played::default(),
        }
    }

    /// What is in the wire log.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// How much was played so far.
    pub fn played(&self) -> &Played {
        &self.played
    }

    // --- What the client does ---

    /// A client finished the WebSocket upgrade.
    pub fn connected(&mut self, connection: ConnectionId, endpoint: Endpoint) {
        self.clients.insert(connection, Client::New(endpoint));
    }

    /// The payload of a text or binary frame came.
    pub fn received(&mut self, connection: ConnectionId, payload: &[u8], now: UnixMillis) -> Vec<Act> {
        if let (Some(Client::New(endpoint)), Err(ill_typed)) =
            (self.clients.get(&connection), kinds::check(&kinds::fields(payload)))
        {
            let message = match endpoint {
                Endpoint::Signaling => handshake::signaling_refused,
                Endpoint::Media => handshake::data_refused,
            };
            return self.refuse(connection, &ill_typed.refusal, message);
        }
        let message = Message::decode(payload);
        match self.clients.get(&connection) {
            Some(Client::New(endpoint)) => match (endpoint, message) {
                (Endpoint::Signaling, Ok(Message::SignalingHandShakeReq(request))) => {
                    let checked = self.expected.check_signaling(&request).and_then(|_| self.check_only_signaling());
                    match checked {
                        Ok(()) => self.join(connection, now),
                        Err(refusal) => self.refuse(connection, &refusal, handshake::signaling_refused),
                    }
                }
                (Endpoint::Media, Ok(Message::DataHandShakeReq(request))) => {
                    match self.expected.check_data(&request, self.granted, &self.carried()) {
                        Ok(granted) => self.open_media(connection, granted.carries, now),
                        Err(refusal) => self.refuse(connection, &refusal, handshake::data_refused),
                    }
                }
                (Endpoint::Signaling, Err(error @ DecodeError::BadField { .. })) => {
                    self.refuse(connection, &incomplete(payload, &error), handshake::signaling_refused)
                }
                (Endpoint::Media, Err(error @ DecodeError::BadField { .. })) => {
                    self.refuse(connection, &incomplete(payload, &error), handshake::data_refused)
                }
                (Endpoint::Signaling | Endpoint::Media, Ok(_) | Err(_)) => Vec::new(),
            },
            Some(Client::Signaling) => {
                if let Ok(Message::ClientReadyAck(_)) = message {
                    self.ready(now);
                }
                Vec::new()
            }
            Some(Client::Media { .. }) | None => Vec::new(),
        }
    }

    /// A connection ended, not by us.
    pub fn closed(&mut self, connection: ConnectionId, now: UnixMillis) {
        match self.clients.remove(&connection) {
            Some(Client::Signaling) => self.signaling_lost = Some(now),
            Some(Client::Media { carries, .. }) => self.media_lost.extend(carries.iter().map(|medium| (medium, now))),
            Some(Client::New(_)) | None => {}
        }
    }

    fn check_only_signaling(&self) -> Result<(), Refusal> {
        match self.signaling() {
            Some(_) => Err(Refusal::new(StatusCode::DuplicateSignalRequest, "Duplicate signal request")),
            None => Ok(()),
        }
    }

    fn refuse(
        &mut self,
        connection: ConnectionId,
        refusal: &Refusal,
        message: fn(StatusCode, &str) -> Message,
    ) -> Vec<Act> {
        self.note_refusal(format!("{}: {}", refusal.status, refusal.reason));
        let answer = Bytes::from(message(refusal.status, &refusal.reason).encode());
        self.turn_away(connection, answer)
    }

    fn turn_away(&mut self, connection: ConnectionId, answer: Bytes) -> Vec<Act> {
        self.clients.remove(&connection);
        vec![Act::Send { connection, is_text: true, payload: answer }, Act::Close { connection, code: CLOSE_NORMAL }]
    }

    fn note_refusal(&mut self, text: String) {
        if self.played.refusals.len() < MAX_REFUSALS {
            self.played.refusals.push(text);
        }
    }

    fn join(&mut self, connection: ConnectionId, now: UnixMillis) -> Vec<Act> {
        let answer = next_answer(&mut self.signaling_answers).and_then(|place| self.contents.connections.get(place));
        let answer = answer.map(|known| known.answer.clone());
        if let Some(answer) = answer.as_ref().filter(|answer| !is_granted(answer)) {
            self.note_refusal("a signaling handshake, as in the wire log".to_owned());
            return self.turn_away(connection, answer.clone());
        }
        // A log that begins late has no answer, and then Zoom's usual one is given.
        let payload = match answer {
            Some(answer) => with_urls(&answer, &self.media_url),
            None => Bytes::from(
                handshake::signaling_granted(self.granted, &self.media_url, crate::fault::MediaUrlForm::Keys).encode(),
            ),
        };
        self.clients.insert(connection, Client::Signaling);
        self.signaling_lost = None;
        self.is_joined = true;
        self.advanced = now;
        self.played.joins += 1;
        vec![Act::Send { connection, is_text: true, payload }]
    }

    fn open_media(&mut self, connection: ConnectionId, given: MediaTypes, now: UnixMillis) -> Vec<Act> {
        let places: BTreeMap<Medium, usize> = given
            .iter()
            .filter_map(|medium| Some((medium, next_answer(self.media_answers.get_mut(&medium)?)?)))
            .collect();
        let answers: BTreeMap<Medium, &Bytes> = places
            .iter()
            .filter_map(|(medium, place)| Some((*medium, &self.contents.connections.get(*place)?.answer)))
            .collect();
        let refusal = answers.values().find(|answer| !is_granted(answer)).map(|answer| Bytes::clone(answer));
        if let Some(answer) = refusal {
            self.note_refusal("a data handshake, as in the wire log".to_owned());
            return self.turn_away(connection, answer);
        }
        let payload = together(&answers);
        self.clients.insert(connection, Client::Media { carries: given, since: now, is_ready: false });
        for medium in given.iter() {
            self.media_lost.remove(&medium);
            self.passed_over.remove(&medium);
        }
        self.advanced = now;
        self.played.media_connections += 1;
        vec![Act::Send { connection, is_text: true, payload }]
    }

    fn ready(&mut self, now: UnixMillis) {
        self.advanced = now;
        for client in self.clients.values_mut() {
            if let Client::Media { is_ready, .. } = client {
                *is_ready = true;
            }
        }
    }

    // --- What the wire log says ---

    /// What a line of the wire log asks for, now that its time has come.
    pub fn play(&mut self, line: &WireLogLine<'_>, now: UnixMillis) -> Step {
        match &line.what {
            What::Received { connection, on, frame } => self.said(*connection, *on, frame, now),
            What::Closed { connection, on, by: Side::Zoom, code, .. } => {
                let code = code.unwrap_or(CLOSE_NORMAL);
                self.end(*connection, *on, now, |connection| Act::Close { connection, code })
            }
            What::Cut { connection, on, .. } => self.end(*connection, *on, now, |connection| Act::Cut { connection }),
            What::Closed { connection, on, by: Side::Client, .. } => {
                // It was wanted anew then, for a reason that is not in the wire log; now it is asked to come anew.
                if !self.comes_again(*connection, *on) {
                    return Step::Do(Vec::new());
                }
                self.end(*connection, *on, now, |connection| Act::Close { connection, code: CLOSE_NORMAL })
            }
            What::Dialed { .. }
            | What::Unreached { .. }
            | What::Opened { .. }
            | What::Sent { .. }
            | What::Lost { .. }
            | What::Stopped { .. }
            | What::Ended { .. } => Step::Do(Vec::new()),
        }
    }

    /// Zoom said something. The first on a connection is the answer to its handshake, which the client got when it
    /// asked; the wire log waits here until it has.
    fn said(&mut self, connection: u32, on: Channel, frame: &Frame<'_>, now: UnixMillis) -> Step {
        let Ok(payload) = frame.payload() else { return Step::Do(Vec::new()) };
        let is_answer = !self.answered.contains(&connection);
        if is_answer && !is_granted(&payload) {
            self.answered.insert(connection);
            return Step::Do(Vec::new());
        }
        let step = match on {
            Channel::Signaling => self.said_on_signaling(&payload, is_answer, frame.is_text(), now),
            Channel::Media(types) if is_answer => self.await_media(granted_by(&payload, types), now),
            Channel::Media(types) => {
                let medium = medium_of(&payload).or_else(|| types.iter().next());
                medium.map_or(Step::Do(Vec::new()), |medium| self.media_said(medium, &payload, frame.is_text(), now))
            }
        };
        if is_answer && let Step::Do(_) = step {
            self.answered.insert(connection);
        }
        step
    }

    fn said_on_signaling(&mut self, payload: &[u8], is_answer: bool, is_text: bool, now: UnixMillis) -> Step {
        let Some(connection) = self.signaling() else {
            let (until, absence) = match self.signaling_lost {
                _ if self.is_over => return Step::Do(Vec::new()),
                None if !self.is_joined => (self.begun + self.timing.join_within, Absence::NobodyCame),
                lost => (lost.unwrap_or(self.advanced) + self.timing.signaling_window, Absence::Left),
            };
            return if now < until { Step::Wait(until) } else { Step::Over(absence) };
        };
        if is_answer {
            return Step::Do(Vec::new());
        }
        self.is_over |= tells_the_end(payload);
        self.played.signaling += 1;
        Step::Do(vec![Act::Send { connection, is_text, payload: Bytes::copy_from_slice(payload) }])
    }

    /// Waits for each of these media, or until it is known that the client does not want it.
    fn await_media(&mut self, media: MediaTypes, now: UnixMillis) -> Step {
        for medium in media.iter() {
            if let Target::Wait(until) = self.target(medium, now) {
                return Step::Wait(until);
            }
        }
        Step::Do(Vec::new())
    }

    fn media_said(&mut self, medium: Medium, payload: &[u8], is_text: bool, now: UnixMillis) -> Step {
        match self.target(medium, now) {
            Target::Here(connection) => {
                *self.played.media.entry(medium).or_default() += 1;
                Step::Do(vec![Act::Send { connection, is_text, payload: Bytes::copy_from_slice(payload) }])
            }
            Target::Wait(until) => Step::Wait(until),
            Target::PassOver => {
                *self.played.passed_over.entry(medium).or_default() += 1;
                Step::Do(Vec::new())
            }
        }
    }

    fn target(&mut self, medium: Medium, now: UnixMillis) -> Target {
        let carrier = self.media().find(|(_, carries, ..)| carries.contains(medium));
        let until = match carrier {
            Some((connection, _, _, true)) => return Target::Here(connection),
            _ if self.is_over || self.passed_over.contains(&medium) => return Target::PassOver,
            Some((_, _, since, false)) => since + self.timing.handshake_within,
            None => match self.media_lost.get(&medium) {
                Some(lost) => *lost + self.timing.media_window,
                None if self.media().any(|(_, _, _, is_ready)| is_ready) => self.advanced + SETTLED_AFTER,
                None => self.advanced + self.timing.handshake_within,
            },
        };
        if now < until {
            return Target::Wait(until);
        }
        self.passed_over.insert(medium);
        Target::PassOver
    }

    /// A connection in the wire log ends, and those with it that the client has for the same.
    fn end(&mut self, connection: u32, on: Channel, now: UnixMillis, act: impl Fn(ConnectionId) -> Act) -> Step {
        if !self.answered.contains(&connection) || self.is_followed(connection, on) {
            return Step::Do(Vec::new());
        }
        let ended: Vec<ConnectionId> = match on {
            Channel::Signaling => self.signaling().into_iter().collect(),
            // What carries other media beside this goes on.
            Channel::Media(types) => self
                .media()
                .filter(|(_, carries, ..)| carries.iter().all(|medium| types.contains(medium)))
                .map(|(connection, ..)| connection)
                .collect(),
        };
        for connection in &ended {
            self.closed(*connection, now);
        }
        Step::Do(ended.into_iter().map(act).collect())
    }

    /// Whether a later connection for the same stands already.
    fn is_followed(&self, connection: u32, on: Channel) -> bool {
        self.later(connection, on).any(|later| self.answered.contains(&later))
    }

    /// Whether a later connection for the same is still to come.
    fn comes_again(&self, connection: u32, on: Channel) -> bool {
        self.later(connection, on).any(|later| !self.answered.contains(&later))
    }

    fn later(&self, connection: u32, on: Channel) -> impl Iterator<Item = u32> {
        let behind = self.contents.connections.iter().skip_while(move |known| known.connection != connection).skip(1);
        behind.filter(move |known| is_for_the_same(known.on, on)).map(|known| known.connection)
    }

    fn signaling(&self) -> Option<ConnectionId> {
        self.clients.iter().find(|(_, client)| matches!(client, Client::Signaling)).map(|(connection, _)| *connection)
    }

    fn media(&self) -> impl Iterator<Item = (ConnectionId, MediaTypes, UnixMillis, bool)> {
        self.clients.iter().filter_map(|(connection, client)| match client {
            Client::Media { carries, since, is_ready } => Some((*connection, *carries, *since, *is_ready)),
            Client::New(_) | Client::Signaling => None,
        })
    }

    fn carried(&self) -> Vec<MediaTypes> {
        self.media().map(|(_, carries, ..)| carries).collect()
    }

    // --- Webhooks ---

    /// The start webhook, which says that signaling is here; everything else as it was then, the time included: media
    /// is placed by it.
    pub fn start_webhook(&self, signaling_url: &str, now: UnixMillis) -> WebhookPost {
        let mut body = self.start_body();
        let payload = payload_of(&mut body);
        payload.insert("server_urls".into(), signaling_url.into());
        // The wire log has none, and an empty one proves nothing.
        payload.remove("signature");
        self.post(1, body, now)
    }

    /// The stop webhook. It happened when the wire log ends.
    pub fn stop_webhook(&self, now: UnixMillis) -> WebhookPost {
        let start = self.start_body();
        let header = &self.contents.header;
        let started_at = start["event_ts"].as_u64().unwrap_or_default();
        let reason = self.contents.stop_reason.unwrap_or(StopReason::MeetingEnded);
        let fields = json!({
            header.instance.field.as_str(): header.instance.value,
            "rtms_stream_id": header.rtms_stream_id,
            "stop_reason": reason.code(),
        });
        let is_nested = start["payload"]["object"].is_object();
        let body = json!({
            "event": start["event"].as_str().unwrap_or_default().replace("started", "stopped"),
            "event_ts": header.started_at.0.saturating_add(self.contents.length_ms).max(started_at.saturating_add(1)),
            "payload": if is_nested { json!({ "object": fields }) } else { fields },
        });
        self.post(2, body, now)
    }

    fn start_body(&self) -> Value {
        let header = &self.contents.header;
        let recorded = header.start_webhook.as_deref().and_then(|body| serde_json::from_str::<Value>(body).ok());
        recorded.filter(|body| body["payload"].is_object() && body["event"].is_string()).unwrap_or_else(|| {
            let event = match header.product {
                Product::ContactCenter => format!("{}.voice_rtms_started", header.product),
                Product::Meeting | Product::Webinar | Product::Session | Product::Phone => {
                    format!("{}.rtms_started", header.product)
                }
            };
            let payload = json!({
                header.instance.field.as_str(): header.instance.value,
                "rtms_stream_id": header.rtms_stream_id,
            });
            json!({ "event": event, "event_ts": header.started_at.0, "payload": payload })
        })
    }

    fn post(&self, id: u64, body: Value, now: UnixMillis) -> WebhookPost {
        let event = body["event"].as_str().unwrap_or_default().to_owned();
        let body = Bytes::from(body.to_string());
        let timestamp = now.as_secs().to_string();
        let signature = webhook_signature(&self.app.secret_token, &timestamp, &body);
        let headers = vec![
            ("content-type", "application/json; charset=utf-8".to_owned()),
            ("user-agent", "Zoom Marketplace/1.0a".to_owned()),
            ("clientid", self.app.client_id.clone()),
            ("x-zm-request-timestamp", timestamp),
            ("x-zm-signature", signature),
        ];
        WebhookPost { id: WebhookId(id), event, purpose: Purpose::Event, attempt: 1, body, headers }
    }
}

/// Where a webhook says what it says: in `payload.object`, or right in `payload`.
fn payload_of(body: &mut Value) -> &mut Map<String, Value> {
    let nested = body["payload"]["object"].is_object();
    let payload = if nested { &mut body["payload"]["object"] } else { &mut body["payload"] };
    if !payload.is_object() {
        *payload = json!({});
    }
    let Value::Object(fields) = payload else { unreachable!("it was made one") };
    fields
}

/// The answer that comes next; the last one is given again and again.
fn next_answer(answers: &mut VecDeque<usize>) -> Option<usize> {
    if answers.len() > 1 { answers.pop_front() } else { answers.front().copied() }
}

fn is_for_the_same(one: Channel, other: Channel) -> bool {
    match (one, other) {
        (Channel::Signaling, Channel::Signaling) => true,
        (Channel::Media(one), Channel::Media(other)) => one.iter().any(|medium| other.contains(medium)),
        (Channel::Signaling, Channel::Media(_)) | (Channel::Media(_), Channel::Signaling) => false,
    }
}

/// Whether an answer to a handshake grants it.
fn is_granted(answer: &[u8]) -> bool {
    match Message::decode(answer) {
        Ok(Message::SignalingHandShakeResp(answer)) => answer.status_code == StatusCode::Ok,
        Ok(Message::DataHandShakeResp(answer)) => answer.status_code == StatusCode::Ok,
        Ok(_) | Err(_) => false,
    }
}

/// Which of the media that were asked for an answer to message 3 grants: those that it has parameters for, or all if it
/// has none.
fn granted_by(answer: &[u8], asked: MediaTypes) -> MediaTypes {
    let Ok(Message::DataHandShakeResp(answer)) = Message::decode(answer) else { return MediaTypes::default() };
    if answer.status_code != StatusCode::Ok {
        return MediaTypes::default();
    }
    let params = serde_json::to_value(&answer.media_params).unwrap_or_default();
    let named = asked.iter().filter(|medium| params[medium.as_str()].is_object());
    let named = MediaTypes::of(named);
    if named == MediaTypes::default() { MediaTypes::of(asked.iter()) } else { named }
}

/// One answer to message 3 from what was answered for each medium then: byte for byte if that was one and the same.
fn together(answers: &BTreeMap<Medium, &Bytes>) -> Bytes {
    let Some(first) = answers.values().next() else { return Bytes::new() };
    let read = |answer: &Bytes| serde_json::from_slice::<Value>(answer).unwrap_or_default();
    let mut whole = read(first);
    let params: Map<String, Value> = answers
        .iter()
        .filter_map(|(medium, answer)| {
            let params = read(answer)["media_params"].get_mut(medium.as_str())?.take();
            Some((medium.as_str().to_owned(), params))
        })
        .collect();
    let is_whole = params.is_empty() || whole["media_params"] == Value::Object(params.clone());
    if is_whole && answers.values().all(|answer| answer == first) {
        return Bytes::clone(first);
    }
    whole["media_params"] = Value::Object(params);
    Bytes::from(whole.to_string())
}

/// Message 2 with the same keys under `server_urls`, and each naming a server of ours.
fn with_urls(answer: &[u8], media_url: &str) -> Bytes {
    let mut answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let urls = answer.pointer_mut("/media_server/server_urls");
    match urls {
        Some(Value::Object(urls)) => {
            for (key, url) in urls {
                *url = format!("{media_url}/{key}").into();
            }
        }
        Some(Value::String(url)) => *url = format!("{media_url}/{}", MediaUrls::ALL),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) | None => {}
    }
    Bytes::from(answer.to_string())
}

/// Which medium a message on a media connection is of, by its number.
fn medium_of(payload: &[u8]) -> Option<Medium> {
    #[derive(Deserialize)]
    struct Numbered {
        msg_type: i64,
    }
    match serde_json::from_slice::<Numbered>(payload).ok()?.msg_type {
        14 => Some(Medium::Audio),
        15 => Some(Medium::Video),
        16 => Some(Medium::Deskshare),
        17 => Some(Medium::Transcript),
        18 => Some(Medium::Chat),
        _ => None,
    }
}

/// Whether a message on signaling says that the stream is over, so that a client may leave.
fn tells_the_end(payload: &[u8]) -> bool {
    match Message::decode(payload) {
        Ok(Message::StreamStateUpdate(update)) => update.state == StreamState::Terminated,
        Ok(Message::StreamCloseResp(_)) => true,
        Ok(_) | Err(_) => false,
    }
}

#[cfg(test)]
mod tests;
