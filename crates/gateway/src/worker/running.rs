//! A stream that this worker runs: its task, its lease, and the requests sent to the task.

use std::collections::VecDeque;

use rtms_store::{
    lease::Lease,
    stream_record::StreamRecord,
    wanted::{Interruption, Start, Wish},
};
use rtms_wire::time::UnixMillis;
use tokio::sync::oneshot;

use crate::live::stream_task::TaskHandle;

/// A running stream of this worker.
pub(super) struct Running {
    pub(super) task: TaskHandle,
    /// The id of the task, by which its end is known even if it panicked.
    pub(super) id: tokio::task::Id,
    pub(super) lease: Lease,
    /// The last start that the task was notified of.
    start: Start,
    interruption: Option<Interruption>,
    /// Times of wishes sent to the task and not yet acknowledged, oldest first.
    unacknowledged: VecDeque<(UnixMillis, oneshot::Receiver<bool>)>,
    pub(super) stopped: bool,
    /// Whether the task was notified that Zoom is to be asked to end the stream.
    is_closing: bool,
    /// The time of the last wish for a camera that was sent to the task.
    camera_at: Option<UnixMillis>,
    /// The number of times that secrets had been read when its handshake was signed.
    pub(super) signed_at: u64,
}

impl Running {
    /// Returns a stream that was joined for a wish.
    pub(super) fn new(
        task: TaskHandle,
        id: tokio::task::Id,
        lease: Lease,
        wish: &Wish<'_>,
        is_closing: bool,
        signed_at: u64,
    ) -> Self {
        let (start, interruption) = (wish.start.clone(), wish.interruption.cloned());
        let (unacknowledged, stopped, camera_at) = (VecDeque::new(), false, None);
        Self { task, id, lease, start, interruption, unacknowledged, stopped, is_closing, camera_at, signed_at }
    }

    /// Notifies the task of what changed since the last call.
    pub(super) async fn notify(&mut self, wish: &Wish<'_>, stopped_at: Option<UnixMillis>) {
        let interruption = wish.interruption.filter(|new| self.interruption.as_ref().is_none_or(|it| it.at != new.at));
        if wish.start.at == self.start.at && interruption.is_none() {
            return;
        }
        // A stop between the two makes the second a new start, under either name.
        let was_stopped = stopped_at.is_some_and(|at| at >= self.start.at);
        let is_restarted = wish.start.at != self.start.at && (was_stopped || !wish.start.is_twin_of(&self.start));
        let is_interrupted =
            interruption.is_some_and(|new| self.interruption.as_ref().is_none_or(|known| !new.is_twin_of(known)));
        self.start = wish.start.clone();
        self.interruption = wish.interruption.cloned();
        let acts = if is_restarted {
            self.task.stream.restarted(wish.server_urls.to_vec()).await
        } else if is_interrupted {
            self.task.stream.interrupted(wish.server_urls.to_vec()).await
        } else {
            // The same under another name: it is acknowledged with the last wish that the task got.
            match self.unacknowledged.back_mut() {
                Some((sent_at, _)) => *sent_at = wish.at,
                None => self.lease.saw(wish.at),
            }
            return;
        };
        self.take_acknowledgements();
        self.unacknowledged.push_back((wish.at, acts));
    }

    /// Sends the requests of users, as the record holds them, that were not sent yet.
    pub(super) async fn send_requests(&mut self, record: &StreamRecord) {
        if record.wanted.is_closing() && !self.is_closing {
            self.is_closing = true;
            self.task.live.stop().await;
        }
        if let Some(wish) = record.camera_wish().filter(|wish| self.camera_at != Some(wish.at)) {
            self.camera_at = Some(wish.at);
            self.task.live.choose_camera(wish).await;
        }
    }

    /// Notes the wishes that the task acknowledged. One that arrives when the stream is at its end is not: it stays
    /// open when the lease is released, and the stream is claimed again for it.
    pub(super) fn take_acknowledgements(&mut self) {
        while let Some((wish_at, acts)) = self.unacknowledged.front_mut() {
            if acts.try_recv() != Ok(true) {
                return;
            }
            self.lease.saw(*wish_at);
            self.unacknowledged.pop_front();
        }
    }
}
