//! The wall clock: the one place of the server that asks for it. And how people read durations.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use humantime::{FormattedDuration, format_duration};
use rtms_store::receipts::UnixMicros;
use rtms_wire::time::{UnixMillis, millis};

fn since_epoch() -> Duration {
    // A clock before 1970 is wrong, and then any answer is.
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // A test can let tokio's time run ahead, and the wall clock then follows; otherwise this adds nothing.
    wall + tokio::time::Instant::now().into_std().saturating_duration_since(Instant::now())
}

/// Returns the time now, in milliseconds.
pub(crate) fn unix_millis() -> UnixMillis {
    UnixMillis(millis(since_epoch()))
}

/// Returns the time now, in microseconds.
pub(crate) fn unix_micros() -> UnixMicros {
    UnixMicros(u64::try_from(since_epoch().as_micros()).unwrap_or(u64::MAX))
}

/// A duration for people, to the millisecond: `1m 5s 20ms`.
pub(crate) fn readable(duration: Duration) -> FormattedDuration {
    format_duration(Duration::from_millis(millis(duration)))
}
