//! The wall clock: the one place of the server that asks for it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rtms_store::receipts::UnixMicros;
use rtms_wire::time::UnixMillis;

fn since_epoch() -> Duration {
    // A clock before 1970 is wrong, and then any answer is.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Now, in milliseconds.
pub(crate) fn unix_millis() -> UnixMillis {
    UnixMillis(u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX))
}

/// Now, in microseconds.
pub(crate) fn unix_micros() -> UnixMicros {
    UnixMicros(u64::try_from(since_epoch().as_micros()).unwrap_or(u64::MAX))
}
