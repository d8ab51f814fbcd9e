//! Which streams changed, for those who wait for it.

use rtms_wire::ids::StreamId;
use tokio::sync::broadcast;

use crate::stream_record::Revision;

/// Changes that may wait for a reader that is slow.
const WAITING: usize = 4096;

/// A stream changed, or it is not known which ones did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamChange {
    /// The record of this stream has this revision, or a later one.
    Stream(StreamId, Revision),
    /// Changes were missed: look at everything.
    Missed,
}

/// Where changes are read.
#[derive(Debug)]
pub struct Changes(broadcast::Receiver<(StreamId, Revision)>);

/// Where an engine reports them.
#[derive(Clone, Debug)]
pub(crate) struct ChangeSender(broadcast::Sender<(StreamId, Revision)>);

impl Changes {
    /// Waits for the next change; none when the store is gone. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<StreamChange> {
        match self.0.recv().await {
            Ok((stream_id, revision)) => Some(StreamChange::Stream(stream_id, revision)),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(StreamChange::Missed),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl ChangeSender {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(WAITING))
    }

    pub(crate) fn subscribe(&self) -> Changes {
        Changes(self.0.subscribe())
    }

    pub(crate) fn report(&self, stream_id: &StreamId, revision: Revision) {
        // Without readers there is nobody to tell.
        let _ = self.0.send((stream_id.clone(), revision));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_that_is_too_slow_learns_that_it_missed_something() {
        let sender = ChangeSender::new();
        let mut changes = sender.subscribe();
        let report = |number: usize| sender.report(&StreamId::new(number.to_string()), Revision(1));
        (0..=WAITING).for_each(report);

        assert_eq!(changes.next().await, Some(StreamChange::Missed));
        assert_eq!(changes.next().await, Some(StreamChange::Stream("1".into(), Revision(1))));
        drop(sender);
        for _ in 2..=WAITING {
            assert!(matches!(changes.next().await, Some(StreamChange::Stream(..))));
        }
        assert_eq!(changes.next().await, None);
    }
}
