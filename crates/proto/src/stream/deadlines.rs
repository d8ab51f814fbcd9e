//! What is due when, and what then happens. There is a deadline until the end, so silence leads there.

use std::time::Duration;

use super::{Stage, Stream, ending::closed};
use crate::{
    connection::Connection,
    error::StreamError,
    event::{Ending, Interruption},
    keep_alive::{SUSPICIOUS_AFTER, UNDER_WAY},
    media::MediaLine,
    output::ConnectionId,
    reconnect::Recovery,
    time::Moment,
};

/// What is waited for, in the order in which things that are due at once are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// The end of reading or of waiting for it.
    Stage,
    /// A connection's handshake, or its next sign of life.
    Connection(ConnectionId),
    /// The answer to message 19.
    Doubt,
    /// A sign of life of the media connection that Zoom calls interrupted.
    Suspicion,
    /// The next try at signaling, or the end of its window.
    Signaling,
    /// The next try at a medium, or the end of its window.
    Media(usize),
}

impl Stream {
    /// When [`crate::input::Input::TimePassed`] is due at the latest.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.deadlines().map(|(at, _)| at).min()
    }

    fn deadlines(&self) -> impl Iterator<Item = (Moment, Due)> {
        let stage = match &self.stage {
            Stage::Running | Stage::Ended => None,
            Stage::Closing { until, .. } | Stage::Draining { until, .. } => Some((*until, Due::Stage)),
        };
        let media = self.media.iter().filter_map(|line| line.connection.as_ref());
        let connections = self.signaling.connection.iter().chain(media);
        let connections = connections.map(|connection| (connection.deadline(), Due::Connection(connection.id)));
        let doubt = self.signaling.doubted.map(|doubt| (doubt.until, Due::Doubt));
        let suspicion = self.suspicion.map(|since| (since + self.proof_of_silence(since), Due::Suspicion));
        let signaling = self.signaling.recovery.as_ref().map(|recovery| (recovery.deadline(), Due::Signaling));
        let windows = self.media.iter().enumerate();
        let media = windows
            .filter_map(|(position, line)| line.recovery.as_ref().map(|it| (it.deadline(), Due::Media(position))));
        stage.into_iter().chain(connections).chain(doubt).chain(suspicion).chain(signaling).chain(media)
    }

    /// How long the media connection that Zoom calls interrupted since then has to be silent.
    fn proof_of_silence(&self, since: Moment) -> Duration {
        let stood = |line: &MediaLine| {
            let liveness = line.connection.as_ref().and_then(Connection::liveness);
            liveness.is_some_and(|liveness| since.since(liveness.opened()) >= SUSPICIOUS_AFTER)
        };
        match self.media.as_slice() {
            // There is no doubt which: only what is on its way is waited for.
            [line] if stood(line) => 2 * UNDER_WAY,
            _ => SUSPICIOUS_AFTER,
        }
    }

    /// Does everything whose time has come, the oldest first.
    pub(super) fn expire(&mut self, now: Moment) {
        while let Some((_, due)) = self.deadlines().filter(|(at, _)| *at <= now).min() {
            match due {
                Due::Stage => match &self.stage {
                    Stage::Closing { has_agreed, .. } => self.end(closed(*has_agreed)),
                    Stage::Draining { ending, .. } => self.end(ending.clone()),
                    Stage::Running | Stage::Ended => {}
                },
                Due::Connection(id) => self.connection_overdue(id, now),
                Due::Doubt => {
                    self.doubt_confirmed("Zoom says that it is interrupted, and it does not answer", now);
                    self.signaling.doubted = None;
                }
                Due::Suspicion => {
                    if let Some(since) = self.suspicion.take() {
                        self.suspicion_over(since, now);
                    }
                }
                Due::Signaling => self.signaling_due(now),
                Due::Media(position) => self.media_due(position, now),
            }
        }
    }

    fn connection_overdue(&mut self, id: ConnectionId, now: Moment) {
        let Some(connection) = self.forget(id) else { return };
        self.disconnect(id);
        let role = connection.role;
        match connection.loss(Interruption::Frozen, "nothing was heard for 65 s") {
            Some(loss) => self.gone(&connection, loss, now),
            None => self.attempt_failed(role, StreamError::TimedOut { role }, now),
        }
        self.read_on(connection);
    }

    fn signaling_due(&mut self, now: Moment) {
        let closed = self.signaling.recovery.as_ref().is_none_or(|recovery| recovery.until <= now);
        match self.terminating {
            // Nothing came that explains the loss, and nothing is needed: the end was announced.
            Some(reason) => self.end(Ending::Stopped { reason }),
            None if closed => self.signaling_window_closed(now),
            None => self.redial_signaling(now),
        }
    }

    fn media_due(&mut self, position: usize, now: Moment) {
        let recovery = |stream: &Self| stream.media.get(position).and_then(|line| line.recovery.clone());
        match recovery(self) {
            Some(Recovery { until, .. }) if until <= now => self.media_window_closed(position, now),
            Some(_) => self.dial_media(position, now),
            None => {}
        }
    }
}
