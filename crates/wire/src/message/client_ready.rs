//! `CLIENT_READY_ACK` (7): after it media flows.

use serde::{Deserialize, Serialize};

use crate::{extra::Extra, ids::StreamId};

/// `CLIENT_READY_ACK`, `msg_type` 7, to Zoom on signaling, after each media handshake. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientReadyAck {
    /// The stream.
    pub rtms_stream_id: StreamId,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}
