//! The way to the signaling connection and back to it: the first connect, an unexplained loss, an interrupted webhook,
//! and the failover that a newer start webhook announces.

use std::time::Duration;

use rtms_wire::{
    codes::{message_type::MessageType, status_code::StatusCode},
    message::signaling_handshake::SignalingHandShakeResp,
};

use super::{Stage, Stream, ending::closed};
use crate::{
    connection::{Connection, Loss},
    credentials::Credentials,
    error::StreamError,
    event::{Ending, Event, Interruption},
    output::ConnectionId,
    pace::Pace,
    reconnect::{EXPLANATION_LIMIT, Recovery, SIGNALING_WINDOW, STABLE_AFTER},
    refusal::{self, Remedy},
    role::Role,
    signaling::{self, Doubt},
    time::Moment,
};

/// How long message 19 may wait for its answer when an interrupted webhook put the signaling connection in doubt.
const DOUBT_LIMIT: Duration = Duration::from_secs(2);

impl Stream {
    /// Dials the server URL whose turn it is.
    pub(super) fn dial_signaling(&mut self, now: Moment) {
        // Whoever counts `url` up keeps it within the list.
        let Some(url) = self.start.server_urls.get(self.signaling.url).cloned() else { return };
        let Some(recovery) = &mut self.signaling.recovery else { return };
        recovery.next = None;
        recovery.tries += u32::from(self.signaling.url == 0);
        let window = recovery.until;
        self.signaling.subscribed = false;
        self.signaling.doubted = None;
        self.signaling.connection = Some(self.dial(Role::Signaling, url, window, now));
    }

    /// Tells what was lost, now that it is known that it has to come back, and dials from the first URL on.
    pub(super) fn redial_signaling(&mut self, now: Moment) {
        if let Some(loss) = self.signaling.untold.take() {
            self.tell_loss(loss, now);
            for loss in self.media.iter_mut().filter_map(|line| line.untold.take()).collect::<Vec<_>>() {
                self.tell_loss(loss, now);
            }
            self.tell(Event::Reconnecting);
        }
        self.signaling.url = 0;
        self.dial_signaling(now);
    }

    /// A server URL did not lead to an answer: the next one at once, and after the last one a wait.
    pub(super) fn signaling_unreachable(&mut self, error: StreamError, now: Moment) {
        let window_is_open = self.signaling.recovery.as_ref().is_some_and(|recovery| recovery.until > now);
        if self.wants_back() && window_is_open && self.signaling.url + 1 < self.start.server_urls.len() {
            self.signaling.url += 1;
            return self.dial_signaling(now);
        }
        self.signaling_failed(error, Pace::Backoff, now);
    }

    fn signaling_failed(&mut self, error: StreamError, pace: Pace, now: Moment) {
        let Some(recovery) = &mut self.signaling.recovery else { return };
        self.signaling.url = 0;
        let again_in = match self.terminating {
            None => recovery.again(pace, now, &mut self.jitter),
            // What explains the end may still come.
            Some(_) => {
                recovery.next = Some(now + EXPLANATION_LIMIT);
                None
            }
        };
        recovery.error = Some(error.clone());
        self.tell(Event::AttemptFailed { role: Role::Signaling, error, again_in });
    }

    /// The window closed, and Zoom has given the stream up.
    pub(super) fn signaling_window_closed(&mut self, now: Moment) {
        let error = self.signaling.recovery.take().and_then(|recovery| recovery.error);
        let lost = self.signaling.untold.take().map(|loss| {
            let error = StreamError::Lost { role: loss.role, why: loss.why.clone() };
            self.tell_loss(loss, now);
            error
        });
        let error = error.or(lost).unwrap_or(StreamError::TimedOut { role: Role::Signaling });
        self.end(Ending::Failed(error));
    }

    pub(super) fn signaling_answered(&mut self, id: ConnectionId, response: SignalingHandShakeResp, now: Moment) {
        let shakes_hands = |connection: &&mut Connection| connection.id == id && !connection.is_open();
        let Some(connection) = self.signaling.connection.as_mut().filter(shakes_hands) else {
            return self.odd(MessageType::SignalingHandShakeResp);
        };
        let version = response.protocol_version;
        if response.status_code != StatusCode::Ok {
            let status = response.status_code;
            return self.signaling_refused(id, status, response.reason.unwrap_or_default().0, now);
        }
        let urls = match signaling::media_urls(response) {
            Ok(urls) => urls,
            Err(error) => return self.end(Ending::Failed(error)),
        };
        connection.open(now);
        let was_known = std::mem::replace(&mut self.signaling.known, true);
        let recovery = self.signaling.recovery.take();
        self.signaling.tries = recovery.map_or(0, |recovery| recovery.tries);
        self.tell(Event::SignalingOpen);
        self.watch_version(Role::Signaling, version);
        if was_known {
            self.video.signaling_back();
            self.signaling.has_missed = true;
        }
        self.plan_media(urls, now);
    }

    fn signaling_refused(&mut self, id: ConnectionId, status: StatusCode, reason: String, now: Moment) {
        let error = StreamError::Refused { role: Role::Signaling, status, reason };
        match refusal::of_signaling(status) {
            Remedy::Retry(pace) => {
                self.signaling.connection = None;
                self.disconnect(id);
                self.signaling_failed(error, pace, now);
            }
            // A name that Zoom took before is not the reason.
            Remedy::OtherId if !self.signaling.known && !self.alternatives.is_empty() => {
                self.signaling.connection = None;
                self.disconnect(id);
                if let Some(Credentials { instance, signature }) = self.alternatives.pop_front() {
                    (self.start.instance, self.start.signature) = (instance, signature);
                }
                self.tell(Event::AttemptFailed { role: Role::Signaling, error, again_in: Some(Duration::ZERO) });
                self.dial_signaling(now);
            }
            Remedy::OtherId | Remedy::FallBack(_) | Remedy::Split | Remedy::Without(_) | Remedy::Never => {
                self.end(Ending::Failed(error))
            }
        }
    }

    /// A signaling connection that stood is gone. Without a word about why, that word is waited for; with it, or when
    /// the connection was in doubt anyway, it is dialed at once.
    pub(super) fn signaling_gone(&mut self, connection: &Connection, loss: Loss, now: Moment) {
        match &self.stage {
            Stage::Running => {}
            // Zoom may close without the state that the document promises.
            Stage::Closing { has_agreed, .. } => return self.drain(closed(*has_agreed), now),
            Stage::Draining { .. } => return self.end_if_drained(),
            Stage::Ended => return,
        }
        let doubt = self.signaling.doubted.take();
        let lost_at = doubt.map_or(now, |doubt| doubt.since);
        let lasted = connection.liveness().is_some_and(|liveness| now.since(liveness.opened()) >= STABLE_AFTER);
        let tries = if lasted { 0 } else { self.signaling.tries };
        let mut recovery = Recovery { tries, ..Recovery::until(lost_at + SIGNALING_WINDOW) };
        // One that came and went just before is not dialed without a pause, whatever the webhooks say.
        let flickers = tries > 1;
        if flickers {
            recovery.again(Pace::Backoff, now, &mut self.jitter);
        }
        let at_once = doubt.is_some() && !flickers && self.terminating.is_none();
        if !at_once {
            let explained = now + EXPLANATION_LIMIT;
            recovery.next = Some(recovery.next.map_or(explained, |next| next.max(explained)));
        }
        self.signaling.recovery = Some(recovery);
        self.signaling.lost_at = Some(lost_at);
        self.signaling.untold = Some(loss);
        self.suspicion = None;
        self.video.connection_lost();
        self.stop_dialing_media();
        if at_once {
            self.redial_signaling(now);
        }
    }

    /// Zoom says that signaling broke. Its word may be about a connection that we have left already, and closing a
    /// healthy one would make Zoom send the next such word, and so on for ever: so the connection that stands is asked.
    pub(super) fn interrupted(&mut self, server_urls: Vec<String>, now: Moment) {
        if !self.wants_back() {
            return;
        }
        let elsewhere = server_urls.iter().any(|url| !self.start.server_urls.contains(url));
        if elsewhere {
            self.start.server_urls = server_urls;
        }
        match &self.signaling.connection {
            Some(connection) if elsewhere => {
                let id = connection.id;
                let loss = connection.loss(Interruption::ToldByZoom, "an interrupted webhook named another server");
                self.signaling.connection = None;
                self.disconnect(id);
                match loss {
                    Some(loss) => {
                        self.signaling.lost_at = Some(now);
                        self.signaling.recovery = Some(Recovery::until(now + SIGNALING_WINDOW));
                        self.signaling.untold = Some(loss);
                        self.suspicion = None;
                        self.video.connection_lost();
                        self.stop_dialing_media();
                    }
                    // The window of what was lost before goes on.
                    None => self.tell(Event::Reconnecting),
                }
                self.redial_signaling(now);
            }
            // One that shakes hands is newer than whatever broke, and has its own deadline.
            Some(_) => self.doubt_signaling(now),
            // It was lost, and this is the explanation: Zoom waits. One that flickers keeps its pauses.
            None => {
                if elsewhere || self.signaling.recovery.as_ref().is_some_and(|recovery| recovery.tries <= 1) {
                    self.redial_signaling(now);
                }
            }
        }
    }

    /// Asks the connection that stands whether it does, unless it is being asked.
    pub(super) fn doubt_signaling(&mut self, now: Moment) {
        if self.wants_back() && self.signaling.is_open() && self.signaling.doubted.is_none() {
            self.signaling.doubted = Some(Doubt { since: now, until: now + DOUBT_LIMIT });
            self.say(self.start.stream_state());
        }
    }

    /// The doubt was not answered, or not in favour of the connection.
    pub(super) fn doubt_confirmed(&mut self, why: &str, now: Moment) {
        let Some(connection) = self.signaling.connection.take() else { return };
        self.disconnect(connection.id);
        if let Some(loss) = connection.loss(Interruption::ToldByZoom, why) {
            self.signaling_gone(&connection, loss, now);
        }
    }

    /// Zoom's server failed over: both kinds of connection are left for those that the newer start names, at once and in
    /// a window of their own.
    pub(super) fn restarted(&mut self, server_urls: Vec<String>, now: Moment) {
        if !matches!(self.stage, Stage::Running) {
            return;
        }
        if !server_urls.is_empty() {
            self.start.server_urls = server_urls;
        }
        self.terminating = None;
        self.suspicion = None;
        self.video.connection_lost();
        let untold = self.signaling.untold.take();
        let signaling = self.signaling.connection.take();
        let mut losses: Vec<_> = untold.into_iter().collect();
        let why = "a newer start webhook came";
        let media: Vec<_> = self.media.drain(..).collect();
        let untold = media.iter().filter_map(|line| line.untold.clone());
        losses.extend(untold);
        let connections = media.into_iter().filter_map(|line| line.connection).chain(signaling);
        for connection in connections {
            losses.extend(connection.loss(Interruption::Failover, why));
            self.leave(connection);
        }
        // It explains what was lost before it came, too: also a loss of signaling that was told of already.
        if self.signaling.known && !losses.iter().any(|loss| loss.role == Role::Signaling) {
            let heard = self.signaling.lost_at.unwrap_or(now);
            losses.push(Loss { role: Role::Signaling, cause: Interruption::Failover, why: why.into(), heard });
        }
        for loss in losses {
            self.tell_loss(Loss { cause: Interruption::Failover, ..loss }, now);
        }
        self.tell(Event::Reconnecting);
        self.signaling.lost_at = Some(now);
        self.signaling.recovery = Some(Recovery::until(now + SIGNALING_WINDOW));
        self.signaling.url = 0;
        self.dial_signaling(now);
    }
}
