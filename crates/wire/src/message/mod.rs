//! Every message of the two WebSocket conversations: JSON text in, types out, and back. A file per pair.

pub mod client_ready;
pub mod data_handshake;
pub mod event_subscription;
pub mod event_update;
pub mod keep_alive;
mod leniency;
pub mod media_data;
mod scan;
pub mod signaling_handshake;
pub mod state;
pub mod stream_close;
pub mod text_data;
pub mod video_subscription;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, error::Category};

use crate::{
    codes::{UNLISTED_NAME, message_type::MessageType},
    error::DecodeError,
    flaws::Flaws,
    redact,
};

use client_ready::ClientReadyAck;
use data_handshake::{DataHandShakeReq, DataHandShakeResp};
use event_subscription::EventSubscription;
use event_update::EventUpdate;
use keep_alive::{KeepAliveReq, KeepAliveResp};
use media_data::MediaData;
use signaling_handshake::{SignalingHandShakeReq, SignalingHandShakeResp};
use state::{
    SessionStateReq, SessionStateResp, SessionStateUpdate, StreamStateReq, StreamStateResp, StreamStateUpdate,
};
use stream_close::{StreamCloseReq, StreamCloseResp};
use text_data::{MediaDataChat, MediaDataTranscript};
use video_subscription::{VideoSubscriptionReq, VideoSubscriptionResp};

/// Fields that no document names; they are kept and sent on.
pub type Extra = serde_json::Map<String, Value>;

/// What the name of a field gets that is called like one of ours.
pub(crate) const APART: &str = "zoom_";

/// Puts fields of the sender's that have a name of ours under another, so that no object has a name twice.
///
/// The other name has `zoom_` before it, once more if that is there too.
pub fn set_apart(fields: &mut Extra, is_ours: impl Fn(&str) -> bool) {
    let names: Vec<String> = fields.keys().filter(|name| is_ours(name)).cloned().collect();
    for name in names {
        let Some(value) = fields.remove(&name) else { continue };
        let mut other = format!("{APART}{name}");
        while fields.contains_key(&other) {
            other.insert_str(0, APART);
        }
        fields.insert(other, value);
    }
}

/// One message, of either direction and channel. Basis: documented, docs/protocol.md#messages.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// `SIGNALING_HAND_SHAKE_REQ`, 1, to Zoom, signaling.
    SignalingHandShakeReq(SignalingHandShakeReq),
    /// `SIGNALING_HAND_SHAKE_RESP`, 2, from Zoom, signaling.
    SignalingHandShakeResp(SignalingHandShakeResp),
    /// `DATA_HAND_SHAKE_REQ`, 3, to Zoom, media.
    DataHandShakeReq(DataHandShakeReq),
    /// `DATA_HAND_SHAKE_RESP`, 4, from Zoom, media.
    DataHandShakeResp(DataHandShakeResp),
    /// `EVENT_SUBSCRIPTION`, 5, to Zoom, signaling.
    EventSubscription(EventSubscription),
    /// `EVENT_UPDATE`, 6, from Zoom, signaling.
    EventUpdate(EventUpdate),
    /// `CLIENT_READY_ACK`, 7, to Zoom, signaling.
    ClientReadyAck(ClientReadyAck),
    /// `STREAM_STATE_UPDATE`, 8, from Zoom, signaling.
    StreamStateUpdate(StreamStateUpdate),
    /// `SESSION_STATE_UPDATE`, 9, from Zoom, signaling.
    SessionStateUpdate(SessionStateUpdate),
    /// `SESSION_STATE_REQ`, 10, to Zoom, signaling.
    SessionStateReq(SessionStateReq),
    /// `SESSION_STATE_RESP`, 11, from Zoom, signaling.
    SessionStateResp(SessionStateResp),
    /// `KEEP_ALIVE_REQ`, 12, from Zoom, every connection.
    KeepAliveReq(KeepAliveReq),
    /// `KEEP_ALIVE_RESP`, 13, to Zoom, on the connection that asked.
    KeepAliveResp(KeepAliveResp),
    /// `MEDIA_DATA_AUDIO`, 14, from Zoom, media.
    MediaDataAudio(MediaData),
    /// `MEDIA_DATA_VIDEO`, 15, from Zoom, media.
    MediaDataVideo(MediaData),
    /// `MEDIA_DATA_SHARE`, 16, from Zoom, media.
    MediaDataShare(MediaData),
    /// `MEDIA_DATA_TRANSCRIPT`, 17, from Zoom, media.
    MediaDataTranscript(MediaDataTranscript),
    /// `MEDIA_DATA_CHAT`, 18, from Zoom, media.
    MediaDataChat(MediaDataChat),
    /// `STREAM_STATE_REQ`, 19, to Zoom, signaling.
    StreamStateReq(StreamStateReq),
    /// `STREAM_STATE_RESP`, 20, from Zoom, signaling.
    StreamStateResp(StreamStateResp),
    /// `STREAM_CLOSE_REQ`, 21, to Zoom, signaling.
    StreamCloseReq(StreamCloseReq),
    /// `STREAM_CLOSE_RESP`, 22, from Zoom, signaling.
    StreamCloseResp(StreamCloseResp),
    /// `VIDEO_SUBSCRIPTION_REQ`, 28, to Zoom, signaling.
    VideoSubscriptionReq(VideoSubscriptionReq),
    /// `VIDEO_SUBSCRIPTION_RESP`, 29, from Zoom, signaling.
    VideoSubscriptionResp(VideoSubscriptionResp),
    /// `META_DATA_AUDIO` to `META_DATA_CHAT`, 23 to 27, whose bodies are unpublished, and every number not listed.
    Other(OtherMessage),
}

/// A message whose body is unknown: all its fields as they came, but for secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherMessage {
    /// The number.
    pub msg_type: MessageType,
    /// Everything but the number.
    pub fields: Extra,
}

impl OtherMessage {
    /// The length of its fields as JSON.
    pub fn json_bytes(&self) -> usize {
        serde_json::to_vec(&self.fields).map_or(usize::MAX, |json| json.len())
    }
}

impl Message {
    /// Reads one message from the payload of a WebSocket frame, text or binary.
    ///
    /// Media data takes a path of its own that does not build a JSON tree; whatever is unusual about it (escapes,
    /// unknown keys, another order of nesting) takes the general path and gives the same.
    ///
    /// # Errors
    /// [`DecodeError`] says what is wrong; the caller counts it and goes on, as nothing after it is affected.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        match scan::media_data(payload) {
            Some(found) => found,
            None => Self::decode_any(payload),
        }
    }

    /// Reads a message of Zoom's as far as it can be read, and returns what was wrong with it.
    ///
    /// Broken text, values and base64 are mended, and a field that cannot be read is left out. An ordinary message takes the
    /// same short path as in [`Self::decode`].
    ///
    /// # Errors
    /// [`DecodeError`] if nothing can be read, or not what the message is for.
    pub fn decode_leniently(payload: &[u8]) -> Result<(Self, Flaws), DecodeError> {
        match scan::media_data(payload) {
            Some(Ok(message)) => Ok((message, Flaws::default())),
            Some(Err(_)) | None => leniency::read(payload),
        }
    }

    fn decode_any(payload: &[u8]) -> Result<Self, DecodeError> {
        // What a frame opens with tells nothing: 0x0A is white space to JSON, and the first byte of most of Protobuf.
        Self::of_fields(serde_json::from_slice(payload).map_err(|error| match error.classify() {
            Category::Data => DecodeError::NotAnObject,
            Category::Syntax | Category::Eof | Category::Io => DecodeError::NotJson(error),
        })?)
    }

    fn of_fields(mut fields: Extra) -> Result<Self, DecodeError> {
        let number = fields.remove("msg_type").ok_or(DecodeError::NoMessageType)?;
        let msg_type =
            MessageType::deserialize(&number).map_err(|source| DecodeError::BadField { msg_type: None, source })?;
        if msg_type.code() == UNLISTED_NAME {
            fields.entry("zoom_msg_type").or_insert(number);
        }
        // What Zoom sends is read without its secrets, and what is not in memory cannot be logged, recorded or passed on.
        // The requests are ours: the simulator checks the signature in them.
        if !matches!(msg_type, MessageType::SignalingHandShakeReq | MessageType::DataHandShakeReq) {
            redact::empty_secrets(&mut fields);
        }
        Ok(match msg_type {
            MessageType::SignalingHandShakeReq => Self::SignalingHandShakeReq(body(msg_type, fields)?),
            MessageType::SignalingHandShakeResp => Self::SignalingHandShakeResp(body(msg_type, fields)?),
            MessageType::DataHandShakeReq => Self::DataHandShakeReq(body(msg_type, fields)?),
            MessageType::DataHandShakeResp => Self::DataHandShakeResp(body(msg_type, fields)?),
            MessageType::EventSubscription => Self::EventSubscription(body(msg_type, fields)?),
            MessageType::EventUpdate => Self::EventUpdate(body(msg_type, fields)?),
            MessageType::ClientReadyAck => Self::ClientReadyAck(body(msg_type, fields)?),
            MessageType::StreamStateUpdate => Self::StreamStateUpdate(body(msg_type, fields)?),
            MessageType::SessionStateUpdate => Self::SessionStateUpdate(body(msg_type, fields)?),
            MessageType::SessionStateReq => Self::SessionStateReq(body(msg_type, fields)?),
            MessageType::SessionStateResp => Self::SessionStateResp(body(msg_type, fields)?),
            MessageType::KeepAliveReq => Self::KeepAliveReq(body(msg_type, fields)?),
            MessageType::KeepAliveResp => Self::KeepAliveResp(body(msg_type, fields)?),
            MessageType::MediaDataAudio => Self::MediaDataAudio(media_data::decode(msg_type, fields)?),
            MessageType::MediaDataVideo => Self::MediaDataVideo(media_data::decode(msg_type, fields)?),
            MessageType::MediaDataShare => Self::MediaDataShare(media_data::decode(msg_type, fields)?),
            MessageType::MediaDataTranscript => Self::MediaDataTranscript(content(msg_type, fields)?),
            MessageType::MediaDataChat => Self::MediaDataChat(content(msg_type, fields)?),
            MessageType::StreamStateReq => Self::StreamStateReq(body(msg_type, fields)?),
            MessageType::StreamStateResp => Self::StreamStateResp(body(msg_type, fields)?),
            MessageType::StreamCloseReq => Self::StreamCloseReq(body(msg_type, fields)?),
            MessageType::StreamCloseResp => Self::StreamCloseResp(body(msg_type, fields)?),
            MessageType::VideoSubscriptionReq => Self::VideoSubscriptionReq(body(msg_type, fields)?),
            MessageType::VideoSubscriptionResp => Self::VideoSubscriptionResp(body(msg_type, fields)?),
            MessageType::Undefined
            | MessageType::MetaDataAudio
            | MessageType::MetaDataVideo
            | MessageType::MetaDataShare
            | MessageType::MetaDataTranscript
            | MessageType::MetaDataChat
            | MessageType::Unknown(_) => Self::Other(OtherMessage { msg_type, fields }),
        })
    }

    /// The number that the message goes by.
    pub fn msg_type(&self) -> MessageType {
        match self {
            Self::SignalingHandShakeReq(_) => MessageType::SignalingHandShakeReq,
            Self::SignalingHandShakeResp(_) => MessageType::SignalingHandShakeResp,
            Self::DataHandShakeReq(_) => MessageType::DataHandShakeReq,
            Self::DataHandShakeResp(_) => MessageType::DataHandShakeResp,
            Self::EventSubscription(_) => MessageType::EventSubscription,
            Self::EventUpdate(_) => MessageType::EventUpdate,
            Self::ClientReadyAck(_) => MessageType::ClientReadyAck,
            Self::StreamStateUpdate(_) => MessageType::StreamStateUpdate,
            Self::SessionStateUpdate(_) => MessageType::SessionStateUpdate,
            Self::SessionStateReq(_) => MessageType::SessionStateReq,
            Self::SessionStateResp(_) => MessageType::SessionStateResp,
            Self::KeepAliveReq(_) => MessageType::KeepAliveReq,
            Self::KeepAliveResp(_) => MessageType::KeepAliveResp,
            Self::MediaDataAudio(_) => MessageType::MediaDataAudio,
            Self::MediaDataVideo(_) => MessageType::MediaDataVideo,
            Self::MediaDataShare(_) => MessageType::MediaDataShare,
            Self::MediaDataTranscript(_) => MessageType::MediaDataTranscript,
            Self::MediaDataChat(_) => MessageType::MediaDataChat,
            Self::StreamStateReq(_) => MessageType::StreamStateReq,
            Self::StreamStateResp(_) => MessageType::StreamStateResp,
            Self::StreamCloseReq(_) => MessageType::StreamCloseReq,
            Self::StreamCloseResp(_) => MessageType::StreamCloseResp,
            Self::VideoSubscriptionReq(_) => MessageType::VideoSubscriptionReq,
            Self::VideoSubscriptionResp(_) => MessageType::VideoSubscriptionResp,
            Self::Other(other) => other.msg_type,
        }
    }

    /// Writes the message as compact JSON, the number first.
    pub fn encode(&self) -> String {
        match self {
            Self::SignalingHandShakeReq(body) => self.with_body(body),
            Self::SignalingHandShakeResp(body) => self.with_body(body),
            Self::DataHandShakeReq(body) => self.with_body(body),
            Self::DataHandShakeResp(body) => self.with_body(body),
            Self::EventSubscription(body) => self.with_body(body),
            Self::EventUpdate(body) => self.with_body(body),
            Self::ClientReadyAck(body) => self.with_body(body),
            Self::StreamStateUpdate(body) => self.with_body(body),
            Self::SessionStateUpdate(body) => self.with_body(body),
            Self::SessionStateReq(body) => self.with_body(body),
            Self::SessionStateResp(body) => self.with_body(body),
            Self::KeepAliveReq(body) => self.with_body(body),
            Self::KeepAliveResp(body) => self.with_body(body),
            Self::MediaDataAudio(body) | Self::MediaDataVideo(body) | Self::MediaDataShare(body) => {
                self.with_body(&Content { content: body.on_the_wire() })
            }
            Self::MediaDataTranscript(content) => self.with_body(&Content { content }),
            Self::MediaDataChat(content) => self.with_body(&Content { content }),
            Self::StreamStateReq(body) => self.with_body(body),
            Self::StreamStateResp(body) => self.with_body(body),
            Self::StreamCloseReq(body) => self.with_body(body),
            Self::StreamCloseResp(body) => self.with_body(body),
            Self::VideoSubscriptionReq(body) => self.with_body(body),
            Self::VideoSubscriptionResp(body) => self.with_body(body),
            Self::Other(other) => self.with_body(&other.fields),
        }
    }

    fn with_body(&self, body: &impl Serialize) -> String {
        #[derive(Serialize)]
        struct Numbered<'a, T> {
            msg_type: MessageType,
            #[serde(flatten)]
            body: &'a T,
        }

        #[expect(clippy::expect_used, reason = "our own types: keys are text and no value refuses to be written")]
        serde_json::to_string(&Numbered { msg_type: self.msg_type(), body }).expect("messages serialize")
    }
}

/// The wrapper that media data comes in.
#[derive(Serialize)]
struct Content<T> {
    content: T,
}

fn body<T: DeserializeOwned>(msg_type: MessageType, fields: Extra) -> Result<T, DecodeError> {
    serde_json::from_value(Value::Object(fields))
        .map_err(|source| DecodeError::BadField { msg_type: Some(msg_type), source })
}

fn content<T: DeserializeOwned>(msg_type: MessageType, fields: Extra) -> Result<T, DecodeError> {
    body(msg_type, content_fields(msg_type, fields)?)
}

/// What is in the wrapper, and beside it what only stands there; or the flattened old form, in which `content` itself is the
/// data and the rest stands beside it.
fn content_fields(msg_type: MessageType, mut fields: Extra) -> Result<Extra, DecodeError> {
    let source = match fields.remove("content") {
        Some(Value::Object(mut content)) => {
            for (name, value) in fields {
                content.entry(name).or_insert(value);
            }
            return Ok(content);
        }
        Some(data @ Value::String(_)) => {
            fields.insert("data".into(), data);
            return Ok(fields);
        }
        Some(other) => serde::de::Error::custom(format_args!("content is {}", kind(&other))),
        None => serde::de::Error::missing_field("content"),
    };
    Err(DecodeError::BadField { msg_type: Some(msg_type), source })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
