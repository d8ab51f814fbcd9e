//! SQLite's errors, and what they mean to callers.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::error::{Cause, StoreError};

/// Why a job failed: the rules said no, or SQLite did.
#[derive(Debug)]
pub(super) enum Failure {
    Store(StoreError),
    Sql(rusqlite::Error),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl Failure {
    pub(super) fn into_store_error(self, path: &Path) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Sql(error) => store_error(error, path),
        }
    }
}

/// Tells damage, which a person must see to, from trouble, which may pass.
pub(super) fn store_error(error: rusqlite::Error, path: &Path) -> StoreError {
    let is_unreadable = matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
    );
    let is_corrupt = matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase));
    if is_unreadable || is_corrupt {
        StoreError::Damaged { path: path.into(), source: Cause::new(error) }
    } else {
        StoreError::Unavailable(Cause::new(error))
    }
}
