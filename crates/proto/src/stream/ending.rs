//! How it ends: by Zoom's word, by our wish, or because nothing can be had or kept. Exactly once.

use std::time::Duration;

use rtms_wire::{
    codes::stop_reason::StopReason,
    media::medium::{MediaTypes, Medium},
};

use super::{Stage, Stream};
use crate::{
    error::StreamError,
    event::{CloseAnswer, Ending, Event},
    signaling::SignalingLine,
    time::Moment,
};

/// How long message 21 may wait for its answer and for the end that follows.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// How long media that was sent before the end may take to be read after it.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);

/// The end that we asked for, if Zoom says nothing more.
pub(super) fn closed(has_agreed: bool) -> Ending {
    Ending::Closed { answer: if has_agreed { CloseAnswer::Agreed } else { CloseAnswer::None } }
}

impl Stream {
    /// These media are given up; if none is left, so is the stream.
    pub(super) fn unavailable(&mut self, types: MediaTypes, error: &StreamError) {
        for medium in types.iter().filter(|medium| self.config.media.contains(*medium)).collect::<Vec<_>>() {
            self.tell_unavailable(medium, error.clone());
        }
        let says_most = error.is_retryable() || matches!(error, StreamError::Encrypted { .. });
        let last = if says_most { error.clone() } else { StreamError::NothingGranted };
        self.end_without_media(last);
    }

    /// Once, until the medium opens again.
    pub(super) fn tell_unavailable(&mut self, medium: Medium, error: StreamError) {
        if self.unavailable.insert(medium) {
            self.tell_duplicates(medium);
            self.tell(Event::MediumUnavailable { medium, error });
        }
    }

    /// While signaling is away, media are: only together with it does their absence mean the end.
    pub(super) fn end_without_media(&mut self, error: StreamError) {
        if self.media.is_empty() && self.signaling.is_open() && self.wants_back() {
            self.end(Ending::Failed(error));
        }
    }

    pub(super) fn close(&mut self, now: Moment) {
        match &self.stage {
            Stage::Running if self.signaling.is_open() => {
                self.stage = Stage::Closing { until: now + CLOSE_LIMIT, has_agreed: false };
                self.signaling.doubted = None;
                self.suspicion = None;
                self.say(self.start.stream_close());
                self.drop_pending();
            }
            Stage::Running => self.end(Ending::Closed { answer: CloseAnswer::NotAsked }),
            Stage::Closing { .. } | Stage::Draining { .. } | Stage::Ended => {}
        }
    }

    /// It is over. Connections whose handshake is pending are dropped; open ones are read until they close.
    pub(super) fn drain(&mut self, ending: Ending, now: Moment) {
        if let Stage::Draining { ending: told, .. } = &mut self.stage {
            // Webhook and state 4 both tell of the end; either may be the one that carries the reason. No other reason
            // outdoes that consent was withdrawn.
            let is_revoked = ending == Ending::Stopped { reason: Some(StopReason::StreamRevoked) };
            if is_revoked || matches!((&told, &ending), (Ending::Stopped { reason: None }, Ending::Stopped { .. })) {
                *told = ending;
            }
            return;
        }
        self.stage = Stage::Draining { until: now + DRAIN_LIMIT, ending };
        self.signaling.doubted = None;
        self.suspicion = None;
        self.drop_pending();
        self.end_if_drained();
    }

    /// Nothing is dialed any more: attempts and what waits for its turn go.
    fn drop_pending(&mut self) {
        let media = self.media.iter_mut().filter_map(|line| line.connection.take_if(|it| !it.is_open()));
        let mut pending: Vec<_> = media.collect();
        pending.extend(self.signaling.connection.take_if(|connection| !connection.is_open()));
        for connection in pending {
            self.disconnect(connection.id);
        }
        self.media.retain(|line| line.connection.is_some());
        self.signaling.recovery = None;
        // What was lost is explained by the end: nothing was wrong.
        self.signaling.untold = None;
    }

    pub(super) fn end_if_drained(&mut self) {
        let media = self.media.iter().any(|line| line.connection.is_some()) || !self.left.is_empty();
        if media || self.signaling.connection.is_some() {
            return;
        }
        if let Stage::Draining { ending, .. } = &self.stage {
            self.end(ending.clone());
        }
    }

    pub(super) fn end(&mut self, ending: Ending) {
        let media = self.media.drain(..).filter_map(|line| line.connection);
        for connection in media.chain(self.signaling.connection.take()).collect::<Vec<_>>() {
            self.disconnect(connection.id);
        }
        for medium in Medium::ALL {
            self.tell_duplicates(medium);
        }
        self.signaling = SignalingLine::default();
        self.left.clear();
        self.suspicion = None;
        self.stage = Stage::Ended;
        self.tell(Event::Ended(ending));
    }
}
