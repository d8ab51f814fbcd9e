//! Zoom as one machine: one stream of one meeting, its webhooks, signaling and media, without a socket or a clock.
//!
//! The driver tells it what happens by [`Zoom::handle`], asks what to do by [`Zoom::poll_output`] until there is nothing left, and
//! calls again no later than [`Zoom::next_deadline`]. The same inputs at the same times give the same outputs, byte for byte.

mod endings;
mod frozen;
pub(crate) mod input;
mod live;
pub(crate) mod machine;
mod missed;
pub(crate) mod output;
mod phase;
mod requests;
mod say;
mod session;
mod time;
mod trouble;
mod version_2;
mod watch;

pub use self::{
    input::Input,
    machine::Zoom,
    output::{Admission, Output},
};
pub use crate::connection::{ConnectionId, Ending, Endpoint};
