//! The tenure of a stream: the time for which its owner may talk to Zoom and write, by the last renewal of the lease.
//!
//! The owner keeps to it by its own clock: a store that hangs cannot keep it talking. It leaves the stream some time
//! before the term ends, and after the last moment it writes nothing any more. Another owner takes the stream over only
//! after the term.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// The part of a term, in hundredths, that is kept to leave the stream and close its files, if two renewals leave as
/// much.
const LEAVING_PERCENT: u32 = 30;

/// The least that is kept for that.
const LEAST_LEAVING_PERCENT: u32 = 10;

/// The last part of a term, in hundredths, in which nothing is written any more. A write that has begun may take as
/// long.
const SILENT_PERCENT: u32 = 2;

/// The term of a lease, and the part of it that is kept for leaving.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term {
    /// The whole term.
    pub(crate) whole: Duration,
    /// The time before its end that is kept for leaving.
    leaving: Duration,
}

/// The tenure of one stream, as its task reads it.
#[derive(Clone, Debug)]
pub(crate) struct Tenure {
    token: u64,
    ends: watch::Receiver<Ends>,
}

/// Prolongs or ends a tenure.
#[derive(Debug)]
pub(crate) struct TenureSender(watch::Sender<Ends>);

/// The ends of a tenure, on the clock of this process.
#[derive(Clone, Copy, Debug)]
struct Ends {
    /// The moment to leave the stream.
    leave_at: Instant,
    /// The moment from which nothing is written any more.
    over_at: Instant,
}

impl Term {
    /// Creates a term that is renewed at this interval.
    pub(crate) fn new(whole: Duration, renew_every: Duration) -> Self {
        let most = whole * LEAVING_PERCENT / 100;
        let leaving = whole.saturating_sub(renew_every * 2).min(most).max(whole * LEAST_LEAVING_PERCENT / 100);
        Self { whole, leaving }
    }

    /// Returns the ends of a lease that was asked for at this moment. The store counts from a later one.
    fn ends(&self, asked_at: Instant) -> Ends {
        let over_at = asked_at + (self.whole - self.whole * SILENT_PERCENT / 100);
        Ends { leave_at: asked_at + (self.whole - self.leaving), over_at }
    }
}

/// Begins a tenure under a fencing token, with a lease that was asked for at this moment.
pub(crate) fn begin(token: u64, term: Term, asked_at: Instant) -> (TenureSender, Tenure) {
    let (sender, ends) = watch::channel(term.ends(asked_at));
    (TenureSender(sender), Tenure { token, ends })
}

impl TenureSender {
    /// Prolongs the tenure by a new term, which was asked for at this moment.
    pub(crate) fn prolong(&self, term: Term, asked_at: Instant) {
        let later = term.ends(asked_at);
        self.0.send_if_modified(|ends| {
            // A stream that is left already is not taken up again.
            let is_later = later.leave_at > ends.leave_at && Instant::now() < ends.leave_at;
            if is_later {
                *ends = later;
            }
            is_later
        });
    }

    /// Ends the tenure, because another owner has the stream: nothing is sent or written from here on.
    pub(crate) fn end(&self) {
        let now = Instant::now();
        self.0.send_modify(|ends| *ends = Ends { leave_at: ends.leave_at.min(now), over_at: ends.over_at.min(now) });
    }
}

impl Tenure {
    /// Returns the fencing token. A later owner of the stream has a higher one.
    pub(crate) fn token(&self) -> u64 {
        self.token
    }

    /// Waits until the stream is to be left.
    pub(crate) fn leave(&self) -> impl Future<Output = ()> + Send + use<> {
        reach(self.ends.clone(), |ends| ends.leave_at)
    }

    /// Waits until nothing may be written any more.
    pub(crate) fn over(&self) -> impl Future<Output = ()> + Send + use<> {
        reach(self.ends.clone(), |ends| ends.over_at)
    }

    /// Whether the stream is to be left by now.
    pub(crate) fn is_to_be_left(&self) -> bool {
        Instant::now() >= self.ends.borrow().leave_at
    }

    /// Whether nothing may be written any more.
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.ends.borrow().over_at
    }
}

async fn reach(mut ends: watch::Receiver<Ends>, of: impl Fn(&Ends) -> Instant) {
    loop {
        let at = of(&ends.borrow_and_update());
        tokio::select! {
            biased;
            // Without anybody who prolongs it, it ends when it ends.
            () = sleep_until(at) => return,
            Ok(()) = ends.changed() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::*;

    const TERM: Duration = Duration::from_secs(10);
    const EVERY: Duration = Duration::from_secs(3);

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_left_before_its_term_ends_and_nothing_is_written_after_it() {
        let (term, asked_at) = (Term::new(TERM, EVERY), Instant::now());
        let (sender, tenure) = begin(7, term, asked_at);
        sleep(EVERY).await;
        sender.prolong(term, Instant::now());

        tenure.leave().await;
        assert_eq!(asked_at.elapsed(), EVERY + Duration::from_secs(7));
        assert!(!tenure.is_over(), "files are closed yet");

        // A renewal that comes late changes nothing for a stream that was left.
        sender.prolong(term, Instant::now());
        tenure.over().await;
        assert!(tenure.is_over() && asked_at.elapsed() < EVERY + TERM);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_somebody_else_has_is_left_at_once() {
        let (sender, tenure) = begin(7, Term::new(TERM, EVERY), Instant::now());

        sender.end();

        assert!(timeout(Duration::ZERO, tenure.leave()).await.is_ok() && tenure.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_time_for_a_second_renewal_and_for_leaving_however_the_two_are_set() {
        for (term, every) in [(10, 3), (10, 5), (9, 3), (60, 2)] {
            let (whole, every) = (Duration::from_secs(term), Duration::from_secs(every));
            let Ends { leave_at, over_at } = Term::new(whole, every).ends(Instant::now());
            let leave_after = leave_at.duration_since(Instant::now());
            assert!(leave_after >= (every * 2).min(whole * 9 / 10), "{whole:?} {every:?}");
            assert!(over_at > leave_at && over_at < Instant::now() + whole);
        }
    }
}
