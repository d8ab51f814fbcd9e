//! The files of a journal: `journal.jsonl`, then `journal.2.jsonl` and so on, each with a header in its first line.
//!
//! ```text
//! {"format":"rtms-journal","version":1,"rtms_stream_id":"7f3a/stream==","part":2,"after":"4294967297-880"}
//! ```

use std::{
    fs::File,
    io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom},
    path::Path,
};

use rtms_wire::{ids::StreamId, sequence::SequenceNumber};
use serde::{Deserialize, Serialize};

use crate::{error::RecordError, file::failed, journal::entry::Entry, journal::error::JournalError, layout::Layout};

/// The value of `format`.
const FORMAT: &str = "rtms-journal";

/// How every header begins.
const BEGINNING: &[u8] = br#"{"format":"rtms-journal""#;

/// The version this program writes, and the newest it reads.
pub const VERSION: u32 = 1;

/// The longest line of a journal: more than any message that a connection takes (32 MiB) has in JSON.
pub const MAX_LINE_BYTES: usize = 64 << 20;

/// The longest header: a stream's id is a few dozen bytes, and comes from a webhook of at most a mebibyte.
const MAX_HEADER_BYTES: u64 = 2 << 20;

/// How much of the end of a file is looked at first for its last number.
const TAIL_BYTES: u64 = 64 << 10;

/// The first line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    format: String,
    pub(crate) version: u32,
    pub(crate) rtms_stream_id: StreamId,
    /// Which file of the journal, from 1.
    pub(crate) part: u64,
    /// The last number in the files before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<SequenceNumber>,
}

/// A header that was read, and where the first entry begins.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    pub(crate) header: Header,
    pub(crate) entries_at: u64,
}

impl Header {
    pub(super) fn new(rtms_stream_id: StreamId, part: u64, after: SequenceNumber) -> Self {
        let after = Some(after).filter(|after| *after != SequenceNumber::default());
        Self { format: FORMAT.to_owned(), version: VERSION, rtms_stream_id, part, after }
    }

    /// Its line with the line's end.
    pub(super) fn line(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut text = serde_json::to_vec(self)?;
        text.push(b'\n');
        Ok(text)
    }
}

/// The header of a file; none if there is no file, or a process died while it wrote the header.
pub(crate) fn begun(path: &Path) -> Result<Option<Begun>, JournalError> {
    let mut head = Vec::new();
    let read = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.and_then(|file| BufReader::new(file.take(MAX_HEADER_BYTES)).read_until(b'\n', &mut head)),
    };
    read.map_err(|source| failed("read", path, source))?;
    let not_one = || JournalError::NotAJournal { path: path.to_owned() };
    let Some((b'\n', line)) = head.split_last() else {
        // A power cut may leave zeros where nothing was written.
        let is_blank = head.iter().all(|byte| *byte == 0);
        let is_torn = BEGINNING.starts_with(&head) || head.starts_with(BEGINNING) || is_blank;
        return if is_torn && (head.len() as u64) < MAX_HEADER_BYTES { Ok(None) } else { Err(not_one()) };
    };
    // Format and version are looked at alone first: what a newer one means by its other fields is not for us to judge.
    #[derive(Deserialize)]
    struct Head {
        format: String,
        version: u32,
    }
    let version = serde_json::from_slice::<Head>(line).map_err(|_| not_one())?;
    if version.format != FORMAT {
        return Err(not_one());
    }
    if version.version > VERSION {
        return Err(JournalError::NewerFormat { path: path.to_owned(), found: version.version, known: VERSION });
    }
    let header = serde_json::from_slice(line).map_err(|_| not_one())?;
    Ok(Some(Begun { header, entries_at: head.len() as u64 }))
}

/// How many files there are.
pub(crate) fn count(layout: &Layout) -> u64 {
    (1..).take_while(|part| layout.journal(*part).exists()).last().unwrap_or_default()
}

/// The largest number among the last lines of a file whose entries begin at this byte; none if it has no entries.
pub(super) fn last_number(path: &Path, entries_at: u64) -> Result<Option<SequenceNumber>, RecordError> {
    let mut file = File::open(path).map_err(|source| failed("open", path, source))?;
    let end = file.metadata().map_err(|source| failed("look at", path, source))?.len();
    let mut window = TAIL_BYTES;
    loop {
        let from = end.saturating_sub(window).max(entries_at);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(from))
            .and_then(|_| Read::by_ref(&mut file).take(end.saturating_sub(from)).read_to_end(&mut bytes))
            .map_err(|source| failed("read", path, source))?;
        let skip = usize::from(from > entries_at);
        let last = bytes.split(|byte| *byte == b'\n').skip(skip).filter_map(Entry::number_of).max();
        if last.is_some() || from == entries_at {
            return Ok(last);
        }
        // Its lines are longer, or broken.
        window = window.saturating_mul(8);
    }
}
