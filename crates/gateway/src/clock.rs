//! The wall clock, and one that follows no step of it: the one place of the server that asks for the time. And how people read
//! durations.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use humantime::{FormattedDuration, format_duration};
use rtms_store::receipts::UnixMicros;
use rtms_wire::time::{UnixMillis, millis};

/// A clock by which terms run: it begins with the wall clock, and then no step of that moves it. It stands while the machine
/// sleeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SteadyClock {
    began_at: UnixMillis,
    began: tokio::time::Instant,
}

impl SteadyClock {
    /// Begins with the wall clock.
    pub(crate) fn start() -> Self {
        Self { began_at: unix_millis(), began: tokio::time::Instant::now() }
    }

    /// Returns the time now.
    pub(crate) fn now(&self) -> UnixMillis {
        self.began_at + self.began.elapsed()
    }
}

fn since_epoch() -> Duration {
    // A clock before 1970 is wrong, and then any answer is.
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // A test can let tokio's time run ahead, and the wall clock then follows; otherwise this adds nothing.
    let wall = wall + tokio::time::Instant::now().into_std().saturating_duration_since(Instant::now());
    #[cfg(test)]
    let wall = steps::apply(wall);
    wall
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

/// Steps of the wall clock, as a test sets it. Each thread has its own.
#[cfg(test)]
pub(crate) mod steps {
    use std::{cell::Cell, time::Duration};

    thread_local! {
        static AHEAD_SECONDS: Cell<i64> = const { Cell::new(0) };
    }

    /// Sets the wall clock of this thread this many seconds ahead of the real one, or behind it.
    pub(crate) fn set_ahead(seconds: i64) {
        AHEAD_SECONDS.set(seconds);
    }

    pub(super) fn apply(wall: Duration) -> Duration {
        let (ahead, step) = (AHEAD_SECONDS.get(), Duration::from_secs(AHEAD_SECONDS.get().unsigned_abs()));
        if ahead < 0 { wall.saturating_sub(step) } else { wall.saturating_add(step) }
    }
}
