//! The five media and the bit mask that `media_type` is.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::codes::message_type::MessageType;

/// One medium of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    /// Sound: message 14.
    Audio,
    /// Cameras: message 15.
    Video,
    /// Screen share: message 16.
    Deskshare,
    /// What was said, in words: message 17.
    Transcript,
    /// What was written: message 18.
    Chat,
}

impl Medium {
    /// The medium whose data this message carries.
    pub fn of_message(msg_type: MessageType) -> Option<Self> {
        let numbers = [
            (MessageType::MediaDataAudio, Self::Audio),
            (MessageType::MediaDataVideo, Self::Video),
            (MessageType::MediaDataShare, Self::Deskshare),
            (MessageType::MediaDataTranscript, Self::Transcript),
            (MessageType::MediaDataChat, Self::Chat),
        ];
        numbers.into_iter().find(|(number, _)| *number == msg_type).map(|(_, medium)| medium)
    }

    /// All of them, by bit.
    pub const ALL: [Self; 5] = [Self::Audio, Self::Video, Self::Deskshare, Self::Transcript, Self::Chat];

    /// The bit of `MEDIA_DATA_TYPE`.
    pub const fn bit(self) -> u32 {
        match self {
            Self::Audio => 1,
            Self::Video => 2,
            Self::Deskshare => 4,
            Self::Transcript => 8,
            Self::Chat => 16,
        }
    }

    /// The key in `media_params` and in `server_urls`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Deskshare => "deskshare",
            Self::Transcript => "transcript",
            Self::Chat => "chat",
        }
    }
}

impl std::fmt::Display for Medium {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Medium {
    type Err = UnknownMedium;

    fn from_str(name: &str) -> Result<Self, UnknownMedium> {
        Self::ALL.into_iter().find(|medium| medium.as_str() == name).ok_or_else(|| UnknownMedium(name.into()))
    }
}

/// A medium's name that is none of Zoom's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown medium \"{0}\"; use audio, video, deskshare, transcript or chat")]
pub struct UnknownMedium(pub String);

/// `media_type`: a mask of media, or the flag of its own that stands for all of them. Basis: documented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaTypes(u32);

impl MediaTypes {
    /// `MEDIA_DATA_TYPE` ALL, 32: everything the app was granted, on one connection.
    pub const ALL: Self = Self(32);

    /// Exactly these.
    pub fn of(media: impl IntoIterator<Item = Medium>) -> Self {
        Self(media.into_iter().fold(0, |mask, medium| mask | medium.bit()))
    }

    /// The number on the wire.
    pub fn code(self) -> u32 {
        self.0
    }

    /// Whether this is the ALL flag.
    pub fn is_all(self) -> bool {
        self == Self::ALL
    }

    /// Whether this is 32 or a mask from 1 to 31; anything else is refused with status 14.
    pub fn is_valid(self) -> bool {
        self.is_all() || (1..=31).contains(&self.0)
    }

    /// Whether this is one medium or the ALL flag. Masks of several are refused at times, by Phone always. Basis: observed
    /// in vendor code.
    pub fn is_single_or_all(self) -> bool {
        self.is_all() || self.iter().count() == 1
    }

    /// Whether the medium is meant.
    pub fn contains(self, medium: Medium) -> bool {
        self.is_all() || self.0 & medium.bit() != 0
    }

    /// The media that are meant.
    pub fn iter(self) -> impl Iterator<Item = Medium> {
        Medium::ALL.into_iter().filter(move |medium| self.contains(*medium))
    }
}

impl Serialize for MediaTypes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0)
    }
}

impl<'de> Deserialize<'de> for MediaTypes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u32::deserialize(deserializer).map(Self)
    }
}
