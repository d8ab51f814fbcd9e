//! [`JournalReader`]: the entries of a journal in order, from its beginning or behind a number.

use std::{
    fs::File,
    io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use rtms_wire::{ids::StreamId, sequence::SequenceNumber};

use crate::{
    error::RecordError,
    file::failed,
    journal::{
        entry::{Entry, NoEntry},
        error::JournalError,
        part::{Begun, MAX_LINE_BYTES, begun, count},
    },
    layout::Layout,
};

/// Where bisection ends: so much is read from the disk at once anyway.
const NEAR_BYTES: u64 = 64 << 10;

/// Reads the journal of one stream, also while it is written.
#[derive(Debug)]
pub struct JournalReader {
    layout: Layout,
    first: Option<Begun>,
}

impl JournalReader {
    /// Opens the journal in a recording's folder. A folder without one, as an older version left it, has no entries.
    ///
    /// # Errors
    /// If it cannot be read, is of a newer version, or is no journal.
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        let layout = Layout::of_folder(folder);
        let first = begun(&layout.journal(1))?;
        Ok(Self { layout, first })
    }

    /// The stream; none if the journal has not begun.
    pub fn stream_id(&self) -> Option<&StreamId> {
        self.first.as_ref().map(|first| &first.header.rtms_stream_id)
    }

    /// All entries from the beginning.
    pub fn entries(&self) -> Entries {
        Entries::new(&self.layout, 1, 0, SequenceNumber::default())
    }

    /// The entries with larger numbers than this one. What lies before them is skipped, not read.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn after(&self, number: SequenceNumber) -> Result<Entries, JournalError> {
        for part in (1..=count(&self.layout)).rev() {
            let path = self.layout.journal(part);
            let Some(found) = begun(&path)? else { continue };
            if part == 1 || found.header.after.is_some_and(|after| after <= number) {
                let from = bisect(&path, found.entries_at, number)?;
                return Ok(Entries::new(&self.layout, part, from, number));
            }
        }
        Ok(Entries::new(&self.layout, 1, 0, number))
    }
}

/// Entries in order. A line that is no entry is an error that ends nothing; see [`JournalError::is_of_line`].
///
/// At the end of what is written the iterator returns none, and goes on when more was appended.
#[derive(Debug)]
pub struct Entries {
    layout: Layout,
    part: u64,
    path: PathBuf,
    file: Option<BufReader<File>>,
    /// Where the next line begins.
    offset: u64,
    after: SequenceNumber,
    /// A next part is there, so this one has its last line.
    is_followed: bool,
    line: Vec<u8>,
}

/// What the next bytes of a file are.
enum Next {
    Line,
    TooLong,
    Torn,
    End,
}

impl Entries {
    fn new(layout: &Layout, part: u64, offset: u64, after: SequenceNumber) -> Self {
        let path = layout.journal(part);
        let layout = layout.clone();
        Self { layout, part, path, file: None, offset, after, is_followed: false, line: Vec::new() }
    }

    /// The next line of the part; false if there is none yet.
    fn read_line(&mut self) -> Result<Next, RecordError> {
        self.line.clear();
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let mut file = match File::open(&self.path) {
                    Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Next::End),
                    file => file.map_err(|source| failed("open", &self.path, source))?,
                };
                file.seek(SeekFrom::Start(self.offset)).map_err(|source| failed("read", &self.path, source))?;
                self.file.insert(BufReader::new(file))
            }
        };
        let fail = |source| failed("read", &self.path, source);
        // A byte more than a line may have.
        let limit = MAX_LINE_BYTES as u64 + 1;
        let read = file.by_ref().take(limit).read_until(b'\n', &mut self.line).map_err(fail)? as u64;
        if read == 0 {
            return Ok(Next::End);
        }
        if self.line.last() == Some(&b'\n') {
            self.offset += read;
            return Ok(Next::Line);
        }
        if read < limit {
            // Somebody writes it, or died there: it is read again from its beginning.
            file.seek(SeekFrom::Start(self.offset)).map_err(fail)?;
            return Ok(Next::Torn);
        }
        let mut skipped = read;
        loop {
            self.line.clear();
            let more = file.by_ref().take(limit).read_until(b'\n', &mut self.line).map_err(fail)? as u64;
            skipped += more;
            if more == 0 || self.line.last() == Some(&b'\n') {
                self.offset += skipped;
                self.line = Vec::new();
                return Ok(Next::TooLong);
            }
        }
    }

    fn bad(&self, offset: u64, why: NoEntry) -> JournalError {
        JournalError::BadLine { path: self.path.clone(), offset, why }
    }
}

impl Iterator for Entries {
    type Item = Result<Arc<Entry>, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let offset = self.offset;
            match self.read_line() {
                Err(error) => {
                    self.file = None;
                    return Some(Err(error.into()));
                }
                // The header.
                Ok(Next::Line) if offset == 0 => {}
                Ok(Next::Line) => match Entry::read(&self.line) {
                    Ok(entry) if entry.number <= self.after => {}
                    Err(NoEntry::UnknownKind { number, .. }) if number <= self.after => {}
                    Ok(entry) => return Some(Ok(Arc::new(entry))),
                    Err(why) => return Some(Err(self.bad(offset, why))),
                },
                Ok(Next::TooLong) => return Some(Err(self.bad(offset, NoEntry::TooLong))),
                Ok(Next::Torn | Next::End) if !self.is_followed => {
                    let next = self.layout.journal(self.part + 1);
                    if !next.exists() {
                        return None;
                    }
                    // What was appended before the next part was made is read first.
                    self.is_followed = true;
                }
                Ok(ended) => {
                    let torn = matches!(ended, Next::Torn).then(|| self.bad(offset, NoEntry::Torn));
                    *self = Self::new(&self.layout, self.part + 1, 0, self.after);
                    if let Some(torn) = torn {
                        return Some(Err(torn));
                    }
                }
            }
        }
    }
}

/// Where a line begins before which no entry has a larger number than this one, near the first that has.
fn bisect(path: &Path, entries_at: u64, number: SequenceNumber) -> Result<u64, RecordError> {
    let file = File::open(path).map_err(|source| failed("open", path, source))?;
    let mut high = file.metadata().map_err(|source| failed("look at", path, source))?.len();
    let mut low = entries_at;
    let mut file = BufReader::new(file);
    let mut line = Vec::new();
    while high.saturating_sub(low) > NEAR_BYTES {
        let middle = low + (high - low) / 2;
        let (mut at, mut found) = (middle, None);
        file.seek(SeekFrom::Start(middle)).map_err(|source| failed("read", path, source))?;
        let mut is_whole = false;
        while at < high && found.is_none() {
            line.clear();
            let limit = MAX_LINE_BYTES as u64 + 1;
            let read = file.by_ref().take(limit).read_until(b'\n', &mut line);
            let read = read.map_err(|source| failed("read", path, source))? as u64;
            if read == 0 {
                break;
            }
            // The first piece is the end of a line.
            if is_whole {
                found = Entry::number_of(&line);
            }
            is_whole = line.last() == Some(&b'\n');
            at += read;
        }
        match found {
            Some(found) if found <= number => low = at,
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}
