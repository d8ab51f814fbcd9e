//! Reading a file that somebody chose, up to a limit.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

/// Why a file's bytes are not there.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be opened or read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// It is larger than what is held in memory.
    #[error("{} is larger than {most_bytes} bytes", path.display())]
    TooLarge {
        /// The path of the file.
        path: PathBuf,
        /// The limit.
        most_bytes: u64,
    },
}

/// The whole file, if it has at most so many bytes. No more than that is ever read.
pub(super) fn read_bounded(path: &Path, most_bytes: u64) -> Result<Vec<u8>, ReadError> {
    let failed = |source| ReadError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let too_large = || ReadError::TooLarge { path: path.to_owned(), most_bytes };
    if file.metadata().map_err(failed)?.len() > most_bytes {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // A pipe or a growing file says nothing of its length beforehand.
    file.take(most_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > most_bytes { Err(too_large()) } else { Ok(bytes) }
}
