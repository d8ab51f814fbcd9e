//! What the server reports to systemd (`Type=notify`): that it is ready, that it stops, that it lives. Without systemd it
//! reports nothing.

#[cfg(unix)]
use sd_notify::NotifyState;

/// Reports that the server takes webhooks, and from now on that the process lives, as often as `WatchdogSec=` demands.
pub(crate) fn ready() {
    #[cfg(unix)]
    {
        report(NotifyState::Ready);
        if let Some(limit) = sd_notify::watchdog_enabled() {
            tokio::spawn(live(limit));
        }
    }
}

/// Reports that the server is on its way out.
pub(crate) fn stopping() {
    #[cfg(unix)]
    report(NotifyState::Stopping);
}

/// Reports twice within the limit: a timer that is late by less than half of it is no reason to be killed.
#[cfg(unix)]
async fn live(limit: std::time::Duration) {
    let mut ticks = tokio::time::interval((limit / 2).max(std::time::Duration::from_millis(1)));
    loop {
        ticks.tick().await;
        report(NotifyState::Watchdog);
    }
}

#[cfg(unix)]
fn report(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "cannot report to systemd at NOTIFY_SOCKET");
    }
}
