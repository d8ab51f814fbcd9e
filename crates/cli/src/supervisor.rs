//! What the server reports to systemd (`Type=notify`): that it is ready, that it stops, that it lives. Without systemd it
//! reports nothing.
//!
//! A thread of its own sends the reports, so nothing waits for systemd to take them.

#[cfg(unix)]
use std::{
    sync::mpsc::{SyncSender, sync_channel},
    time::Duration,
};

#[cfg(unix)]
use sd_notify::NotifyState;

/// Reports that wait for the thread; more are dropped. A sign of life is worth nothing once the next one is due.
#[cfg(unix)]
const WAITING: usize = 4;

/// The way to systemd, if the process was started by it and is to report.
#[derive(Debug, Default)]
pub(crate) struct Supervisor {
    #[cfg(unix)]
    reports: Option<SyncSender<NotifyState<'static>>>,
}

#[cfg(unix)]
impl Supervisor {
    /// Finds systemd by `NOTIFY_SOCKET`.
    ///
    /// # Errors
    /// The system's, if no thread can be started.
    pub(crate) fn from_environment() -> std::io::Result<Self> {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Ok(Self::default());
        }
        let (reports, waiting) = sync_channel(WAITING);
        std::thread::Builder::new().name("systemd".into()).spawn(move || {
            for report in waiting {
                if let Err(error) = sd_notify::notify(&[report]) {
                    tracing::warn!(%error, "cannot report to systemd at NOTIFY_SOCKET");
                }
            }
        })?;
        Ok(Self { reports: Some(reports) })
    }

    /// Reports that the server takes webhooks, and from now on that the process lives, twice as often as `WatchdogSec=`
    /// demands.
    pub(crate) fn ready(&self) {
        self.report(NotifyState::Ready);
        if let (Some(reports), Some(limit)) = (self.reports.clone(), sd_notify::watchdog_enabled()) {
            tokio::spawn(live(reports, limit));
        }
    }

    /// Reports that the server is on its way out.
    pub(crate) fn stopping(&self) {
        self.report(NotifyState::Stopping);
    }

    fn report(&self, state: NotifyState<'static>) {
        if let Some(reports) = &self.reports {
            // Without a place in the queue systemd does not listen, and has no use for it.
            let _ = reports.try_send(state);
        }
    }
}

#[cfg(not(unix))]
impl Supervisor {
    pub(crate) fn from_environment() -> std::io::Result<Self> {
        Ok(Self::default())
    }

    pub(crate) fn ready(&self) {}

    pub(crate) fn stopping(&self) {}
}

/// Reports from a task, so that a report says that tasks still run.
#[cfg(unix)]
async fn live(reports: SyncSender<NotifyState<'static>>, limit: Duration) {
    let mut ticks = tokio::time::interval((limit / 2).max(Duration::from_millis(1)));
    loop {
        ticks.tick().await;
        let _ = reports.try_send(NotifyState::Watchdog);
    }
}
