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
        /// Where.
        endpoint: Endpoint,
    },
    /// The payload of a text or binary frame came.
    Received {
        /// On which connection.
        connection: ConnectionId,
        /// What.
        payload: Bytes,
    },
    /// A connection ended by the client, be it one that was told to close and had not heard of it, or did not answer by a close
    /// frame.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// How.
        ending: Ending,
    },
    /// It is known what became of a webhook.
    WebhookAnswered {
        /// Which.
        webhook: WebhookId,
        /// What.
        answer: WebhookAnswer,
    },
    /// The answer to a webhook came after [`WebhookAnswer::TimedOut`] was said of that attempt.
    WebhookAnsweredLate {
        /// Which.
        webhook: WebhookId,
        /// Which attempt.
        attempt: u32,
        /// What came.
        status: u16,
    },
    /// The close frame that a connection was told to close with had no answer, for as long as the driver waits.
    LeftOpen {
        /// Which.
        connection: ConnectionId,
    },
    /// Somebody ends the stream before the meeting's time is over, or does not want to wait for the retries of its webhooks.
    Stop {
        /// Why.
        reason: StopReason,
    },
    /// Nothing but time passed.
    Time,
}
