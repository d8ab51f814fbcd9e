//! What an end asks of whoever runs the stream: nothing, a new stream, or an operator.

use rtms_wire::codes::{status_code::StatusCode, stop_reason::StopReason};

use crate::{error::StreamError, event::Ending};

/// What is to be done after an end. Basis: documented for reasons 10 to 19 and 24, inferred for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aftermath {
    /// Nothing: it was meant to end, or somebody else goes on with it.
    Over,
    /// A technical end. Zoom is to be asked for a new stream, by REST or SDK, and announces it by a start webhook.
    AskForNewStream,
    /// Something is wrong that a new stream would not mend: credentials, scopes, configuration.
    OperatorFirst,
}

impl Aftermath {
    /// What a stop reason asks for.
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
    /// What is to be done now.
    pub fn aftermath(&self) -> Aftermath {
        match self {
            // A stop without a reason is one form of the webhook, and says only that it is over.
            Self::Stopped { reason } => reason.map_or(Aftermath::Over, Aftermath::of),
            Self::Closed { .. } | Self::Abandoned => Aftermath::Over,
            // Zoom does not know the stream any more: whatever it was, it is gone.
            Self::Failed(StreamError::Refused { status: StatusCode::InvalidRtmsStreamId, .. }) => {
                Aftermath::AskForNewStream
            }
            Self::Failed(error) if error.is_retryable() => Aftermath::AskForNewStream,
            Self::Failed(_) => Aftermath::OperatorFirst,
        }
    }
}
