//! Zoom's identifiers, a type each. All are opaque text: compared and signed byte for byte, never parsed.
//!
//! They may hold `/`, `+`, `=` and anything else; whoever puts one in a path, label or shell must escape it first.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

use crate::{codes::product::Product, text_or_number::text_or_number};

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(SmolStr);

        impl $name {
            /// Wraps the text exactly as it was received.
            pub fn new(text: impl AsRef<str>) -> Self {
                Self(SmolStr::new(text))
            }

            /// The text exactly as it was received.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                text_or_number(deserializer).map(Self)
            }
        }
    };
}

opaque_id! {
    /// `rtms_stream_id`: one RTMS stream. Basis: documented.
    StreamId
}
opaque_id! {
    /// `rtms_session_id`: one of Zoom's sessions inside a stream. Basis: documented.
    RtmsSessionId
}
opaque_id! {
    /// `channel_id`: one party of a Contact Center call. Text, or a number in the beta. Basis: documented.
    ChannelId
}
opaque_id! {
    /// `account_id`: a Zoom account. Basis: documented.
    AccountId
}

/// `user_id`: a participant's number inside the session; `0` stands for everybody mixed together.
///
/// Documented as an unsigned 32-bit number, seen quoted and with 13 digits, so its text is what is kept. Sent as a
/// JSON number whenever it is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(SmolStr);

impl UserId {
    /// Wraps the text exactly as it was received.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(SmolStr::new(text))
    }

    /// The user id that mixed audio carries.
    pub fn mixed() -> Self {
        Self(SmolStr::new_static("0"))
    }

    /// Whether this is not a person but the mix of all.
    pub fn is_mixed(&self) -> bool {
        self.0 == "0"
    }

    /// Whether this names a person. 0 is the mix of all, and -1 what some senders give for everybody.
    pub fn is_person(&self) -> bool {
        !self.is_mixed() && self.0 != "-1"
    }

    /// The text, digits in nearly every case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number, if the text is one that fits.
    pub fn as_u64(&self) -> Option<u64> {
        // A leading plus or zero would not come back the same.
        let number: u64 = self.0.parse().ok()?;
        (number.to_string() == self.0.as_str()).then_some(number)
    }
}

impl From<u64> for UserId {
    fn from(number: u64) -> Self {
        Self(smol_str::format_smolstr!("{number}"))
    }
}

impl std::fmt::Display for UserId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_u64() {
            Some(number) => serializer.serialize_u64(number),
            None => serializer.serialize_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_number(deserializer).map(Self)
    }
}

/// The name of the field that identifies what is being streamed; it goes back to Zoom under the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceIdField {
    /// `meeting_uuid`: meetings, and webinars in some documents.
    MeetingUuid,
    /// `webinar_uuid`: webinars in other documents.
    WebinarUuid,
    /// `session_id`: Video SDK.
    SessionId,
    /// `engagement_id`: Contact Center voice.
    EngagementId,
    /// `call_id`: Phone.
    CallId,
}

impl InstanceIdField {
    /// All of them, in the order in which Zoom's SDK looks for them.
    pub const ALL: [Self; 5] =
        [Self::MeetingUuid, Self::WebinarUuid, Self::SessionId, Self::EngagementId, Self::CallId];

    /// The JSON key.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MeetingUuid => "meeting_uuid",
            Self::WebinarUuid => "webinar_uuid",
            Self::SessionId => "session_id",
            Self::EngagementId => "engagement_id",
            Self::CallId => "call_id",
        }
    }

    /// The field with this JSON key.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == key)
    }

    /// The product that this field belongs to first of all.
    pub fn product(self) -> Product {
        match self {
            Self::MeetingUuid => Product::Meeting,
            Self::WebinarUuid => Product::Webinar,
            Self::SessionId => Product::Session,
            Self::EngagementId => Product::ContactCenter,
            Self::CallId => Product::Phone,
        }
    }
}

/// What is being streamed: a meeting, a webinar, a session, an engagement or a call, with the field that named it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstanceId {
    /// Which key carried it; handshakes use the same key.
    pub field: InstanceIdField,
    /// The value, byte for byte.
    pub value: SmolStr,
}

impl InstanceId {
    /// Puts field and value together.
    pub fn new(field: InstanceIdField, value: impl AsRef<str>) -> Self {
        Self { field, value: SmolStr::new(value) }
    }
}
