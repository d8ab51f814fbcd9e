//! [`MemoryJournal`]: the journal of a stream that is not recorded, the newest entries up to a bound.

use std::{collections::VecDeque, sync::Arc};

use rtms_wire::sequence::SequenceNumber;

use crate::journal::{entry::Entry, error::JournalError};

/// The bounds of a journal in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryOptions {
    /// Entries.
    pub max_entries: usize,
    /// Their bytes, as lines of a file. The newest entry stays, however long it is.
    pub max_bytes: usize,
}

impl Default for MemoryOptions {
    /// Some minutes of a lively meeting, in memory that a thousand streams can have at once.
    fn default() -> Self {
        Self { max_entries: 1_024, max_bytes: 512 << 10 }
    }
}

/// A bounded journal in memory. The oldest entries leave it for new ones.
#[derive(Debug)]
pub struct MemoryJournal {
    options: MemoryOptions,
    /// Each with the length of its line.
    entries: VecDeque<(Arc<Entry>, usize)>,
    bytes: usize,
    last: SequenceNumber,
    /// Entries up to this number are not here.
    forgotten: SequenceNumber,
}

impl MemoryJournal {
    /// Begins behind a number: that of the last entry that somebody else has, or 0-0 for a stream that begins.
    pub fn new(options: MemoryOptions, begins_after: SequenceNumber) -> Self {
        Self { options, entries: VecDeque::new(), bytes: 0, last: begins_after, forgotten: begins_after }
    }

    /// The number of the last entry; that of the beginning if there is none.
    pub fn last(&self) -> SequenceNumber {
        self.last
    }

    /// Appends entries, all or none.
    ///
    /// # Errors
    /// If the numbers do not rise.
    pub fn append(&mut self, entries: &[Arc<Entry>]) -> Result<(), JournalError> {
        let mut last = self.last;
        for entry in entries {
            if entry.number <= last {
                return Err(JournalError::NotRising { number: entry.number, last });
            }
            last = entry.number;
        }
        let mut line = Vec::new();
        for entry in entries {
            line.clear();
            // What has no line has next to no length.
            let bytes = entry.write(&mut line).unwrap_or_default();
            self.bytes += bytes;
            self.entries.push_back((entry.clone(), bytes));
        }
        self.last = last;
        while self.entries.len() > 1
            && (self.entries.len() > self.options.max_entries || self.bytes > self.options.max_bytes)
        {
            let Some((oldest, bytes)) = self.entries.pop_front() else { break };
            self.bytes -= bytes;
            self.forgotten = oldest.number;
        }
        Ok(())
    }

    /// Whether all entries behind this number are here, and none has left memory.
    pub fn has_all_after(&self, number: SequenceNumber) -> bool {
        number >= self.forgotten
    }

    /// The entries here with larger numbers than this one.
    pub fn after(&self, number: SequenceNumber) -> Vec<Arc<Entry>> {
        let begin = self.entries.partition_point(|(entry, _)| entry.number <= number);
        self.entries.range(begin..).map(|(entry, _)| entry.clone()).collect()
    }
}
