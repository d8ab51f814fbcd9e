//! `DATA_HAND_SHAKE_REQ` (3) and `DATA_HAND_SHAKE_RESP` (4): the first exchange on a media connection.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    codes::status_code::StatusCode,
    extra::Extra,
    ids::StreamId,
    lenient::{self, Flag, in_order, one, unite},
    media::{
        medium::{MediaTypes, Medium},
        params::MediaParams,
    },
    message::signaling_handshake::{InstanceIds, Reason},
    signature::HandshakeSignature,
};

/// `DATA_HAND_SHAKE_REQ`, `msg_type` 3, to Zoom, first on a media connection. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct DataHandShakeReq {
    /// 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol_version: Option<u32>,
    /// 0 in the documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i64>,
    /// Same field and value as in message 1.
    #[serde(flatten)]
    pub instance: InstanceIds,
    /// The stream.
    pub rtms_stream_id: StreamId,
    /// Same value as in message 1.
    pub signature: HandshakeSignature,
    /// What this connection is to carry.
    pub media_type: MediaTypes,
    /// False in version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_encryption: Option<bool>,
    /// How; null and absent mean defaults, and parameters of media that are not wanted are ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_params: Option<MediaParams>,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}

in_order!(DataHandShakeReq, |fields| {
    let wanted = fields.get("media_type").and_then(|media_type| MediaTypes::deserialize(media_type).ok());
    if let (Some(wanted), Some(Value::Object(params))) = (wanted, fields.get_mut("media_params")) {
        // What nobody asks for cannot be asked for wrongly.
        let is_unwanted = |name: &str| Medium::ALL.iter().any(|it| it.as_str() == name && !wanted.contains(*it));
        params.retain(|name, value| {
            !is_unwanted(name) || MediaParams::deserialize(Value::Object(one(name, value))).is_ok()
        });
    }
});

/// `DATA_HAND_SHAKE_RESP`, `msg_type` 4, from Zoom: what was granted. Decode with these values. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct DataHandShakeResp {
    /// 1.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub protocol_version: Option<u32>,
    /// How it went. One mock server calls it `status`.
    pub status_code: StatusCode,
    /// Free text; empty on success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// 0 in the documents.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i64>,
    /// Whether payloads are encrypted; then nobody without the keys can read them, and version 1 has no way to agree on
    /// keys. So the document's example calls it; its table says `payload_encryption`.
    #[serde(default, deserialize_with = "lenient::flag", skip_serializing_if = "Option::is_none")]
    pub payload_encrypted: Option<bool>,
    /// The negotiated parameters of the granted media, on success.
    #[serde(default, deserialize_with = "MediaParams::as_far_as_readable", skip_serializing_if = "Option::is_none")]
    pub media_params: Option<MediaParams>,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}

in_order!(DataHandShakeResp, |fields| {
    unite::<StatusCode>(fields, &["status_code", "status"]);
    unite::<Flag>(fields, &["payload_encrypted", "payload_encryption"]);
});
