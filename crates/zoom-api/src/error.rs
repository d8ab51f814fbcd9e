//! The errors of a call that controls a stream.

use hyper::StatusCode;
use rtms_http::error::HttpError;

use crate::token::NoToken;

/// Zoom's code for "not now": another call on the meeting is under way. Basis: third-party code, which tries again.
const BUSY: i64 = 3000;

/// Why a stream is not controlled.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no access token.
    #[error(transparent)]
    NoToken(#[from] NoToken),
    /// The API cannot be asked.
    #[error("cannot ask Zoom's API: {0}")]
    Http(#[from] HttpError),
    /// The request cannot be made of what was given.
    #[error("the request to Zoom's API cannot be made: {0}")]
    Request(#[from] hyper::http::Error),
    /// Zoom refuses.
    #[error("Zoom answered {status}{}: {message}", code.map_or_else(String::new, |code| format!(", code {code}")))]
    Refused {
        /// The status of the answer.
        status: StatusCode,
        /// Zoom's own number, if the answer has one.
        code: Option<i64>,
        /// Zoom's words.
        message: String,
    },
}

impl ControlError {
    /// Returns whether the same call may succeed later. Basis: third-party code for 3000, 429 and 5xx.
    pub fn is_worth_a_retry(&self) -> bool {
        match self {
            Self::Http(HttpError::Url(_)) | Self::Request(_) => false,
            Self::NoToken(NoToken::Refused { status, .. }) => is_for_now(*status),
            Self::NoToken(NoToken::Http(_)) | Self::Http(_) => true,
            Self::NoToken(NoToken::Unreadable | NoToken::Request(_)) => false,
            Self::Refused { status, code, .. } => *code == Some(BUSY) || is_for_now(*status),
        }
    }

    /// Returns Zoom's own number, if its answer has one.
    pub fn code(&self) -> Option<i64> {
        match self {
            Self::Refused { code, .. } => *code,
            Self::NoToken(_) | Self::Http(_) | Self::Request(_) => None,
        }
    }

    /// Returns whether the app lacks a right, mostly a scope.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::FORBIDDEN)
    }

    /// Returns what to do about it, if that is known.
    pub fn remedy(&self) -> Option<&'static str> {
        let Self::Refused { status, code, .. } = self else { return None };
        match (code, status.as_u16()) {
            (Some(2308), _) => Some(
                "only the host, an alternative host or an invitee who is in the meeting may: name one of them as participant",
            ),
            (Some(2310), _) => Some("the account needs Zoom's Developer Pack"),
            (_, 401) => Some("check the app's client id, secret and account id"),
            (_, 403) => Some("add the scope for this call to the app, and authorise it again"),
            (_, 404) => Some("is the meeting running, and is this its id?"),
            (_, 429) => Some("Zoom limits how often it is asked; try again later"),
            (_, _) => None,
        }
    }
}

fn is_for_now(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}
