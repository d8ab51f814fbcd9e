//! The journal: everything that a stream says in words, written down before anybody hears it.
//!
//! An entry is a line of the transcript, a message of the chat, an event, a note of ours or a change of the ledger. Its
//! number never repeats and never goes back, whoever runs the stream: it is the `Last-Event-ID` of SSE and the id of
//! deliveries. A recorded stream has its journal in the recording's folder, and `transcript.jsonl`, `chat.jsonl` and
//! `events.jsonl` are views of it; another stream has the newest entries in memory.
//!
//! ```
//! use std::sync::Arc;
//!
//! use rtms_record::{
//!     Note,
//!     journal::{Journal, JournalOptions, JournalWriter, entry::{Entry, Word}},
//! };
//! use rtms_wire::{extra::Extra, ids::StreamId, sequence::Numbering, time::UnixMillis};
//!
//! let folder = tempfile::tempdir()?;
//! let stream_id = StreamId::new("7f3a/stream==");
//! let writer = JournalWriter::open(folder.path(), &stream_id, JournalOptions::default())?;
//! let (mut journal, mut numbering) = (Journal::File(writer), Numbering::new(7));
//! let at = UnixMillis(1_795_420_801_000);
//! let note = Note { at, kind: "stream_state".into(), fields: Extra::new() };
//! let entries = [1, 2, 3].map(|_| Arc::new(Entry { number: numbering.give(), at, word: Word::Note(note.clone()) }));
//! journal.append(&entries)?;
//!
//! let replay = journal.after(entries[0].number)?;
//! assert!(replay.is_whole());
//! let numbers: Result<Vec<_>, _> = replay.map(|entry| entry.map(|entry| entry.number.to_string())).collect();
//! assert_eq!(numbers?, ["7-2", "7-3"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod entry;
pub mod error;
pub(crate) mod file;
mod memory;
pub(crate) mod part;
pub(crate) mod read;
mod restored;

use std::{sync::Arc, vec};

use rtms_wire::sequence::SequenceNumber;

use entry::Entry;
use error::JournalError;
pub use file::{JournalOptions, JournalWriter};
pub use memory::{MemoryJournal, MemoryOptions};
pub use part::{MAX_LINE_BYTES, VERSION};
pub use read::{Entries, JournalReader};
pub use restored::Restored;

/// The journal of one stream. One owner writes it; [`JournalReader`] reads a file beside it.
#[derive(Debug)]
pub enum Journal {
    /// Of a stream that is recorded.
    File(JournalWriter),
    /// Of a stream that is not.
    Memory(MemoryJournal),
}

impl Journal {
    /// Appends entries, all or none. They may be published when this returns.
    ///
    /// # Errors
    /// As [`JournalWriter::append`].
    pub fn append(&mut self, entries: &[Arc<Entry>]) -> Result<(), JournalError> {
        match self {
            Self::File(journal) => journal.append(entries),
            Self::Memory(journal) => journal.append(entries),
        }
    }

    /// The number of the last entry; 0-0 if there is none.
    pub fn last(&self) -> SequenceNumber {
        match self {
            Self::File(journal) => journal.last(),
            Self::Memory(journal) => journal.last(),
        }
    }

    /// The entries with larger numbers than this one.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn after(&self, number: SequenceNumber) -> Result<Replay, JournalError> {
        Ok(match self {
            Self::File(journal) => {
                let entries = JournalReader::open(journal.folder())?.after(number)?;
                Replay { is_whole: true, from: Source::File(Box::new(entries)) }
            }
            Self::Memory(journal) => Replay {
                is_whole: journal.has_all_after(number),
                from: Source::Memory(journal.after(number).into_iter()),
            },
        })
    }

    /// Waits until the disk has all that was appended; nothing to wait for in memory.
    ///
    /// # Errors
    /// As [`JournalWriter::sync`].
    pub fn sync(&mut self) -> Result<(), JournalError> {
        match self {
            Self::File(journal) => journal.sync(),
            Self::Memory(_) => Ok(()),
        }
    }
}

/// The entries behind a number, in order.
#[derive(Debug)]
pub struct Replay {
    is_whole: bool,
    from: Source,
}

#[derive(Debug)]
enum Source {
    File(Box<Entries>),
    Memory(vec::IntoIter<Arc<Entry>>),
}

impl Replay {
    /// Whether no entry behind the number has left memory.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }
}

impl Iterator for Replay {
    type Item = Result<Arc<Entry>, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.from {
            Source::File(entries) => entries.next(),
            Source::Memory(entries) => entries.next().map(Ok),
        }
    }
}
