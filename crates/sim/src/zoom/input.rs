//! What can happen to Zoom.

use bytes::Bytes;
use rtms_wire::codes::stop_reason::StopReason;

use crate::{
    connection::{ConnectionId, Ending, Endpoint},
    webhook::{answer::WebhookAnswer, post::WebhookId},
};

/// All that can happen to Zoom.
#[derive(Clone, Debug)]
pub enum Input {
    /// A client finished the WebSocket upgrade.
    Connected {
        /// The new connection.
        connection: ConnectionId,
        /// The server that the client connected to.
        endpoint: Endpoint,
    },
    /// A text or binary frame came.
    Received {
        /// The connection.
        connection: ConnectionId,
        /// The payload of the frame.
        payload: Bytes,
    },
    /// The client ended a connection. Zoom may have closed it already, if the client did not know or did not answer
    /// with a close frame.
    Closed {
        /// The connection.
        connection: ConnectionId,
        /// How the connection ended.
        ending: Ending,
    },
    /// The result of a webhook is known.
    WebhookAnswered {
        /// The webhook.
        webhook: WebhookId,
        /// The result.
        answer: WebhookAnswer,
    },
    /// The answer to a webhook came after [`WebhookAnswer::TimedOut`] was reported for that attempt.
    WebhookAnsweredLate {
        /// The webhook.
        webhook: WebhookId,
        /// The number of the attempt.
        attempt: u32,
        /// The status of the answer.
        status: u16,
    },
    /// The close frame that a connection was told to close with had no answer, for as long as the driver waits.
    LeftOpen {
        /// The connection.
        connection: ConnectionId,
    },
    /// The stream is ended before the meeting's time is over, or the retries of its webhooks are not waited for.
    Stop {
        /// The stop reason.
        reason: StopReason,
    },
    /// Nothing but time passed.
    Time,
}
