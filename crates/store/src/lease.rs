//! Leases: who talks to Zoom for a stream. At most one at a time, each with a term and a fencing token.

use std::{collections::BTreeMap, time::Duration};

use rtms_wire::{ids::StreamId, time::UnixMillis};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::error::StoreError;

/// Who owns streams: one process, by a name that no other process has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OwnerId(SmolStr);

impl OwnerId {
    /// Takes a name.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(SmolStr::new(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for OwnerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The right to talk to Zoom for a stream until `expires_at`. The owner stops **before** that unless it renews.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The stream.
    pub stream_id: StreamId,
    /// Who has it.
    pub owner: OwnerId,
    /// The fencing token: a later claim of the stream has a higher one, also after a restart.
    pub token: u64,
    /// When it ends, on the clock of the callers.
    pub expires_at: UnixMillis,
    /// The newest wish that the owner has seen: at the claim, and by [`Lease::saw`] since.
    pub wish_at: UnixMillis,
}

impl Lease {
    /// Notes that the owner acts on the wish of this time now. Ending the lease ends the wishes up to it and none after.
    pub fn saw(&mut self, wish_at: UnixMillis) {
        self.wish_at = self.wish_at.max(wish_at);
    }

    /// Whether it still runs.
    pub fn is_live(&self, now: UnixMillis) -> bool {
        self.expires_at > now
    }
}

/// The leases of one engine.
///
/// Both engines keep them in memory: one process at a time has the store, so a lease has no meaning after its process.
/// Renewing then costs no I/O, and a full disk ends no stream.
#[derive(Clone, Debug)]
pub(crate) struct Leases {
    by_stream: BTreeMap<StreamId, Lease>,
    next_token: u64,
}

impl Leases {
    /// Starts with the tokens of one epoch. Epochs are persisted by the engine and rise with each opening of the store.
    pub(crate) fn of_epoch(epoch: u32) -> Self {
        // 2^32 claims in one run of the program are out of reach, so epochs do not overlap.
        Self { by_stream: BTreeMap::new(), next_token: (u64::from(epoch) << 32) + 1 }
    }

    /// The lease of a stream, live or run out.
    pub(crate) fn of(&self, stream_id: &StreamId) -> Option<&Lease> {
        self.by_stream.get(stream_id)
    }

    pub(crate) fn is_leased(&self, stream_id: &StreamId, now: UnixMillis) -> bool {
        self.of(stream_id).is_some_and(|lease| lease.is_live(now))
    }

    /// Gives a lease, unless there is a live one.
    pub(crate) fn claim(
        &mut self,
        stream_id: &StreamId,
        owner: &OwnerId,
        wish_at: UnixMillis,
        term: Duration,
        now: UnixMillis,
    ) -> Option<Lease> {
        if self.is_leased(stream_id, now) {
            return None;
        }
        let token = self.next_token;
        self.next_token += 1;
        let lease =
            Lease { stream_id: stream_id.clone(), owner: owner.clone(), token, expires_at: now + term, wish_at };
        self.by_stream.insert(stream_id.clone(), lease.clone());
        Some(lease)
    }

    /// Gives the lease a new term from `now`.
    pub(crate) fn renew(&mut self, lease: &Lease, term: Duration, now: UnixMillis) -> Result<Lease, StoreError> {
        self.check(lease, now)?;
        // Never shorter than it was: a clock that steps back must not end a lease early.
        let renewed = Lease { expires_at: lease.expires_at.max(now + term), ..lease.clone() };
        self.by_stream.insert(lease.stream_id.clone(), renewed.clone());
        Ok(renewed)
    }

    /// Whether the lease is the stream's and live.
    pub(crate) fn check(&self, lease: &Lease, now: UnixMillis) -> Result<(), StoreError> {
        match self.of(&lease.stream_id) {
            Some(current) if current.token == lease.token && current.is_live(now) => Ok(()),
            Some(_) | None => Err(StoreError::LeaseLost { stream_id: lease.stream_id.clone(), token: lease.token }),
        }
    }

    /// Frees the stream, if the lease is still the stream's.
    pub(crate) fn remove(&mut self, lease: &Lease) {
        if self.of(&lease.stream_id).is_some_and(|current| current.token == lease.token) {
            self.by_stream.remove(&lease.stream_id);
        }
    }

    /// Forgets leases that have run out.
    pub(crate) fn forget_expired(&mut self, now: UnixMillis) {
        self.by_stream.retain(|_, lease| lease.is_live(now));
    }
}
