//! One stream under load: its handshakes and keep-alives are Zoom's, its sound comes from elsewhere.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use rtms_wire::{
    codes::{
        message_type::MessageType,
        state::{SessionState, StreamState},
        status_code::StatusCode,
        stop_reason::StopReason,
    },
    error::DecodeError,
    ids::RtmsSessionId,
    media::medium::{MediaTypes, Medium},
    message::{
        Extra, Message,
        client_ready::ClientReadyAck,
        data_handshake::DataHandShakeReq,
        keep_alive::{KeepAliveReq, KeepAliveResp},
        signaling_handshake::{Reason, SignalingHandShakeReq},
        state::{SessionStateUpdate, StreamStateUpdate},
        stream_close::StreamCloseResp,
    },
    time::UnixMillis,
};

use super::{
    frame,
    pipe::{Pipe, Written},
    sound::Sound,
};
use crate::{
    checks::{
        expected::Expected,
        incomplete::incomplete,
        kinds::{self, IllTyped},
        refusal::Refusal,
    },
    config::{App, WebhookOptions},
    connection::Endpoint,
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

/// How a stream under load differs from others.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) product: rtms_wire::codes::product::Product,
    pub(super) app: App,
    pub(super) keep_alive: Duration,
    pub(super) keep_alive_misses: usize,
}

/// A stream.
pub(super) struct Stream {
    pub(super) signaling_url: String,
    media_url: String,
    keep_alive: Duration,
    keep_alive_misses: usize,
    identity: Identity,
    expected: Expected,
    session: RtmsSessionId,
    start: UnixMillis,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    webhooks: Webhooks,
    signaling: Option<Connection>,
    media: Option<Connection>,
    has_started: bool,
    is_over: bool,
}

#[derive(Debug)]
struct Connection {
    pipe: Arc<Pipe>,
    keep_alive: KeepAlive,
}

/// What the caller has to do or to count after a message.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Nothing.
    Fine,
    /// Somebody joined.
    Joined,
    /// A media connection stands.
    MediaConnected,
    /// From now on this connection gets the sound.
    Ready(Arc<Pipe>),
    /// The client did something wrong: what, in words that fit after "the client …".
    Wrong(String),
}

/// Media that the app was granted.
fn granted() -> MediaTypes {
    MediaTypes::of([Medium::Audio])
}

impl Stream {
    pub(super) fn new(
        settings: &Settings,
        seed: u64,
        signaling_url: String,
        media_url: String,
        now: UnixMillis,
    ) -> Self {
        let Settings { product, app, keep_alive, keep_alive_misses } = settings.clone();
        let seed = Seed::new(seed);
        let identity = Identity::new(product, &seed, now);
        let expected = Expected::new(product, &app, &identity.instance, &identity.stream);
        let mut chance = seed.fork("session", now.0);
        let session = [8, 4, 4, 4, 12].map(|digits| chance.hex(digits)).join("-");
        let webhooks = Webhooks::new(product, app, WebhookOptions::default(), false, &seed, now);
        let state = State { webhooks, signaling: None, media: None, has_started: false, is_over: false };
        Self {
            signaling_url,
            media_url,
            keep_alive,
            keep_alive_misses,
            identity,
            expected,
            session: RtmsSessionId::new(session),
            start: now,
            state: Mutex::new(state),
        }
    }

    /// The start webhook, signed now.
    pub(super) fn start_webhook(&self, now: UnixMillis) -> Option<WebhookPost> {
        self.webhook(News::Started { signaling_url: &self.signaling_url }, now)
    }

    /// The stop webhook, signed now.
    pub(super) fn stop_webhook(&self, reason: StopReason, now: UnixMillis) -> Option<WebhookPost> {
        self.webhook(News::Stopped { reason }, now)
    }

    fn webhook(&self, news: News<'_>, now: UnixMillis) -> Option<WebhookPost> {
        let mut state = self.state();
        state.webhooks.announce(news, &self.identity, now, now);
        state.webhooks.due(now)
    }

    /// Takes a message.
    pub(super) fn hear(&self, pipe: &Arc<Pipe>, endpoint: Endpoint, payload: &[u8], now: UnixMillis) -> Outcome {
        let mut state = self.state();
        let is = |known: &Option<Connection>| known.as_ref().is_some_and(|it| Arc::ptr_eq(&it.pipe, pipe));
        let is_known = is(&state.signaling) || is(&state.media);
        if let Err(ill_typed) = kinds::check(&kinds::fields(payload)) {
            return ill_written(pipe, endpoint, is_known, ill_typed);
        }
        let message = match Message::decode(payload) {
            Ok(message) => message,
            Err(error) => return undecodable(pipe, endpoint, is_known, payload, &error),
        };
        let msg_type = message.msg_type();
        match (message, endpoint, is_known) {
            (Message::SignalingHandShakeReq(request), Endpoint::Signaling, false) => {
                self.signaling_handshake(&mut state, pipe, &request, now)
            }
            (Message::DataHandShakeReq(request), Endpoint::Media, false) => {
                self.data_handshake(&mut state, pipe, &request, now)
            }
            (Message::ClientReadyAck(ready), Endpoint::Signaling, true) => self.ready(&mut state, pipe, &ready, now),
            (Message::KeepAliveResp(answer), _, true) => answered(&mut state, endpoint, &answer, now),
            (Message::StreamCloseReq(request), Endpoint::Signaling, true) => {
                let answer = Message::StreamCloseResp(StreamCloseResp {
                    rtms_stream_id: request.rtms_stream_id,
                    status_code: StatusCode::Ok,
                    reason: Some(Reason::from("OK")),
                    timestamp: Some(now),
                    extra: Extra::new(),
                });
                say(pipe, &answer);
                self.end_now(&mut state, StopReason::ReceiverRequestClose, now);
                Outcome::Fine
            }
            // There are no events but the first, so a subscription changes nothing.
            (Message::EventSubscription(_), Endpoint::Signaling, true) => Outcome::Fine,
            _ => Outcome::Wrong(format!("sent message {msg_type}, which does not belong there, or not under load")),
        }
    }

    fn signaling_handshake(
        &self,
        state: &mut State,
        pipe: &Arc<Pipe>,
        request: &SignalingHandShakeReq,
        now: UnixMillis,
    ) -> Outcome {
        let checked = if state.is_over {
            Err(Refusal::new(StatusCode::InvalidRtmsStreamId, "the stream is over"))
        } else {
            self.expected.check_signaling(request)
        };
        let checked = checked.and_then(|_| match state.signaling {
            Some(_) => Err(Refusal::in_zooms_words(StatusCode::DuplicateSignalRequest)),
            None => Ok(()),
        });
        if let Err(refusal) = checked {
            return refuse(pipe, Endpoint::Signaling, refusal);
        }
        state.signaling = Some(self.connection(pipe, now));
        say(pipe, &handshake::signaling_granted(granted(), &self.media_url, MediaUrlForm::Keys));
        say(pipe, &signaling::event_update(signaling::first_packet(self.start)));
        Outcome::Joined
    }

    fn data_handshake(
        &self,
        state: &mut State,
        pipe: &Arc<Pipe>,
        request: &DataHandShakeReq,
        now: UnixMillis,
    ) -> Outcome {
        let carried: Vec<_> = state.media.iter().map(|_| granted()).collect();
        let checked = if state.signaling.is_none() {
            Err(Refusal::new(StatusCode::InvalidRtmsStreamId, "the stream has no signaling connection"))
        } else {
            self.expected.check_data(request, granted(), &carried)
        };
        if let Err(refusal) = checked {
            let is_found_out_by_asking = is_of_a_medium_without_load(refusal.status);
            let outcome = refuse(pipe, Endpoint::Media, refusal);
            return if is_found_out_by_asking { Outcome::Fine } else { outcome };
        }
        state.media = Some(self.connection(pipe, now));
        say(pipe, &handshake::data_granted(Sound::params(), false));
        Outcome::MediaConnected
    }

    fn connection(&self, pipe: &Arc<Pipe>, now: UnixMillis) -> Connection {
        let keep_alive = KeepAlive::new(self.keep_alive, self.keep_alive_misses, now);
        Connection { pipe: Arc::clone(pipe), keep_alive }
    }

    fn ready(&self, state: &mut State, pipe: &Pipe, ready: &ClientReadyAck, now: UnixMillis) -> Outcome {
        let wrong = |why| Outcome::Wrong(format!("sent a client ready that cannot count: {why}"));
        if ready.rtms_stream_id != self.identity.stream {
            return wrong("it names another stream");
        }
        let Some(media) = &state.media else { return wrong("no data handshake has succeeded") };
        let media = Arc::clone(&media.pipe);
        if !state.has_started {
            state.has_started = true;
            for session in [SessionState::Initialize, SessionState::Started] {
                say(pipe, &self.session_state(session, None, now));
            }
            say(pipe, &stream_state(StreamState::Active, None, now));
        }
        Outcome::Ready(media)
    }

    /// Forgets a connection; true if it had shaken hands.
    pub(super) fn lost(&self, pipe: &Arc<Pipe>) -> bool {
        let mut state = self.state();
        let State { signaling, media, .. } = &mut *state;
        let mut was_known = false;
        for known in [signaling, media] {
            was_known |= known.take_if(|it| Arc::ptr_eq(&it.pipe, pipe)).is_some();
        }
        was_known
    }

    /// Asks whether the connections are alive when it is time; gives how many were asked and how many given up.
    pub(super) fn keep_alive(&self, now: UnixMillis) -> (u64, u64) {
        let mut state = self.state();
        let State { signaling, media, .. } = &mut *state;
        let (mut asked, mut given_up) = (0, 0);
        for known in [signaling, media] {
            let Some(connection) = known else { continue };
            match connection.keep_alive.tick(now) {
                Some(Due::Ask(sequence)) => {
                    asked += 1;
                    say(
                        &connection.pipe,
                        &Message::KeepAliveReq(KeepAliveReq {
                            timestamp: Some(now.0.into()),
                            sequence: Some(sequence.into()),
                            extra: Extra::new(),
                        }),
                    );
                }
                Some(Due::GiveUp(_)) => {
                    given_up += 1;
                    connection.pipe.end();
                    *known = None;
                }
                None => {}
            }
        }
        (asked, given_up)
    }

    /// Says that the end is near.
    pub(super) fn begin_end(&self, reason: StopReason, now: UnixMillis) {
        let state = self.state();
        if let Some(signaling) = &state.signaling {
            say(&signaling.pipe, &stream_state(StreamState::Terminating, Some(reason), now));
        }
    }

    /// Ends it.
    pub(super) fn end(&self, reason: StopReason, now: UnixMillis) {
        self.end_now(&mut self.state(), reason, now);
    }

    fn end_now(&self, state: &mut State, reason: StopReason, now: UnixMillis) {
        state.is_over = true;
        if let Some(Connection { pipe, .. }) = state.signaling.take() {
            if state.has_started {
                say(&pipe, &self.session_state(SessionState::Stopped, Some(reason), now));
            }
            say(&pipe, &stream_state(StreamState::Terminated, Some(reason), now));
            pipe.send(&frame::close());
        }
        if let Some(Connection { pipe, .. }) = state.media.take() {
            pipe.send(&frame::close());
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

    fn state(&self) -> MutexGuard<'_, State> {
        // What is behind the lock is whole after every statement, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stream_state(state: StreamState, reason: Option<StopReason>, now: UnixMillis) -> Message {
    Message::StreamStateUpdate(StreamStateUpdate { state, reason, timestamp: Some(now), extra: Extra::new() })
}

fn say(pipe: &Pipe, message: &Message) -> Written {
    let frame: Bytes = frame::text(&message.encode());
    pipe.send(&frame)
}

fn refuse(pipe: &Pipe, endpoint: Endpoint, refusal: Refusal) -> Outcome {
    let Refusal { status, reason } = refusal;
    let (request, answer) = match endpoint {
        Endpoint::Signaling => (MessageType::SignalingHandShakeReq, handshake::signaling_refused(status, &reason)),
        Endpoint::Media => (MessageType::DataHandShakeReq, handshake::data_refused(status, &reason)),
    };
    say(pipe, &answer);
    Outcome::Wrong(format!("sent message {request}, which was refused with {status}: {reason}"))
}

/// Whether a medium is refused that there is none of here: a load is sound alone, and whoever wants more cannot know that.
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

/// An ill-typed handshake is refused with the status of its field; anything else is noted and ignored.
fn ill_written(pipe: &Pipe, endpoint: Endpoint, is_known: bool, ill_typed: IllTyped) -> Outcome {
    if is_known {
        Outcome::Wrong(format!("sent something that is no message: {}", ill_typed.refusal.reason))
    } else {
        refuse(pipe, endpoint, ill_typed.refusal)
    }
}

/// A handshake that lacks something is refused with its status; anything else that cannot be read is noted and ignored.
fn undecodable(pipe: &Pipe, endpoint: Endpoint, is_known: bool, payload: &[u8], error: &DecodeError) -> Outcome {
    let wanted = match endpoint {
        Endpoint::Signaling => MessageType::SignalingHandShakeReq,
        Endpoint::Media => MessageType::DataHandShakeReq,
    };
    match error {
        DecodeError::BadField { msg_type: Some(msg_type), .. } if *msg_type == wanted && !is_known => {
            refuse(pipe, endpoint, incomplete(payload, error))
        }
        DecodeError::BadField { .. }
        | DecodeError::NotAnObject
        | DecodeError::NotJson(_)
        | DecodeError::NoMessageType
        | DecodeError::BadBase64 { .. }
        | DecodeError::LengthMismatch { .. } => Outcome::Wrong(format!("sent something that is no message: {error}")),
    }
}

fn answered(state: &mut State, endpoint: Endpoint, answer: &KeepAliveResp, now: UnixMillis) -> Outcome {
    let known = match endpoint {
        Endpoint::Signaling => &mut state.signaling,
        Endpoint::Media => &mut state.media,
    };
    let repeats_ours =
        |connection: &mut Connection| connection.keep_alive.answered(answer, KeepAliveForm::Both, now).is_ok();
    if known.as_mut().is_some_and(repeats_ours) {
        Outcome::Fine
    } else {
        Outcome::Wrong("sent a keep-alive answer that repeats no open request".to_owned())
    }
}
