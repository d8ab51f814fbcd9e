//! Zoom's half of the keep-alive on one connection: asks, remembers what was not answered, gives up.

use std::{collections::VecDeque, time::Duration};

use rtms_wire::{message::keep_alive::KeepAliveResp, time::UnixMillis};

use crate::{fault::KeepAliveForm, findings::mistake::KeepAliveFault};

/// The keep-alive of one connection.
#[derive(Clone, Debug)]
pub(crate) struct KeepAlive {
    interval: Duration,
    misses_allowed: usize,
    next_at: UnixMillis,
    sequence: u64,
    open: VecDeque<(u64, UnixMillis)>,
    /// What was answered last, by its number.
    answered: Option<(u64, UnixMillis)>,
    /// Wrong answers since the last right one: whoever gives them is not silent.
    wrong_answers: usize,
    /// Answers are not late for the time before this.
    excused_until: UnixMillis,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// A request with this number.
    Ask(u64),
    /// Too many requests in a row had no answer, this number: the connection is lost.
    GiveUp(usize),
}

/// An answer that is not the first right one to an open request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unexpected {
    /// It repeats the request that was answered last.
    Again,
    /// It repeats no request.
    Wrong(KeepAliveFault),
}

impl KeepAlive {
    pub(crate) fn new(interval: Duration, misses_allowed: usize, now: UnixMillis) -> Self {
        Self {
            interval,
            misses_allowed,
            next_at: now + interval,
            sequence: 0,
            open: VecDeque::new(),
            answered: None,
            wrong_answers: 0,
            excused_until: now,
        }
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

    /// Skips the requests that are due.
    pub(crate) fn skip(&mut self, now: UnixMillis) -> Option<Due> {
        while self.next_at <= now {
            self.next_at = self.next_at + self.interval;
        }
        None
    }

    /// Takes an answer, and gives how long it took. `form` says what the requests carry; whoever leaves `sequence` out
    /// follows the documents.
    pub(crate) fn answered(
        &mut self,
        answer: &KeepAliveResp,
        form: KeepAliveForm,
        now: UnixMillis,
    ) -> Result<Duration, Unexpected> {
        let found = self.open.iter().position(|asked| repeats(answer, *asked, form));
        let Some(position) = found else {
            return Err(self.unexpected(answer, form));
        };
        let asked = self.open.drain(..=position).next_back();
        self.wrong_answers = 0;
        self.answered = asked;
        Ok(asked.map_or(Duration::ZERO, |(_, asked_at)| now.since(asked_at.max(self.excused_until))))
    }

    /// Whether an answer repeats a request that is open here, number and time.
    pub(crate) fn awaits(&self, answer: &KeepAliveResp) -> bool {
        self.open.iter().any(|asked| repeats(answer, *asked, KeepAliveForm::Both) && answer.timestamp.is_some())
    }

    /// Returns the number of requests that are open for at least this long, if none was ever answered, rightly or
    /// wrongly.
    pub(crate) fn never_answered(&self, for_long: Duration, now: UnixMillis) -> usize {
        if self.answered.is_some() { 0 } else { self.unanswered(for_long, now) }
    }

    /// Returns the number of requests that are open for at least this long, if none of them was answered wrongly.
    pub(crate) fn unanswered(&self, for_long: Duration, now: UnixMillis) -> usize {
        if self.wrong_answers > 0 {
            return 0;
        }
        let is_overdue = |(_, asked_at): &&(u64, UnixMillis)| (*asked_at).max(self.excused_until) + for_long <= now;
        self.open.iter().filter(is_overdue).count()
    }

    /// An answer came that does not count, here or on another connection.
    pub(crate) fn was_answered_wrongly(&mut self) {
        self.wrong_answers += 1;
    }

    /// Whether the client has tried to answer what is open.
    pub(crate) fn is_answered_wrongly(&self) -> bool {
        self.wrong_answers > 0
    }

    /// The server did not read up to now, so that nothing was late.
    pub(crate) fn excuse(&mut self, now: UnixMillis) {
        self.excused_until = now;
    }

    /// Whether an answer that took this long came after the next request.
    pub(crate) fn is_late(&self, took: Duration) -> bool {
        took > self.interval
    }

    fn unexpected(&self, answer: &KeepAliveResp, form: KeepAliveForm) -> Unexpected {
        let again = self.answered.is_some_and(|asked| repeats(answer, asked, form) && answer.timestamp.is_some());
        if again {
            return Unexpected::Again;
        }
        if self.open.is_empty() {
            return Unexpected::Wrong(KeepAliveFault::NothingAsked);
        }
        let timestamp_is_right = self.open.iter().any(|asked| repeats(answer, *asked, KeepAliveForm::Timestamp));
        Unexpected::Wrong(if timestamp_is_right { KeepAliveFault::Sequence } else { KeepAliveFault::Timestamp })
    }
}

/// Whether an answer repeats what a request of this form carried.
fn repeats(answer: &KeepAliveResp, (number, asked_at): (u64, UnixMillis), form: KeepAliveForm) -> bool {
    let timestamp = answer.timestamp.as_ref().and_then(serde_json::Value::as_u64);
    (form == KeepAliveForm::Bare || timestamp == Some(asked_at.0))
        && (form != KeepAliveForm::Both || answer.sequence.as_ref().is_none_or(|it| it.as_u64() == Some(number)))
}

#[cfg(test)]
mod tests {
    use rtms_wire::extra::Extra;

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

        let mut give =
            |timestamp, sequence, form| keep_alive.answered(&answer(timestamp, sequence), form, UnixMillis(10_030));
        let both = KeepAliveForm::Both;
        assert_eq!(give(10_001, Some(1), both), Err(Unexpected::Wrong(KeepAliveFault::Timestamp)));
        assert_eq!(give(10_000, Some(2), both), Err(Unexpected::Wrong(KeepAliveFault::Sequence)));
        assert_eq!(give(10_000, Some(1), both), Ok(Duration::from_millis(30)));
        assert_eq!(give(10_000, Some(1), both), Err(Unexpected::Again));
        assert_eq!(give(11_000, Some(2), both), Err(Unexpected::Wrong(KeepAliveFault::NothingAsked)));

        keep_alive.tick(UnixMillis(20_000));
        assert!(keep_alive.answered(&answer(20_000, None), both, UnixMillis(20_000)).is_ok());
    }

    #[test]
    fn what_a_hanging_server_read_late_is_not_late() {
        let mut keep_alive = KeepAlive::new(Duration::from_secs(10), 3, UnixMillis(0));
        keep_alive.tick(UnixMillis(10_000));
        keep_alive.excuse(UnixMillis(40_000));

        let took = keep_alive.answered(&answer(10_000, Some(1)), KeepAliveForm::Both, UnixMillis(40_005));

        assert_eq!(took, Ok(Duration::from_millis(5)));
        assert!(!keep_alive.is_late(Duration::from_secs(10)));
        assert!(keep_alive.is_late(Duration::from_millis(10_001)));
    }
}
