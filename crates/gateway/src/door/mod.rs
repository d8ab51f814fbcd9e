//! The door: the webhook endpoint, which anybody may reach.

pub(crate) mod diagnosis;
pub mod webhook;
