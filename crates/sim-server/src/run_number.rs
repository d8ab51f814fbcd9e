//! What tells one run from another.

use std::hash::{BuildHasher, Hasher};

/// A number that no other run has.
pub(crate) fn run_number() -> u64 {
    // The keys of the standard library's hasher are random, and no secret hangs on these.
    std::hash::RandomState::new().build_hasher().finish()
}
