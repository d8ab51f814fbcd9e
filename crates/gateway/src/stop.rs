//! Stopping: the signal that each part of the server receives, and the one deadline that all of them share.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rtms_wire::ids::StreamId;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tracing::error;

/// Gives the signal to stop.
pub(crate) type StopSender = watch::Sender<bool>;

/// Receives the signal to stop.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

/// Returns both ends of a signal that is not given yet.
pub(crate) fn channel() -> (StopSender, Stop) {
    let (sender, receiver) = watch::channel(false);
    (sender, Stop(receiver))
}

impl Stop {
    /// Waits until the signal is given. A sender that is gone means the same.
    pub(crate) async fn given(&mut self) {
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// The result of a stop of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Parts and streams that could not be finished in time. The log names each.
    pub unfinished: usize,
}

/// The parts of a stop, in order. Each may use the time up to its share.
///
/// The time that an early part leaves over is for the later ones, and a part that hangs leaves the later ones theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopShare {
    /// The worker finishes the turn that it was in when the stop began.
    Turn,
    /// The wire logs of streams get their end.
    WireLog,
    /// Files are read for their checksums. The time left over is for a manifest on a slow disk, which matters more.
    Checksums,
    /// Streams are left, and their files closed.
    Streams,
    /// The worker has named what it left.
    Worker,
    /// Open requests are answered, and events by WebSocket are stored.
    Requests,
    /// The inbox is left.
    Dispatcher,
    /// Sinks are emptied.
    Sinks,
    /// The store is closed.
    Store,
}

impl StopShare {
    /// The end of the share, in hundredths of the whole. The rest is for the process to exit.
    fn percent(self) -> u32 {
        match self {
            Self::Turn => 10,
            Self::WireLog => 40,
            Self::Checksums => 50,
            Self::Streams => 70,
            Self::Worker => 77,
            Self::Requests => 82,
            Self::Dispatcher => 86,
            Self::Sinks => 91,
            Self::Store => 95,
        }
    }
}

/// The moment by which the server has to have exited, once it is asked to stop. All clones share it.
#[derive(Clone)]
pub(crate) struct Deadline(Arc<Inner>);

struct Inner {
    begun: watch::Sender<Option<(Instant, Duration)>>,
    unfinished: AtomicUsize,
}

impl Default for Deadline {
    /// Returns a deadline that has not begun: no share is ever over.
    fn default() -> Self {
        Self(Arc::new(Inner { begun: watch::Sender::new(None), unfinished: AtomicUsize::new(0) }))
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadline").field("begun", &*self.0.begun.borrow()).finish_non_exhaustive()
    }
}

impl Deadline {
    /// Starts the clock. A second call changes nothing.
    pub(crate) fn begin(&self, within: Duration) {
        self.0.begun.send_if_modified(|begun| {
            let is_first = begun.is_none();
            begun.get_or_insert((Instant::now(), within));
            is_first
        });
    }

    /// Whether the stop has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.0.begun.borrow().is_some()
    }

    /// Whether the stop has begun and this share of its time is used up.
    pub(crate) fn is_over(&self, share: StopShare) -> bool {
        self.0.begun.borrow().is_some_and(|begun| end_of(begun, share) <= Instant::now())
    }

    /// Waits until the stop has begun and this share of its time is used up.
    pub(crate) async fn over(&self, share: StopShare) {
        let mut begun = self.0.begun.subscribe();
        // It fails only when no sender is left, and `self` has one.
        let begun = begun.wait_for(Option::is_some).await.ok().and_then(|begun| *begun);
        match begun {
            Some(begun) => sleep_until(end_of(begun, share)).await,
            None => std::future::pending().await,
        }
    }

    /// Waits for `work`, but no longer than the share lasts once the stop has begun. None if it did not finish.
    pub(crate) async fn within<T>(&self, share: StopShare, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.over(share) => None,
        }
    }

    /// Logs and counts a part that could not be finished, with what it waits for and what is lost with it.
    pub(crate) fn leave(&self, part: &str, stream_id: Option<&StreamId>, waiting_for: &str, lost: &str) {
        self.0.unfinished.fetch_add(1, Ordering::Relaxed);
        let stream_id = stream_id.map(tracing::field::display);
        error!(part, stream_id, waiting_for, lost, "left unfinished: the time for the stop is over");
    }

    /// Returns the number of parts that were left so far.
    pub(crate) fn stopped(&self) -> Stopped {
        Stopped { unfinished: self.0.unfinished.load(Ordering::Relaxed) }
    }
}

fn end_of((begun, within): (Instant, Duration), share: StopShare) -> Instant {
    begun + within * share.percent() / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_over_before_the_stop_has_begun_and_each_part_has_its_share_of_the_time() {
        let deadline = Deadline::default();
        let waiting = deadline.clone();
        assert_eq!(deadline.within(StopShare::Streams, std::future::ready(1)).await, Some(1));
        assert!(!deadline.is_over(StopShare::Turn));

        let begun = Instant::now();
        deadline.begin(Duration::from_secs(20));
        deadline.begin(Duration::from_secs(4000));
        assert_eq!(waiting.within(StopShare::Streams, std::future::pending::<()>()).await, None);

        assert_eq!(begun.elapsed(), Duration::from_secs(14));
        assert!(deadline.is_over(StopShare::Checksums) && !deadline.is_over(StopShare::Requests));
        assert_eq!(deadline.within(StopShare::Streams, std::future::ready(2)).await, Some(2), "what is done counts");
        waiting.over(StopShare::Store).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(19));
    }
}
