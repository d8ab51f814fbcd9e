//! [`MemoryJournal`]: the journal of a stream that is not recorded, the newest entries up to a bound.

use std::{collections::VecDeque, path::Path, sync::Arc};

use rtms_wire::sequence::SequenceNumber;

use crate::{
    file::failed,
    journal::{entry::Entry, error::JournalError},
};

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

/// A bounded journal in memory: the lines that a file would have, which take a fraction of the memory that entries do. The
/// oldest leave it for new ones.
#[derive(Debug)]
pub struct MemoryJournal {
    options: MemoryOptions,
    lines: VecDeque<(SequenceNumber, Box<[u8]>)>,
    bytes: usize,
    last: SequenceNumber,
    /// Entries up to this number are not here.
    forgotten: SequenceNumber,
}

impl MemoryJournal {
    /// Begins behind a number: that of the last entry that somebody else has, or 0-0 for a stream that begins.
    pub fn new(options: MemoryOptions, begins_after: SequenceNumber) -> Self {
        Self { options, lines: VecDeque::new(), bytes: 0, last: begins_after, forgotten: begins_after }
    }

    /// The number of the last entry; that of the beginning if there is none.
    pub fn last(&self) -> SequenceNumber {
        self.last
    }

    /// Appends entries, all or none.
    ///
    /// # Errors
    /// If the numbers do not rise, or an entry is nothing that JSON can say.
    pub fn append(&mut self, entries: &[Arc<Entry>]) -> Result<(), JournalError> {
        let mut last = self.last;
        for entry in entries {
            if entry.number <= last {
                return Err(JournalError::NotRising { number: entry.number, last });
            }
            last = entry.number;
        }
        let mut lines = Vec::with_capacity(entries.len());
        for entry in entries {
            let mut line = Vec::new();
            let not_json = |error: serde_json::Error| failed("write", Path::new("the journal in memory"), error.into());
            entry.write(&mut line).map_err(not_json)?;
            lines.push((entry.number, line.into_boxed_slice()));
        }
        self.bytes += lines.iter().map(|(_, line)| line.len()).sum::<usize>();
        self.lines.extend(lines);
        self.last = last;
        while self.lines.len() > 1
            && (self.lines.len() > self.options.max_entries || self.bytes > self.options.max_bytes)
        {
            let Some((oldest, line)) = self.lines.pop_front() else { break };
            self.bytes -= line.len();
            self.forgotten = oldest;
        }
        Ok(())
    }

    /// Whether all entries behind this number are here, and none has left memory.
    pub fn has_all_after(&self, number: SequenceNumber) -> bool {
        number >= self.forgotten
    }

    /// The entries here with larger numbers than this one.
    pub fn after(&self, number: SequenceNumber) -> Vec<Arc<Entry>> {
        let begin = self.lines.partition_point(|(found, _)| *found <= number);
        // A line that was written here is read.
        let read = |(_, line): &(SequenceNumber, Box<[u8]>)| Entry::read(line).ok().map(Arc::new);
        self.lines.range(begin..).filter_map(read).collect()
    }
}
