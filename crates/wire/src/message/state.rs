//! States, told (8, 9) and asked for (10, 11, 19, 20).

use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    codes::{
        state::{SessionState, StreamState},
        stop_reason::StopReason,
    },
    ids::{RtmsSessionId, StreamId},
    message::Extra,
    time::UnixMillis,
};

/// `STREAM_STATE_UPDATE`, `msg_type` 8, from Zoom on signaling. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamStateUpdate {
    /// Where the stream stands.
    pub state: StreamState,
    /// Why, where there is a why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<StopReason>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<UnixMillis>,
    /// Anything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `SESSION_STATE_UPDATE`, `msg_type` 9, from Zoom on signaling. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionStateUpdate {
    /// Where the session stands.
    pub state: SessionState,
    /// Why it stopped. The document's example and its table name the key differently.
    #[serde(default, alias = "reason", skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<StopReason>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<UnixMillis>,
    /// Which session; absent only in old mock servers.
    #[serde(default, alias = "session_id", alias = "rmts_session_id", skip_serializing_if = "Option::is_none")]
    pub rtms_session_id: Option<RtmsSessionId>,
    /// Anything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `SESSION_STATE_REQ`, `msg_type` 10, to Zoom on signaling. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionStateReq {
    /// Which session.
    pub rtms_session_id: RtmsSessionId,
    /// Anything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `SESSION_STATE_RESP`, `msg_type` 11, from Zoom on signaling. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionStateResp {
    /// Which session.
    pub rtms_session_id: RtmsSessionId,
    /// Where it stands.
    pub state: SessionState,
    /// When the request arrived.
    #[serde(default, deserialize_with = "millis_or_seconds", skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<UnixMillis>,
    /// Anything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `STREAM_STATE_REQ`, `msg_type` 19, to Zoom on signaling. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamStateReq {
    /// Which stream.
    pub rtms_stream_id: StreamId,
    /// Anything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `STREAM_STATE_RESP`, `msg_type` 20, from Zoom on signaling. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamStateResp {
    /// Where it stands.
    pub state: StreamState,
    /// Which stream.
    pub rtms_stream_id: StreamId,
    /// When the request arrived; the document's example is in seconds.
    #[serde(default, deserialize_with = "millis_or_seconds", skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<UnixMillis>,
    /// Anything else.
    #[serde(flatten)]
    pub extra: Extra,
}

fn millis_or_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<UnixMillis>, D::Error> {
    Ok(Option::<u64>::deserialize(deserializer)?.map(UnixMillis::from_millis_or_seconds))
}
