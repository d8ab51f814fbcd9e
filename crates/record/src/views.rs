//! `transcript.jsonl`, `chat.jsonl` and `events.jsonl`: views of the journal, a file for each kind of reader.
//!
//! The journal is the truth: it has an entry before anybody hears it, and a view has it about a second later. What a
//! process that died had not brought into its views is added when somebody goes on with the recording, see
//! [`complete`].

use rtms_wire::{
    extra::{Extra, set_apart},
    message::{
        event_update::EventUpdate,
        text_data::{MediaDataChat, MediaDataTranscript},
    },
    sequence::SequenceNumber,
    time::UnixMillis,
    utterance::Utterance,
};
use serde::{Deserialize, Serialize};

use crate::{
    bookkeeper::{Bookkeeper, Extent},
    error::RecordError,
    file::{Appender, Files, keep_first, last_lines},
    input::{Input, RecordingAbout},
    journal::{
        entry::{Entry, Word},
        error::JournalError,
        read::JournalReader,
    },
    layout::Layout,
    note::Note,
};

/// How much of the end of a view is read for its last number. Lines without one are of an older version, or were handed
/// to the recorder without one.
const TAIL_BYTES: u64 = 2 << 20;

/// Entries of which the names are learnt again: more than a process can have in memory between two syncs.
const MAX_LEARNT: usize = 10_000;

/// What an entry has beside its content.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stamp {
    pub(crate) number: SequenceNumber,
    pub(crate) at: UnixMillis,
    pub(crate) utterance: Option<Utterance>,
}

/// A line that was added to a view.
#[derive(Debug)]
pub(crate) struct Added {
    /// What it is of.
    pub(crate) input: Input,
    /// When that came, on our clock.
    pub(crate) at: UnixMillis,
    /// Which time it is for, if it is of a medium.
    pub(crate) extent: Option<Extent>,
}

/// The three files.
#[derive(Debug)]
pub(crate) struct Views {
    pub(crate) transcript: Appender,
    pub(crate) chat: Appender,
    pub(crate) events: Appender,
    last: Last,
}

/// The last number in each view.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    transcript: SequenceNumber,
    chat: SequenceNumber,
    events: SequenceNumber,
}

/// A line of `transcript.jsonl` or `chat.jsonl`: the message as it came, when, and under which number.
#[derive(Serialize)]
struct Line<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<SequenceNumber>,
    received_at: UnixMillis,
    /// Sentences are counted within a connection; the first is not written.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    utterance: Option<&'a Utterance>,
    #[serde(flatten)]
    message: &'a T,
}

/// A line of `events.jsonl`.
#[derive(Serialize)]
struct EventLine<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<SequenceNumber>,
    at: UnixMillis,
    kind: &'a str,
    #[serde(flatten)]
    what: &'a T,
}

/// Whether [`Line`] has a field of this name.
fn is_of_line(name: &str) -> bool {
    matches!(name, "n" | "received_at" | "connection" | "utterance")
}

/// Whether [`EventLine`] has a field of this name.
fn is_of_event_line(name: &str) -> bool {
    matches!(name, "n" | "at" | "kind")
}

/// Sets fields of the sender's apart that are called like fields of a line.
pub(crate) fn set_apart_said(said: &mut MediaDataTranscript) {
    set_apart(&mut said.extra, is_of_line);
}

/// The same in a message of the chat.
pub(crate) fn set_apart_written(chat: &mut MediaDataChat) {
    set_apart(&mut chat.fields.extra, is_of_line);
}

impl Stamp {
    /// Divides an entry into its stamp and what a recorder does with it; nothing for what its files leave out.
    pub(crate) fn divide(entry: Entry) -> Option<(Self, Input)> {
        let Entry { number, at, word } = entry;
        let utterance = match &word {
            Word::Transcript { utterance, .. } => Some(utterance.clone()),
            Word::Chat(_) | Word::Event(_) | Word::Note(_) | Word::Unlisted(_) | Word::Span(_) => None,
        };
        Some((Self { number, at, utterance }, Input::of_word(word)?))
    }
}

impl Views {
    pub(crate) fn open(layout: &Layout, max_held_bytes: usize) -> Result<Self, RecordError> {
        let appender = |path| Appender::open(path, max_held_bytes);
        let last = Last {
            transcript: last_number(&layout.transcript_lines())?,
            chat: last_number(&layout.chat())?,
            events: last_number(&layout.events())?,
        };
        Ok(Self {
            transcript: appender(layout.transcript_lines())?,
            chat: appender(layout.chat())?,
            events: appender(layout.events())?,
            last,
        })
    }

    /// Whether the view of this entry has not got as far; it counts as there from now on.
    pub(crate) fn advance_to(&mut self, entry: &Entry) -> bool {
        let last = match &entry.word {
            Word::Transcript { .. } => &mut self.last.transcript,
            Word::Chat(_) => &mut self.last.chat,
            Word::Event(_) | Word::Note(_) => &mut self.last.events,
            Word::Unlisted(_) | Word::Span(_) => return false,
        };
        let is_further = entry.number > *last;
        *last = entry.number.max(*last);
        is_further
    }

    /// A line of the transcript, which came now on this connection unless its stamp says otherwise.
    pub(crate) fn push_said(
        &mut self,
        said: &MediaDataTranscript,
        stamp: Option<&Stamp>,
        connection: u64,
        now: UnixMillis,
        files: &mut Files,
    ) -> Result<(), RecordError> {
        let utterance = stamp.and_then(|stamp| stamp.utterance.as_ref());
        let connection = utterance.map_or(connection, |utterance| utterance.connection);
        let line = Line {
            n: stamp.map(|stamp| stamp.number),
            received_at: stamp.map_or(now, |stamp| stamp.at),
            connection: Some(connection).filter(|connection| *connection > 1),
            utterance,
            message: said,
        };
        self.transcript.push_line(&line, files)
    }

    /// A message of the chat, which came now unless its stamp says otherwise.
    pub(crate) fn push_written(
        &mut self,
        chat: &MediaDataChat,
        stamp: Option<&Stamp>,
        now: UnixMillis,
        files: &mut Files,
    ) -> Result<(), RecordError> {
        let line = Line {
            n: stamp.map(|stamp| stamp.number),
            received_at: stamp.map_or(now, |stamp| stamp.at),
            connection: None,
            utterance: None,
            message: chat,
        };
        self.chat.push_line(&line, files)
    }

    /// An event. Where it has no time, it is of when it came.
    pub(crate) fn push_event(
        &mut self,
        mut update: EventUpdate,
        stamp: Option<&Stamp>,
        now: UnixMillis,
        files: &mut Files,
    ) -> Result<(), RecordError> {
        set_apart(&mut update.extra, is_of_event_line);
        let at = update.event.time().unwrap_or(stamp.map_or(now, |stamp| stamp.at));
        let n = stamp.map(|stamp| stamp.number);
        self.events.push_line(&EventLine { n, at, kind: "event_update", what: &update }, files)
    }

    /// A note of ours, whose own fields lose against those of the line.
    pub(crate) fn push_note(
        &mut self,
        note: Note,
        stamp: Option<&Stamp>,
        files: &mut Files,
    ) -> Result<(), RecordError> {
        let Note { at, kind, fields } = note;
        let fields: Extra = fields.into_iter().filter(|(name, _)| !is_of_event_line(name)).collect();
        let n = stamp.map(|stamp| stamp.number);
        self.events.push_line(&EventLine { n, at, kind: &kind, what: &fields }, files)
    }

    fn flush(&mut self, files: &mut Files) -> Result<(), RecordError> {
        let mut done = self.transcript.flush(files);
        keep_first(&mut done, self.chat.flush(files));
        keep_first(&mut done, self.events.flush(files));
        done
    }
}

/// Adds to the views what the journal has and they lack, as the process that died would have written it. Returns the
/// newest of what was added.
///
/// A journal of a newer version, or of another stream, is left alone and adds nothing.
pub(crate) fn complete(
    layout: &Layout,
    about: &RecordingAbout,
    max_held_bytes: usize,
    files: &mut Files,
) -> Result<Vec<Added>, RecordError> {
    let of_file = |error| match error {
        JournalError::File(error) => Some(error),
        JournalError::NotRising { .. }
        | JournalError::TooLong { .. }
        | JournalError::Full { .. }
        | JournalError::WrittenByAnother { .. }
        | JournalError::NewerFormat { .. }
        | JournalError::NotAJournal { .. }
        | JournalError::OtherStream { .. }
        | JournalError::BadLine { .. } => None,
    };
    let mut added = Vec::new();
    let mut views = Views::open(layout, max_held_bytes)?;
    let Last { transcript, chat, events } = views.last;
    let reader = match JournalReader::open(layout.folder()) {
        Ok(reader) if reader.stream_id() == Some(&about.stream_id) => reader,
        Ok(_) => return Ok(added),
        Err(error) => return of_file(error).map_or(Ok(added), Err),
    };
    let entries = match reader.after(transcript.min(chat).min(events)) {
        Ok(entries) => entries,
        Err(error) => return of_file(error).map_or(Ok(added), Err),
    };
    let mut book: Option<Bookkeeper> = None;
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => match of_file(error) {
                Some(error) => return Err(error),
                None => continue,
            },
        };
        if !views.advance_to(&entry) {
            continue;
        }
        let Some((stamp, input)) = Stamp::divide(Entry::clone(&entry)) else { continue };
        let at = stamp.at;
        let book = book.get_or_insert_with(|| Bookkeeper::new(about.started_at, about.product, at));
        let (mut input, _, extent) = book.settle(input, at);
        let stamp = Some(&stamp);
        match &mut input {
            Input::Transcript(said) => {
                set_apart_said(said);
                views.push_said(said, stamp, 0, at, files)?;
            }
            Input::Chat(chat) => {
                set_apart_written(chat);
                views.push_written(chat, stamp, at, files)?;
            }
            Input::Event(update) => views.push_event(update.clone(), stamp, at, files)?,
            Input::Note(note) => views.push_note(note.clone(), stamp, files)?,
            Input::Granted(..)
            | Input::Audio(_)
            | Input::Video(_)
            | Input::Deskshare(_)
            | Input::Word(_)
            | Input::Change(..)
            | Input::Dropped(_)
            | Input::Unreadable { .. }
            | Input::Raw(_)
            | Input::Repeats { .. }
            | Input::Clock { .. } => {}
        }
        if added.len() >= MAX_LEARNT {
            // Half at a time, so that none is moved often.
            added.drain(..MAX_LEARNT / 2);
        }
        added.push(Added { input, at, extent });
    }
    views.flush(files)?;
    Ok(added)
}

/// The last number among the lines of a view; 0-0 if they have none.
fn last_number(view: &std::path::Path) -> Result<SequenceNumber, RecordError> {
    #[derive(Deserialize)]
    struct Numbered {
        n: Option<SequenceNumber>,
    }
    let lines = last_lines(view, TAIL_BYTES)?;
    let mut lines = lines.iter().rev().filter_map(|line| serde_json::from_slice::<Numbered>(line).ok());
    Ok(lines.find_map(|line| line.n).unwrap_or_default())
}
