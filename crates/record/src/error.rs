//! Why something could not be recorded.

use std::{io, path::PathBuf};

use rtms_wire::ids::StreamId;

/// Why something could not be recorded. The text fits after "failed to ".
///
/// Whatever was synced before stays readable. After [`RecordError::File`] the recorder keeps what it could not write
/// and tries again at the next sync, so the caller reports the error and goes on.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file system refused.
    #[error("{action} {}", path.display())]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The folder has a manifest that cannot be read, so nothing may be appended to what lies beside it.
    #[error("read {}: it is not the manifest of a recording", path.display())]
    BadManifest {
        /// The manifest.
        path: PathBuf,
        /// Where it stops making sense.
        source: serde_json::Error,
    },
    /// A newer program wrote the recording.
    #[error("continue {}: it has format version {found}, and this program knows up to {known}", path.display())]
    NewerFormat {
        /// The manifest.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// What is written of a deletion cannot be read, so it cannot be gone on with.
    #[error("read {}: it is not the record of a deletion", path.display())]
    BadDeletion {
        /// The record.
        path: PathBuf,
        /// Where it stops making sense.
        source: serde_json::Error,
    },
    /// The recording was deleted on demand, and nothing of the stream may be recorded again.
    #[error("record stream {stream_id}: it was deleted on demand, see {}", path.display())]
    Deleted {
        /// The record of the deletion.
        path: PathBuf,
        /// The stream.
        stream_id: StreamId,
    },
    /// The folder belongs to another stream.
    #[error("continue {}: it is the recording of stream {found}", path.display())]
    OtherStream {
        /// The manifest.
        path: PathBuf,
        /// Whose it is.
        found: StreamId,
    },
    /// Nothing could be written for so long that memory has reached its bound; the input was refused.
    #[error("keep more for {}: {held_bytes} bytes wait to be written", path.display())]
    Backlogged {
        /// The file that cannot be written.
        path: PathBuf,
        /// What waits for it.
        held_bytes: usize,
        /// Why it cannot be written.
        source: Box<RecordError>,
    },
}

impl RecordError {
    /// Whether the folder is at fault and not the machine, so that another folder may be opened where this one cannot.
    pub fn is_of_folder(&self) -> bool {
        match self {
            Self::BadManifest { .. } | Self::NewerFormat { .. } | Self::OtherStream { .. } => true,
            Self::File { source, .. } => [
                io::ErrorKind::PermissionDenied,
                io::ErrorKind::NotADirectory,
                io::ErrorKind::IsADirectory,
                io::ErrorKind::AlreadyExists,
                io::ErrorKind::InvalidData,
            ]
            .contains(&source.kind()),
            Self::Backlogged { .. } | Self::BadDeletion { .. } | Self::Deleted { .. } => false,
        }
    }

    /// The error and what the system says of it, in one line.
    pub fn told(&self) -> String {
        match std::error::Error::source(self) {
            Some(source) => format!("failed to {self}: {source}"),
            None => format!("failed to {self}"),
        }
    }

    /// Whether the cause is that the disk, or the quota on it, is full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::File { source, .. } => {
                [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded].contains(&source.kind())
            }
            Self::Backlogged { source, .. } => source.is_disk_full(),
            Self::BadManifest { .. }
            | Self::NewerFormat { .. }
            | Self::BadDeletion { .. }
            | Self::Deleted { .. }
            | Self::OtherStream { .. } => false,
        }
    }
}
