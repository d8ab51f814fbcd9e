//! `STREAM_CLOSE_REQ` (21) and `STREAM_CLOSE_RESP` (22): we end the stream.

use serde::{Deserialize, Serialize};

use crate::{
    codes::status_code::StatusCode,
    extra::Extra,
    ids::StreamId,
    lenient::{self, in_order},
    message::signaling_handshake::Reason,
    time::{self, UnixMillis},
};

/// `STREAM_CLOSE_REQ`, `msg_type` 21, to Zoom on signaling. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamCloseReq {
    /// The stream.
    pub rtms_stream_id: StreamId,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `STREAM_CLOSE_RESP`, `msg_type` 22, from Zoom on signaling. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct StreamCloseResp {
    /// The stream.
    pub rtms_stream_id: StreamId,
    /// How it went.
    pub status_code: StatusCode,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// When the answer was sent.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<UnixMillis>,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}

in_order!(StreamCloseResp, |fields| time::settle(fields, &["timestamp"]));
