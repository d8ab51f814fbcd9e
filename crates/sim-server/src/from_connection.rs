//! What the tasks of connections and webhooks report to whoever drives the machine.

use bytes::Bytes;
use rtms_sim::{
    webhook::{WebhookAnswer, WebhookId},
    zoom::{Admission, ConnectionId, Ending},
};
use tokio::sync::oneshot;

use crate::socket::{Destination, UpgradedSocket};

/// What a task tells the pump.
#[derive(Debug)]
pub(crate) enum FromConnection {
    /// A client asks for a WebSocket.
    UpgradeAsked { destination: Destination, answer: oneshot::Sender<Admission> },
    /// A client got its WebSocket.
    Upgraded { destination: Destination, socket: UpgradedSocket },
    /// A text or binary message came.
    Received { connection: ConnectionId, payload: Bytes },
    /// The client did not answer our close frame in time.
    LeftOpen { connection: ConnectionId },
    /// The connection has ended; without an ending if we closed it and the client answered.
    Ended { connection: ConnectionId, ending: Option<Ending> },
    /// A webhook was answered, or not.
    WebhookAnswered { webhook: WebhookId, answer: WebhookAnswer },
    /// A webhook was answered after Zoom had given up waiting.
    WebhookAnsweredLate { webhook: WebhookId, attempt: u32, status: u16 },
}
