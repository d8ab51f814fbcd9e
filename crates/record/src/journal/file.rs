//! [`JournalWriter`]: the journal of a stream in the folder of its recording.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use rtms_wire::{ids::StreamId, sequence::SequenceNumber};

use crate::{
    error::RecordError,
    file::{cut_torn_line, failed},
    journal::{
        entry::Entry,
        error::JournalError,
        part::{Header, MAX_LINE_BYTES, begun, count, last_number},
    },
    layout::Layout,
};

/// The bounds of a journal. Tests lower them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalOptions {
    /// The longest line, end included.
    pub max_line_bytes: usize,
    /// The size at which the journal goes on in another file. A file has one batch at least, however long it is.
    pub max_part_bytes: u64,
    /// The files of one journal. A day of words is a few mebibytes, so the defaults suit every stream.
    pub max_parts: u64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self { max_line_bytes: MAX_LINE_BYTES, max_part_bytes: 256 << 20, max_parts: 64 }
    }
}

/// Appends to the journal of one stream. One writer at a time, which the lease of the stream sees to.
///
/// Blocking. What [`JournalWriter::append`] has accepted is in the kernel's hands: it is readable after `kill -9`, and
/// after a power cut from [`JournalWriter::sync`] on.
#[derive(Debug)]
pub struct JournalWriter {
    layout: Layout,
    stream_id: StreamId,
    options: JournalOptions,
    part: u64,
    path: PathBuf,
    file: File,
    /// Where the entries of this file begin.
    entries_at: u64,
    /// Where the next entry will lie.
    end: u64,
    last: SequenceNumber,
    /// Something may lie behind the end, as a write failed.
    is_torn: bool,
    /// Something was written since the last sync.
    is_unsynced: bool,
}

impl JournalWriter {
    /// Opens the journal in a recording's folder: a new one, or going on behind the last whole line of what is there.
    ///
    /// The folder must be there. One that is gone was deleted, and is not made again.
    ///
    /// # Errors
    /// If the files cannot be opened or read. A file that is of a newer version, of another stream, or no journal is
    /// left alone.
    pub fn open(folder: &Path, stream_id: &StreamId, options: JournalOptions) -> Result<Self, JournalError> {
        let layout = Layout::of_folder(folder);
        let part = count(&layout).max(1);
        let path = layout.journal(part);
        for number in [1, part] {
            let path = layout.journal(number);
            if let Some(found) = begun(&path)?.filter(|found| found.header.rtms_stream_id != *stream_id) {
                return Err(JournalError::OtherStream { path, found: found.header.rtms_stream_id });
            }
        }
        let begun_at = match begun(&path)? {
            Some(found) => {
                cut_torn_line(&path)?;
                let last = last_number(&path, found.entries_at)?.or(found.header.after).unwrap_or_default();
                Some((found.entries_at, last))
            }
            None => None,
        };
        let mut how = rtms_private::file();
        let file =
            how.read(true).append(true).create(true).open(&path).map_err(|source| failed("open", &path, source))?;
        let mut journal = Self {
            stream_id: stream_id.clone(),
            options,
            part,
            entries_at: 0,
            end: 0,
            last: SequenceNumber::default(),
            is_torn: false,
            is_unsynced: false,
            file,
            path,
            layout,
        };
        match begun_at {
            Some((entries_at, last)) => {
                journal.end = journal.length()?;
                (journal.entries_at, journal.last) = (entries_at, last);
            }
            None => {
                journal.last = journal.last_of_earlier()?;
                journal.begin()?;
            }
        }
        Ok(journal)
    }

    /// The number of the last entry; 0-0 if there is none.
    pub fn last(&self) -> SequenceNumber {
        self.last
    }

    /// The recording's folder.
    pub fn folder(&self) -> &Path {
        self.layout.folder()
    }

    /// Appends entries, all or none. When this returns, the kernel has them.
    ///
    /// # Errors
    /// If the numbers do not rise, a line is too long, or the file system refuses, as a full disk does. No part of a
    /// line stays in the file.
    pub fn append(&mut self, entries: &[Arc<Entry>]) -> Result<(), JournalError> {
        let mut last = self.last;
        let mut text = Vec::new();
        for entry in entries {
            let number = entry.number;
            if number <= last {
                return Err(JournalError::NotRising { number, last });
            }
            let bytes = entry.write(&mut text).map_err(|error| failed("write", &self.path, error.into()))?;
            let max_bytes = self.options.max_line_bytes;
            if bytes > max_bytes {
                return Err(JournalError::TooLong { number, bytes, max_bytes });
            }
            last = number;
        }
        if text.is_empty() {
            return Ok(());
        }
        self.mend()?;
        if self.end + text.len() as u64 > self.options.max_part_bytes && self.end > self.entries_at {
            self.next_part()?;
        }
        let found = self.length()?;
        if found != self.end {
            return Err(JournalError::WrittenByAnother { path: self.path.clone(), expected: self.end, found });
        }
        self.write(&text)?;
        self.last = last;
        Ok(())
    }

    /// Waits until the disk has all that was appended.
    ///
    /// # Errors
    /// If the file system refuses. Nothing is known then of what the disk has.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        if self.is_unsynced {
            self.file.sync_data().map_err(|source| failed("sync", &self.path, source))?;
            self.is_unsynced = false;
        }
        Ok(())
    }

    fn write(&mut self, text: &[u8]) -> Result<(), JournalError> {
        self.is_unsynced = true;
        if let Err(source) = self.file.write_all(text) {
            self.is_torn = true;
            // If that fails too, the next append begins with it.
            let _ = self.mend();
            return Err(failed("write", &self.path, source).into());
        }
        self.end += text.len() as u64;
        Ok(())
    }

    /// Cuts off what a failed write has left.
    fn mend(&mut self) -> Result<(), JournalError> {
        if self.is_torn {
            self.file.set_len(self.end).map_err(|source| failed("cut", &self.path, source))?;
            self.is_torn = false;
        }
        Ok(())
    }

    /// Empties the file and writes its header.
    fn begin(&mut self) -> Result<(), JournalError> {
        let header = Header::new(self.stream_id.clone(), self.part, self.last);
        let line = header.line().map_err(|error| failed("write", &self.path, error.into()))?;
        self.end = 0;
        self.is_torn = true;
        self.mend()?;
        self.write(&line)?;
        self.entries_at = self.end;
        Ok(())
    }

    /// Goes on in another file.
    fn next_part(&mut self) -> Result<(), JournalError> {
        let part = self.part + 1;
        if part > self.options.max_parts {
            return Err(JournalError::Full { path: self.path.clone(), parts: self.part });
        }
        self.sync()?;
        let path = self.layout.journal(part);
        let mut how = rtms_private::file();
        let file =
            how.read(true).append(true).create(true).open(&path).map_err(|source| failed("open", &path, source))?;
        let next = Self {
            part,
            path,
            file,
            entries_at: 0,
            end: 0,
            is_torn: false,
            is_unsynced: false,
            layout: self.layout.clone(),
            stream_id: self.stream_id.clone(),
            options: self.options.clone(),
            last: self.last,
        };
        let earlier = std::mem::replace(self, next);
        if let Err(error) = self.begin() {
            // Without its header it is as if it were not there.
            *self = earlier;
            return Err(error);
        }
        Ok(())
    }

    /// The last number in the files before this one.
    fn last_of_earlier(&self) -> Result<SequenceNumber, JournalError> {
        let Some(part) = self.part.checked_sub(1).filter(|part| *part > 0) else {
            return Ok(SequenceNumber::default());
        };
        let path = self.layout.journal(part);
        let Some(found) = begun(&path)? else { return Err(JournalError::NotAJournal { path }) };
        Ok(last_number(&path, found.entries_at)?.or(found.header.after).unwrap_or_default())
    }

    fn length(&self) -> Result<u64, RecordError> {
        let found = self.file.metadata().map_err(|source| failed("look at", &self.path, source))?;
        Ok(found.len())
    }
}

/// Cuts off a last line without its end that a killed process has left. For a journal that nobody writes.
pub(crate) fn cut_torn_end(layout: &Layout) -> Result<u64, RecordError> {
    let part = count(layout);
    if part == 0 {
        return Ok(0);
    }
    let path = layout.journal(part);
    match begun(&path) {
        Ok(Some(_)) => cut_torn_line(&path),
        // What is no journal of ours is left alone, and one without a header has nothing to cut.
        Ok(None) | Err(_) => Ok(0),
    }
}
