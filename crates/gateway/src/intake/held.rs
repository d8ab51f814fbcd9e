//! Events on their way to the store, and the memory that they take while they wait.

use bytes::Bytes;
use rtms_store::receipts::UnixMicros;
use rtms_wire::time::UnixMillis;
use tokio::sync::OwnedSemaphorePermit;

/// Memory for events that wait for the store, in longest bodies. An event has a few hundred bytes, so thousands are
/// held, and a connection that ends meanwhile is replaced; with no room left nothing is read.
pub(super) const HELD_BODIES: usize = 16;

/// The most memory that is held all the same.
pub(super) const MOST_HELD_BYTES: u32 = 1 << 28;

/// The bytes that an event takes beside its body.
const HELD_BYTES_PER_EVENT: usize = 256;

/// An event on its way to the store.
pub(super) struct Arrived {
    pub(super) received_at: UnixMillis,
    pub(super) received: UnixMicros,
    pub(super) body: Bytes,
}

impl Arrived {
    /// Returns the bytes that it takes while it waits.
    pub(super) fn cost(&self) -> u32 {
        u32::try_from(self.body.len().saturating_add(HELD_BYTES_PER_EVENT)).unwrap_or(u32::MAX)
    }
}

/// An event that waits for the store, with its share of the memory.
pub(super) struct Held {
    pub(super) arrived: Arrived,
    pub(super) _share: OwnedSemaphorePermit,
}
