//! A request that is not granted.

use rtms_wire::codes::status_code::StatusCode;

use crate::checks::words;

/// A request that is not granted: the status and the words to go with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) reason: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }

    /// With the words that a real gateway has for this status.
    pub(crate) fn in_zooms_words(status: StatusCode) -> Self {
        Self { status, reason: words::of(status) }
    }
}
