//! `EVENT_UPDATE` (6): what happens in the meeting or in the call.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use smol_str::SmolStr;

use crate::{
    codes::event_type::{EventType, VoiceEventType},
    ids::{ChannelId, UserId},
    lenient::{self, in_order, unite},
    message::Extra,
    time::UnixMillis,
};

/// `EVENT_UPDATE`, `msg_type` 6, from Zoom on signaling. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventUpdate {
    /// What happened.
    pub event: EventBody,
    /// Anything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `event` of message 6. Which fields are there depends on the number, and what the number means on the product.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct EventBody {
    /// The number; version 2 calls it `event_code`. Read it by [`Self::meeting`] or [`Self::voice`].
    pub event_type: i64,
    /// When, in every product but the Contact Center.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<UnixMillis>,
    /// When, in the Contact Center.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub event_ts: Option<UnixMillis>,
    /// Who speaks or shares.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Its name.
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
    /// Anything else.
    #[serde(flatten)]
    pub extra: Extra,
}

in_order!(EventBody, |fields| {
    unite::<i64>(fields, &["event_type", "event_code"]);
    unite::<VoiceParticipant>(fields, &["participant_info", "paticipant_info"]);
});

impl EventBody {
    /// What happened, in every product but the Contact Center.
    pub fn meeting(&self) -> EventType {
        EventType::from_code(self.event_type)
    }

    /// What happened, in the Contact Center.
    pub fn voice(&self) -> VoiceEventType {
        VoiceEventType::from_code(self.event_type)
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
    /// Anything else.
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
