//! What Zoom does.

use bytes::Bytes;

use crate::{connection::ConnectionId, webhook::post::WebhookPost};

/// All that Zoom does.
#[derive(Clone, Debug)]
pub enum Output {
    /// Sends one message as a text frame.
    Send {
        /// The connection.
        connection: ConnectionId,
        /// The JSON text.
        text: String,
    },
    /// Sends one message as a binary frame.
    SendBinary {
        /// The connection.
        connection: ConnectionId,
        /// The payload.
        payload: Bytes,
    },
    /// Cuts a connection, without a close frame. Nothing is reported about it afterwards.
    Cut {
        /// The connection.
        connection: ConnectionId,
    },
    /// Closes a connection with a close frame. Nothing is sent on it any more afterwards; if the client ends it without
    /// an answer, or had ended it before, [`Input::Closed`](crate::zoom::Input::Closed) says so.
    Close {
        /// The connection.
        connection: ConnectionId,
        /// The close code.
        code: u16,
    },
    /// Posts a webhook.
    Webhook(WebhookPost),
}

/// What becomes of a client that asks for a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It gets one; [`Input::Connected`](crate::zoom::Input::Connected) is to follow.
    Welcome,
    /// It gets an HTTP response with this status.
    Status(u16),
    /// It gets no answer, and keeps its TCP connection.
    Silence,
    /// Its TCP connection is cut.
    Cut,
}
