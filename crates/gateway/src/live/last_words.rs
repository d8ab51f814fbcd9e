//! The last words of a stream, for the thread that closes its recording. The journal is summed with the recording's other
//! files, so what is said at the end is written before that, and heard after it.

use std::sync::Arc;

use rtms_record::{
    Note, RecordError,
    journal::{
        JournalWriter,
        entry::{Entry, Word},
        error::JournalError,
    },
    ledger::SpanChange,
};
use rtms_wire::sequence::Numbering;
use tracing::error;

/// More numbers than the closing of a recording gives.
const SKIPPED_BY_SPARE: u64 = 1 << 20;

/// The last words of one stream.
pub(crate) struct LastWords {
    writer: Option<JournalWriter>,
    /// What the journal does not have yet.
    unwritten: Vec<Arc<Entry>>,
    /// What nobody has heard yet.
    last: Vec<Arc<Entry>>,
    numbering: Numbering,
    wait_for_disk: bool,
}

impl LastWords {
    /// Returns the last words of a stream whose journal has this writer and lacks these entries.
    pub(crate) fn new(
        writer: Option<JournalWriter>,
        unwritten: Vec<Arc<Entry>>,
        numbering: Numbering,
        wait_for_disk: bool,
    ) -> Self {
        Self { writer, unwritten, last: Vec::new(), numbering, wait_for_disk }
    }

    /// Says the last changes of the ledger, and how the stream ended. Only the first call does.
    pub(crate) fn conclude(&mut self, spans: impl IntoIterator<Item = SpanChange>, ended: Note) {
        if !self.last.is_empty() {
            return;
        }
        let at = ended.at;
        for word in spans.into_iter().map(Word::Span).chain([Word::Unlisted(ended)]) {
            let entry = Arc::new(Entry { number: self.numbering.give(), at, word });
            self.unwritten.push(entry.clone());
            self.last.push(entry);
        }
    }

    /// Writes what the journal does not have. Blocking.
    ///
    /// # Errors
    /// If the file system refuses; then it may be called again.
    pub(crate) fn write(&mut self) -> Result<(), RecordError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let written = writer.append(&self.unwritten).and_then(|()| match self.wait_for_disk {
            true => writer.sync(),
            false => Ok(()),
        });
        self.unwritten.retain(|entry| entry.number > writer.last());
        match written {
            Ok(()) => {}
            Err(JournalError::File(error)) => return Err(error),
            Err(error) => error!(%error, entries = self.unwritten.len(), "the journal lacks what was said last"),
        }
        Ok(())
    }

    /// Returns last words for the case that these are lost with their thread. They pass over the numbers of these.
    pub(crate) fn spare(&self) -> Self {
        let mut numbering = self.numbering.clone();
        numbering.skip(SKIPPED_BY_SPARE);
        Self::new(None, Vec::new(), numbering, false)
    }

    /// Returns what is to be heard.
    pub(crate) fn into_entries(self) -> Vec<Arc<Entry>> {
        self.last
    }
}
