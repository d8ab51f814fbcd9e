//! Receipts: what became of each webhook, and when. They answer "did we lose that meeting?".

use async_trait::async_trait;
use bytes::Bytes;
use rtms_wire::{ids::StreamId, time::UnixMillis};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::{class::Class, entry::EntryId, error::StoreError};

/// Keeps what became of each entry. A receipt is made by the append and lives as long as its entry.
#[async_trait]
pub trait Receipts: Send + Sync {
    /// Notes when a step was done. The first note of a step stands.
    ///
    /// Returns at once and never fails: the note goes to disk with the next commit, or a second later, and the last
    /// ones are lost in a crash. Noted on a stream, it goes to the newest entry that asked for a connection of it.
    fn note_step(&self, noted_on: NotedOn, step: Step, at: UnixMicros);

    /// The receipts that match, the latest received first.
    ///
    /// # Errors
    /// That storage failed.
    async fn receipts(&self, filter: ReceiptFilter) -> Result<Vec<Receipt>, StoreError>;

    /// The body of an entry, byte for byte; none if there is no such entry or it was pruned.
    ///
    /// # Errors
    /// That storage failed.
    async fn receipt_body(&self, id: EntryId) -> Result<Option<Bytes>, StoreError>;
}

/// A point in time in **microseconds** since the Unix epoch, on our clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMicros(pub u64);

impl From<UnixMillis> for UnixMicros {
    fn from(millis: UnixMillis) -> Self {
        Self(millis.0.saturating_mul(1000))
    }
}

/// What a step is noted on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NotedOn {
    /// One entry.
    Entry(EntryId),
    /// The entry that asked for the connection that a stream has now.
    Stream(StreamId),
}

impl From<EntryId> for NotedOn {
    fn from(id: EntryId) -> Self {
        Self::Entry(id)
    }
}

impl From<StreamId> for NotedOn {
    fn from(id: StreamId) -> Self {
        Self::Stream(id)
    }
}

/// A step on a webhook's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Its last byte came: [`Receipt::received_at`], finer.
    Received,
    /// Its signature was found to be Zoom's.
    Verified,
    /// It was durable.
    Stored,
    /// The answer was handed to the kernel.
    Answered,
    /// It was folded into its stream's record.
    Folded,
    /// A worker claimed the stream.
    Claimed,
    /// The signaling handshake was done.
    Connected,
    /// The first media frame was handed out.
    FirstMedia,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 8] = [
        Self::Received,
        Self::Verified,
        Self::Stored,
        Self::Answered,
        Self::Folded,
        Self::Claimed,
        Self::Connected,
        Self::FirstMedia,
    ];

    /// The word in files and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Verified => "verified",
            Self::Stored => "stored",
            Self::Answered => "answered",
            Self::Folded => "folded",
            Self::Claimed => "claimed",
            Self::Connected => "connected",
            Self::FirstMedia => "first_media",
        }
    }
}

/// When each step was done; a step that was not done or not noted is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps([Option<UnixMicros>; Step::ALL.len()]);

impl Steps {
    /// When a step was done.
    pub fn at(&self, step: Step) -> Option<UnixMicros> {
        self.0.get(step as usize).copied().flatten()
    }

    /// The steps that were noted, in order.
    pub fn noted(&self) -> impl Iterator<Item = (Step, UnixMicros)> {
        Step::ALL.into_iter().filter_map(|step| Some((step, self.at(step)?)))
    }

    /// Notes a step, unless it was noted before.
    pub(crate) fn note(&mut self, step: Step, at: UnixMicros) {
        if let Some(slot) = self.0.get_mut(step as usize) {
            slot.get_or_insert(at);
        }
    }
}

/// What became of one webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its entry.
    pub id: EntryId,
    /// When its last byte came.
    pub received_at: UnixMillis,
    /// The app whose secret signed it.
    pub app: SmolStr,
    /// The event's name as it was sent; absent until settled.
    pub event: Option<SmolStr>,
    /// The stream that it names; absent until settled.
    pub stream_id: Option<StreamId>,
    /// What it turned out to be; absent until settled.
    pub class: Option<Class>,
    /// Why, for people.
    pub reason: Option<String>,
    /// When it was settled.
    pub settled_at: Option<UnixMillis>,
    /// The length of its body.
    pub body_bytes: u64,
    /// When each step was done.
    pub steps: Steps,
}

/// Which receipts are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptFilter {
    /// Only those that name this stream.
    pub stream_id: Option<StreamId>,
    /// Only those received at this time or later.
    pub since: Option<UnixMillis>,
    /// At most so many, the newest.
    pub limit: usize,
}

impl Default for ReceiptFilter {
    /// The newest hundred.
    fn default() -> Self {
        Self { stream_id: None, since: None, limit: 100 }
    }
}
