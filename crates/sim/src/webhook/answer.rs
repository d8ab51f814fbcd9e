//! What becomes of an attempt at delivering a webhook, and how long Zoom waits for it.

use std::time::Duration;

use bytes::Bytes;

use crate::webhook::delivery::Outcome;

/// The result of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookAnswer {
    /// The receiver answered with this status within [`ANSWER_WITHIN`].
    Status(u16),
    /// The receiver answered a validation, of which header and body matter too.
    Body {
        /// The status.
        status: u16,
        /// The header `content-type`.
        content_type: Option<String>,
        /// The bytes.
        body: Bytes,
    },
    /// Nothing came within [`ANSWER_WITHIN`]: Zoom's internal code -1. [`Input::WebhookAnsweredLate`] may follow.
    ///
    /// [`Input::WebhookAnsweredLate`]: crate::zoom::Input::WebhookAnsweredLate
    TimedOut,
    /// Refused, reset, no such host. The text says which, for people.
    Failed(String),
}

impl WebhookAnswer {
    /// The status, if the answer came in time.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status(status) | Self::Body { status, .. } => Some(*status),
            Self::TimedOut | Self::Failed(_) => None,
        }
    }

    /// Zoom takes any 2xx.
    pub fn is_accepted(&self) -> bool {
        matches!(self.status(), Some(200..=299))
    }

    /// Zoom tries again after 5xx and after no answer, never after 3xx and 4xx. Basis: documented.
    pub fn is_retried(&self) -> bool {
        matches!(self.status(), None | Some(500..))
    }

    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Status(status) | Self::Body { status, .. } => Outcome::Status(*status),
            Self::TimedOut => Outcome::TimedOut,
            Self::Failed(why) => Outcome::Failed(why.clone()),
        }
    }
}

/// How long Zoom waits for an answer. Basis: documented.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// How long the simulator listens on after that, only to be able to say how late an answer was. Ours, not Zoom's.
pub const LISTEN_ON_FOR: Duration = Duration::from_secs(5);
