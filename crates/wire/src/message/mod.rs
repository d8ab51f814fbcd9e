//! Every message of the two WebSocket conversations: JSON text in, types out, and back. A file per pair.

pub(crate) mod body;
pub mod client_ready;
pub mod data_handshake;
pub mod event_subscription;
pub mod event_update;
pub mod keep_alive;
pub mod media_data;
pub mod signaling_handshake;
pub mod state;
pub mod stream_close;
pub mod text_data;
pub mod video_subscription;

use serde::Serialize;

use crate::{codes::message_type::MessageType, extra::Extra};

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
