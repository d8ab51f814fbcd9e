//! What a sink is given: one thing that happened in a stream, with the stream it happened in.

use rtms_wire::{
    SmolStr,
    codes::{
        language::TranscriptLanguage,
        media::DataMessageAttribute,
        message_type::MessageType,
        product::Product,
        state::{SessionState, StreamState},
        stop_reason::StopReason,
    },
    extra::Extra,
    ids::{ChannelId, InstanceId, RtmsSessionId, StreamId, UserId},
    media::{medium::Medium, params::MediaParams},
    message::text_data::ChatMessage,
    sequence::SequenceNumber,
    time::UnixMillis,
    utterance::Utterance,
};
use serde::{Deserialize, Serialize};

/// The version of this form. It goes up when a field changes its meaning or goes; new fields and kinds may come at any time.
pub const VERSION: u32 = 1;

/// One thing that happened in a stream. As JSON: the fields below beside those of its body, `kind` naming which.
///
/// It can be read back. Fields that a later version added are passed over; a kind that it added is read as [`Body::Other`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// [`VERSION`].
    pub version: u32,
    /// The stream.
    pub rtms_stream_id: StreamId,
    /// Of which product.
    pub product: Product,
    /// What is streamed.
    pub instance: InstanceId,
    /// Counts the envelopes of this stream as this process sends them, from 1.
    pub sequence: u64,
    /// The number of the same entry in the stream's journal: it never repeats, so a consumer knows an envelope that is
    /// delivered again. 0-0 in envelopes of programs that gave none.
    #[serde(default)]
    pub id: SequenceNumber,
    /// When it was received, on our clock.
    pub received_at: UnixMillis,
    /// The event.
    #[serde(flatten)]
    pub body: Body,
}

/// The event that an envelope carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    /// The stream was claimed and is being connected to.
    Started,
    /// A medium can come now, in this form.
    MediumOpen {
        /// The medium.
        medium: Medium,
        /// What Zoom granted for it.
        granted: MediaParams,
    },
    /// A medium will not come.
    MediumUnavailable {
        /// The medium.
        medium: Medium,
        /// The reason, for people.
        why: String,
    },
    /// A line of the transcript, or a change to one.
    Transcript {
        /// The person who speaks.
        #[serde(flatten)]
        speaker: Speaker,
        /// The words.
        text: String,
        /// What they are in.
        language: Option<TranscriptLanguage>,
        /// When the utterance began, on Zoom's clock.
        start_time: Option<UnixMillis>,
        /// When it ended.
        end_time: Option<UnixMillis>,
        /// New, update or delete; absent means new.
        attribute: Option<DataMessageAttribute>,
        /// What updates and deletes refer to, together with the speaker.
        sentence_id: Option<i64>,
        /// When, on Zoom's clock. Sources disagree on what it marks: order by `start_time` where it is there.
        #[serde(skip_serializing_if = "Option::is_none")]
        timestamp: Option<UnixMillis>,
        /// What it does to the lines before it: which line it adds, replaces or deletes. Absent in envelopes of programs
        /// that did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        utterance: Option<Utterance>,
        /// What else the message had, as it came.
        #[serde(default, skip_serializing_if = "Extra::is_empty")]
        extra: Extra,
    },
    /// A chat message, or a change to one.
    Chat {
        /// The person who writes.
        #[serde(flatten)]
        author: Speaker,
        /// When, on Zoom's clock.
        timestamp: Option<UnixMillis>,
        /// The message.
        message: ChatMessage,
    },
    /// Something happened in the meeting or call: message 6 as it came.
    EventUpdate {
        /// Zoom's constant for it; `UNKNOWN` where no published table of the product has its number, or where it has an
        /// `event_code` alone.
        event: SmolStr,
        /// The message's `event`.
        update: Extra,
    },
    /// What a packet of sound or picture has beyond the documented fields. Reported when it differs from that of the same
    /// person's packet before, after the first few times once a second at most; it holds for the packets from this one on,
    /// and an empty one ends it.
    PacketFields {
        /// Of which medium.
        medium: Medium,
        /// The person whose packet it is.
        #[serde(flatten)]
        speaker: Speaker,
        /// When the packet was made, on Zoom's clock.
        timestamp: UnixMillis,
        /// The fields as they came.
        extra: Extra,
    },
    /// A message with a number that no document names, or one whose form is not published.
    UnknownMessage {
        /// The number; `UNKNOWN` if it is none of 64 bits. The message then has it as `zoom_msg_type`.
        msg_type: MessageType,
        /// The message as it came but for secrets. Absent if it is longer than 16 KiB, or one whose number has a meaning
        /// elsewhere.
        #[serde(default, skip_serializing_if = "Extra::is_empty")]
        message: Extra,
    },
    /// The stream changed its state.
    StreamState {
        /// The new state.
        state: StreamState,
        /// Zoom's reason, if it gave one.
        reason: Option<StopReason>,
    },
    /// A session inside the stream changed its state.
    SessionState {
        /// The session.
        #[serde(alias = "rtms_session_id")]
        session: Option<RtmsSessionId>,
        /// The new state.
        state: SessionState,
        /// Zoom's reason, if it gave one.
        reason: Option<StopReason>,
    },
    /// A connection was lost.
    Interrupted {
        /// The way it ended, for people.
        why: String,
    },
    /// What became of a stretch of a medium's time: the ledger as it grows. A later span replaces what an earlier one
    /// said of the same time, as when what was lost for a while still comes.
    LedgerSpan(LedgerSpan),
    /// The stream is over for this process.
    Ended {
        /// Zoom's reason, if it gave one.
        stop_reason: Option<StopReason>,
        /// Why, for people.
        why: String,
        /// What is to be done now.
        next: Next,
    },
    /// A kind without a body of its own: a note of the stream's journal as it is, or what a later program added.
    #[serde(untagged)]
    Other(OtherBody),
}

/// A body of a kind without one of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OtherBody {
    /// Its kind.
    pub kind: SmolStr,
    /// Its other fields, as they came.
    #[serde(flatten)]
    pub fields: Extra,
}

/// A stretch of time of one medium and its word. The words are in docs/operating.md.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerSpan {
    /// The medium whose time it is.
    pub medium: Medium,
    /// Its first millisecond, on Zoom's clock.
    pub from: UnixMillis,
    /// The first millisecond behind it.
    pub to: UnixMillis,
    /// The word: `received`, `silent`, `interrupted` …
    pub is: SmolStr,
    /// Whose doing, where the word leaves that open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<SmolStr>,
    /// Why a medium is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<SmolStr>,
    /// The same in more words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<SmolStr>,
    /// Whether it goes on. What is told again when it is closed may be longer then.
    pub open: bool,
}

/// What is to be done after an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// Nothing: it was meant to end.
    Nothing,
    /// Nothing: another process goes on with it.
    HandedOver,
    /// A technical end: Zoom can be asked for a new stream.
    AskForNewStream,
    /// Something is wrong that a new stream would not mend.
    OperatorFirst,
    /// Consent was withdrawn: delete what you have of this stream.
    Delete,
}

impl Next {
    /// All next steps.
    pub const ALL: [Self; 5] =
        [Self::Nothing, Self::HandedOver, Self::AskForNewStream, Self::OperatorFirst, Self::Delete];

    /// Returns the word for it in JSON, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::HandedOver => "handed_over",
            Self::AskForNewStream => "ask_for_new_stream",
            Self::OperatorFirst => "operator_first",
            Self::Delete => "delete",
        }
    }
}

/// Who speaks or writes, as far as Zoom said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speaker {
    /// The participant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<SmolStr>,
    /// The party of a Contact Center call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<ChannelId>,
}
