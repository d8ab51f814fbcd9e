//! `EVENT_UPDATE` (6): what happens in the meeting or in the call.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeOwned},
};
use serde_json::Value;
use smol_str::SmolStr;

use crate::{
    codes::{
        event_type::{EventType, VoiceEventType},
        product::{EventNumbers, Product},
    },
    extra::{Extra, set_apart},
    ids::{ChannelId, UserId},
    lenient,
    time::{self, UnixMillis},
};

/// The name of an event whose number has no meaning.
const UNKNOWN: &str = "UNKNOWN";

/// `EVENT_UPDATE`, `msg_type` 6, from Zoom on signaling. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventUpdate {
    /// The event.
    pub event: EventBody,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}

impl EventUpdate {
    /// The event with what stands beside it. What it has itself counts, and the other is set apart.
    pub fn united(self) -> EventBody {
        let Self { mut event, mut extra } = self;
        if extra.is_empty() {
            return event;
        }
        event.event_code = event.event_code.or_else(|| extra.remove("event_code"));
        if let Ok(Value::Object(own)) = serde_json::to_value(&event) {
            set_apart(&mut extra, |name| own.contains_key(name));
        }
        event.extra.extend(extra);
        event
    }
}

/// `event` of message 6. Which fields are there depends on the number, and what the number means on the product.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct EventBody {
    /// The product's own number, which alone gives an event its meaning: read it by [`Self::meeting`] or [`Self::voice`].
    /// Absent where the event has an `event_code` alone, as on Phone.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub event_type: Option<i64>,
    /// Version 2's identifier, one for all products, as it came. No table of them is published, its type neither; it is
    /// never looked up among numbers of `event_type`. Basis: documented, the name alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_code: Option<Value>,
    /// When, in every product but the Contact Center.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<UnixMillis>,
    /// When, in the Contact Center.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub event_ts: Option<UnixMillis>,
    /// Who speaks or shares.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The name.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub user_name: Option<SmolStr>,
    /// Who came, left, or switched a camera.
    #[serde(default, deserialize_with = "lenient::list", skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<Participant>,
    /// The party of a call. The beta spelled it with a letter missing.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub participant_info: Option<VoiceParticipant>,
    /// Chat groups that were made or removed; inner fields unpublished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_groups: Option<Value>,
    /// Who entered or left a chat group; inner fields unpublished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members_update_list: Option<Value>,
    /// Where a chat group's member is now; inner fields unpublished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_status_update_list: Option<Value>,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Serialize for EventBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for EventBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Extra::deserialize(deserializer)?;
        time::settle(&mut fields, &["timestamp", "event_ts"]);
        lenient::unite::<VoiceParticipant>(&mut fields, &["participant_info", "paticipant_info"]);
        let number = fields.get("event_type").filter(|number| !number.is_null()).cloned();
        let mut body = Self::deserialize(Value::Object(fields)).map_err(de::Error::custom)?;
        if number.is_none() && body.event_code.is_none() {
            return Err(de::Error::missing_field("event_type"));
        }
        // One that cannot be read gives no meaning unless it is one of Zoom's constants, and is passed on as it came.
        if let (None, Some(number)) = (body.event_type, number) {
            body.extra.insert("event_type".into(), number);
        }
        Ok(body)
    }
}

impl EventBody {
    /// What happened, on a product that has the numbers of meetings.
    pub fn meeting(&self, product: Product) -> Option<EventType> {
        if product.event_numbers() != EventNumbers::Meeting {
            return None;
        }
        self.event_type.map(EventType::from_code).or_else(|| self.named().filter(|it| EventType::ALL.contains(it)))
    }

    /// What happened, in the Contact Center.
    pub fn voice(&self, product: Product) -> Option<VoiceEventType> {
        if product.event_numbers() != EventNumbers::Voice {
            return None;
        }
        let named = || self.named().filter(|it| VoiceEventType::ALL.contains(it));
        self.event_type.map(VoiceEventType::from_code).or_else(named)
    }

    /// What happened, if one of Zoom's constants stands where the number belongs.
    fn named<T: DeserializeOwned>(&self) -> Option<T> {
        T::deserialize(self.extra.get("event_type").filter(|name| name.is_string())?).ok()
    }

    /// Zoom's constant for the event on this product; `UNKNOWN` where no published table has it.
    pub fn name(&self, product: Product) -> &'static str {
        let meeting = self.meeting(product).map(EventType::name);
        meeting.or_else(|| self.voice(product).map(VoiceEventType::name)).unwrap_or(UNKNOWN)
    }

    /// Whether its number has a meaning in this product. Without one, nothing follows from its other fields.
    pub fn is_known(&self, product: Product) -> bool {
        self.name(product) != UNKNOWN
    }

    /// When it happened, under whichever key.
    pub fn time(&self) -> Option<UnixMillis> {
        self.timestamp.or(self.event_ts)
    }

    /// Whom it is about: the list, or the one person named beside it.
    pub fn people(&self) -> Vec<Participant> {
        match (&self.user_id, self.participants.is_empty()) {
            (Some(user_id), true) => {
                vec![Participant { user_id: user_id.clone(), user_name: self.user_name.clone(), extra: Extra::new() }]
            }
            (_, false) | (None, true) => self.participants.clone(),
        }
    }
}

/// A person in a meeting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Participant {
    /// The number inside the session.
    pub user_id: UserId,
    /// The name; absent when somebody leaves.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub user_name: Option<SmolStr>,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `participant_info`: a party of a Contact Center call. Basis: documented for customers, reconstructed for agents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VoiceParticipant {
    /// The party's channel, which media data names it by.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<ChannelId>,
    /// `caller` or `callee`.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub participant_mode: Option<SmolStr>,
    /// A contact's or a Zoom user's id.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The name.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub display_name: Option<SmolStr>,
    /// Queue, account, division, phone number and anything else.
    #[serde(flatten)]
    pub extra: Extra,
}
