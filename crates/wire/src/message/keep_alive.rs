//! `KEEP_ALIVE_REQ` (12) and `KEEP_ALIVE_RESP` (13): Zoom asks, we answer on the same connection.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::extra::Extra;

/// `KEEP_ALIVE_REQ`, `msg_type` 12, from Zoom on every connection, every 10 s.
///
/// Basis: documented with `timestamp`; observed in vendor code with `sequence`, without which Zoom's SDK does not answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeepAliveReq {
    /// When it was sent. Kept as it came, since the answer repeats it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Value>,
    /// The number of this request. Kept as it came, since the answer repeats it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<Value>,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}

impl KeepAliveReq {
    /// The answer, which repeats both fields exactly, and only those that were there.
    pub fn answer(&self) -> KeepAliveResp {
        KeepAliveResp { timestamp: self.timestamp.clone(), sequence: self.sequence.clone(), extra: Extra::new() }
    }
}

/// `KEEP_ALIVE_RESP`, `msg_type` 13, to Zoom on the connection that asked. Basis: documented.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeepAliveResp {
    /// Repeats the request's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Value>,
    /// Repeats the request's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<Value>,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}
