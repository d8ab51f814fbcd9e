//! The way to the signaling connection and back to it: the first connect, an unexplained loss, an interrupted webhook,
//! and the failover that a newer start webhook announces.

use std::{collections::VecDeque, time::Duration};

use rtms_wire::{
    codes::{message_type::MessageType, status_code::StatusCode},
    ids::RtmsSessionId,
    message::{
        Message,
        signaling_handshake::{MediaUrls, SignalingHandShakeResp},
    },
};

use crate::{
    config::StreamConfig,
    connection::{Connection, Loss},
    credentials::Credentials,
    error::StreamError,
    event::{Event, Interruption},
    output::ConnectionId,
    pace::Pace,
    reconnect::{EXPLANATION_LIMIT, Recovery, SIGNALING_WINDOW},
    refusal::{self, Remedy},
    role::Role,
    signaling::{StreamStart, media_urls, session_state},
    stream::{
        due::{Deadline, Due},
        lifecycle::Lifecycle,
        outputs::Outputs,
    },
    time::Moment,
};

/// How long message 19 may wait for its answer when an interrupted webhook put the signaling connection in doubt.
const DOUBT_LIMIT: Duration = Duration::from_secs(2);

/// The signaling connection of a stream, or the way to it. There is never a second one.
#[derive(Debug)]
pub(super) struct Signaling {
    start: StreamStart,
    /// Other names to try if Zoom does not know the stream by that of the start.
    alternatives: VecDeque<Credentials>,
    connection: Option<Connection>,
    /// Until the handshake succeeds.
    recovery: Option<Recovery>,
    /// A loss that may still be explained by the end of the stream, and is not reported until it is not.
    unreported: Option<Loss>,
    /// When the last one that stood was lost, while there is no other. Media are interrupted since then, too.
    lost_at: Option<Moment>,
    /// Which of the server URLs is being tried.
    url: usize,
    /// Whether message 5 was sent on this connection.
    is_subscribed: bool,
    /// Since when and until when message 19 waits for its answer.
    doubt: Option<Doubt>,
    /// Whether a handshake ever succeeded: then Zoom knows us by this name.
    is_known: bool,
    /// Whether signaling was away, and Zoom is still to be asked which states changed meanwhile.
    has_missed: bool,
    /// Tries that did not lead to a connection that lasted.
    tries: u32,
}

/// An interrupted webhook put the signaling connection in doubt.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    since: Moment,
    until: Moment,
}

/// What message 2 led to.
pub(super) enum Handshake {
    /// Signaling stands.
    Open {
        /// Where the media is.
        urls: MediaUrls,
        /// Whether it stood before.
        is_back: bool,
    },
    /// It was refused in a way that another try may mend, or means nothing here.
    Pending,
    /// The stream cannot be had.
    Failed(StreamError),
}

impl Signaling {
    /// Nothing is dialed yet. The window opened so long ago as `age` says.
    pub(super) fn new(start: StreamStart, alternatives: Vec<Credentials>, age: Duration, now: Moment) -> Self {
        Self {
            start,
            alternatives: alternatives.into(),
            connection: None,
            recovery: Some(Recovery::of_start(age, now)),
            unreported: None,
            lost_at: None,
            url: 0,
            is_subscribed: false,
            doubt: None,
            is_known: false,
            has_missed: false,
            tries: 0,
        }
    }

    pub(super) fn start(&self) -> &StreamStart {
        &self.start
    }

    pub(super) fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }

    pub(super) fn connection_mut(&mut self) -> Option<&mut Connection> {
        self.connection.as_mut()
    }

    pub(super) fn is_open(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::is_open)
    }

    /// When signaling was lost, while it is away.
    pub(super) fn lost_at(&self) -> Option<Moment> {
        self.lost_at
    }

    /// Signaling is back: returns when it was lost.
    pub(super) fn take_lost_at(&mut self) -> Option<Moment> {
        self.lost_at.take()
    }

    /// Whether a loss of it waits for its explanation.
    pub(super) fn has_unreported_loss(&self) -> bool {
        self.unreported.is_some()
    }

    /// The loss that waits for its explanation does so no longer.
    pub(super) fn take_unreported_loss(&mut self) -> Option<Loss> {
        self.unreported.take()
    }

    /// Lets go of the connection with this id, which is gone.
    pub(super) fn forget(&mut self, id: ConnectionId) -> Option<Connection> {
        self.connection.take_if(|connection| connection.id == id)
    }

    /// Closes the connection.
    pub(super) fn hang_up(&mut self, outputs: &mut Outputs) -> Option<Connection> {
        let connection = self.connection.take()?;
        outputs.disconnect(connection.id);
        Some(connection)
    }

    /// Sends on signaling, if it stands.
    pub(super) fn send(&self, message: Message, outputs: &mut Outputs) {
        if let Some(connection) = self.connection.as_ref().filter(|connection| connection.is_open()) {
            outputs.send(connection.id, message);
        }
    }

    /// Reports media as ready, and subscribes to events with the first of them.
    pub(super) fn send_ready(&mut self, config: &StreamConfig, outputs: &mut Outputs) {
        // Once per media handshake: Zoom's documents and libraries disagree, and repeats are harmless.
        self.send(self.start.client_ready(), outputs);
        if !std::mem::replace(&mut self.is_subscribed, true)
            && let Some(subscription) = self.start.event_subscription(config)
        {
            self.send(subscription, outputs);
        }
    }

    // --- Dialing ---

    /// Dials the server URL whose turn it is.
    pub(super) fn dial(&mut self, outputs: &mut Outputs, now: Moment) {
        // Whoever counts `url` up keeps it within the list.
        let Some(url) = self.start.server_urls.get(self.url).cloned() else { return };
        let Some(recovery) = &mut self.recovery else { return };
        recovery.next = None;
        recovery.tries += u32::from(self.url == 0);
        let window = recovery.until;
        self.is_subscribed = false;
        self.doubt = None;
        self.connection = Some(outputs.dial(Role::Signaling, url, window, now));
    }

    /// Dials from the first URL on.
    pub(super) fn dial_first(&mut self, outputs: &mut Outputs, now: Moment) {
        self.url = 0;
        self.dial(outputs, now);
    }

    /// A server URL did not lead to an answer: the next one at once, and after the last one a wait.
    pub(super) fn unreachable(&mut self, error: StreamError, life: &Lifecycle, outputs: &mut Outputs, now: Moment) {
        let window_is_open = self.recovery.as_ref().is_some_and(|recovery| recovery.until > now);
        if life.wants_back() && window_is_open && self.url + 1 < self.start.server_urls.len() {
            self.url += 1;
            return self.dial(outputs, now);
        }
        self.failed(error, Pace::Backoff, life, outputs, now);
    }

    fn failed(&mut self, error: StreamError, pace: Pace, life: &Lifecycle, outputs: &mut Outputs, now: Moment) {
        let Some(recovery) = &mut self.recovery else { return };
        self.url = 0;
        let again_in = if life.is_terminating() {
            // What explains the end may still come.
            recovery.next = Some(now + EXPLANATION_LIMIT);
            None
        } else {
            recovery.again(pace, now, &mut outputs.jitter)
        };
        recovery.error = Some(error.clone());
        outputs.report(Event::AttemptFailed { role: Role::Signaling, error, again_in });
    }

    /// Whether the window has closed in which it can be had back.
    pub(super) fn is_too_late(&self, now: Moment) -> bool {
        self.recovery.as_ref().is_none_or(|recovery| recovery.until <= now)
    }

    /// The window closed, and Zoom has given the stream up. Returns why it could not be had.
    pub(super) fn give_up(&mut self, outputs: &mut Outputs, now: Moment) -> StreamError {
        let error = self.recovery.take().and_then(|recovery| recovery.error);
        let lost = self.unreported.take().map(|loss| {
            let error = StreamError::Lost { role: loss.role, why: loss.why.clone() };
            outputs.report_loss(loss, now);
            error
        });
        error.or(lost).unwrap_or(StreamError::TimedOut { role: Role::Signaling })
    }

    /// Nothing is dialed any more: an attempt and what waits for its turn go.
    pub(super) fn drop_pending(&mut self, outputs: &mut Outputs) {
        if let Some(connection) = self.connection.take_if(|connection| !connection.is_open()) {
            outputs.disconnect(connection.id);
        }
        self.recovery = None;
        // What was lost is explained by the end: nothing was wrong.
        self.unreported = None;
    }

    /// The stream is over: the connection is closed and nothing is waited for.
    pub(super) fn end(&mut self, outputs: &mut Outputs) {
        self.hang_up(outputs);
        (self.recovery, self.unreported, self.lost_at, self.doubt) = (None, None, None, None);
        self.has_missed = false;
    }

    // --- The handshake ---

    /// Message 2 came.
    pub(super) fn answered(
        &mut self,
        id: ConnectionId,
        response: SignalingHandShakeResp,
        life: &Lifecycle,
        outputs: &mut Outputs,
        now: Moment,
    ) -> Handshake {
        let shakes_hands = |connection: &&mut Connection| connection.id == id && !connection.is_open();
        let Some(connection) = self.connection.as_mut().filter(shakes_hands) else {
            outputs.report_misplaced(MessageType::SignalingHandShakeResp);
            return Handshake::Pending;
        };
        let version = response.protocol_version;
        if response.status_code != StatusCode::Ok {
            let (status, reason) = (response.status_code, response.reason.unwrap_or_default().0);
            return self.refused(status, reason, life, outputs, now);
        }
        let urls = match media_urls(response) {
            Ok(urls) => urls,
            Err(error) => return Handshake::Failed(error),
        };
        connection.open(now);
        let is_back = std::mem::replace(&mut self.is_known, true);
        self.has_missed |= is_back;
        self.tries = self.recovery.take().map_or(0, |recovery| recovery.tries);
        outputs.report(Event::SignalingOpen);
        outputs.watch_version(Role::Signaling, version);
        Handshake::Open { urls, is_back }
    }

    fn refused(
        &mut self,
        status: StatusCode,
        reason: String,
        life: &Lifecycle,
        outputs: &mut Outputs,
        now: Moment,
    ) -> Handshake {
        let error = StreamError::Refused { role: Role::Signaling, status, reason };
        match refusal::of_signaling(status) {
            Remedy::Retry(pace) => {
                self.hang_up(outputs);
                self.failed(error, pace, life, outputs, now);
                Handshake::Pending
            }
            // A name that Zoom took before is not the reason.
            Remedy::OtherId if !self.is_known && !self.alternatives.is_empty() => {
                self.hang_up(outputs);
                if let Some(Credentials { instance, signature }) = self.alternatives.pop_front() {
                    (self.start.instance, self.start.signature) = (instance, signature);
                }
                let again_in = Some(Duration::ZERO);
                outputs.report(Event::AttemptFailed { role: Role::Signaling, error, again_in });
                self.dial(outputs, now);
                Handshake::Pending
            }
            Remedy::OtherId | Remedy::FallBack(_) | Remedy::Split | Remedy::Without(_) | Remedy::Never => {
                Handshake::Failed(error)
            }
        }
    }

    /// Whether Zoom is still to be asked which states changed while signaling was away.
    pub(super) fn has_missed(&self) -> bool {
        self.has_missed
    }

    /// Asks for the state of the stream and of these sessions, once.
    pub(super) fn ask_for_states(&mut self, sessions: Vec<RtmsSessionId>, outputs: &mut Outputs) {
        self.has_missed = false;
        self.send(self.start.stream_state(), outputs);
        for session in sessions {
            self.send(session_state(session), outputs);
        }
    }

    // --- Lost ---

    /// A connection that stood is gone. Returns whether it is dialed at once.
    ///
    /// Without a word about why, that word is waited for; with it, or when the connection was in doubt anyway, nothing
    /// is.
    pub(super) fn gone(
        &mut self,
        connection: &Connection,
        loss: Loss,
        life: &Lifecycle,
        outputs: &mut Outputs,
        now: Moment,
    ) -> bool {
        let doubt = self.doubt.take();
        let lost_at = doubt.map_or(now, |doubt| doubt.since);
        let tries = if connection.is_stable(now) { 0 } else { self.tries };
        let mut recovery = Recovery { tries, ..Recovery::until(lost_at + SIGNALING_WINDOW) };
        // One that came and went just before is not dialed without a pause, whatever the webhooks say.
        let flickers = tries > 1;
        if flickers {
            recovery.again(Pace::Backoff, now, &mut outputs.jitter);
        }
        let at_once = doubt.is_some() && !flickers && !life.is_terminating();
        if !at_once {
            let explained = now + EXPLANATION_LIMIT;
            recovery.next = Some(recovery.next.map_or(explained, |next| next.max(explained)));
        }
        self.recovery = Some(recovery);
        self.lost_at = Some(lost_at);
        self.unreported = Some(loss);
        at_once
    }

    /// Takes the URLs of a webhook if they are others than those that are known. Returns whether they are.
    pub(super) fn move_to(&mut self, server_urls: Vec<String>) -> bool {
        let is_elsewhere = server_urls.iter().any(|url| !self.start.server_urls.contains(url));
        if is_elsewhere {
            self.start.server_urls = server_urls;
        }
        is_elsewhere
    }

    /// Whether it is away and need not pause before the next try. One that flickers keeps its pauses.
    pub(super) fn may_hurry(&self) -> bool {
        self.recovery.as_ref().is_some_and(|recovery| recovery.tries <= 1)
    }

    /// Closes the connection for one at another server. Returns whether it stood: otherwise the window of what was lost
    /// before goes on.
    pub(super) fn leave_for_another_server(&mut self, outputs: &mut Outputs, now: Moment) -> bool {
        let connection = self.hang_up(outputs);
        let why = "an interrupted webhook named another server";
        let loss = connection.and_then(|connection| connection.loss(Interruption::ToldByZoom, why));
        let stood = loss.is_some();
        if stood {
            self.begin_window(now);
            self.unreported = loss;
        }
        stood
    }

    /// A newer start came: the connection is left for its URLs. Returns the loss that this is, if there was anything to
    /// lose.
    pub(super) fn fail_over(&mut self, server_urls: Vec<String>, why: &str, outputs: &mut Outputs) -> Option<Loss> {
        if !server_urls.is_empty() {
            self.start.server_urls = server_urls;
        }
        self.hang_up(outputs)?.loss(Interruption::Failover, why)
    }

    /// What a newer start explains if signaling did not stand: a loss that was reported before it came.
    pub(super) fn loss_before_failover(&self, why: &str, now: Moment) -> Option<Loss> {
        let heard = self.lost_at.unwrap_or(now);
        let loss = Loss { role: Role::Signaling, cause: Interruption::Failover, why: why.into(), heard };
        self.is_known.then_some(loss)
    }

    /// From now on it can be had back for as long as Zoom waits.
    pub(super) fn begin_window(&mut self, now: Moment) {
        self.lost_at = Some(now);
        self.recovery = Some(Recovery::until(now + SIGNALING_WINDOW));
    }

    // --- In doubt ---

    /// Asks the connection that stands whether it does, unless it is being asked.
    pub(super) fn put_in_doubt(&mut self, outputs: &mut Outputs, now: Moment) {
        if self.is_open() && self.doubt.is_none() {
            self.doubt = Some(Doubt { since: now, until: now + DOUBT_LIMIT });
            self.send(self.start.stream_state(), outputs);
        }
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    /// It answered, or it does not matter any more.
    pub(super) fn trust(&mut self) {
        self.doubt = None;
    }

    pub(super) fn deadlines(&self) -> impl Iterator<Item = Deadline> {
        let connection = self.connection.as_ref();
        let connection = connection.map(|connection| (connection.deadline(), Due::Connection(connection.id)));
        let doubt = self.doubt.map(|doubt| (doubt.until, Due::Doubt));
        let recovery = self.recovery.as_ref().map(|recovery| (recovery.deadline(), Due::Signaling));
        connection.into_iter().chain(doubt).chain(recovery)
    }
}
