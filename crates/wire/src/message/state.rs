//! States, told (8, 9) and asked for (10, 11, 19, 20).

use serde::{Deserialize, Serialize};

use crate::{
    codes::{
        state::{SessionState, StreamState},
        stop_reason::StopReason,
    },
    extra::Extra,
    ids::{RtmsSessionId, StreamId},
    lenient::{self, in_order, unite},
    time::{self, UnixMillis},
};

/// `STREAM_STATE_UPDATE`, `msg_type` 8, from Zoom on signaling. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct StreamStateUpdate {
    /// Where the stream stands.
    pub state: StreamState,
    /// Why, where there is a why.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub reason: Option<StopReason>,
    /// The time of the change.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<UnixMillis>,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}

in_order!(StreamStateUpdate, |fields| time::settle(fields, &["timestamp"]));

/// `SESSION_STATE_UPDATE`, `msg_type` 9, from Zoom on signaling. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct SessionStateUpdate {
    /// Where the session stands.
    pub state: SessionState,
    /// Why it stopped. The document's table calls it `reason`, its example has this name.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<StopReason>,
    /// The time of the change.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<UnixMillis>,
    /// Which session. Mock servers call it `rmts_session_id` or `session_id`, or leave it out.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub rtms_session_id: Option<RtmsSessionId>,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}

in_order!(SessionStateUpdate, |fields| {
    time::settle(fields, &["timestamp"]);
    unite::<StopReason>(fields, &["stop_reason", "reason"]);
    // The last name comes last because the Video SDK has another meaning for it.
    unite::<RtmsSessionId>(fields, &["rtms_session_id", "rmts_session_id", "session_id"]);
});

/// `SESSION_STATE_REQ`, `msg_type` 10, to Zoom on signaling. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionStateReq {
    /// The session.
    pub rtms_session_id: RtmsSessionId,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `SESSION_STATE_RESP`, `msg_type` 11, from Zoom on signaling. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct SessionStateResp {
    /// The session.
    pub rtms_session_id: RtmsSessionId,
    /// Where it stands.
    pub state: SessionState,
    /// When the request arrived.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<UnixMillis>,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}

in_order!(SessionStateResp, |fields| time::settle(fields, &["timestamp"]));

/// `STREAM_STATE_REQ`, `msg_type` 19, to Zoom on signaling. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamStateReq {
    /// The stream.
    pub rtms_stream_id: StreamId,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `STREAM_STATE_RESP`, `msg_type` 20, from Zoom on signaling. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct StreamStateResp {
    /// Where it stands.
    pub state: StreamState,
    /// The stream.
    pub rtms_stream_id: StreamId,
    /// When the request arrived; the document's example is in seconds.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<UnixMillis>,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}

in_order!(StreamStateResp, |fields| time::settle(fields, &["timestamp"]));
