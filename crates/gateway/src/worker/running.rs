//! A stream that this worker runs: its task, its lease, and what the task was told.

use std::collections::VecDeque;

use rtms_store::{
    lease::Lease,
    stream_record::StreamRecord,
    wanted::{Interruption, Start, Wish},
};
use rtms_wire::time::UnixMillis;
use tokio::sync::oneshot;

use crate::live::stream_task::TaskHandle;

/// A stream of ours.
pub(super) struct Running {
    pub(super) task: TaskHandle,
    /// By which its end is known even if it panicked.
    pub(super) id: tokio::task::Id,
    pub(super) lease: Lease,
    /// What the task was last told.
    start: Start,
    interruption: Option<Interruption>,
    /// The times of the wishes that it was told and has not said yet whether it acts on them, oldest first.
    told: VecDeque<(UnixMillis, oneshot::Receiver<bool>)>,
    pub(super) stopped: bool,
    /// Whether the task knows that Zoom is to be asked to end the stream.
    is_closing: bool,
    /// When the wish for a camera was made that the task knows.
    camera_at: Option<UnixMillis>,
    /// How often secrets had been read when its handshake was signed.
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
        let (told, stopped, camera_at) = (VecDeque::new(), false, None);
        Self { task, id, lease, start, interruption, told, stopped, is_closing, camera_at, signed_at }
    }

    /// Tells the task what changed since it was last told.
    pub(super) async fn tell(&mut self, wish: &Wish<'_>, stopped_at: Option<UnixMillis>) {
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
            // The same under another name: it is done with the last wish that the task got.
            match self.told.back_mut() {
                Some((told_at, _)) => *told_at = wish.at,
                None => self.lease.saw(wish.at),
            }
            return;
        };
        self.listen();
        self.told.push_back((wish.at, acts));
    }

    /// Does what people want of the stream, as its record says, and what was not done yet.
    pub(super) async fn obey(&mut self, record: &StreamRecord) {
        if record.wanted.is_closing() && !self.is_closing {
            self.is_closing = true;
            self.task.live.stop().await;
        }
        if let Some(wish) = record.camera_wish().filter(|wish| self.camera_at != Some(wish.at)) {
            self.camera_at = Some(wish.at);
            self.task.live.choose_camera(wish).await;
        }
    }

    /// Puts down which wishes are acted on. One that comes when the stream is at its end is not: it stays open when the
    /// lease is released, and the stream is claimed again for it.
    pub(super) fn listen(&mut self) {
        while let Some((wish_at, acts)) = self.told.front_mut() {
            if acts.try_recv() != Ok(true) {
                return;
            }
            self.lease.saw(*wish_at);
            self.told.pop_front();
        }
    }
}
