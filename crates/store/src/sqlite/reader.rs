//! A look at receipts and streams from outside: at those of a server that is stopped, or beside one that runs.
//!
//! It takes no lock and changes nothing in the database, neither rows nor format. SQLite keeps readers and the writer
//! apart; for that the folder must be writable, as the log's index is a file in it, which may stay behind. Notes that a
//! running server has not committed yet are not seen.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use rtms_wire::ids::StreamId;
use rusqlite::{Connection, OpenFlags};

use super::{failure::store_error, known_version, rows, schema};
use crate::{
    entry::EntryId,
    error::{Cause, StoreError},
    receipts::{Receipt, ReceiptFilter},
    streams::{StreamFilter, StreamRecord},
};

/// Reads receipts and records of streams from the file of a [`SqliteStore`](super::SqliteStore), whether that is open or
/// not. Calls block.
#[derive(Debug)]
pub struct SqliteReader {
    path: PathBuf,
    connection: Connection,
}

impl SqliteReader {
    /// Opens the store in a directory for reading.
    ///
    /// # Errors
    /// [`StoreError::Absent`] if there is none, [`StoreError::Older`], [`StoreError::Newer`] and [`StoreError::Damaged`]
    /// if the file cannot be understood, [`StoreError::Unavailable`] if the disk says no.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(schema::FILE_NAME);
        if !path.try_exists().map_err(|error| StoreError::Unavailable(Cause::new(error)))? {
            return Err(StoreError::Absent { path });
        }
        let failed = |error| store_error(error, &path);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(failed)?;
        connection.busy_timeout(schema::BUSY_TIMEOUT).map_err(failed)?;
        let head = schema::head(&connection).map_err(failed)?;
        let (found, known) = (known_version(&path, &head)?, schema::MIGRATIONS.len() as i64);
        if found < known {
            return Err(StoreError::Older { path, found, known });
        }
        Ok(Self { path, connection })
    }

    /// The receipts that match, the latest received first.
    ///
    /// # Errors
    /// That storage failed.
    pub fn receipts(&self, filter: &ReceiptFilter) -> Result<Vec<Receipt>, StoreError> {
        rows::receipts(&self.connection, filter).map_err(|error| store_error(error, &self.path))
    }

    /// The body of an entry, byte for byte; none if there is no such entry or it was pruned.
    ///
    /// # Errors
    /// That storage failed.
    pub fn receipt_body(&self, id: EntryId) -> Result<Option<Bytes>, StoreError> {
        rows::body(&self.connection, id).map_err(|error| store_error(error, &self.path))
    }

    /// The records that match, the latest changed first. Without leases: only the process that has them knows them.
    ///
    /// # Errors
    /// That storage failed.
    pub fn streams(&self, filter: &StreamFilter) -> Result<Vec<StreamRecord>, StoreError> {
        rows::list(&self.connection, filter).map_err(|error| store_error(error, &self.path))
    }

    /// The record of a stream, without its lease.
    ///
    /// # Errors
    /// That storage failed.
    pub fn stream(&self, stream_id: &StreamId) -> Result<Option<StreamRecord>, StoreError> {
        rows::load(&self.connection, stream_id).map_err(|error| store_error(error, &self.path))
    }
}
