//! Leases: who talks to Zoom for a stream. At most one at a time, each with a term and a fencing token.

use std::time::Duration;

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
    /// When it ends, a time of [`Streams::time`](crate::streams::Streams::time).
    pub expires_at: UnixMillis,
    /// The newest wish that the owner has seen: at the claim, and by [`Lease::saw`] since.
    pub wish_at: UnixMillis,
}

impl Lease {
    /// Notes that the owner acts on the wish of this time now. Ending the lease ends the wishes up to it and none after.
    pub fn saw(&mut self, wish_at: UnixMillis) {
        self.wish_at = self.wish_at.max(wish_at);
    }

    /// Whether it is the lease that the stream has, and live.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`].
    pub(crate) fn check(&self, current: Option<&Self>, now: UnixMillis) -> Result<(), StoreError> {
        match current {
            Some(current) if current.token == self.token && current.is_live(now) => Ok(()),
            Some(_) | None => Err(StoreError::LeaseLost { stream_id: self.stream_id.clone(), token: self.token }),
        }
    }

    /// The lease with a new term from `now`, if it is the one that the stream has.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`].
    pub(crate) fn renewed(&self, current: Option<&Self>, term: Duration, now: UnixMillis) -> Result<Self, StoreError> {
        self.check(current, now)?;
        // Never shorter than it was: a clock that steps back must not end a lease early.
        Ok(Self { expires_at: self.expires_at.max(now + term), ..self.clone() })
    }

    /// Whether it still runs at a time of [`Streams::time`](crate::streams::Streams::time).
    pub fn is_live(&self, now: UnixMillis) -> bool {
        self.expires_at > now
    }
}
