//! The lines of an `index.jsonl`: where in which file a message lies that is kept as it came.

use rtms_wire::{
    SmolStr,
    extra::Extra,
    ids::{ChannelId, UserId},
    media::medium::Medium,
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};

use crate::manifest::AsideReason;

/// One line of an `index.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
pub struct IndexLine {
    /// When it came, on our clock.
    pub received_at: UnixMillis,
    /// When it was made, on Zoom's clock.
    pub timestamp: UnixMillis,
    /// The person whom it is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The party whom it is from, in the Contact Center.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<ChannelId>,
    /// The medium, where one index serves several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<Medium>,
    /// Why it lies aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<AsideReason>,
    /// What is wrong with the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<Broken>,
    /// The file, relative to the recording's folder.
    pub file: SmolStr,
    /// Where in it.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
    /// What else the message had.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// What is wrong with a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Broken {
    /// It has no bytes, and `file` is the folder of broken pictures.
    Empty,
    /// It has no end.
    CutOff,
}
