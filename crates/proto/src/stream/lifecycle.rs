//! Where a stream stands as a whole, from its start to exactly one end.

use std::time::Duration;

use rtms_wire::codes::stop_reason::StopReason;

use crate::{
    event::{CloseAnswer, Ending},
    stream::due::{Deadline, Due},
    time::Moment,
};

/// How long message 21 may wait for its answer and for the end that follows.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// How long media that was sent before the end may take to be read after it.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);

/// The stage of a stream, and whether its end was announced.
#[derive(Debug)]
pub(super) struct Lifecycle {
    stage: Stage,
    /// State 3 came, with its reason: nothing is dialed any more, and the end is near.
    terminating: Option<Option<StopReason>>,
}

/// A stage of a stream.
#[derive(Debug)]
pub(super) enum Stage {
    /// Connecting, connected, or on the way back.
    Running,
    /// We asked Zoom to close, and it has agreed or has not said anything yet.
    Closing { until: Moment, has_agreed: bool },
    /// It is over; what was sent before the end is still being read.
    Draining { until: Moment, ending: Ending },
    /// Nothing follows.
    Ended,
}

impl Lifecycle {
    /// The life of a stream that starts.
    pub(super) fn new() -> Self {
        Self { stage: Stage::Running, terminating: None }
    }

    pub(super) fn stage(&self) -> &Stage {
        &self.stage
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running)
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    /// Whether state 3 has announced the end.
    pub(super) fn is_terminating(&self) -> bool {
        self.terminating.is_some()
    }

    /// The reason that state 3 gave, if it came.
    pub(super) fn announced(&self) -> Option<Option<StopReason>> {
        self.terminating
    }

    /// Whether what is lost is wanted back.
    pub(super) fn wants_back(&self) -> bool {
        self.is_running() && !self.is_terminating()
    }

    /// State 3 came. Returns whether it is news to a stream that runs.
    pub(super) fn terminate(&mut self, reason: Option<StopReason>) -> bool {
        let is_news = self.wants_back();
        if is_news {
            self.terminating = Some(reason);
        }
        is_news
    }

    /// A newer start came: the end that was announced is that of the start before.
    pub(super) fn restart(&mut self) {
        self.terminating = None;
    }

    /// Zoom is asked to close.
    pub(super) fn begin_closing(&mut self, now: Moment) {
        self.stage = Stage::Closing { until: now + CLOSE_LIMIT, has_agreed: false };
    }

    /// Zoom agrees to close. The end itself follows as state 4.
    pub(super) fn agree(&mut self) {
        if let Stage::Closing { has_agreed, .. } = &mut self.stage {
            *has_agreed = true;
        }
    }

    /// It is over by this ending. Returns whether that is news; otherwise the ending may add the reason.
    pub(super) fn drain(&mut self, ending: Ending, now: Moment) -> bool {
        if let Stage::Draining { ending: known, .. } = &mut self.stage {
            // Webhook and state 4 both tell of the end; either may be the one that carries the reason. No other reason
            // outdoes that consent was withdrawn.
            let is_revoked = ending == Ending::Stopped { reason: Some(StopReason::StreamRevoked) };
            if is_revoked || matches!((&known, &ending), (Ending::Stopped { reason: None }, Ending::Stopped { .. })) {
                *known = ending;
            }
            return false;
        }
        self.stage = Stage::Draining { until: now + DRAIN_LIMIT, ending };
        true
    }

    pub(super) fn end(&mut self) {
        self.stage = Stage::Ended;
    }

    /// How it ends if nothing more comes.
    pub(super) fn ending(&self) -> Option<Ending> {
        match &self.stage {
            Stage::Closing { has_agreed, .. } => Some(closed(*has_agreed)),
            Stage::Draining { ending, .. } => Some(ending.clone()),
            Stage::Running | Stage::Ended => None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        match &self.stage {
            Stage::Running | Stage::Ended => None,
            Stage::Closing { until, .. } | Stage::Draining { until, .. } => Some((*until, Due::Stage)),
        }
    }
}

/// The end that we asked for, if Zoom says nothing more.
pub(super) fn closed(has_agreed: bool) -> Ending {
    Ending::Closed { answer: if has_agreed { CloseAnswer::Agreed } else { CloseAnswer::None } }
}
