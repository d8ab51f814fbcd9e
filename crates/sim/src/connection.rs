//! What Zoom's machine and its driver know of one connection: its number, the server it was made to, how it ended.

use serde::Serialize;

/// One WebSocket connection, by a number that the driver gives and never uses again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ConnectionId(pub u64);

/// Which of Zoom's servers a client connected to. One media server serves all media: message 3 says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The URL of the webhook.
    Signaling,
    /// A URL of message 2.
    Media,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The client sent a close frame.
    CloseFrame,
    /// The connection was cut.
    Cut,
    /// The driver gave it up because too many bytes waited to be read.
    TooSlow {
        /// The number of bytes that waited.
        waiting_bytes: usize,
    },
}
