//! The wire log of a stream, as the driver writes it: every frame of the stream's connections, both ways, as it was on
//! the wire.

use bytes::Bytes;
use rtms_proto::{output::ConnectionId, role::Role};

/// Takes what goes over the connections of one stream.
///
/// It is called by the task that reads the sockets and answers keep-alives, so it must return at once.
pub trait WireLog: Send + 'static {
    /// Something happened on this connection, which is for `role`.
    fn saw(&mut self, connection: ConnectionId, role: Role, what: Seen);
}

/// What is seen of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is tried, at this URL.
    Dialed(String),
    /// It could not be made.
    Unreached(String),
    /// The WebSocket stands.
    Opened,
    /// A text frame of ours is sent. Message 1 and 3 hold the handshake signature.
    Sent(String),
    /// A frame came, text or binary; sharing its bytes costs nothing.
    Received {
        /// What was in it.
        payload: Bytes,
        /// Whether it was a text frame.
        is_text: bool,
        /// Whether it is a media message: what people said, wrote or showed.
        is_media: bool,
    },
    /// The other side closed it with a close frame.
    Closed {
        /// Its code, if it had one.
        code: Option<u16>,
        /// What it said beside it.
        reason: String,
    },
    /// It is gone without a close frame.
    Cut(String),
    /// We close it, with code 1000, or give up the attempt.
    Left,
}
