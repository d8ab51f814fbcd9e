//! All that can be asked of the driver.

use rtms_wire::message::Message;

use crate::{event::Event, role::Role};

/// One attempt to connect, and the connection it becomes. Never used twice within a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u32);

/// A request to the driver, or news for the application.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Connect, and tell by [`crate::input::Input::Connected`] or `ConnectFailed`.
    Connect {
        /// The name of the attempt.
        connection: ConnectionId,
        /// The purpose of the connection.
        role: Role,
        /// The URL, exactly as Zoom gave it.
        url: String,
    },
    /// Send, in order.
    Send {
        /// The connection to send it on.
        connection: ConnectionId,
        /// The message to send.
        message: Message,
    },
    /// Close with code 1000, or give up the attempt. What Zoom sent on it before it knows is still to be told, and then
    /// [`Input::Lost`](crate::input::Input::Lost); only media are taken of it.
    Disconnect(ConnectionId),
    /// News for the application.
    Event(Event),
}
