//! How far a meeting and its streams are, for those who wait for something of it.

use rtms_sim::{webhook::WebhookPost, zoom::StreamStage};
use rtms_wire::{codes::stop_reason::StopReason, ids::StreamId, time::UnixMillis};

/// How far a meeting is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// Its streams so far, oldest first; the last one is the present one.
    pub(crate) streams: Vec<StreamProgress>,
    /// Whether the meeting is over, so that no stream can start any more; the present one may still be ending.
    pub(crate) is_meeting_over: bool,
    /// Whether the meeting is over, every connection is closed, and the last webhook was answered or given up.
    pub(crate) is_finished: bool,
}

/// How far one stream of a meeting is.
#[derive(Clone, Debug)]
pub(crate) struct StreamProgress {
    pub(crate) stream: StreamId,
    pub(crate) started_at: UnixMillis,
    /// The first attempt at its first start webhook; none if that was withheld.
    pub(crate) start_webhook: Option<WebhookPost>,
    pub(crate) stage: StreamStage,
    /// How often a client joined it.
    pub(crate) joins: u64,
    pub(crate) stop_reason: Option<StopReason>,
    /// Whether it is over, its connections are told to close, and its webhooks were answered or given up.
    pub(crate) is_over: bool,
}

impl StreamProgress {
    /// A stream that has just been announced.
    pub(crate) fn new(stream: StreamId, started_at: UnixMillis) -> Self {
        let stage = StreamStage::Announced;
        Self { stream, started_at, start_webhook: None, stage, joins: 0, stop_reason: None, is_over: false }
    }

    /// Takes in the present state, and `joins` more joins. Returns whether anything is new.
    pub(crate) fn update(
        &mut self,
        stage: Option<StreamStage>,
        over: Option<(UnixMillis, StopReason)>,
        is_over: bool,
        joins: u64,
    ) -> bool {
        let (stage, stop_reason) = (stage.unwrap_or(self.stage), over.map(|(_, reason)| reason));
        let is_new = joins > 0 || (stage, stop_reason, is_over) != (self.stage, self.stop_reason, self.is_over);
        (self.stage, self.stop_reason, self.is_over) = (stage, stop_reason, is_over);
        self.joins += joins;
        is_new
    }
}
