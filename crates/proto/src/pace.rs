//! How fast tries to connect follow each other.

use std::time::Duration;

/// How fast tries follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Nobody answered, or Zoom had a fault of its own.
    Backoff,
    /// Zoom holds the connection before this one for alive. What its libraries wait, for as long as the window allows:
    /// after a takeover Zoom notices the old one's end only by missing keep-alives.
    Duplicate,
}

impl Pace {
    /// The wait before try number `tries`, where 0 is the first.
    pub(crate) fn wait(self, tries: u32) -> Duration {
        let millis: &[u64] = match self {
            Self::Backoff => &[500, 1_000, 2_000, 4_000, 5_000],
            Self::Duplicate => &[1_500, 3_000, 6_000],
        };
        let step = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX).min(millis.len() - 1);
        Duration::from_millis(millis.get(step).copied().unwrap_or_default())
    }
}
