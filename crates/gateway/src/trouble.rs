//! Trouble that comes and goes, like a disk that is full at times. It is logged when it begins, and as over once there
//! was no failure for a while.

use std::time::Duration;

use tokio::time::Instant;

/// The time without a failure after which a trouble is over.
const OVER_AFTER: Duration = Duration::from_secs(10);

/// The state of one thing that may fail.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    /// When it failed last, unless that is over.
    failed_at: Option<Instant>,
}

impl Trouble {
    /// Takes a failure. Returns whether it begins a trouble.
    pub(crate) fn begins(&mut self, now: Instant) -> bool {
        self.failed_at.replace(now).is_none()
    }

    /// Takes a success. Returns whether it ends a trouble.
    pub(crate) fn ends(&mut self, now: Instant) -> bool {
        self.failed_at.take_if(|failed_at| now.saturating_duration_since(*failed_at) >= OVER_AFTER).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_and_works_by_turns_is_one_trouble_until_it_has_worked_for_a_while() {
        let (mut trouble, begin) = (Trouble::default(), Instant::now());
        let mut lines = Vec::new();
        let mut take = |second: u64, works: bool| {
            let now = begin + Duration::from_secs(second);
            if works {
                lines.extend(trouble.ends(now).then_some((second, "works")));
            } else {
                lines.extend(trouble.begins(now).then_some((second, "fails")));
            }
        };
        take(0, true);
        for second in 1..600 {
            take(second, second % 2 == 0);
        }
        for second in 600..700 {
            take(second, true);
        }
        take(700, false);

        assert_eq!(lines, [(1, "fails"), (609, "works"), (700, "fails")]);
    }
}
