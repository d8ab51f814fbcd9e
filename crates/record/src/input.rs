//! What a recorder is told: about the stream, everything that comes in, and how it ended.

use std::sync::Arc;

use rtms_wire::{
    SmolStr,
    codes::{product::Product, stop_reason::StopReason},
    extra::Extra,
    flaws::RawMessage,
    ids::{AccountId, InstanceId, StreamId},
    media::{medium::Medium, params::MediaParams},
    message::{
        event_update::EventUpdate,
        media_data::MediaData,
        text_data::{MediaDataChat, MediaDataTranscript},
    },
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};

use crate::{
    journal::entry::{Entry, Word},
    ledger::{
        change::{Change, When},
        word::Queue,
    },
    note::Note,
};

/// Which stream is recorded: what its start webhook says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordingAbout {
    /// The stream; its escaped form is the name of the folder.
    pub stream_id: StreamId,
    /// Of which product.
    pub product: Product,
    /// The meeting, session, engagement or call.
    pub instance: InstanceId,
    /// Whose account, if the webhook said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<AccountId>,
    /// The meeting's number, if the webhook said so. Manifests of older versions lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meeting_id: Option<SmolStr>,
    /// Zoom's id of the person who started the stream, if the webhook said so. Manifests of older versions lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator_id: Option<SmolStr>,
    /// Whether that person is the original host, if the webhook said so. Manifests of older versions lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_original_host: Option<bool>,
    /// The stream of the same meeting that ended before this one began, if there was one. Manifests of older versions lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<StreamId>,
    /// `event_ts` of `rtms_started`, on Zoom's clock.
    pub started_at: UnixMillis,
    /// Anything else worth keeping in the manifest, such as the app or the region.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

impl RecordingAbout {
    /// Describes a stream of which the webhook says no more than this.
    pub fn new(stream_id: StreamId, product: Product, instance: InstanceId, started_at: UnixMillis) -> Self {
        Self {
            stream_id,
            product,
            instance,
            account_id: None,
            meeting_id: None,
            operator_id: None,
            is_original_host: None,
            continues: None,
            started_at,
            extra: Extra::new(),
        }
    }
}

/// One thing to record.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// What message 4 granted for a medium; the formats of what follows come from here. Later grants replace earlier.
    Granted(Medium, MediaParams),
    /// Message 14.
    Audio(MediaData),
    /// Message 15.
    Video(MediaData),
    /// Message 16.
    Deskshare(MediaData),
    /// Message 17.
    Transcript(MediaDataTranscript),
    /// Message 18.
    Chat(MediaDataChat),
    /// Message 6, a line of `events.jsonl` of kind `event_update`; participants' names are learnt from it.
    Event(EventUpdate),
    /// Anything else for `events.jsonl`: states, gaps, counters.
    Note(Note),
    /// One of the four before with the number that it has in the journal. What the files have already is not written again,
    /// and a change of the ledger, which comes from here, is nothing to record.
    Word(Arc<Entry>),
    /// Something that the ledger must know and cannot see in the media. [`Input::Granted`] opens a medium by itself, and
    /// [`Input::Event`] tells of cameras and screens.
    Change(Change, When),
    /// Media that were received and lost before they came here.
    Dropped(Dropped),
    /// A message of a medium that could not be read.
    Unreadable {
        /// Of which medium.
        medium: Medium,
        /// When it came, on our clock: what Zoom's would say is not known.
        at: UnixMillis,
    },
    /// A message that was not read, or not all of it, as it came. What was read of it is an input of its own.
    Raw(RawMessage),
    /// Messages that had come before and came again around a reconnection, and were left out.
    Repeats {
        /// Of which medium.
        medium: Medium,
        /// The number of them.
        count: u64,
    },
    /// A time that Zoom wrote just before we read it, which tells one clock from the other.
    Clock {
        /// What Zoom wrote.
        zoom: UnixMillis,
        /// When we read it.
        ours: UnixMillis,
    },
}

/// What all messages of media have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Of which medium it is.
    pub medium: Medium,
    /// Which time it is for, on Zoom's clock: when its words began, not when they were understood. None if it does not say.
    pub at: Option<UnixMillis>,
    /// How many bytes of payload it has.
    pub bytes: usize,
}

impl Input {
    /// The same without a number; none of what the recorder's files leave out.
    pub(crate) fn of_word(word: Word) -> Option<Self> {
        match word {
            Word::Transcript { message, .. } => Some(Self::Transcript(message)),
            Word::Chat(chat) => Some(Self::Chat(chat)),
            Word::Event(update) => Some(Self::Event(update)),
            Word::Note(note) => Some(Self::Note(note)),
            Word::Unlisted(_) | Word::Span(_) => None,
        }
    }

    /// What it has of a medium; none for anything but a message of one.
    pub fn content(&self) -> Option<Content> {
        let packet = |medium, data: &MediaData| Content { medium, at: Some(data.timestamp), bytes: data.data.len() };
        match self {
            Self::Audio(data) => Some(packet(Medium::Audio, data)),
            Self::Video(data) => Some(packet(Medium::Video, data)),
            Self::Deskshare(data) => Some(packet(Medium::Deskshare, data)),
            Self::Transcript(said) => Some(Content::said(said)),
            Self::Chat(chat) => Some(Content::written(chat)),
            Self::Word(entry) => match &entry.word {
                Word::Transcript { message, .. } => Some(Content::said(message)),
                Word::Chat(chat) => Some(Content::written(chat)),
                Word::Event(_) | Word::Note(_) | Word::Unlisted(_) | Word::Span(_) => None,
            },
            Self::Granted(..)
            | Self::Event(_)
            | Self::Note(_)
            | Self::Change(..)
            | Self::Dropped(_)
            | Self::Unreadable { .. }
            | Self::Raw(_)
            | Self::Repeats { .. }
            | Self::Clock { .. } => None,
        }
    }
}

impl Content {
    fn said(said: &MediaDataTranscript) -> Self {
        Self { medium: Medium::Transcript, at: said.start_time.or(said.timestamp), bytes: said.data.len() }
    }

    fn written(chat: &MediaDataChat) -> Self {
        Self { medium: Medium::Chat, at: chat.timestamp, bytes: chat.data.as_str().map_or(0, str::len) }
    }
}

/// Neighbours in a medium that a full queue lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Of which medium.
    pub medium: Medium,
    /// The queue.
    pub queue: Queue,
    /// The timestamp of the first.
    pub first: UnixMillis,
    /// The timestamp of the last.
    pub last: UnixMillis,
    /// How many they are.
    pub count: u64,
}

/// How a recording ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// Zoom's reason, if Zoom gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<StopReason>,
    /// The same for people.
    pub why: String,
    /// The time of it.
    pub at: UnixMillis,
}
