//! What is kept of a webhook: who sent it, when it came, and every byte of it.

use bytes::Bytes;
use rtms_wire::{ids::StreamId, time::UnixMillis};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::class::Class;

/// A verified webhook that is about to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// When its last byte came, on our clock.
    pub received_at: UnixMillis,
    /// The app whose secret signed it, by its name in the config.
    pub app: SmolStr,
    /// The body, byte for byte but for secrets that nobody has a use for.
    pub body: Bytes,
}

/// The number of an entry: rises with each append and is never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(pub u64);

impl std::fmt::Display for EntryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A webhook that is kept and not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number; a lower one was appended earlier.
    pub id: EntryId,
    /// When its last byte came, on our clock.
    pub received_at: UnixMillis,
    /// The app whose secret signed it.
    pub app: SmolStr,
    /// The body, byte for byte.
    pub body: Bytes,
}

/// An entry that was taken to be settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The entry.
    pub entry: Entry,
    /// How often it was taken, this time included, since its engine was opened. More than once if a taker did not settle it in
    /// time.
    pub deliveries: u32,
}

/// What is known of an entry without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryHead {
    /// When its last byte came, on our clock.
    pub received_at: UnixMillis,
    /// The app whose secret signed it.
    pub app: SmolStr,
    /// What it was found to be, if it is settled.
    pub settled: Option<Settled>,
}

/// The verdict that stands for an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The word.
    pub class: Class,
    /// Why, for people.
    pub reason: String,
}

/// What the dispatcher found an entry to be when it touches no stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The word.
    pub class: Class,
    /// Why, for people.
    pub reason: String,
    /// The event's name as it was sent, if the body has one.
    pub event: Option<SmolStr>,
    /// The stream that it names, if any.
    pub stream_id: Option<StreamId>,
}

impl Verdict {
    /// A word and why; the rest is absent until set.
    pub fn new(class: Class, reason: impl Into<String>) -> Self {
        Self { class, reason: reason.into(), event: None, stream_id: None }
    }

    /// Names the event.
    #[must_use]
    pub fn of_event(mut self, event: impl AsRef<str>) -> Self {
        self.event = Some(SmolStr::new(event));
        self
    }

    /// Names the stream.
    #[must_use]
    pub fn of_stream(mut self, stream_id: StreamId) -> Self {
        self.stream_id = Some(stream_id);
        self
    }
}
