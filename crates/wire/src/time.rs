//! Points in time as Zoom writes them: whole numbers since the Unix epoch.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time in **milliseconds** since the Unix epoch, the unit of every `timestamp` and `event_ts` of Zoom.
///
/// The clock behind it is whoever's wrote it: Zoom's server for what comes from Zoom, ours for what we write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// Milliseconds below this are seconds that somebody forgot to multiply: 1e11 ms is March 1973, 1e11 s is the year 5138.
    const SECONDS_BELOW: u64 = 100_000_000_000;

    /// Reads a number that ought to be milliseconds but may be seconds, as the official example of message 20 is.
    pub fn from_millis_or_seconds(value: u64) -> Self {
        if value < Self::SECONDS_BELOW { Self(value.saturating_mul(1000)) } else { Self(value) }
    }

    /// The whole seconds, as `x-zm-request-timestamp` wants them.
    pub fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// How much later `self` is than `earlier`; zero if it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for UnixMillis {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl std::fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
