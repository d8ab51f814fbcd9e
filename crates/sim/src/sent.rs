//! The ground truth: everything that was sent, so that what a client received can be compared with it.

use std::collections::BTreeMap;

use bytes::Bytes;
use rtms_wire::{
    codes::{
        chat::{ChatOperation, ChatSessionType},
        language::TranscriptLanguage,
        media::DataMessageAttribute,
        state::{SessionState, StreamState},
        status_code::StatusCode,
        stop_reason::StopReason,
    },
    ids::{ChannelId, UserId},
    media::{medium::Medium, params::MediaParams},
    time::UnixMillis,
};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use crate::connection::ConnectionId;

/// One thing that was sent. As JSON it is one flat object with `kind` and the fields of that kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sent {
    /// When it was handed to the socket.
    pub at: UnixMillis,
    /// On which connection; none for webhooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionId>,
    /// What the connection carries: `signaling`, `webhook`, `all`, or its media with `+` between them.
    pub medium: String,
    /// What it was.
    #[serde(flatten)]
    pub what: What,
}

/// The kinds of things that are sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// A webhook was posted, or printed.
    Webhook {
        /// Its event name.
        event: String,
        /// 1 for the first attempt.
        attempt: u32,
    },
    /// Message 2.
    SignalingHandshake {
        /// How it went.
        status: StatusCode,
    },
    /// Message 4.
    DataHandshake {
        /// How it went.
        status: StatusCode,
        /// What was granted.
        #[serde(skip_serializing_if = "Option::is_none")]
        media_params: Option<MediaParams>,
    },
    /// Message 6.
    Event {
        /// Its number.
        event_type: i64,
        /// When it happened.
        timestamp: UnixMillis,
        /// Whom it was about.
        user_ids: Vec<UserId>,
    },
    /// Message 8.
    StreamState {
        /// Where the stream stands.
        state: StreamState,
        /// The stop reason.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<StopReason>,
    },
    /// Message 9.
    SessionState {
        /// Where the session stands.
        state: SessionState,
        /// Why it stopped.
        #[serde(skip_serializing_if = "Option::is_none")]
        stop_reason: Option<StopReason>,
    },
    /// Messages 11, 20, 22 and 29.
    Answer {
        /// Its number.
        msg_type: i64,
    },
    /// Message 12.
    KeepAlive {
        /// Its number on that connection.
        sequence: u64,
        /// Its time.
        timestamp: UnixMillis,
    },
    /// Message 14.
    Audio(Payload),
    /// Message 15.
    Video(Payload),
    /// Message 16.
    Deskshare(Payload),
    /// Message 17.
    Transcript {
        /// Who spoke.
        user_id: UserId,
        /// Their name.
        user_name: String,
        /// The words.
        text: String,
        /// Their language.
        language: TranscriptLanguage,
        /// When the utterance began.
        start_time: UnixMillis,
        /// When it ended.
        end_time: UnixMillis,
        /// Whether it is new, put right or taken back; not said of lines that come whole.
        #[serde(skip_serializing_if = "Option::is_none")]
        attribute: Option<DataMessageAttribute>,
        /// What corrections refer to.
        #[serde(skip_serializing_if = "Option::is_none")]
        sentence_id: Option<i64>,
        /// The speaker's channel, in the Contact Center, where nothing else names the speaker on the wire.
        #[serde(skip_serializing_if = "Option::is_none")]
        channel_id: Option<ChannelId>,
    },
    /// Message 18.
    Chat {
        /// Who wrote.
        user_id: UserId,
        /// Their name.
        user_name: String,
        /// The words alone, whatever form they were sent in.
        text: String,
        /// When it was written.
        timestamp: UnixMillis,
        /// What else was sent with it; none for words alone.
        #[serde(flatten, skip_serializing_if = "Option::is_none")]
        sent: Option<ChatSent>,
    },
}

/// The fields that a chat message was sent with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChatSent {
    /// New, changed, deleted, reaction.
    pub operation: ChatOperation,
    /// Who can read it.
    pub session: ChatSessionType,
    /// Which person or group that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Which message it is, or is about.
    pub message_id: String,
    /// What it replies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_message_id: Option<String>,
    /// To whom, if to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiver: Option<UserId>,
    /// What is attached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub file_ids: Vec<String>,
    /// Which attachments are removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deleted_file_ids: Vec<String>,
}

impl What {
    /// Which medium it is of, if it is media.
    pub fn medium(&self) -> Option<Medium> {
        match self {
            Self::Audio(_) => Some(Medium::Audio),
            Self::Video(_) => Some(Medium::Video),
            Self::Deskshare(_) => Some(Medium::Deskshare),
            Self::Transcript { .. } => Some(Medium::Transcript),
            Self::Chat { .. } => Some(Medium::Chat),
            Self::Webhook { .. }
            | Self::SignalingHandshake { .. }
            | Self::DataHandshake { .. }
            | Self::Event { .. }
            | Self::StreamState { .. }
            | Self::SessionState { .. }
            | Self::Answer { .. }
            | Self::KeepAlive { .. } => None,
        }
    }
}

/// Sound or a picture. As JSON it has the SHA-256 of the bytes in their place.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    /// Whose; 0 for mixed sound.
    pub user_id: UserId,
    /// Zoom's time of it.
    pub timestamp: UnixMillis,
    /// How many bytes, before base64.
    pub length: usize,
    /// The bytes themselves.
    pub bytes: Bytes,
}

impl Payload {
    pub(crate) fn new(user_id: UserId, timestamp: UnixMillis, bytes: Bytes) -> Self {
        Self { user_id, timestamp, length: bytes.len(), bytes }
    }

    /// Their SHA-256 in lower-case hex. Made when it is asked for: most runs never ask.
    pub fn sha256(&self) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.bytes);
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Payload", 4)?;
        fields.serialize_field("user_id", &self.user_id)?;
        fields.serialize_field("timestamp", &self.timestamp)?;
        fields.serialize_field("length", &self.length)?;
        fields.serialize_field("sha256", &self.sha256())?;
        fields.end()
    }
}

/// The sound that was sent, by whose it was, in the order in which it was sent; 0 stands for everybody mixed.
///
/// Its format is in the `media_params` of [`What::DataHandshake`].
pub fn audio_by_user(sent: &[Sent]) -> BTreeMap<UserId, Vec<&Payload>> {
    let mut by_user: BTreeMap<UserId, Vec<&Payload>> = BTreeMap::new();
    for one in sent {
        if let What::Audio(payload) = &one.what {
            by_user.entry(payload.user_id.clone()).or_default().push(payload);
        }
    }
    by_user
}

/// How much of each kind was sent, for a summary in words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SentCounts {
    /// Successful signaling handshakes: how often somebody joined.
    pub joins: u64,
    /// Successful data handshakes.
    pub media_connections: u64,
    /// The number of messages 14.
    pub audio: u64,
    /// The number of messages 15.
    pub video: u64,
    /// The number of messages 16.
    pub deskshare: u64,
    /// The number of messages 17.
    pub transcript: u64,
    /// The number of messages 18.
    pub chat: u64,
    /// The number of messages 6.
    pub events: u64,
    /// The number of messages 12.
    pub keep_alives: u64,
    /// Webhooks, each attempt counted.
    pub webhooks: u64,
}

impl SentCounts {
    /// Whether no message with media was sent.
    pub fn is_without_media(&self) -> bool {
        [self.audio, self.video, self.deskshare, self.transcript, self.chat].iter().all(|count| *count == 0)
    }

    /// Counts one more thing that was sent.
    pub fn count(&mut self, what: &What) {
        let counter = match what {
            What::SignalingHandshake { status: StatusCode::Ok } => &mut self.joins,
            What::DataHandshake { status: StatusCode::Ok, .. } => &mut self.media_connections,
            What::Audio(_) => &mut self.audio,
            What::Video(_) => &mut self.video,
            What::Deskshare(_) => &mut self.deskshare,
            What::Transcript { .. } => &mut self.transcript,
            What::Chat { .. } => &mut self.chat,
            What::Event { .. } => &mut self.events,
            What::KeepAlive { .. } => &mut self.keep_alives,
            What::Webhook { .. } => &mut self.webhooks,
            What::SignalingHandshake { .. }
            | What::DataHandshake { .. }
            | What::StreamState { .. }
            | What::SessionState { .. }
            | What::Answer { .. } => return,
        };
        *counter += 1;
    }
}

impl std::ops::AddAssign for SentCounts {
    fn add_assign(&mut self, other: Self) {
        // Without `..`, so that a new counter cannot be left out.
        let Self { joins, media_connections, audio, video, deskshare, transcript, chat, events, keep_alives, webhooks } =
            other;
        self.joins += joins;
        self.media_connections += media_connections;
        self.audio += audio;
        self.video += video;
        self.deskshare += deskshare;
        self.transcript += transcript;
        self.chat += chat;
        self.events += events;
        self.keep_alives += keep_alives;
        self.webhooks += webhooks;
    }
}
