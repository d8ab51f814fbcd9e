//! Why the service's own control refuses something, with what to do about it.

use hyper::StatusCode;
use serde_json::json;

use crate::service::exchange::{Answer, Asked};

/// A refusal of the service's own control.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    cause: String,
    remedy: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { status, cause: cause.into(), remedy: remedy.into() }
    }

    /// There is nothing at this path.
    pub(super) fn path(asked: &Asked) -> Self {
        let cause = format!("there is nothing at {}", asked.path);
        Self::new(StatusCode::NOT_FOUND, cause, "meetings are at /v1/meetings, Zoom's calls at /v2 and /oauth/token")
    }

    /// The path is there, and does not take this method.
    pub(super) fn method(asked: &Asked) -> Self {
        let cause = format!("{} does not take {}", asked.path, asked.method);
        Self::new(StatusCode::METHOD_NOT_ALLOWED, cause, "docs/simulator.md lists the methods of each path")
    }

    /// The request cannot be read.
    pub(super) fn bad_request(cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, cause, remedy)
    }

    /// It cannot be done in the present state.
    pub(super) fn conflict(cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, cause, remedy)
    }

    pub(super) fn answer(&self) -> Answer {
        let Self { status, cause, remedy } = self;
        let title = status.canonical_reason();
        Answer::problem(
            *status,
            &json!({ "status": status.as_u16(), "title": title, "cause": cause, "remedy": remedy }),
        )
    }
}
