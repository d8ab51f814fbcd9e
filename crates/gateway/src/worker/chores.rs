//! The remaining work for streams that do not run: deleting revoked ones, closing recordings that could not be closed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rtms_api::{ended, standing};
use rtms_store::operations::Operations;
use rtms_store::{
    error::StoreError,
    summary::{Recorded, RunSummary},
};
use rtms_wire::ids::StreamId;
use tokio::{
    task::{JoinError, JoinSet},
    time::Instant,
};
use tracing::{debug, error, info, warn};

use crate::{
    clock,
    live::{recording::close_unclosed, stream_task::StreamDeps, summary},
};

/// The pause before a failed chore is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// One piece of work.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Chore {
    /// To go on with deletions that earlier processes began.
    FinishDeletions,
    /// To delete what is held of a stream.
    Delete(StreamId),
    /// To close the recording of a stream.
    Close(StreamId),
}

/// The queue of chores. One is done at a time: no caller waits for it, and a disk works sequentially anyway.
pub(super) struct Chores {
    deps: Arc<StreamDeps>,
    /// Each chore with the time of its next try.
    due: BTreeMap<Chore, Instant>,
    under_way: JoinSet<(Chore, bool)>,
    /// The chore under way.
    current: Option<Chore>,
}

impl Chores {
    /// Begins with the deletions of earlier processes.
    pub(super) fn new(deps: Arc<StreamDeps>) -> Self {
        let due = [(Chore::FinishDeletions, Instant::now())].into();
        Self { deps, due, under_way: JoinSet::new(), current: None }
    }

    /// Adds a chore, to be done soon, unless it is queued already.
    pub(super) fn add(&mut self, chore: Chore) {
        self.due.entry(chore).or_insert_with(Instant::now);
        self.start_next();
    }

    /// Starts the next chore that is due, unless one is under way.
    pub(super) fn start_next(&mut self) {
        let now = Instant::now();
        let due = self.due.iter().filter(|(_, at)| **at <= now).min_by_key(|(_, at)| **at);
        let Some((chore, _)) = due.filter(|_| self.current.is_none()) else { return };
        let (chore, deps) = (chore.clone(), self.deps.clone());
        self.current = Some(chore.clone());
        self.under_way.spawn(async move {
            let is_done = match &chore {
                Chore::FinishDeletions => deps.revocations.finish_pending().await,
                Chore::Delete(stream_id) => deps.revocations.delete(stream_id).await,
                Chore::Close(stream_id) => close(&deps, stream_id).await,
            };
            (chore, is_done)
        });
    }

    /// Waits until the chore under way is over. None if there is none.
    pub(super) async fn over(&mut self) -> Option<Result<(Chore, bool), JoinError>> {
        self.under_way.join_next().await
    }

    /// Takes the result of a chore, and starts the next one.
    pub(super) fn take(&mut self, over: Result<(Chore, bool), JoinError>) {
        let again_at = Instant::now() + AGAIN_AFTER;
        let current = self.current.take();
        match over {
            Ok((chore, true)) => {
                self.due.remove(&chore);
            }
            Ok((chore, false)) => {
                self.due.insert(chore, again_at);
            }
            Err(panic) => {
                error!(%panic, "a deletion or the closing of a recording broke");
                self.due.extend(current.map(|chore| (chore, again_at)));
            }
        }
        self.start_next();
    }

    /// Returns the chore under way.
    pub(super) fn current(&self) -> Option<&Chore> {
        self.current.as_ref()
    }
}

/// Closes the recording of a stream. Returns whether nothing is left to do.
async fn close(deps: &StreamDeps, stream_id: &StreamId) -> bool {
    match try_to_close(deps, stream_id).await {
        Ok(is_done) => is_done,
        Err(error) => {
            deps.metrics.store_error();
            warn!(%stream_id, %error, "cannot read or store the record of a recording to be closed, trying again");
            false
        }
    }
}

async fn try_to_close(deps: &StreamDeps, stream_id: &StreamId) -> Result<bool, StoreError> {
    let Some(record) = deps.store.get(stream_id).await? else { return Ok(true) };
    let Some((ended, unclosed)) = record.unclosed() else { return Ok(true) };
    // A later process that records closes it.
    let Some(setup) = deps.recording.clone() else { return Ok(true) };
    let reported = ended.summary.as_deref().cloned().unwrap_or_default();
    let (ended, unclosed, now) = (ended.clone(), unclosed.clone(), clock::unix_millis());
    let closed = tokio::task::spawn_blocking(move || close_unclosed(&setup, &unclosed, &ended, now)).await;
    let settled = match closed.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())) {
        Ok(Some(account)) => {
            let RunSummary { lost, recorded, .. } = summary::of_account(&account);
            info!(%stream_id, lost = %account.loss, "recording closed");
            RunSummary { lost, recorded, ..reported }
        }
        Ok(None) => {
            warn!(%stream_id, "the recording to be closed is gone");
            RunSummary { recorded: Recorded::Failed { why: "its folder is gone".into(), unclosed: None }, ..reported }
        }
        Err(error) => {
            debug!(%stream_id, %error, "cannot close the recording yet");
            return Ok(false);
        }
    };
    let (state, loss) = (standing::standing(Some(&settled)), ended::loss_of(&settled));
    if deps.store.amend(stream_id, settled, now).await? {
        deps.metrics.ended_as(state, &loss, summary::counted(&record).as_ref());
    }
    Ok(true)
}
