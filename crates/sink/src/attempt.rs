//! One attempt to deliver a batch, what it settled, and the pause before the next.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use tracing::warn;

use crate::{
    envelope::Envelope,
    error::{Cause, SinkError},
    sink::Sink,
};

/// The pause after the first failure: a hiccup of the other end passes unnoticed.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause of ours: an end that was away for hours is found again within a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What an attempt settled, from the front of the batch, and why it went no further.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) settled: Vec<Verdict>,
    /// None when all of the batch is settled.
    pub(crate) stopped: Option<Stopped>,
}

/// What became of one envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Delivered,
    Rejected,
}

/// Why the rest of a batch is not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// It is to be delivered again.
    Retry {
        /// The pause that the sink named.
        after: Option<Duration>,
    },
    /// The reader is gone for good.
    Gone,
}

/// Tries to deliver to one sink, and logs when it begins and ceases to fail.
pub(crate) struct Attempts<S> {
    sink: S,
    state: State,
    rejected: u64,
    pauses: u64,
    /// Makes the pauses differ, so that not everybody comes back at once to an end that was away.
    jitter: RandomState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Working,
    Failing,
    Gone,
}

impl<S: Sink> Attempts<S> {
    pub(crate) fn new(sink: S) -> Self {
        Self { sink, state: State::Working, rejected: 0, pauses: 0, jitter: RandomState::new() }
    }

    /// Delivers a batch as far as the sink takes it.
    pub(crate) async fn deliver(&mut self, batch: &[Arc<Envelope>]) -> Attempt {
        if self.state == State::Gone {
            return Attempt { settled: Vec::new(), stopped: Some(Stopped::Gone) };
        }
        let (mut settled, mut stopped) = (Vec::new(), None);
        match self.sink.deliver(batch).await {
            Ok(()) => settled = vec![Verdict::Delivered; batch.len()],
            Err(SinkError::Reject { why }) if batch.len() == 1 => settled.push(self.rejected(&why)),
            Err(SinkError::Reject { .. }) => {
                for one in batch.chunks(1) {
                    match self.sink.deliver(one).await {
                        Ok(()) => settled.push(Verdict::Delivered),
                        Err(SinkError::Reject { why }) => settled.push(self.rejected(&why)),
                        Err(SinkError::Retry { after, why }) => stopped = Some(self.put_off(after, &why)),
                        Err(SinkError::Gone { why }) => stopped = Some(self.gone(&why)),
                    }
                    if stopped.is_some() {
                        break;
                    }
                }
            }
            Err(SinkError::Retry { after, why }) => stopped = Some(self.put_off(after, &why)),
            Err(SinkError::Gone { why }) => stopped = Some(self.gone(&why)),
        }
        if self.state == State::Failing && stopped.is_none() {
            self.state = State::Working;
            warn!(sink = self.sink.name(), "delivery to a sink works again");
        }
        Attempt { settled, stopped }
    }

    /// Returns the pause after so many failures in a row: what the sink named, otherwise one that doubles.
    pub(crate) fn pause(&mut self, failures: u32, named: Option<Duration>) -> Duration {
        self.pauses += 1;
        let share = u32::try_from(self.jitter.hash_one(self.pauses) % 1000).unwrap_or(0);
        named.unwrap_or_else(|| {
            let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
            doubled / 2 + doubled / 2 * share / 1000
        })
    }

    fn rejected(&mut self, why: &Cause) -> Verdict {
        self.rejected += 1;
        // The first says that something is wrong; the counter says how much.
        if self.rejected.is_power_of_two() {
            let (sink, refused) = (self.sink.name(), self.rejected);
            warn!(sink, refused, error = %why, "a sink refuses envelopes, they count as failed");
        }
        Verdict::Rejected
    }

    fn put_off(&mut self, after: Option<Duration>, why: &Cause) -> Stopped {
        if self.state == State::Working {
            self.state = State::Failing;
            warn!(sink = self.sink.name(), error = %why, "cannot deliver to a sink, trying again until it works");
        }
        Stopped::Retry { after }
    }

    fn gone(&mut self, why: &Cause) -> Stopped {
        self.state = State::Gone;
        let sink = self.sink.name();
        warn!(sink, error = %why, "the reader of a sink is gone; all further envelopes for it fail, or stay in the store");
        Stopped::Gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Never;

    #[async_trait::async_trait]
    impl Sink for Never {
        fn name(&self) -> &str {
            "never"
        }

        async fn deliver(&mut self, _: &[Arc<Envelope>]) -> Result<(), SinkError> {
            Err(SinkError::retry("never"))
        }
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_differ_and_the_sinks_own_word_stands() {
        let mut attempts = Attempts::new(Never);
        for (failures, longest) in [(1, 250), (2, 500), (3, 1000), (9, 60_000), (u32::MAX, 60_000)] {
            let drawn: Vec<_> = (0..50).map(|_| attempts.pause(failures, None).as_millis()).collect();
            assert!(drawn.iter().all(|pause| (longest / 2..=longest).contains(pause)), "{failures}: {drawn:?}");
            assert!(drawn.iter().max() > drawn.iter().min(), "{drawn:?}");
        }
        let named = Duration::from_secs(3600);
        assert_eq!(attempts.pause(1, Some(named)), named);
    }
}
