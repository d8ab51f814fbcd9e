//! Why a journal cannot be written or read.

use std::path::PathBuf;

use rtms_wire::{ids::StreamId, sequence::SequenceNumber};

use crate::{error::RecordError, journal::entry::NoEntry};

/// Why a journal cannot be written or read. The text fits after "failed to ".
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refused. Nothing of the entries is in the journal, and they may be appended again.
    #[error(transparent)]
    File(#[from] RecordError),
    /// An entry's number is not larger than the last. Nothing was written.
    #[error("append entry {number}: the journal has entries up to {last}")]
    NotRising {
        /// The number.
        number: SequenceNumber,
        /// The last number in the journal, or before the entry in the call.
        last: SequenceNumber,
    },
    /// An entry is longer than a line may be. Nothing was written.
    #[error("append entry {number}: its line has {bytes} bytes, and a line may have {max_bytes}")]
    TooLong {
        /// Its number.
        number: SequenceNumber,
        /// The length of its line.
        bytes: usize,
        /// The longest line.
        max_bytes: usize,
    },
    /// The journal has as many files as it may have, and the last one is full. Nothing was written.
    #[error("append to {}: it is the last of {parts} files, and full", path.display())]
    Full {
        /// The last file.
        path: PathBuf,
        /// How many there are.
        parts: u64,
    },
    /// Somebody else writes the file: another owner of the stream. Nothing was written; the writer is to be dropped.
    #[error("append to {}: it has {found} bytes and not {expected}, so somebody else writes it", path.display())]
    WrittenByAnother {
        /// The file.
        path: PathBuf,
        /// Its length after the last append.
        expected: u64,
        /// Its length now.
        found: u64,
    },
    /// A newer program wrote it. The file is left alone.
    #[error("read {}: it has format version {found}, and this program knows up to {known}", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The file does not begin as a journal does. It is left alone.
    #[error("read {}: it is not the journal of a stream", path.display())]
    NotAJournal {
        /// The file.
        path: PathBuf,
    },
    /// The journal is of another stream. It is left alone.
    #[error("continue {}: it is the journal of stream {found}", path.display())]
    OtherStream {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: StreamId,
    },
    /// A line is no entry. It was skipped, and reading goes on.
    #[error("read {} at byte {offset}: {why}", path.display())]
    BadLine {
        /// The file.
        path: PathBuf,
        /// Where the line begins.
        offset: u64,
        /// Why it is none.
        why: NoEntry,
    },
}

impl JournalError {
    /// Whether the cause is that the disk, or the quota on it, is full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::File(error) => error.is_disk_full(),
            Self::NotRising { .. }
            | Self::TooLong { .. }
            | Self::Full { .. }
            | Self::WrittenByAnother { .. }
            | Self::NewerFormat { .. }
            | Self::NotAJournal { .. }
            | Self::OtherStream { .. }
            | Self::BadLine { .. } => false,
        }
    }

    /// Whether reading goes on behind what is reported.
    pub fn is_of_line(&self) -> bool {
        matches!(self, Self::BadLine { .. })
    }
}
