//! A look at receipts and streams from outside: at those of a server that is stopped, or beside one that runs.
//!
//! It takes no lock and changes nothing in the database, neither rows nor format. SQLite keeps readers and the writer
//! apart by an index of the log, a file in the folder, which may stay behind. A user who may not write there reads the store
//! of a server that has stopped in order without it: then there is no log. Notes that a running server has not committed
//! yet are not seen.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rtms_wire::ids::StreamId;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::{
    entry::EntryId,
    error::{Cause, StoreError},
    reader::StoreReader,
    receipts::{Receipt, ReceiptFilter},
    sqlite::{
        failure::store_error,
        rows,
        schema::{self, Head, known_version},
    },
    stream_record::StreamRecord,
    streams::StreamFilter,
};

/// Reads receipts and records of streams from the file of a [`SqliteStore`](crate::SqliteStore), whether that is open or
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
        let path = Self::path_in(directory);
        if !path.try_exists().map_err(|error| StoreError::Unavailable(Cause::new(error)))? {
            return Err(StoreError::Absent { path });
        }
        let failed = |error| store_error(error, &path);
        let opened = match open_file(&path, OpenFlags::empty()) {
            Err(error) if needs_to_write(&error) && has_no_log(&path) => {
                // The error of the first try is the one that means something to people.
                open_file(&unchanging(&path), OpenFlags::SQLITE_OPEN_URI).map_err(|_| error)
            }
            opened => opened,
        };
        let (connection, head) = opened.map_err(failed)?;
        let (found, known) = (known_version(&path, &head)?, schema::MIGRATIONS.len() as i64);
        if found < known {
            return Err(StoreError::Older { path, found, known });
        }
        Ok(Self { path, connection })
    }

    /// The file that is read in a directory.
    pub fn path_in(directory: &Path) -> PathBuf {
        directory.join(schema::FILE_NAME)
    }
}

impl StoreReader for SqliteReader {
    fn receipts(&self, filter: &ReceiptFilter) -> Result<Vec<Receipt>, StoreError> {
        rows::receipts(&self.connection, filter).map_err(|error| store_error(error, &self.path))
    }

    fn receipt_body(&self, id: EntryId) -> Result<Option<Bytes>, StoreError> {
        rows::body(&self.connection, id).map_err(|error| store_error(error, &self.path))
    }

    fn streams(&self, filter: &StreamFilter) -> Result<Vec<StreamRecord>, StoreError> {
        rows::list(&self.connection, filter).map_err(|error| store_error(error, &self.path))
    }

    fn stream(&self, stream_id: &StreamId) -> Result<Option<StreamRecord>, StoreError> {
        rows::load(&self.connection, stream_id).map_err(|error| store_error(error, &self.path))
    }
}

/// Opens a database by its name for SQLite and reads its head.
fn open_file(name: &Path, more: OpenFlags) -> rusqlite::Result<(Connection, Head)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let connection = Connection::open_with_flags(name, flags)?;
    connection.busy_timeout(schema::BUSY_TIMEOUT)?;
    let head = schema::head(&connection)?;
    Ok((connection, head))
}

/// Whether reading failed because the index of the log can be neither read nor made.
fn needs_to_write(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

/// Whether all of the store is in its main file: the last process closed it. One that runs, or was killed, leaves a log.
fn has_no_log(path: &Path) -> bool {
    let mut log = OsString::from(path);
    log.push("-wal");
    match fs::metadata(log) {
        Ok(log) => log.len() == 0,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// The bytes that a name of a file has as they are in the URI that SQLite takes.
const PLAIN_IN_URI: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The name of a file that SQLite takes as it is, without locks, log and index.
fn unchanging(path: &Path) -> PathBuf {
    let name = percent_encode(path.as_os_str().as_encoded_bytes(), PLAIN_IN_URI);
    format!("file:{name}?immutable=1").into()
}
