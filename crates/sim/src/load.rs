//! One stream under load: its handshakes and keep-alives are Zoom's, its sound comes from elsewhere.
//!
//! It is what [`Zoom`](crate::zoom::Zoom) is, made small enough to run thousands of them: one meeting without events,
//! sound alone, no trouble. Like it, it has no clock and no socket.

use std::{collections::VecDeque, time::Duration};

use rtms_wire::{
    codes::{
        message_type::MessageType,
        product::Product,
        state::{SessionState, StreamState},
        status_code::StatusCode,
        stop_reason::StopReason,
    },
    error::DecodeError,
    extra::Extra,
    ids::RtmsSessionId,
    media::{
        medium::{MediaTypes, Medium},
        params::MediaParams,
    },
    message::{
        Message,
        client_ready::ClientReadyAck,
        data_handshake::DataHandShakeReq,
        keep_alive::{KeepAliveReq, KeepAliveResp},
        signaling_handshake::{Reason, SignalingHandShakeReq},
        state::{SessionStateUpdate, StreamStateUpdate},
        stream_close::StreamCloseResp,
    },
    time::UnixMillis,
};

use crate::{
    checks::{
        expected::Expected,
        incomplete::incomplete,
        kinds::{self, IllTyped},
        refusal::Refusal,
    },
    config::{App, WebhookOptions},
    connection::{ConnectionId, Endpoint},
    fault::{KeepAliveForm, MediaUrlForm},
    handshake,
    keep_alive::{Due, KeepAlive},
    seed::Seed,
    signaling,
    webhook::{
        identity::Identity,
        post::WebhookPost,
        webhooks::{News, Webhooks},
    },
};

/// What all streams of a load have in common.
#[derive(Clone, Debug)]
pub struct LoadSettings {
    /// The product that streams.
    pub product: Product,
    /// The app that the streams are for.
    pub app: App,
    /// Between two keep-alive requests on a connection.
    pub keep_alive: Duration,
    /// Keep-alive requests without an answer before a connection counts as lost.
    pub keep_alive_misses: usize,
    /// What message 4 grants, whatever was asked for: there is one sound for all.
    pub media_params: MediaParams,
}

/// A stream under load.
#[derive(Debug)]
pub struct LoadStream {
    signaling_url: String,
    media_url: String,
    keep_alive: Duration,
    keep_alive_misses: usize,
    identity: Identity,
    expected: Expected,
    session: RtmsSessionId,
    start: UnixMillis,
    media_params: MediaParams,
    webhooks: Webhooks,
    signaling: Option<Connection>,
    media: Option<Connection>,
    has_started: bool,
    is_over: bool,
    outputs: VecDeque<LoadOutput>,
}

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    keep_alive: KeepAlive,
}

/// What a stream under load does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadOutput {
    /// Sends one message as a text frame.
    Send {
        /// The connection.
        connection: ConnectionId,
        /// The JSON text.
        text: String,
    },
    /// Closes a connection with a close frame.
    Close {
        /// The connection.
        connection: ConnectionId,
    },
    /// Cuts a connection without a close frame.
    Cut {
        /// The connection.
        connection: ConnectionId,
    },
}

/// What the driver counts or does after a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadEvent {
    /// Nothing.
    Nothing,
    /// A client joined the stream.
    Joined,
    /// A data handshake succeeded.
    MediaConnected,
    /// From now on this connection gets the sound.
    Ready(ConnectionId),
    /// The client did something wrong. The text fits after "the client …".
    Mistake(String),
}

/// Media that the app was granted.
fn granted() -> MediaTypes {
    MediaTypes::of([Medium::Audio])
}

impl LoadStream {
    /// Returns a stream that starts now. Its ids follow from `seed` and the time.
    pub fn new(settings: &LoadSettings, seed: u64, signaling_url: String, media_url: String, now: UnixMillis) -> Self {
        let LoadSettings { product, app, keep_alive, keep_alive_misses, media_params } = settings.clone();
        let seed = Seed::new(seed);
        let identity = Identity::new(product, &seed, now);
        let expected = Expected::new(product, &app, &identity.instance, &identity.stream);
        let mut chance = seed.fork("session", now.0);
        let session = [8, 4, 4, 4, 12].map(|digits| chance.hex(digits)).join("-");
        Self {
            signaling_url,
            media_url,
            keep_alive,
            keep_alive_misses,
            identity,
            expected,
            session: RtmsSessionId::new(session),
            start: now,
            media_params,
            webhooks: Webhooks::new(product, app, WebhookOptions::default(), false, &seed, now),
            signaling: None,
            media: None,
            has_started: false,
            is_over: false,
            outputs: VecDeque::new(),
        }
    }

    /// Returns the start webhook, signed now.
    pub fn start_webhook(&mut self, now: UnixMillis) -> Option<WebhookPost> {
        let signaling_url = self.signaling_url.clone();
        self.webhook(News::Started { signaling_url: &signaling_url }, now)
    }

    /// Returns the stop webhook, signed now.
    pub fn stop_webhook(&mut self, reason: StopReason, now: UnixMillis) -> Option<WebhookPost> {
        self.webhook(News::Stopped { reason }, now)
    }

    fn webhook(&mut self, news: News<'_>, now: UnixMillis) -> Option<WebhookPost> {
        self.webhooks.announce(news, &self.identity, now, now);
        self.webhooks.due(now)
    }

    /// Returns the next thing to do; to be asked until there is none.
    pub fn poll_output(&mut self) -> Option<LoadOutput> {
        self.outputs.pop_front()
    }

    /// Takes a message.
    pub fn received(
        &mut self,
        connection: ConnectionId,
        endpoint: Endpoint,
        payload: &[u8],
        now: UnixMillis,
    ) -> LoadEvent {
        let is = |known: &Option<Connection>| known.as_ref().is_some_and(|it| it.id == connection);
        let is_known = is(&self.signaling) || is(&self.media);
        if let Err(ill_typed) = kinds::check(&kinds::fields(payload)) {
            return self.ill_typed(connection, endpoint, is_known, ill_typed);
        }
        let message = match Message::decode(payload) {
            Ok(message) => message,
            Err(error) => return self.undecodable(connection, endpoint, is_known, payload, &error),
        };
        let msg_type = message.msg_type();
        match (message, endpoint, is_known) {
            (Message::SignalingHandShakeReq(request), Endpoint::Signaling, false) => {
                self.signaling_handshake(connection, &request, now)
            }
            (Message::DataHandShakeReq(request), Endpoint::Media, false) => {
                self.data_handshake(connection, &request, now)
            }
            (Message::ClientReadyAck(ready), Endpoint::Signaling, true) => self.ready(connection, &ready, now),
            (Message::KeepAliveResp(answer), _, true) => self.keep_alive_answered(endpoint, &answer, now),
            (Message::StreamCloseReq(request), Endpoint::Signaling, true) => {
                let answer = Message::StreamCloseResp(StreamCloseResp {
                    rtms_stream_id: request.rtms_stream_id,
                    status_code: StatusCode::Ok,
                    reason: Some(Reason::from("OK")),
                    timestamp: Some(now),
                    extra: Extra::new(),
                });
                self.send(connection, &answer);
                self.end(StopReason::ReceiverRequestClose, now);
                LoadEvent::Nothing
            }
            // There are no events but the first, so a subscription changes nothing.
            (Message::EventSubscription(_), Endpoint::Signaling, true) => LoadEvent::Nothing,
            _ => LoadEvent::Mistake(format!("sent message {msg_type}, which does not belong there, or not under load")),
        }
    }

    fn signaling_handshake(
        &mut self,
        connection: ConnectionId,
        request: &SignalingHandShakeReq,
        now: UnixMillis,
    ) -> LoadEvent {
        let checked = if self.is_over {
            Err(Refusal::new(StatusCode::InvalidRtmsStreamId, "the stream is over"))
        } else {
            self.expected.check_signaling(request)
        };
        let checked = checked.and_then(|_| match self.signaling {
            Some(_) => Err(Refusal::in_zooms_words(StatusCode::DuplicateSignalRequest)),
            None => Ok(()),
        });
        if let Err(refusal) = checked {
            return self.refuse(connection, Endpoint::Signaling, refusal);
        }
        self.signaling = Some(self.connection(connection, now));
        self.send(connection, &handshake::signaling_granted(granted(), &self.media_url, MediaUrlForm::Keys));
        self.send(connection, &signaling::event_update(signaling::first_packet(self.start)));
        LoadEvent::Joined
    }

    fn data_handshake(&mut self, connection: ConnectionId, request: &DataHandShakeReq, now: UnixMillis) -> LoadEvent {
        let carried: Vec<_> = self.media.iter().map(|_| granted()).collect();
        let checked = if self.signaling.is_none() {
            Err(Refusal::new(StatusCode::InvalidRtmsStreamId, "the stream has no signaling connection"))
        } else {
            self.expected.check_data(request, granted(), &carried)
        };
        if let Err(refusal) = checked {
            let is_found_out_by_asking = is_of_a_medium_without_load(refusal.status);
            let outcome = self.refuse(connection, Endpoint::Media, refusal);
            return if is_found_out_by_asking { LoadEvent::Nothing } else { outcome };
        }
        self.media = Some(self.connection(connection, now));
        self.send(connection, &handshake::data_granted(self.media_params.clone(), false));
        LoadEvent::MediaConnected
    }

    fn connection(&self, id: ConnectionId, now: UnixMillis) -> Connection {
        Connection { id, keep_alive: KeepAlive::new(self.keep_alive, self.keep_alive_misses, now) }
    }

    fn ready(&mut self, connection: ConnectionId, ready: &ClientReadyAck, now: UnixMillis) -> LoadEvent {
        let wrong = |why| LoadEvent::Mistake(format!("sent a client ready that cannot count: {why}"));
        if ready.rtms_stream_id != self.identity.stream {
            return wrong("it names another stream");
        }
        let Some(media) = &self.media else { return wrong("no data handshake has succeeded") };
        let media = media.id;
        if !self.has_started {
            self.has_started = true;
            for session in [SessionState::Initialize, SessionState::Started] {
                self.send(connection, &self.session_state(session, None, now));
            }
            self.send(connection, &stream_state(StreamState::Active, None, now));
        }
        LoadEvent::Ready(media)
    }

    /// Forgets a connection that has ended. Returns whether its handshake had succeeded.
    pub fn closed(&mut self, connection: ConnectionId) -> bool {
        let mut was_known = false;
        for known in [&mut self.signaling, &mut self.media] {
            was_known |= known.take_if(|it| it.id == connection).is_some();
        }
        was_known
    }

    /// Sends the keep-alive requests that are due, and cuts connections that left too many unanswered. Returns how many
    /// were asked and how many cut.
    pub fn keep_alive(&mut self, now: UnixMillis) -> (u64, u64) {
        let (mut asked, mut given_up) = (0, 0);
        for known in [&mut self.signaling, &mut self.media] {
            let Some(connection) = known else { continue };
            let id = connection.id;
            match connection.keep_alive.tick(now) {
                Some(Due::Ask(sequence)) => {
                    asked += 1;
                    let request = Message::KeepAliveReq(KeepAliveReq {
                        timestamp: Some(now.0.into()),
                        sequence: Some(sequence.into()),
                        extra: Extra::new(),
                    });
                    self.outputs.push_back(LoadOutput::Send { connection: id, text: request.encode() });
                }
                Some(Due::GiveUp(_)) => {
                    given_up += 1;
                    self.outputs.push_back(LoadOutput::Cut { connection: id });
                    *known = None;
                }
                None => {}
            }
        }
        (asked, given_up)
    }

    /// Tells the client that the end is near.
    pub fn begin_end(&mut self, reason: StopReason, now: UnixMillis) {
        if let Some(signaling) = self.signaling.as_ref().map(|it| it.id) {
            self.send(signaling, &stream_state(StreamState::Terminating, Some(reason), now));
        }
    }

    /// Ends the stream and closes its connections.
    pub fn end(&mut self, reason: StopReason, now: UnixMillis) {
        self.is_over = true;
        if let Some(Connection { id, .. }) = self.signaling.take() {
            if self.has_started {
                self.send(id, &self.session_state(SessionState::Stopped, Some(reason), now));
            }
            self.send(id, &stream_state(StreamState::Terminated, Some(reason), now));
            self.outputs.push_back(LoadOutput::Close { connection: id });
        }
        if let Some(Connection { id, .. }) = self.media.take() {
            self.outputs.push_back(LoadOutput::Close { connection: id });
        }
    }

    fn session_state(&self, state: SessionState, stop_reason: Option<StopReason>, now: UnixMillis) -> Message {
        Message::SessionStateUpdate(SessionStateUpdate {
            state,
            stop_reason,
            timestamp: Some(now),
            rtms_session_id: Some(self.session.clone()),
            extra: Extra::new(),
        })
    }

    fn send(&mut self, connection: ConnectionId, message: &Message) {
        self.outputs.push_back(LoadOutput::Send { connection, text: message.encode() });
    }

    fn refuse(&mut self, connection: ConnectionId, endpoint: Endpoint, refusal: Refusal) -> LoadEvent {
        let Refusal { status, reason } = refusal;
        let (request, answer) = match endpoint {
            Endpoint::Signaling => (MessageType::SignalingHandShakeReq, handshake::signaling_refused(status, &reason)),
            Endpoint::Media => (MessageType::DataHandShakeReq, handshake::data_refused(status, &reason)),
        };
        self.send(connection, &answer);
        LoadEvent::Mistake(format!("sent message {request}, which was refused with {status}: {reason}"))
    }

    /// An ill-typed handshake is refused with the status of its field; anything else is noted and ignored.
    fn ill_typed(
        &mut self,
        connection: ConnectionId,
        endpoint: Endpoint,
        is_known: bool,
        ill_typed: IllTyped,
    ) -> LoadEvent {
        if is_known {
            LoadEvent::Mistake(format!("sent something that is no message: {}", ill_typed.refusal.reason))
        } else {
            self.refuse(connection, endpoint, ill_typed.refusal)
        }
    }

    /// A handshake that lacks something is refused with its status; anything else that cannot be read is noted and
    /// ignored.
    fn undecodable(
        &mut self,
        connection: ConnectionId,
        endpoint: Endpoint,
        is_known: bool,
        payload: &[u8],
        error: &DecodeError,
    ) -> LoadEvent {
        let wanted = match endpoint {
            Endpoint::Signaling => MessageType::SignalingHandShakeReq,
            Endpoint::Media => MessageType::DataHandShakeReq,
        };
        match error {
            DecodeError::BadField { msg_type: Some(msg_type), .. } if *msg_type == wanted && !is_known => {
                self.refuse(connection, endpoint, incomplete(payload, error))
            }
            DecodeError::BadField { .. }
            | DecodeError::NotAnObject
            | DecodeError::NotJson(_)
            | DecodeError::NoMessageType
            | DecodeError::BadBase64 { .. }
            | DecodeError::LengthMismatch { .. } => {
                LoadEvent::Mistake(format!("sent something that is no message: {error}"))
            }
        }
    }

    fn keep_alive_answered(&mut self, endpoint: Endpoint, answer: &KeepAliveResp, now: UnixMillis) -> LoadEvent {
        let known = match endpoint {
            Endpoint::Signaling => &mut self.signaling,
            Endpoint::Media => &mut self.media,
        };
        let repeats_ours =
            |connection: &mut Connection| connection.keep_alive.answered(answer, KeepAliveForm::Both, now).is_ok();
        if known.as_mut().is_some_and(repeats_ours) {
            LoadEvent::Nothing
        } else {
            LoadEvent::Mistake("sent a keep-alive answer that repeats no open request".to_owned())
        }
    }
}

fn stream_state(state: StreamState, reason: Option<StopReason>, now: UnixMillis) -> Message {
    Message::StreamStateUpdate(StreamStateUpdate { state, reason, timestamp: Some(now), extra: Extra::new() })
}

/// Whether a medium is refused that there is none of here: a load is sound alone, and whoever wants more cannot know
/// that.
fn is_of_a_medium_without_load(status: StatusCode) -> bool {
    use StatusCode::{
        MediaTypeChatNotSupport, MediaTypeDeskshareNotSupport, MediaTypeTranscriptNotSupport, MediaTypeVideoNotSupport,
    };
    matches!(
        status,
        MediaTypeVideoNotSupport
            | MediaTypeDeskshareNotSupport
            | MediaTypeTranscriptNotSupport
            | MediaTypeChatNotSupport
    )
}
