//! Locks that no panic takes away.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex of this crate. Nothing here panics half-way through a change, so what it guards is whole even when it is
/// poisoned.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
