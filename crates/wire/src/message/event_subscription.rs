//! `EVENT_SUBSCRIPTION` (5): which events message 6 shall tell of.

use serde::{Deserialize, Serialize};

use crate::extra::Extra;

/// `EVENT_SUBSCRIPTION`, `msg_type` 5, to Zoom on signaling, never answered. Each entry changes one event. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventSubscription {
    /// The changes.
    pub events: Vec<EventChange>,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One event switched on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventChange {
    /// A number of `EventType`, or of `VoiceEventType` in the Contact Center.
    pub event_type: i64,
    /// On or off.
    pub subscribe: bool,
}
