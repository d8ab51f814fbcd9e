//! The books of a stream: its recording with the ledger in it, or its ledger alone.

use std::{path::Path, sync::Arc, time::Duration};

use rtms_client::queue::{Dropped, News};
use rtms_record::{RecordingAbout, journal::entry::Entry, ledger::SpanChange};
use rtms_store::summary::Recorded;

use crate::{
    clock,
    live::{
        hub::{Item, Subscription},
        ledger_input,
        recording::{Account, End, Recording, relaxed},
        waiting_room::LedgerOnly,
    },
};

/// The books of a stream: its recording, or its ledger alone.
pub(crate) enum Books {
    /// Files, with the ledger in them.
    Recorded(Box<Recording>),
    /// It is not recorded; its ledger is published all the same.
    Unrecorded(Box<Unrecorded>),
}

impl Books {
    /// The folder of the recording, once it is open.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Recorded(recording) => recording.folder(),
            Self::Unrecorded(_) => None,
        }
    }

    /// Whether there are no files, and the next try to open them is some time away.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Recorded(recording) => recording.is_closed(),
            Self::Unrecorded(_) => true,
        }
    }

    /// Whether there will be no files.
    pub(crate) fn is_without_files(&self) -> bool {
        match self {
            Self::Recorded(recording) => recording.is_without_files(),
            Self::Unrecorded(_) => true,
        }
    }

    /// What the books lost because they were too slow.
    pub(crate) fn dropped(&self) -> Dropped {
        match self {
            Self::Recorded(recording) => recording.dropped(),
            Self::Unrecorded(unrecorded) => unrecorded.subscription.dropped(),
        }
    }

    /// Takes in what has come, if that needs no disk: then no payload is kept for longer than it has to be.
    pub(crate) fn keep_up(&mut self) {
        match self {
            Self::Recorded(_) => {}
            Self::Unrecorded(unrecorded) => unrecorded.take_in(),
        }
    }

    /// Waits until there is work, and does it. Returns the changed spans of the ledger. Dropping the future loses
    /// nothing.
    pub(crate) async fn turn(&mut self) -> Vec<SpanChange> {
        match self {
            Self::Recorded(recording) => recording.turn().await,
            Self::Unrecorded(unrecorded) => unrecorded.turn().await,
        }
    }

    /// Closes the files, if there are any. Returns the account of the stream and the last entries of its journal: the
    /// changes of the ledger since the last turn, and the note of the end.
    pub(crate) async fn finish(self, end: End) -> (Account, Vec<Arc<Entry>>) {
        match self {
            Self::Recorded(recording) => recording.finish(end).await,
            Self::Unrecorded(mut unrecorded) => {
                unrecorded.take_in();
                let now = clock::unix_millis();
                for input in end.if_blank.iter().chain(&end.last) {
                    unrecorded.ledger.take(input, now);
                }
                let mut last_words = end.last_words;
                last_words.conclude(unrecorded.ledger.last_span_changes(now), end.note);
                let account = Account::of_ledger(unrecorded.ledger.account(), Recorded::Unwanted);
                (account, last_words.into_entries())
            }
        }
    }

    /// Closes the files as they are, because they are to be deleted.
    pub(crate) async fn discard(self) {
        match self {
            Self::Recorded(recording) => recording.discard().await,
            Self::Unrecorded(_) => {}
        }
    }
}

/// The ledger of a stream that is not recorded.
pub(crate) struct Unrecorded {
    subscription: Subscription,
    ledger: LedgerOnly,
    /// When the changes are published.
    tick: tokio::time::Interval,
}

impl Unrecorded {
    pub(crate) fn new(about: &RecordingAbout, every: Duration, subscription: Subscription) -> Self {
        Self { subscription, ledger: LedgerOnly::new(about, clock::unix_millis()), tick: relaxed(every) }
    }

    async fn turn(&mut self) -> Vec<SpanChange> {
        self.tick.tick().await;
        self.take_in();
        self.ledger.take_span_changes(clock::unix_millis())
    }

    fn take_in(&mut self) {
        while let Ok(news) = self.subscription.try_next_news() {
            match news {
                News::Event(Item { input, at }) => self.ledger.take(&input, at),
                News::Lost(lost) => self.ledger.take(&ledger_input::lost(lost), clock::unix_millis()),
            }
        }
    }
}
