//! One stream over tokio: [`rtms_proto`]'s machine on real sockets.
//!
//! [`handle::join`] starts a task that owns all connections of one stream, and returns a handle to steer it and a
//! receiver of its events. The receiver is bounded in bytes and never makes the sockets wait: see [`queue`].
//!
//! A [`wire_log::WireLog`] sees every frame as it was on the wire.
//!
//! Proxies from the environment are not used: the WebSocket library has no support for them.

mod clock;
mod command;
pub mod connect;
mod driver;
pub mod error;
mod frames;
pub mod handle;
pub mod queue;
pub mod wire_log;
