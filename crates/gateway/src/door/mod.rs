//! The door: the webhook endpoint, which anybody may reach.

pub(crate) mod diagnosis;
pub(crate) mod misdirected;
pub(crate) mod repeats;
pub mod webhook;
