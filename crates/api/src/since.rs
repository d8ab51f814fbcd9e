//! The time since which something is wanted: a duration back, or a point in time.

use std::{
    str::FromStr,
    time::{Duration, SystemTime},
};

use rtms_wire::time::UnixMillis;
use serde::Deserialize;

/// The time since which something is wanted: a duration back (`1h`, `2days`), or a point in time
/// (`2026-12-24T18:00:00Z`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Since {
    /// This duration before now.
    Ago(Duration),
    /// At this time.
    At(UnixMillis),
}

impl Since {
    /// The time that it means now.
    pub fn before(self, now: UnixMillis) -> UnixMillis {
        match self {
            Self::Ago(ago) => UnixMillis(now.0.saturating_sub(millis(ago))),
            Self::At(at) => at,
        }
    }
}

impl FromStr for Since {
    type Err = NoSince;

    fn from_str(text: &str) -> Result<Self, NoSince> {
        if let Ok(ago) = humantime::parse_duration(text) {
            return Ok(Self::Ago(ago));
        }
        let at = humantime::parse_rfc3339(text).map_err(|_| NoSince)?;
        Ok(Self::At(UnixMillis(millis(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()))))
    }
}

impl TryFrom<String> for Since {
    type Error = NoSince;

    fn try_from(text: String) -> Result<Self, NoSince> {
        text.parse()
    }
}

/// The text says no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a duration such as 1h or 2days nor a time such as 2026-12-24T18:00:00Z")]
pub struct NoSince;

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_duration_back_or_a_point_in_time() {
        let now = UnixMillis(10_000_000);

        let back = |text: &str| text.parse::<Since>().map(|since| since.before(now).0);

        assert_eq!(back("1h"), Ok(6_400_000));
        assert_eq!(back("1000years"), Ok(0));
        assert_eq!(back("1970-01-01T00:00:07.5Z"), Ok(7_500));
        for text in ["", "soon", "1", "-1h", "2026-12-24", "1960-01-01T00:00:00Z"] {
            assert_eq!(back(text), Err(NoSince), "{text}");
        }
    }
}
