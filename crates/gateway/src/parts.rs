//! The parts that a server runs beside each other. Which of them it starts is its role.

use std::fmt;

use tokio::task::JoinHandle;
use tracing::warn;

use crate::{
    listener::active_requests::ActiveRequests,
    stop::{self, Deadline, Stop, StopSender, StopShare},
};

/// A part of the server. Work goes from one part to another through the store only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Removes old entries from the store, has a store that failed prove itself again, and watches the disk.
    Housekeeping,
    /// Claims streams, and runs them.
    Worker,
    /// Takes webhooks in.
    Door,
    /// Answers this machine.
    Api,
    /// Takes events in over WebSocket.
    Intake,
    /// Reads secrets again whenever a file of them changes.
    Secrets,
    /// Reads the door's certificate again whenever it changes.
    Certificate,
    /// Asks Zoom for new streams.
    Requester,
    /// Folds what came in into the records of streams.
    Dispatcher,
}

impl Part {
    /// Returns the share of the stop's time in which the part ends. Parts of one share end beside each other.
    ///
    /// Webhooks are taken in while streams are handed over: a webhook that found no server would come again only when
    /// the window of its stream has closed.
    fn share(self) -> StopShare {
        match self {
            Self::Housekeeping | Self::Requester => StopShare::Turn,
            Self::Worker => StopShare::Worker,
            Self::Door | Self::Api | Self::Intake | Self::Secrets | Self::Certificate => StopShare::Requests,
            Self::Dispatcher => StopShare::Dispatcher,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Housekeeping => "housekeeping",
            Self::Worker => "streams",
            Self::Door => "door",
            Self::Api => "api",
            Self::Intake => "event WebSockets",
            Self::Secrets => "secrets",
            Self::Certificate => "certificate",
            Self::Requester => "requests for new streams",
            Self::Dispatcher => "inbox",
        })
    }
}

/// The parts that run.
#[derive(Default)]
pub(crate) struct Parts(Vec<Running>);

struct Running {
    part: Part,
    stop: StopSender,
    task: JoinHandle<()>,
    /// The requests of a part that serves HTTP.
    requests: Option<ActiveRequests>,
}

impl Parts {
    /// Starts a part. It is to end once its [`Stop`] is given.
    pub(crate) fn start<F>(&mut self, part: Part, run: impl FnOnce(Stop) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn(part, None, run);
    }

    /// Starts a part that serves HTTP.
    pub(crate) fn start_serving<F>(&mut self, part: Part, run: impl FnOnce(ActiveRequests, Stop) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let requests = ActiveRequests::default();
        self.spawn(part, Some(requests.clone()), |stop| run(requests, stop));
    }

    fn spawn<F>(&mut self, part: Part, requests: Option<ActiveRequests>, run: impl FnOnce(Stop) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, given) = stop::channel();
        self.0.push(Running { part, stop, task: tokio::spawn(run(given)), requests });
    }

    /// Stops the parts of one share, and waits for their ends as long as the share lasts. A part that has not ended by
    /// then is aborted, and is logged and counted by the deadline.
    pub(crate) async fn stop(&mut self, deadline: &Deadline, share: StopShare) {
        let stopped = self.0.extract_if(.., |running| running.part.share() == share);
        futures_util::future::join_all(stopped.map(|running| running.stop(deadline))).await;
    }
}

impl Running {
    async fn stop(self, deadline: &Deadline) {
        let Self { part, stop, task, requests } = self;
        stop.send_replace(true);
        let abort = task.abort_handle();
        match deadline.within(part.share(), task).await {
            Some(Ok(())) => {}
            // A part that panicked has stopped too.
            Some(Err(error)) => warn!(%part, %error, "a part of the server broke"),
            None => {
                abort.abort();
                leave(part, requests.as_ref(), deadline);
            }
        }
    }
}

fn leave(part: Part, requests: Option<&ActiveRequests>, deadline: &Deadline) {
    match requests {
        // Peers that do not send or read may be left: nothing was begun for them.
        Some(requests) if !requests.any() => {}
        Some(_) => deadline.leave(&part.to_string(), None, "the store", "nothing that was acknowledged"),
        None => deadline.leave(&part.to_string(), None, "the store or the network", "what it had begun"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn parts_end_in_the_order_of_their_shares_and_one_that_hangs_costs_the_others_nothing() {
        let mut parts = Parts::default();
        let (ended, mut ends) = tokio::sync::mpsc::unbounded_channel();
        for part in [Part::Dispatcher, Part::Intake, Part::Worker] {
            let ended = ended.clone();
            parts.start(part, |mut stop| async move {
                stop.given().await;
                let _ = ended.send(part);
            });
        }
        parts.start(Part::Secrets, |_| std::future::pending());
        parts.start_serving(Part::Door, |_, _| std::future::pending());
        parts.start(Part::Certificate, |_| async { panic!("broken") });

        let deadline = Deadline::default();
        deadline.begin(Duration::from_secs(10));
        for share in [StopShare::Worker, StopShare::Requests, StopShare::Dispatcher] {
            parts.stop(&deadline, share).await;
        }
        drop(ended);

        let mut order = Vec::new();
        while let Some(part) = ends.recv().await {
            order.push(part);
        }
        assert_eq!(order, [Part::Worker, Part::Intake, Part::Dispatcher]);
        assert_eq!(deadline.stopped().unfinished, 1, "only `Secrets` had begun something");
        assert!(parts.0.is_empty());
    }
}
