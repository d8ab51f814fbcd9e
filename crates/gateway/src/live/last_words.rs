//! The last words of a stream, for the thread that closes its recording. The journal is summed with the recording's other
//! files, so what is said at the end is written before that, and heard after it.

use std::{path::Path, pin::Pin, sync::Arc};

use rtms_record::{
    Note, RecordError,
    journal::{
        JournalOptions, JournalWriter,
        entry::{Entry, Word},
        error::JournalError,
    },
    ledger::SpanChange,
};
use rtms_wire::{ids::StreamId, sequence::Numbering};
use tracing::error;

/// More numbers than the closing of a recording gives.
const SKIPPED_BY_SPARE: u64 = 1 << 20;

/// The file of a journal whose stream has ended.
pub(crate) enum JournalFile {
    Open(JournalWriter),
    /// It is being written or opened. None if it is to be opened once more.
    Busy(StreamId, Pin<Box<dyn Future<Output = Result<Option<JournalWriter>, String>> + Send>>),
    /// The recording of this stream was not open by then.
    Unopened(StreamId),
    /// There is none, and none is wanted.
    None,
}

/// The last words of one stream.
pub(crate) struct LastWords {
    file: JournalFile,
    /// What the journal does not have yet.
    unwritten: Vec<Arc<Entry>>,
    /// What nobody has heard yet.
    last: Vec<Arc<Entry>>,
    numbering: Numbering,
    wait_for_disk: bool,
}

impl LastWords {
    /// Returns the last words of a stream whose journal has this file and lacks these entries.
    pub(crate) fn new(
        file: JournalFile,
        unwritten: Vec<Arc<Entry>>,
        numbering: Numbering,
        wait_for_disk: bool,
    ) -> Self {
        Self { file, unwritten, last: Vec::new(), numbering, wait_for_disk }
    }

    /// Waits until nobody else writes the file or opens it.
    pub(crate) async fn wait(&mut self) {
        self.file = match std::mem::replace(&mut self.file, JournalFile::None) {
            JournalFile::Busy(stream_id, busy) => match busy.await {
                Ok(Some(writer)) => self.of_ours(writer),
                Ok(None) => JournalFile::Unopened(stream_id),
                Err(why) => self.without(&why),
            },
            file @ (JournalFile::Open(_) | JournalFile::Unopened(_) | JournalFile::None) => file,
        };
    }

    fn of_ours(&self, writer: JournalWriter) -> JournalFile {
        if writer.last() < self.numbering.next() {
            JournalFile::Open(writer)
        } else {
            self.without("a later owner has written it")
        }
    }

    fn without(&self, why: &str) -> JournalFile {
        error!(why, entries = self.unwritten.len(), "the last entries are missing in the journal");
        JournalFile::None
    }

    /// Says the last changes of the ledger, and how the stream ended. Nothing is said after that, by another call either.
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

    /// Writes what the journal in this folder does not have. Blocking.
    ///
    /// # Errors
    /// If the file system refuses; then it may be called again.
    pub(crate) fn write(&mut self, folder: &Path) -> Result<(), RecordError> {
        if let JournalFile::Unopened(stream_id) = &self.file {
            self.file = match JournalWriter::open(folder, stream_id, JournalOptions::default()) {
                Ok(writer) => self.of_ours(writer),
                Err(JournalError::File(error)) => return Err(error),
                Err(error) => self.without(&error.to_string()),
            };
        }
        let JournalFile::Open(writer) = &mut self.file else { return Ok(()) };
        let last = writer.last();
        self.unwritten.retain(|entry| entry.number > last);
        let written = writer.append(&self.unwritten).and_then(|()| match self.wait_for_disk {
            true => writer.sync(),
            false => Ok(()),
        });
        self.unwritten.retain(|entry| entry.number > writer.last());
        match written {
            Ok(()) => {}
            Err(JournalError::File(error)) => return Err(error),
            Err(error) => error!(%error, entries = self.unwritten.len(), "the last entries are missing in the journal"),
        }
        Ok(())
    }

    /// Returns last words for the case that these are lost with their thread. They pass over the numbers of these.
    pub(crate) fn spare(&self) -> Self {
        let mut numbering = self.numbering.clone();
        numbering.skip(SKIPPED_BY_SPARE);
        Self::new(JournalFile::None, Vec::new(), numbering, false)
    }

    /// Returns what is to be heard.
    pub(crate) fn into_entries(self) -> Vec<Arc<Entry>> {
        self.last
    }
}
