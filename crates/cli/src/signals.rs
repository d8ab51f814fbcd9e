//! Ctrl-C and SIGTERM: the first asks to stop in order, the second to leave at once.

use tokio::sync::mpsc;

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
}

impl Signals {
    /// Listens from now on; the signals no longer end the process by themselves.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let (sender, arrived) = mpsc::channel(2);
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
                let mut signal = signal(kind)?;
                let sender = sender.clone();
                tokio::spawn(async move { while signal.recv().await.is_some() && sender.send(()).await.is_ok() {} });
            }
        }
        #[cfg(not(unix))]
        tokio::spawn(async move { while tokio::signal::ctrl_c().await.is_ok() && sender.send(()).await.is_ok() {} });
        Ok(Self { arrived })
    }

    /// Waits for the next: the first asks to stop in order, the one after that to leave at once.
    pub(crate) async fn next(&mut self) {
        self.arrived.recv().await;
    }
}
