//! Reading what a store keeps from outside: of a server that is stopped, or beside one that runs. Calls block.

use bytes::Bytes;
use rtms_wire::ids::StreamId;

use crate::{
    entry::EntryId,
    error::StoreError,
    receipts::{Receipt, ReceiptFilter},
    stream_record::StreamRecord,
    streams::StreamFilter,
};

/// Receipts and records of streams, as they are on disk. Notes that a running server has not committed yet are not seen.
pub trait StoreReader {
    /// The receipts that match, the latest received first.
    ///
    /// # Errors
    /// That storage failed.
    fn receipts(&self, filter: &ReceiptFilter) -> Result<Vec<Receipt>, StoreError>;

    /// The body of an entry, byte for byte; none if there is no such entry or it was pruned.
    ///
    /// # Errors
    /// That storage failed.
    fn receipt_body(&self, id: EntryId) -> Result<Option<Bytes>, StoreError>;

    /// The records that match, the latest changed first. Without leases: only the process that has them knows them.
    ///
    /// # Errors
    /// That storage failed.
    fn streams(&self, filter: &StreamFilter) -> Result<Vec<StreamRecord>, StoreError>;

    /// The record of a stream, without its lease.
    ///
    /// # Errors
    /// That storage failed.
    fn stream(&self, stream_id: &StreamId) -> Result<Option<StreamRecord>, StoreError>;
}
