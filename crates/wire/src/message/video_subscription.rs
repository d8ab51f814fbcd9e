//! `VIDEO_SUBSCRIPTION_REQ` (28) and `VIDEO_SUBSCRIPTION_RESP` (29): one person's camera, by choice.

use serde::{Deserialize, Serialize};

use crate::{
    codes::status_code::StatusCode, extra::Extra, ids::UserId, lenient, message::signaling_handshake::Reason,
    time::UnixMillis,
};

/// `VIDEO_SUBSCRIPTION_REQ`, `msg_type` 28, to Zoom on signaling; another replaces the last. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VideoSubscriptionReq {
    /// The person whose camera it is.
    pub user_id: UserId,
    /// On or off.
    pub subscribe: bool,
    /// The time of the request, on our clock.
    pub timestamp: UnixMillis,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `VIDEO_SUBSCRIPTION_RESP`, `msg_type` 29, from Zoom on signaling. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VideoSubscriptionResp {
    /// The person whose camera it is.
    pub user_id: UserId,
    /// How it went; 44 means that it was on already.
    pub status_code: StatusCode,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// When the answer was sent.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<UnixMillis>,
    /// Anything else, `subscribe` at times.
    #[serde(flatten)]
    pub extra: Extra,
}
