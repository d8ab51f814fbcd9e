//! The engines by name: the one place that says which there are.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    error::StoreError,
    memory::MemoryStore,
    reader::StoreReader,
    sqlite::{SqliteStore, reader::SqliteReader},
    store::Store,
};

/// An engine of the store, as a setting names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// One file in the data folder. Nothing is to be installed for it.
    #[default]
    Sqlite,
    /// Memory. Nothing survives the process: for trials.
    Memory,
}

impl Engine {
    /// Opens the store in a data folder, which is made if it is missing. Blocks for the I/O this takes.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process has it, [`StoreError::Newer`] and [`StoreError::Damaged`] if what is there is
    /// not to be worked with, [`StoreError::Unavailable`] if the disk says no.
    pub fn open(self, data_dir: &Path) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Self::Sqlite => Arc::new(SqliteStore::open(data_dir)?),
            Self::Memory => Arc::new(MemoryStore::new()),
        })
    }
}

/// Opens what a data folder keeps for reading, whether a process has it open or not.
///
/// # Errors
/// [`StoreError::Absent`] if there is nothing, [`StoreError::Older`], [`StoreError::Newer`] and [`StoreError::Damaged`] if it
/// cannot be understood, [`StoreError::Unavailable`] if the disk says no.
pub fn read(data_dir: &Path) -> Result<Box<dyn StoreReader>, StoreError> {
    Ok(Box::new(SqliteReader::open(data_dir)?))
}

/// The file that is read in a data folder.
pub fn file_in(data_dir: &Path) -> PathBuf {
    SqliteReader::path_in(data_dir)
}

/// Whether a process has the store in a data folder open. One that cannot be looked at is taken for free.
pub fn is_in_use(data_dir: &Path) -> bool {
    SqliteStore::is_in_use(data_dir)
}
