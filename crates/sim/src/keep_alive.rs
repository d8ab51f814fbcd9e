//! Zoom's half of the keep-alive on one connection: asks, remembers what was not answered, gives up.

use std::{collections::VecDeque, time::Duration};

use rtms_wire::{message::keep_alive::KeepAliveResp, time::UnixMillis};

/// The keep-alive of one connection.
#[derive(Clone, Debug)]
pub(crate) struct KeepAlive {
    interval: Duration,
    misses_allowed: usize,
    next_at: UnixMillis,
    sequence: u64,
    open: VecDeque<(u64, UnixMillis)>,
}

/// What is to be done when the time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Ask, with this number.
    Ask(u64),
    /// So many requests in a row had no answer: the connection is lost.
    GiveUp(usize),
}

impl KeepAlive {
    pub(crate) fn new(interval: Duration, misses_allowed: usize, now: UnixMillis) -> Self {
        Self { interval, misses_allowed, next_at: now + interval, sequence: 0, open: VecDeque::new() }
    }

    pub(crate) fn next_at(&self) -> UnixMillis {
        self.next_at
    }

    pub(crate) fn tick(&mut self, now: UnixMillis) -> Option<Due> {
        if now < self.next_at {
            return None;
        }
        if self.open.len() >= self.misses_allowed {
            return Some(Due::GiveUp(self.open.len()));
        }
        self.next_at = now + self.interval;
        self.sequence += 1;
        self.open.push_back((self.sequence, now));
        Some(Due::Ask(self.sequence))
    }

    /// Takes an answer; false if it repeats no open request. Whoever leaves `sequence` out follows the documents.
    pub(crate) fn answered(&mut self, answer: &KeepAliveResp) -> bool {
        let timestamp = answer.timestamp.as_ref().and_then(serde_json::Value::as_u64);
        let sequence = answer.sequence.as_ref();
        let found = self.open.iter().position(|(number, asked_at)| {
            timestamp == Some(asked_at.0) && sequence.is_none_or(|sequence| sequence.as_u64() == Some(*number))
        });
        if let Some(position) = found {
            self.open.drain(..=position);
        }
        found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use rtms_wire::message::Extra;

    use super::*;

    fn answer(timestamp: u64, sequence: Option<u64>) -> KeepAliveResp {
        KeepAliveResp { timestamp: Some(timestamp.into()), sequence: sequence.map(Into::into), extra: Extra::new() }
    }

    #[test]
    fn three_in_a_row_without_an_answer_are_the_end() {
        let mut keep_alive = KeepAlive::new(Duration::from_secs(10), 3, UnixMillis(0));

        assert_eq!(keep_alive.tick(UnixMillis(9_999)), None);
        assert_eq!(keep_alive.tick(UnixMillis(10_000)), Some(Due::Ask(1)));
        assert_eq!(keep_alive.tick(UnixMillis(20_000)), Some(Due::Ask(2)));
        assert_eq!(keep_alive.tick(UnixMillis(30_000)), Some(Due::Ask(3)));
        assert_eq!(keep_alive.tick(UnixMillis(40_000)), Some(Due::GiveUp(3)));
    }

    #[test]
    fn an_answer_must_repeat_what_was_asked() {
        let mut keep_alive = KeepAlive::new(Duration::from_secs(10), 3, UnixMillis(0));
        keep_alive.tick(UnixMillis(10_000));

        assert!(!keep_alive.answered(&answer(10_001, Some(1))));
        assert!(!keep_alive.answered(&answer(10_000, Some(2))));
        assert!(keep_alive.answered(&answer(10_000, Some(1))));
        assert!(!keep_alive.answered(&answer(10_000, Some(1))));

        keep_alive.tick(UnixMillis(20_000));
        assert!(keep_alive.answered(&answer(20_000, None)));
    }
}
