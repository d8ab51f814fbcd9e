//! The only place that asks the time.

use rtms_proto::time::Moment;
use tokio::time::Instant;

/// A monotonic clock whose origin is its creation. It follows tokio's time, which a test can pause.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment(self.origin.elapsed())
    }

    pub(crate) fn instant(&self, moment: Moment) -> Instant {
        // A moment beyond what the system can represent is as good as a year.
        self.origin.checked_add(moment.0).unwrap_or_else(|| self.origin + std::time::Duration::from_secs(31_536_000))
    }
}
