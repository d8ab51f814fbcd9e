//! The word to stop, as the parts of the server hear it.

use tokio::sync::watch;

/// Where the word is given.
pub(crate) type StopSender = watch::Sender<bool>;

/// Where it is heard.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

/// A word that was not given yet.
pub(crate) fn channel() -> (StopSender, Stop) {
    let (sender, receiver) = watch::channel(false);
    (sender, Stop(receiver))
}

impl Stop {
    /// Returns once the word is given. A sender that is gone means the same.
    pub(crate) async fn given(&mut self) {
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}
