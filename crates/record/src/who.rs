//! Whose a packet or a line is: everybody's, a participant's, or a party's of a call.

use rtms_wire::{
    SmolStr,
    ids::{ChannelId, UserId},
};
use serde::{Deserialize, Serialize};

/// Whose a packet or a line is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Everybody together: `user_id` 0, or nobody named, as -1 does not.
    Everyone,
    /// A participant.
    User(UserId),
    /// A party of a Contact Center call.
    Channel(ChannelId),
}

impl Who {
    /// The user if it is a person, otherwise the channel, otherwise everyone.
    pub fn of(user_id: Option<&UserId>, channel_id: Option<&ChannelId>) -> Self {
        match (user_id, channel_id) {
            (Some(user), _) if user.is_person() => Self::User(user.clone()),
            (_, Some(channel)) => Self::Channel(channel.clone()),
            (Some(_), None) | (None, None) => Self::Everyone,
        }
    }

    /// What to call them for want of a name.
    pub fn label(&self) -> SmolStr {
        match self {
            Self::Everyone => SmolStr::new_static("Speaker"),
            Self::User(user) => SmolStr::new(format!("User {user}")),
            Self::Channel(channel) => SmolStr::new(format!("Channel {channel}")),
        }
    }
}
