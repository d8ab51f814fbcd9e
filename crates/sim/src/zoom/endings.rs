//! How connections are lost and how the stream ends.

use std::{sync::Arc, time::Duration};

use rtms_wire::{
    codes::{
        state::{SessionState, StreamState},
        stop_reason::StopReason,
    },
    time::UnixMillis,
};

use crate::{
    connection::{ConnectionId, Ending},
    findings::mistake::Mistake,
    media::flow::Media,
    meeting::happening::Change,
    signaling,
    webhook::webhooks::News,
    zoom::{connections::Role, machine::Zoom, phase::Phase},
};

/// From state 4 to the close frames, for those who do not close by themselves when they are told. Not documented; ours.
/// What is told on signaling can be overtaken by a close frame on another socket, and Zoom's SDK takes that for a
/// failure (leave 960).
const PARTING: Duration = Duration::from_secs(1);

impl Zoom {
    /// A connection has ended by the client.
    pub(super) fn closed(&mut self, connection: ConnectionId, ending: Ending, now: UnixMillis) {
        // The network loses the goodbye, too.
        if self.connections.is_void(connection) {
            return;
        }
        let hung = self.connections.drop_waiting(connection);
        let Some(known) = self.connections.remove(connection) else {
            let is_judged = self.notes.client.ended_by_itself(connection);
            if is_judged && ending == Ending::Cut && !self.faults.is_client_away(now) {
                self.notes.find(now, Some(connection), Mistake::AbruptClose);
            }
            return;
        };
        match ending {
            Ending::CloseFrame => {}
            // Whoever was told that the stream is over may go as they like.
            Ending::Cut if known.cut_at.is_some() || self.faults.is_client_away(now) || self.is_parting() => {}
            Ending::Cut => self.notes.find(now, Some(connection), Mistake::AbruptClose),
            Ending::TooSlow { waiting_bytes } => {
                self.notes.find(now, Some(connection), Mistake::ReadTooSlowly { waiting_bytes })
            }
        }
        match known.role {
            Role::SignalingNew | Role::MediaNew => {}
            Role::Signaling(_) | Role::Media(_) if known.cut_at.is_some() => {}
            // A client that leaves a server that hangs does it for that reason.
            Role::Signaling(_) if hung => self.signaling_lost(StopReason::AwaitReconnectionTimeout, now),
            Role::Signaling(_) => {
                self.notes.client.left(now);
                self.signaling_left(now);
            }
            Role::Media(media) => {
                self.media_lost(&media, StopReason::AwaitReconnectionTimeout, now);
                if !hung {
                    self.goes_without(*media, now);
                }
            }
        }
    }

    /// Both kinds of connection are interrupted; signaling has a window to come back. `reason` is why the stream ends
    /// if it does not.
    pub(super) fn signaling_lost(&mut self, reason: StopReason, now: UnixMillis) {
        if !self.is_over() {
            self.signaling_lost_silently(reason, now);
            self.announce(News::Interrupted { signaling_url: None }, now);
        }
    }

    /// Interrupts both kinds of connection without a webhook.
    pub(super) fn signaling_lost_silently(&mut self, reason: StopReason, now: UnixMillis) {
        if self.is_over() {
            return;
        }
        self.signaling.interrupt(now + self.config.timing.signaling_window, reason);
        for connection in self.connections.media_ids() {
            if let Some(Role::Media(media)) = self.close(connection) {
                self.open_media_window(&media, reason, now);
            }
        }
    }

    /// The client has ended its signaling, and with it the stream loses its media. Signaling and media may have ended
    /// together, in whatever order that is seen, so the end of each media connection is judged when it is seen.
    pub(super) fn signaling_left(&mut self, now: UnixMillis) {
        let reason = StopReason::AwaitReconnectionTimeout;
        if !self.is_over() {
            for connection in self.connections.media_ids() {
                self.notes.client.leaves_behind(connection);
                if let Some(Role::Media(media)) = self.close(connection) {
                    self.open_media_window(&media, reason, now);
                    self.goes_without(*media, now);
                }
            }
        }
        self.signaling_lost(reason, now);
    }

    /// From now on these media may come back for a while; a window that is open already stays as it is. `reason` is why
    /// the stream ends if they do not.
    pub(super) fn open_media_window(&mut self, media: &Media, reason: StopReason, now: UnixMillis) {
        // Nobody can use what is encrypted, so nobody need come back for it.
        for medium in media.carries.iter().filter(|medium| !self.config.temper.encrypted_unasked.contains(medium)) {
            self.media.open_window(medium, now + self.config.timing.media_window, reason);
        }
    }

    /// Only these media are interrupted; signaling tells so.
    pub(super) fn media_lost(&mut self, media: &Media, reason: StopReason, now: UnixMillis) {
        if self.is_over() || self.encrypts_any_of(media.carries) {
            return;
        }
        self.open_media_window(media, reason, now);
        if let Some(connection) = self.signaling.connection {
            self.send_event(connection, signaling::media_interrupted(now), now);
        }
        self.stream_state_is(StreamState::Interrupted, Some(StopReason::DataConnectionInterrupted), now);
    }

    /// People who are still there leave when the meeting ends. Basis: documented.
    pub(super) fn publish_departures(&mut self, now: UnixMillis) {
        let meeting = Arc::clone(&self.meeting);
        let last_moment = meeting.duration_ms.saturating_sub(1);
        for (index, _) in meeting.participants.iter().enumerate().filter(|(_, who)| who.is_present(last_moment)) {
            if let Some(event) = signaling::change(self.config.product, &meeting, Change::Leave(index), now) {
                self.send_event_if_wanted(event, now);
            }
        }
    }

    /// Stops sending media and says that the end is near. The end itself travels on signaling: told at once, it would
    /// overtake the last media, and Zoom's SDK reads nothing any more once it knows.
    pub(super) fn begin_end(&mut self, reason: StopReason, now: UnixMillis) {
        self.begin_end_within(self.config.timing.farewell, reason, now);
    }

    /// Ends the stream with another time between the last media and the end.
    pub(super) fn begin_end_within(&mut self, farewell: Duration, reason: StopReason, now: UnixMillis) {
        match self.phase {
            Phase::Announced => self.end(reason, now),
            Phase::Joined => {
                self.is_over_from(now, reason);
                self.phase = Phase::Ending { until: now + farewell, reason };
                self.stream_state_is(StreamState::Terminating, Some(reason), now);
            }
            Phase::Ending { .. } | Phase::Ended => {}
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ending { .. } | Phase::Ended)
    }

    /// The end has been told, and connections stay for another moment.
    pub(super) fn is_parting(&self) -> bool {
        matches!(self.phase, Phase::Ending { .. }) && self.signaling.state() == StreamState::Terminated
    }

    /// The stream ends from Zoom's side: the end is told at once, and connections are closed when there was time to
    /// hear it.
    pub(super) fn end(&mut self, reason: StopReason, now: UnixMillis) {
        if self.phase == Phase::Ended || self.is_parting() {
            return;
        }
        self.is_over_from(now, reason);
        // Basis for the order: documented for a close that the client asked for, inferred for the rest.
        let stream_first = reason == StopReason::ReceiverRequestClose;
        if stream_first {
            self.stream_state_is(StreamState::Terminated, Some(reason), now);
        }
        for session in self.signaling.running_sessions() {
            self.session_state_is(session, SessionState::Stopped, Some(reason), now);
        }
        if !stream_first {
            self.stream_state_is(StreamState::Terminated, Some(reason), now);
        }
        if self.signaling.connection.is_some_and(|connection| self.connections.get(connection).is_some()) {
            self.phase = Phase::Ending { until: now + PARTING, reason };
            self.close_windows();
        } else {
            self.finish(reason, now);
        }
    }

    pub(super) fn finish(&mut self, reason: StopReason, now: UnixMillis) {
        self.is_over_from(now, reason);
        self.phase = Phase::Ended;
        self.notes.client.ended(now);
        self.signaling.connection = None;
        self.close_windows();
        for connection in self.connections.ids() {
            self.close(connection);
        }
        if self.webhooks.finish(reason, &self.identity, now) {
            self.pass_webhooks(now);
        }
    }

    /// No more media is sent from now on, if any was.
    fn is_over_from(&mut self, now: UnixMillis, reason: StopReason) {
        if self.over.is_none() {
            self.watch_end(now);
            self.over = Some((now, reason));
        }
    }

    /// No connection has a window any more.
    pub(super) fn close_windows(&mut self) {
        self.signaling.close_window();
        self.media.close_windows();
    }

    /// The client has ended a media connection itself.
    fn goes_without(&mut self, media: Media, now: UnixMillis) {
        if self.phase == Phase::Joined && !self.faults.is_client_away(now) {
            self.media.goes_without(media);
        }
    }
}
