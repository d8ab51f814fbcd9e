//! What became of every attempt at posting something, for a summary at the end.

use std::{fmt, time::Duration};

use rtms_wire::time::UnixMillis;

use crate::webhook::post::{Purpose, WebhookId};

/// One attempt, from its posting to what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The webhook.
    pub webhook: WebhookId,
    /// Its event name.
    pub event: String,
    /// Why it was posted.
    pub purpose: Purpose,
    /// 1 for the first attempt; 0 for what was withheld.
    pub attempt: u32,
    /// When it was posted, or withheld.
    pub at: UnixMillis,
    /// What became of it.
    pub outcome: Outcome,
    /// From the posting to the answer; none if there was no answer.
    pub took: Option<Duration>,
}

/// What became of an attempt. Its text fits after the attempt's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer is still awaited.
    UnderWay,
    /// This status came in time.
    Status(u16),
    /// This status came, but after Zoom's time.
    Late(u16),
    /// Nothing came in Zoom's time, and nothing has come since.
    TimedOut,
    /// There was no connection, or it broke. The text says which, for people.
    Failed(String),
    /// It was not posted: after too many failed validations Zoom sends nothing more.
    Withheld,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnderWay => write!(f, "not answered yet"),
            Self::Status(status) => write!(f, "{status}"),
            Self::Late(status) => write!(f, "{status}, too late"),
            Self::TimedOut => write!(f, "no answer"),
            Self::Failed(why) => write!(f, "failed: {why}"),
            Self::Withheld => write!(f, "withheld, because the URL is disabled"),
        }
    }
}

impl Delivery {
    /// Whether the receiver took it, be it late.
    pub fn is_accepted(&self) -> bool {
        matches!(self.outcome, Outcome::Status(200..=299) | Outcome::Late(200..=299))
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.outcome.fmt(f)?;
        self.took.map_or(Ok(()), |took| write!(f, " after {} ms", took.as_millis()))
    }
}

/// The newest deliveries of a run, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Deliveries {
    kept: Vec<Delivery>,
    dropped: u64,
    changes: u64,
}

impl Deliveries {
    /// How many are kept; more than anybody reads, and few enough to be copied whenever one is added.
    const MOST: usize = 500;

    pub(super) fn begin(&mut self, delivery: Delivery) {
        if self.kept.len() >= Self::MOST {
            self.kept.remove(0);
            self.dropped += 1;
        }
        self.kept.push(delivery);
        self.changes += 1;
    }

    /// Writes down what became of an attempt. Gives how long it took, if the attempt is still known.
    pub(super) fn end(
        &mut self,
        webhook: WebhookId,
        attempt: u32,
        outcome: Outcome,
        now: UnixMillis,
    ) -> Option<Duration> {
        let delivery = self.kept.iter_mut().rev().find(|it| it.webhook == webhook && it.attempt == attempt)?;
        let took = now.since(delivery.at);
        delivery.took = matches!(outcome, Outcome::Status(_) | Outcome::Late(_)).then_some(took);
        delivery.outcome = outcome;
        self.changes += 1;
        Some(took)
    }

    /// What became of a webhook's first attempt, if that is still known.
    pub(super) fn of_first_attempt(&self, webhook: WebhookId) -> Option<&Outcome> {
        self.kept.iter().rev().find(|it| it.webhook == webhook && it.attempt == 1).map(|it| &it.outcome)
    }

    /// Those that are kept, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Delivery> {
        self.kept.iter()
    }

    /// How many older ones were not kept.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// A number that grows with every change, so that a driver knows when to look again.
    pub fn changes(&self) -> u64 {
        self.changes
    }
}
