//! The state that every request sees.

use crate::{oauth::Tokens, service::meetings::Meetings};

/// What every request sees.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) tokens: Tokens,
    pub(super) scopes: Vec<String>,
    pub(super) meetings: Meetings,
}
