//! Zoom's half of Realtime Media Streams, for tests and for trying things out.
//!
//! A seed and a few options make a [`meeting`]: who is there, who says what when, who shares, what is written. From it
//! [`zoom::Zoom`] plays everything that a client sees: signed webhooks, the signaling connection, media connections
//! with real payloads, keep-alives, windows, statuses and the end. It is written from the protocol's documents alone
//! and shares nothing with our own client but the types of `rtms-wire`, so that it can prove our client wrong.
//!
//! The core has no clock, socket or randomness. Time goes in as an argument, effects come out as values:
//!
//! ```
//! use rtms_sim::{config::ZoomConfig, zoom::{Input, Output, Zoom}};
//! use rtms_wire::time::UnixMillis;
//!
//! let mut zoom = Zoom::new(ZoomConfig::default(), UnixMillis(1_795_420_800_000));
//! let Some(Output::Webhook(post)) = zoom.poll_output() else { panic!("the first thing is the webhook") };
//! assert_eq!(post.event, "meeting.rtms_started");
//!
//! // Nobody comes, so the meeting goes by unheard.
//! while let Some(deadline) = zoom.next_deadline() {
//!     zoom.handle(Input::Time, deadline);
//! }
//! let Some(Output::Webhook(post)) = zoom.poll_output() else { panic!("the last thing is the webhook") };
//! assert_eq!(post.event, "meeting.rtms_stopped");
//! ```
//!
//! With the feature `opus` it can send Opus. What was sent is kept in [`sent`], what the client did wrong in
//! [`findings`]. The crate `rtms-sim-server` puts the same machine on real sockets.

mod checks;
pub mod config;
mod connection;
pub mod fault;
pub mod findings;
mod handshake;
pub mod judge;
mod keep_alive;
pub mod load;
mod media;
pub mod meeting;
pub mod plan;
pub mod replay;
pub mod scenario;
pub mod seed;
pub mod sent;
mod signaling;
pub mod source;
pub mod webhook;
pub mod world;
pub mod zoom;
