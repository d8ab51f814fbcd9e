//! The wall clock: the one place of the server that asks for it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rtms_store::receipts::UnixMicros;
use rtms_wire::time::UnixMillis;

fn since_epoch() -> Duration {
    // A clock before 1970 is wrong, and then any answer is.
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // A test can let tokio's time run ahead, and the wall clock then goes with it; otherwise this is nothing.
    wall + tokio::time::Instant::now().into_std().saturating_duration_since(Instant::now())
}

/// Now, in milliseconds.
pub(crate) fn unix_millis() -> UnixMillis {
    UnixMillis(u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX))
}

/// Now, in microseconds.
pub(crate) fn unix_micros() -> UnixMicros {
    UnixMicros(u64::try_from(since_epoch().as_micros()).unwrap_or(u64::MAX))
}
