//! Zoom as one machine: one stream of one meeting, its webhooks, signaling and media, without a socket or a clock.
//!
//! The driver tells it what happens by [`Zoom::handle`], asks what to do by [`Zoom::poll_output`] until there is
//! nothing left, and calls again no later than [`Zoom::next_deadline`]. The same inputs at the same times give the same
//! outputs, byte for byte.
//!
//! `Zoom` in `machine.rs` takes inputs, gives outputs, and holds the parts: `connections.rs`, `stream_signaling.rs`,
//! `stream_media.rs`, `stream_webhooks.rs`, `faults.rs` for what goes wrong, and `notes.rs` for what was sent and found.
//! A part knows no other, but that media and notes look at the connections. What takes several parts is a method of
//! `Zoom`: `requests.rs` and `handshakes.rs` for what clients ask, `time.rs` for what is due, `trouble.rs` for
//! incidents, `controls.rs` for streams that are started, paused and stopped on request, `endings.rs` for losses and the end, `sending.rs` and `posting.rs` for the ways out, `watch.rs` for what
//! only several parts together show of a client.

mod connections;
mod controls;
mod endings;
mod faults;
mod handshakes;
pub(crate) mod input;
pub(crate) mod machine;
mod notes;
pub(crate) mod output;
mod phase;
mod posting;
mod requests;
mod sending;
mod stream_media;
mod stream_signaling;
mod stream_webhooks;
mod time;
mod trouble;
mod version_2;
mod watch;

pub use self::{
    controls::{Control, NotNow, StreamStage},
    input::Input,
    machine::Zoom,
    output::{Admission, Output},
};
pub use crate::connection::{ConnectionId, Ending, Endpoint};
