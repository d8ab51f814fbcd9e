//! The journal of a recording against its own rules, and its views against it.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use rtms_wire::{media::medium::Medium, sequence::SequenceNumber};
use serde::Deserialize;

use super::{Check, ProblemKind, told};
use crate::{
    journal::{
        entry::{NoEntry, Word},
        error::JournalError,
        part::{begun, count},
        read::JournalReader,
    },
    manifest::Manifest,
};

/// The numbers of the entries that each view has a line for.
#[derive(Default)]
struct Numbers {
    transcript: BTreeSet<SequenceNumber>,
    chat: BTreeSet<SequenceNumber>,
    events: BTreeSet<SequenceNumber>,
}

impl Check {
    /// Checks headers, lines and numbers, and what the views lack. Recordings of older versions have no journal.
    pub(super) fn journal(&mut self, manifest: &Manifest, finished: bool) {
        let parts = count(&self.layout);
        if parts == 0 {
            return;
        }
        for part in 1..=parts {
            self.journal_header(manifest, part, part == parts && !finished);
        }
        let reader = match JournalReader::open(self.layout.folder()) {
            Ok(reader) => reader,
            // The header's problem.
            Err(_) => return,
        };
        let (mut last, mut entries) = (SequenceNumber::default(), 0_u64);
        let (mut sunk, mut bad, mut unknown) = (0_u64, 0_u64, 0_u64);
        let (mut first_sunk, mut first_bad) = (String::new(), String::new());
        let mut numbers = Numbers::default();
        for entry in reader.entries() {
            let number = match entry {
                Ok(entry) => {
                    let view = match &entry.word {
                        Word::Transcript { .. } => Some(&mut numbers.transcript),
                        Word::Chat(_) => Some(&mut numbers.chat),
                        Word::Event(_) | Word::Note(_) => Some(&mut numbers.events),
                        Word::Unlisted(_) | Word::Span(_) => None,
                    };
                    if let Some(view) = view {
                        view.insert(entry.number);
                    }
                    entry.number
                }
                Err(JournalError::BadLine { why: NoEntry::UnknownKind { number, .. }, .. }) => {
                    unknown += 1;
                    number
                }
                Err(error) if error.is_of_line() => {
                    bad += 1;
                    if bad == 1 {
                        first_bad = journal_told(&error);
                    }
                    continue;
                }
                Err(error) => {
                    let what = journal_told(&error);
                    return self.problem(ProblemKind::Missing, Some(JOURNAL), what);
                }
            };
            entries += 1;
            if number <= last {
                sunk += 1;
                if sunk == 1 {
                    first_sunk = format!("the first is {number}, behind {last}");
                }
            }
            last = number.max(last);
        }
        if sunk > 0 {
            let what = format!("has {sunk} numbers that are not larger than the one before; {first_sunk}");
            self.problem(ProblemKind::Journal, Some(JOURNAL), what);
        }
        if bad > 0 {
            let what = format!("has {bad} lines that are no entries; the first: {first_bad}");
            self.problem(ProblemKind::Lines, Some(JOURNAL), what);
        }
        if unknown > 0 {
            self.note(&format!("{JOURNAL} has {unknown} of {entries} entries of kinds that a newer version knows"));
        }
        self.journal_end(parts, finished);
        let Numbers { transcript, chat, events } = numbers;
        // What could not be written, or did not fit into memory before that, is counted, and told by its medium.
        let lost = [Medium::Transcript, Medium::Chat].map(|medium| manifest.media.get(&medium));
        let lost = lost.into_iter().flatten().map(|received| received.lost_queue + received.lost_disk).sum::<u64>();
        let mut may_lack = manifest.refused + lost;
        for (path, numbers) in
            [(self.layout.transcript_lines(), transcript), (self.layout.chat(), chat), (self.layout.events(), events)]
        {
            self.view(&path, numbers, finished, &mut may_lack);
        }
    }

    fn journal_header(&mut self, manifest: &Manifest, part: u64, may_be_torn: bool) {
        let path = self.layout.journal(part);
        let name = self.layout.relative(&path);
        match begun(&path) {
            Ok(Some(found)) => {
                if found.header.rtms_stream_id != manifest.about.stream_id {
                    let what = "is the journal of another stream".to_owned();
                    self.problem(ProblemKind::Journal, Some(&name), what);
                } else if found.header.part != part {
                    let what = format!("says that it is file {} of the journal", found.header.part);
                    self.problem(ProblemKind::Journal, Some(&name), what);
                }
            }
            Ok(None) if may_be_torn => {
                self.note(&format!("{name} ends in its header, which is written again when the stream goes on"));
            }
            Ok(None) => self.problem(ProblemKind::Journal, Some(&name), "has no header".to_owned()),
            Err(error) => self.problem(ProblemKind::Journal, Some(&name), journal_told(&error)),
        }
    }

    /// Whether the last file ends with a line's end.
    fn journal_end(&mut self, parts: u64, finished: bool) {
        let path = self.layout.journal(parts);
        let mut end = [b'\n'];
        let read = File::open(&path).and_then(|mut file| {
            if file.metadata()?.len() > 0 {
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut end)?;
            }
            Ok(())
        });
        if read.is_err() || end == *b"\n" {
            return;
        }
        let name = self.layout.relative(&path);
        if finished {
            self.problem(ProblemKind::Lines, Some(&name), "ends in the middle of a line".to_owned());
        } else {
            self.note(&format!("{name} ends in the middle of a line, which is cut off when the stream goes on"));
        }
    }

    /// The lines of a view against the entries that it should have.
    fn view(&mut self, path: &Path, mut numbers: BTreeSet<SequenceNumber>, finished: bool, may_lack: &mut u64) {
        #[derive(Deserialize)]
        struct Numbered {
            n: Option<SequenceNumber>,
        }
        let name = self.layout.relative(path);
        let mut strange = 0_u64;
        // A view that cannot be read is reported where its lines are.
        if let Ok(file) = File::open(path) {
            let (mut reader, mut line) = (BufReader::new(file), Vec::new());
            while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let number = serde_json::from_slice::<Numbered>(&line).ok().and_then(|line| line.n);
                strange += u64::from(number.is_some_and(|number| !numbers.remove(&number)));
                line.clear();
            }
        }
        if strange > 0 {
            let what = format!("has {strange} lines with numbers that the journal has not, or has once");
            self.problem(ProblemKind::Journal, Some(&name), what);
        }
        let lacking = numbers.len() as u64;
        if lacking == 0 {
            return;
        }
        let first = numbers.first().copied().unwrap_or_default();
        let known = lacking.min(*may_lack);
        *may_lack -= known;
        if finished && lacking > known {
            let what = format!("lacks {lacking} entries that the journal has; the first is {first}");
            self.problem(ProblemKind::Journal, Some(&name), what);
        } else if finished {
            self.note(&format!("{name} lacks {lacking} entries that the journal has; they could not be written"));
        } else {
            self.note(&format!(
                "{name} lacks {lacking} entries that the journal has; they are added when the stream goes on"
            ));
        }
    }
}

/// The name under which problems of the whole journal are reported.
const JOURNAL: &str = "journal.jsonl";

/// An error without the path, which is said beside it.
fn journal_told(error: &JournalError) -> String {
    match error {
        JournalError::File(error) => told(error),
        JournalError::BadLine { path: _, offset, why } => format!("at byte {offset}: {why}"),
        JournalError::NewerFormat { found, known, .. } => {
            format!("has format version {found}, and this program knows up to {known}")
        }
        JournalError::NotAJournal { .. } => "does not begin as a journal does".to_owned(),
        JournalError::OtherStream { .. } => "is the journal of another stream".to_owned(),
        JournalError::NotRising { .. }
        | JournalError::TooLong { .. }
        | JournalError::Full { .. }
        | JournalError::WrittenByAnother { .. } => error.to_string(),
    }
}
