//! The leases of one process, in memory: it alone has the store, so a lease has no meaning after it.
//!
//! Renewing then costs no I/O, and a full disk ends no stream.

use std::{collections::BTreeMap, time::Duration};

use rtms_wire::{ids::StreamId, time::UnixMillis};

use crate::{error::StoreError, lease::Lease, stream_record::StreamRecord};

/// Who has which stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Leases(BTreeMap<StreamId, Slot>);

/// What is kept of a stream that somebody has or had.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    lease: Option<Lease>,
    last_token: u64,
    /// Rises with each change of this slot.
    revision: u64,
}

impl Slot {
    /// Adds to a row of the file what only this process knows. The slot is read before the row: a row that has changed since
    /// has a higher revision than the sum then.
    pub(super) fn complete(&self, row: StreamRecord) -> StreamRecord {
        let mut record = row;
        record.lease = self.lease.clone();
        record.last_token = self.last_token;
        record.revision.0 += self.revision;
        record
    }

    pub(super) fn is_leased(&self, now: UnixMillis) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.is_live(now))
    }
}

impl Leases {
    pub(super) fn slot(&self, stream_id: &StreamId) -> Slot {
        self.0.get(stream_id).cloned().unwrap_or_default()
    }

    /// The revision of a record whose row has this one.
    pub(super) fn revision(&self, stream_id: &StreamId, of_row: u64) -> u64 {
        of_row + self.0.get(stream_id).map_or(0, |slot| slot.revision)
    }

    /// Takes over from a record who has the stream.
    pub(super) fn set(&mut self, record: &StreamRecord) {
        let slot = self.0.entry(record.stream_id.clone()).or_default();
        slot.lease = record.lease.clone();
        slot.last_token = slot.last_token.max(record.last_token);
        slot.revision += 1;
    }

    /// Gives a lease a new term from `now`.
    pub(super) fn renew(&mut self, lease: &Lease, term: Duration, now: UnixMillis) -> Result<Lease, StoreError> {
        let lost = || StoreError::LeaseLost { stream_id: lease.stream_id.clone(), token: lease.token };
        let slot = self.0.get_mut(&lease.stream_id).ok_or_else(lost)?;
        let renewed = lease.renewed(slot.lease.as_ref(), term, now)?;
        slot.lease = Some(renewed.clone());
        slot.revision += 1;
        Ok(renewed)
    }

    /// Forgets streams that nobody has. Their revisions begin anew, so nobody may have read a record that is so old.
    pub(super) fn forget(&mut self, stream_id: &StreamId) {
        self.0.remove(stream_id);
    }
}
