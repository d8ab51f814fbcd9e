//! The clock of the servers.

use rtms_wire::time::UnixMillis;
use tokio::time::Instant;

/// The only place that asks for the time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) zero: Instant,
    pub(crate) zero_unix: UnixMillis,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "here the virtual clock of the machine is tied to the real one")]
    pub(crate) fn start() -> Self {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self { zero: Instant::now(), zero_unix: UnixMillis(0) + since_epoch }
    }

    /// Unix time that never goes back, whatever happens to the wall clock.
    pub(crate) fn now(&self) -> UnixMillis {
        self.zero_unix + self.zero.elapsed()
    }

    pub(crate) fn instant_now(&self) -> Instant {
        self.zero + self.zero.elapsed()
    }

    pub(crate) fn instant(&self, at: UnixMillis) -> Instant {
        self.zero + at.since(self.zero_unix)
    }
}
