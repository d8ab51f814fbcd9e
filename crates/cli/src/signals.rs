//! Ctrl-C and SIGTERM: the first asks to stop in order, the second leaves at once. A stop that takes too long is left, too.
//!
//! They are heard on a thread of their own, so that nothing that blocks the others keeps the program from leaving.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use rtms_wire::time::millis;
use tokio::sync::mpsc;

use crate::{exit_code, logging};

/// How much longer than announced an orderly stop may take before the process leaves.
const GRACE: Duration = Duration::from_millis(500);

/// How long a process that leaves waits for its last log lines to be written.
const LAST_LINES: Duration = Duration::from_millis(100);

/// Has a write beyond the limit on the size of files fail as on a full disk, instead of ending the process without a word.
///
/// # Errors
/// What the system says.
pub(crate) fn survive_file_size_limit() -> std::io::Result<()> {
    /// The number on Linux and macOS alike.
    #[cfg(unix)]
    const SIGXFSZ: i32 = 25;
    #[cfg(unix)]
    // Listening is enough; nobody has to hear it.
    drop(tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(SIGXFSZ))?);
    Ok(())
}

/// Calls `what` whenever SIGHUP comes, which otherwise would end the process.
pub(crate) fn on_hangup(what: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                what();
            }
        });
    }
    #[cfg(not(unix))]
    drop(what);
    Ok(())
}

/// The signals that ask the program to stop.
pub(crate) struct Signals {
    arrived: mpsc::Receiver<()>,
    stop_within_ms: Arc<AtomicU64>,
}

impl Signals {
    /// Listens from now on; the signals no longer end the process by themselves. After the first, the process leaves by
    /// itself when it is still there after `stop_within` and a moment; at the second, at once.
    pub(crate) fn listen(stop_within: Duration) -> anyhow::Result<Self> {
        let (sender, arrived) = mpsc::channel(1);
        let signals = Self { arrived, stop_within_ms: Arc::default() };
        signals.stop_within(stop_within);
        let limit = Arc::clone(&signals.stop_within_ms);
        let (ready, is_ready) = std::sync::mpsc::channel();
        thread::Builder::new().name("signals".into()).spawn(move || {
            let listening = tokio::runtime::Builder::new_current_thread().enable_all().build().and_then(|runtime| {
                let entered = runtime.enter();
                let heard = Heard::listen()?;
                drop(entered);
                Ok((runtime, heard))
            });
            match listening {
                Ok((runtime, heard)) => {
                    let _ = ready.send(Ok(()));
                    runtime.block_on(watch(heard, sender, &limit));
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        })?;
        is_ready.recv()??;
        Ok(signals)
    }

    /// Sets how long the stop may take.
    pub(crate) fn stop_within(&self, limit: Duration) {
        self.stop_within_ms.store(millis(limit), Ordering::Relaxed);
    }

    /// Waits for the first, which asks to stop in order.
    pub(crate) async fn stop(&mut self) {
        self.arrived.recv().await;
    }
}

/// Waits for the first signal, passes it on, and then sees to it that the process leaves.
async fn watch(mut heard: Heard, sender: mpsc::Sender<()>, limit: &AtomicU64) {
    heard.next().await;
    logging::hurry();
    let begun = tokio::time::Instant::now();
    // One that nobody waits for is for a command that is about to end.
    let _ = sender.try_send(());
    let too_long = async {
        // The limit may still be read from the settings.
        let late = |limit: &AtomicU64| begun + Duration::from_millis(limit.load(Ordering::Relaxed)) + GRACE;
        while tokio::time::Instant::now() < late(limit) {
            tokio::time::sleep_until(late(limit)).await;
        }
    };
    tokio::select! {
        biased;
        () = heard.next() => std::process::exit(exit_code::INTERRUPTED.into()),
        () = too_long => {}
    }
    let waited = humantime::format_duration(Duration::from_millis(millis(begun.elapsed())));
    tracing::error!("not stopped after {waited}, leaving; what was going on is lost as in a crash");
    logging::flush_within(LAST_LINES);
    std::process::exit(exit_code::FAILED.into());
}

#[cfg(unix)]
struct Heard([tokio::signal::unix::Signal; 2]);

#[cfg(unix)]
impl Heard {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Heard;

#[cfg(not(unix))]
impl Heard {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
