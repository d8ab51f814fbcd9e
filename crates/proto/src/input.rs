//! All that can come in.

use rtms_wire::{codes::stop_reason::StopReason, error::DecodeError, ids::UserId, message::Message, time::UnixMillis};

use crate::output::ConnectionId;

/// Something that happened outside. Inputs of connections that are gone are ignored.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every input is a message, and a box per packet costs more than the move"
)]
pub enum Input {
    /// A connection stands; nothing was sent on it yet.
    Connected(ConnectionId),
    /// A connection could not be made.
    ConnectFailed(ConnectionId, String),
    /// A message came.
    Received(ConnectionId, Message),
    /// Something came that is no message.
    Undecodable(ConnectionId, DecodeError),
    /// A connection is gone, closed by the other side or cut, or both sides have closed it after
    /// [`Output::Disconnect`](crate::output::Output::Disconnect).
    Lost(ConnectionId, String),
    /// A stop webhook arrived.
    Stopped(Option<StopReason>),
    /// A newer start webhook for this stream arrived: Zoom's server failed over. Everything is dialed anew at once.
    Restarted {
        /// Where to connect now.
        server_urls: Vec<String>,
    },
    /// An interrupted webhook arrived. A signaling connection that stands is asked first whether it still holds.
    Interrupted {
        /// Where to connect now; empty for where it was.
        server_urls: Vec<String>,
    },
    /// We want the stream to end.
    Close,
    /// We want to be gone, and the stream to go on without us: a lost lease, a shutdown.
    Abandon,
    /// We want one person's camera, or no longer. The wish is kept: it may come before signaling is open, outlives
    /// reconnections, and is replaced by the next one. It needs video asked for as one person's of choice.
    SubscribeVideo {
        /// The person whose camera it is.
        user_id: UserId,
        /// Whether the camera is wanted.
        subscribe: bool,
        /// Our time, which message 28 carries.
        timestamp: UnixMillis,
    },
    /// Nothing but time passed.
    TimePassed,
}
