//! The next step after a stream's end: nothing, a request for a new stream, or an operator's help.

use rtms_wire::codes::{status_code::StatusCode, stop_reason::StopReason};

use crate::{error::StreamError, event::Ending};

/// The next step after an end. Basis: documented for reasons 10 to 19 and 24, inferred for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Nothing: it was meant to end, or somebody else goes on with it.
    Over,
    /// A technical end. Zoom is to be asked for a new stream, by REST or SDK, and announces it by a start webhook.
    AskForNewStream,
    /// Something is wrong that a new stream would not mend: credentials, scopes, configuration.
    OperatorFirst,
}

impl NextStep {
    /// Returns the next step after a stop for this reason.
    ///
    /// An unlisted one may withdraw consent, so nothing is asked of Zoom on its account.
    pub fn of(reason: StopReason) -> Self {
        match reason {
            StopReason::HostTriggered
            | StopReason::UserTriggered
            | StopReason::UserLeft
            | StopReason::UserEjected
            | StopReason::HostDisabledApp
            | StopReason::MeetingEnded
            | StopReason::StreamCanceled
            | StopReason::StreamRevoked
            | StopReason::AllAppsDisabled
            | StopReason::ReceiverRequestClose
            | StopReason::CustomerDisconnected
            | StopReason::AgentDisconnected
            | StopReason::ManualApiTriggered => Self::Over,
            StopReason::Undefined
            | StopReason::InternalException
            | StopReason::ConnectionTimeout
            | StopReason::InstanceConnectionInterrupted
            | StopReason::SignalConnectionInterrupted
            | StopReason::DataConnectionInterrupted
            | StopReason::SignalConnectionClosedAbnormally
            | StopReason::DataConnectionClosedAbnormally
            | StopReason::ExitSignal
            | StopReason::AwaitReconnectionTimeout
            | StopReason::KeepAliveTimeout => Self::AskForNewStream,
            StopReason::AuthenticationFailure
            | StopReason::AdminDisabledApp
            | StopReason::StreamingNotSupported
            | StopReason::Unknown(_) => Self::OperatorFirst,
        }
    }
}

impl Ending {
    /// Returns the next step.
    pub fn next_step(&self) -> NextStep {
        match self {
            // A stop without a reason is one form of the webhook, and says only that it is over.
            Self::Stopped { reason } => reason.map_or(NextStep::Over, NextStep::of),
            Self::Closed { .. } | Self::Abandoned => NextStep::Over,
            // Zoom does not know the stream any more: whatever it was, it is gone.
            Self::Failed(StreamError::Refused { status: StatusCode::InvalidRtmsStreamId, .. }) => {
                NextStep::AskForNewStream
            }
            Self::Failed(error) if error.is_retryable() => NextStep::AskForNewStream,
            Self::Failed(_) => NextStep::OperatorFirst,
        }
    }
}
