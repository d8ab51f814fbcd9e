//! Zoom's five products that stream. The product decides ids, events and grants, so each stream knows its own.

use serde::{Deserialize, Serialize};

use crate::media::medium::Medium;

/// A product of Zoom's that can stream, as the first part of its webhook names says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Product {
    /// Zoom Meetings.
    Meeting,
    /// Zoom Webinars.
    Webinar,
    /// Video SDK.
    Session,
    /// Contact Center voice.
    ContactCenter,
    /// Zoom Phone.
    Phone,
}

impl Product {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Meeting, Self::Webinar, Self::Session, Self::ContactCenter, Self::Phone];

    /// The name in webhooks and in our own files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Meeting => "meeting",
            Self::Webinar => "webinar",
            Self::Session => "session",
            Self::ContactCenter => "contact_center",
            Self::Phone => "phone",
        }
    }

    /// Whether the product streams this medium, as far as is published. Basis: documented.
    ///
    /// More is asked for all the same, as Zoom adds media over time.
    pub fn has(self, medium: Medium) -> bool {
        match self {
            Self::Meeting | Self::Webinar => true,
            Self::Session | Self::ContactCenter | Self::Phone => matches!(medium, Medium::Audio | Medium::Transcript),
        }
    }

    /// Which table the numbers of `event_type` belong to.
    pub fn event_numbers(self) -> EventNumbers {
        match self {
            Self::Meeting | Self::Webinar | Self::Session => EventNumbers::Meeting,
            Self::ContactCenter => EventNumbers::Voice,
            Self::Phone => EventNumbers::Unpublished,
        }
    }

    /// Whether event numbers are those of Contact Center voice.
    pub fn has_voice_events(self) -> bool {
        self.event_numbers() == EventNumbers::Voice
    }
}

/// Which table the numbers of `event_type` belong to. The same number means different things in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventNumbers {
    /// [`EventType`](crate::codes::event_type::EventType). Basis: documented.
    Meeting,
    /// [`VoiceEventType`](crate::codes::event_type::VoiceEventType). Basis: documented.
    Voice,
    /// None: Phone's events have codes alone, and no table of those is published. Basis: documented.
    Unpublished,
}

impl std::fmt::Display for Product {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Product {
    type Err = UnknownProduct;

    fn from_str(name: &str) -> Result<Self, UnknownProduct> {
        Self::ALL.into_iter().find(|product| product.as_str() == name).ok_or_else(|| UnknownProduct(name.into()))
    }
}

/// A product name that is none of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown product \"{0}\"; use meeting, webinar, session, contact_center or phone")]
pub struct UnknownProduct(pub String);
