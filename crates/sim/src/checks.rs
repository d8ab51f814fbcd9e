//! What Zoom checks of requests, and the status it answers.

pub(crate) mod expected;
pub(crate) mod incomplete;
pub(crate) mod kinds;
pub(crate) mod refusal;
pub(crate) mod words;
