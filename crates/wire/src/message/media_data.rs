//! `MEDIA_DATA_AUDIO` (14), `MEDIA_DATA_VIDEO` (15), `MEDIA_DATA_SHARE` (16): bytes with a time and an owner.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::{
    base64,
    codes::{media::DataMessageAttribute, message_type::MessageType},
    error::DecodeError,
    extra::Extra,
    ids::{ChannelId, UserId},
    lenient,
    message::body::{body, content_fields},
    time::{self, UnixMillis},
};

/// The body of messages 14, 15 and 16, from Zoom on a media connection.
///
/// `data` is the payload after base64. Its shape follows what message 4 granted: for L16 signed 16-bit little-endian
/// samples, interleaved if stereo; for H264 an Annex B byte stream; for JPG and PNG one picture. Order is arrival
/// order on the connection together with `timestamp`; there is no sequence number. Basis: documented.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MediaData {
    /// Whose; `0` for mixed audio; absent in the Contact Center.
    pub user_id: Option<UserId>,
    /// Its name; absent for mixed audio.
    pub user_name: Option<SmolStr>,
    /// Which party's, in the Contact Center.
    pub channel_id: Option<ChannelId>,
    /// The payload.
    pub data: Bytes,
    /// When it was made, on the clock of Zoom's server. What is [not plausible](UnixMillis::is_plausible) was sent so, or
    /// is 0 because no number was sent. What was sent otherwise than in milliseconds is `timestamp_as_sent` in
    /// [`Self::extra`].
    pub timestamp: UnixMillis,
    /// Unused in practice.
    pub attribute: Option<DataMessageAttribute>,
    /// The fields that are not named here.
    pub extra: Extra,
}

/// The same with the payload as base64.
#[derive(Serialize, Deserialize)]
pub(crate) struct OnTheWire {
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    user_name: Option<SmolStr>,
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    channel_id: Option<ChannelId>,
    data: String,
    /// Bytes before base64; absent before May 2026.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    #[serde(default, skip_serializing_if = "is_nothing")]
    timestamp: UnixMillis,
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    attribute: Option<DataMessageAttribute>,
    #[serde(flatten)]
    extra: Extra,
}

impl MediaData {
    pub(crate) fn on_the_wire(&self) -> OnTheWire {
        OnTheWire {
            user_id: self.user_id.clone(),
            user_name: self.user_name.clone(),
            channel_id: self.channel_id.clone(),
            data: base64::encode(&self.data),
            length: Some(self.data.len() as u64),
            timestamp: self.timestamp,
            attribute: self.attribute,
            extra: self.extra.clone(),
        }
    }
}

fn is_nothing(timestamp: &UnixMillis) -> bool {
    timestamp.0 == 0
}

/// Decodes base64 of the standard alphabet with padding, as all payloads are.
pub(crate) fn payload(text: &[u8], announced: Option<u64>, msg_type: MessageType) -> Result<Bytes, DecodeError> {
    let data = base64::decode(text).map_err(|_| DecodeError::BadBase64 { msg_type })?;
    match announced {
        Some(announced) if announced != data.len() as u64 => {
            Err(DecodeError::LengthMismatch { msg_type, announced, carried: data.len() })
        }
        Some(_) | None => Ok(data.into()),
    }
}

/// Reads the general form.
pub(crate) fn decode(msg_type: MessageType, fields: Extra) -> Result<MediaData, DecodeError> {
    let mut fields = content_fields(msg_type, fields)?;
    let as_sent = fields.get("timestamp").and_then(serde_json::Value::as_u64);
    time::settle(&mut fields, &["timestamp"]);
    let mut found: OnTheWire = body(msg_type, fields)?;
    if let Some(as_sent) = as_sent.filter(|_| found.timestamp == UnixMillis::default()) {
        found.timestamp = UnixMillis(as_sent);
        found.extra.remove("timestamp_as_sent");
    }
    Ok(MediaData {
        data: payload(found.data.as_bytes(), found.length, msg_type)?,
        user_id: found.user_id,
        user_name: found.user_name,
        channel_id: found.channel_id,
        timestamp: found.timestamp,
        attribute: found.attribute,
        extra: found.extra,
    })
}
