//! What was said, in words: `transcript.jsonl` as received, and `.vtt` and `.txt` as it reads in the end, with updates
//! and deletions applied, in the order of speaking.
//!
//! The readable files are written from the first line that changed, so a long meeting costs no more than a short one.

mod sentences;

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
};

use rtms_wire::{
    SmolStr, codes::media::DataMessageAttribute, message::text_data::MediaDataTranscript, time::UnixMillis,
};

use crate::{
    error::RecordError,
    file::{Files, failed},
    input::Who,
    layout::Layout,
    ledger::MAX_MESSAGE_MS,
    people::People,
    readable::{is_blank, one_line},
};
use sentences::{Found, Key, LineKey, Sentence, Sentences};

/// How long a line is shown that does not say when it ended.
const SHOWN_MS: u64 = 3000;

/// The transcript as it reads now.
#[derive(Debug)]
pub(crate) struct Transcript {
    /// By time of speaking, then of arrival.
    lines: Vec<Line>,
    /// Which connection the lines come from: sentences are counted anew on each.
    connection: u64,
    sentences: Sentences,
    arrivals: u64,
    /// The first line that is not in the files as it is here.
    changed_from: usize,
    max_lines: usize,
    vtt: Readable,
    text: Readable,
}

#[derive(Debug)]
struct Line {
    start: u64,
    arrival: u64,
    end: Option<u64>,
    who: Who,
    name: Option<SmolStr>,
    words: String,
    has_id: bool,
}

/// A file that is written again from some line on.
#[derive(Debug)]
struct Readable {
    path: PathBuf,
    heading: &'static str,
    /// Where each line begins. The lines before them have left memory.
    starts: Vec<u64>,
    end: u64,
}

impl Transcript {
    pub(crate) fn new(layout: &Layout, max_lines: usize) -> Self {
        let readable =
            |path, heading: &'static str| Readable { path, heading, starts: Vec::new(), end: heading.len() as u64 };
        Self {
            lines: Vec::new(),
            connection: 0,
            sentences: Sentences::new(max_lines),
            arrivals: 0,
            changed_from: usize::MAX,
            max_lines: max_lines.max(1),
            vtt: readable(layout.transcript_vtt(), "WEBVTT\n\n"),
            text: readable(layout.transcript_text(), ""),
        }
    }

    /// Reads what an earlier process wrote. Lines that make no sense are passed over: they stay where they are.
    pub(crate) fn resume(&mut self, layout: &Layout) -> Result<(), RecordError> {
        let path = layout.transcript_lines();
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(failed("open", &path, source)),
        };
        let mut line = Vec::new();
        let mut reader = BufReader::new(file);
        while reader.read_until(b'\n', &mut line).map_err(|source| failed("read", &path, source))? > 0 {
            if let Ok(said) = serde_json::from_slice::<MediaDataTranscript>(&line) {
                let connection = said.extra.get("connection").and_then(serde_json::Value::as_u64);
                self.connection = connection.unwrap_or(1).max(self.connection);
                self.apply(&said);
            }
            line.clear();
        }
        self.changed_from = 0;
        // The process that comes has another.
        self.connection += 1;
        Ok(())
    }

    /// Another connection brings what comes from here on.
    pub(crate) fn begin_connection(&mut self) {
        self.connection += 1;
    }

    /// The number of the connection, from 1.
    pub(crate) fn connection(&self) -> u64 {
        self.connection
    }

    /// All is to be written again: the origin changed.
    pub(crate) fn change_all(&mut self) {
        if !self.lines.is_empty() {
            self.changed_from = 0;
        }
    }

    /// Lines that do not say whose they are by name are to be written again: names changed.
    pub(crate) fn change_nameless(&mut self) {
        let nameless = self.lines.iter().position(|line| line.name.as_ref().is_none_or(|name| is_blank(name)));
        self.changed_from = self.changed_from.min(nameless.unwrap_or(usize::MAX));
    }

    /// A new line, a better one, or one less.
    ///
    /// A correction or deletion is for the sentence of its id that began at the same time, on whichever connection; else for
    /// that of its own connection, as the count of sentences begins anew with each. An original that comes after its
    /// correction changes nothing.
    pub(crate) fn apply(&mut self, said: &MediaDataTranscript) {
        let who = Who::of(said.user_id.as_ref(), said.channel_id.as_ref());
        let Some(id) = said.sentence_id else { return self.apply_without_id(who, said) };
        let (key, start) = ((who, id), start_of(said));
        let known = self.sentences.find(&key, start, self.connection);
        match said.attribute.unwrap_or(DataMessageAttribute::New) {
            DataMessageAttribute::Delete => self.delete(key, start, known),
            DataMessageAttribute::Update => self.correct(key, said, known),
            DataMessageAttribute::None | DataMessageAttribute::New | DataMessageAttribute::Unknown(_) => {
                self.original(key, said, known);
            }
        }
    }

    /// Without a sentence id nothing can be corrected, and only all of it can tell that it was sent again.
    fn apply_without_id(&mut self, who: Who, said: &MediaDataTranscript) {
        if said.attribute == Some(DataMessageAttribute::Delete) {
            return;
        }
        let start = start_of(said);
        let same_time = self.lines.partition_point(|line| Some(line.start) < start);
        let mut beside = self.lines.iter().skip(same_time).take_while(|line| Some(line.start) == start);
        // Of people who are not named, two may say the same at once.
        let is_again = said.attribute != Some(DataMessageAttribute::Update)
            && who != Who::Everyone
            && beside.any(|line| !line.has_id && line.who == who && line.words == said.data);
        if !is_again {
            self.insert(who, said);
        }
    }

    fn original(&mut self, key: Key, said: &MediaDataTranscript, known: Option<Found>) {
        let start = start_of(said);
        match known.and_then(|found| Some((found, self.sentences.get_mut(&key, found)?))) {
            Some((found, sentence)) if sentence.is_corrected && (found.same_start || !sentence.has_original) => {
                sentence.has_original = true;
                sentence.starts.extend(start);
            }
            // Sent again after a reconnect.
            Some((Found { same_start: true, .. }, sentence)) => {
                if let Some(line) = sentence.line {
                    let line = self.update(line, said);
                    self.sentences.moved(&key, known, line);
                }
            }
            Some(_) | None => {
                let line = self.insert(key.0.clone(), said);
                self.sentences.add(key, Sentence::original(self.connection, start, line));
            }
        }
    }

    fn correct(&mut self, key: Key, said: &MediaDataTranscript, known: Option<Found>) {
        let start = start_of(said);
        let sentence = known.and_then(|found| self.sentences.get_mut(&key, found));
        if let Some(sentence) = sentence {
            let Some(line) = sentence.line else { return };
            sentence.is_corrected = true;
            sentence.starts.extend(start);
            if let Some(line) = self.update(line, said) {
                return self.sentences.moved(&key, known, Some(line));
            }
            // It has left memory, and stays in the files as it is.
        }
        let line = self.insert(key.0.clone(), said);
        self.sentences.add(key, Sentence::corrected(self.connection, start, Some(line)));
    }

    fn delete(&mut self, key: Key, start: Option<u64>, known: Option<Found>) {
        let Some(found) = known else {
            // Its original may still come.
            return self.sentences.add(key, Sentence::corrected(self.connection, start, None));
        };
        for line in self.sentences.delete(&key, found, start) {
            if let Some(place) = self.place(line) {
                self.lines.remove(place);
                self.changed_from = self.changed_from.min(place);
            }
        }
    }

    /// Writes what changed.
    pub(crate) fn flush(&mut self, origin: UnixMillis, people: &People, files: &mut Files) -> Result<(), RecordError> {
        if self.changed_from <= self.lines.len() {
            let from = self.changed_from;
            let changed = self.lines.get(from..).unwrap_or_default();
            self.vtt.rewrite(from, changed.iter().map(|line| line.as_vtt(origin, people)), files)?;
            self.text.rewrite(from, changed.iter().map(|line| line.as_text(origin, people)), files)?;
            self.changed_from = usize::MAX;
        }
        let surplus = self.lines.len().saturating_sub(self.max_lines);
        self.lines.drain(..surplus);
        self.vtt.starts.drain(..surplus.min(self.vtt.starts.len()));
        self.text.starts.drain(..surplus.min(self.text.starts.len()));
        Ok(())
    }

    fn insert(&mut self, who: Who, said: &MediaDataTranscript) -> LineKey {
        let start = start_of(said).or_else(|| self.lines.last().map(|line| line.start)).unwrap_or_default();
        self.arrivals += 1;
        self.put(Line {
            start,
            arrival: self.arrivals,
            end: said.end_time.map(|time| time.0),
            who,
            name: said.user_name.clone(),
            words: said.data.clone(),
            has_id: said.sentence_id.is_some(),
        })
    }

    /// Where the line is then; none if it has left memory.
    fn update(&mut self, line: LineKey, said: &MediaDataTranscript) -> Option<LineKey> {
        let place = self.place(line)?;
        let mut line = self.lines.remove(place);
        self.changed_from = self.changed_from.min(place);
        line.start = start_of(said).unwrap_or(line.start);
        line.end = said.end_time.map(|time| time.0).or(line.end);
        line.name = said.user_name.clone().or(line.name);
        line.words.clone_from(&said.data);
        Some(self.put(line))
    }

    fn put(&mut self, line: Line) -> LineKey {
        let key = line.key();
        let place = self.lines.partition_point(|other| other.key() < key);
        self.changed_from = self.changed_from.min(place);
        self.lines.insert(place, line);
        key
    }

    fn place(&self, line: LineKey) -> Option<usize> {
        self.lines.binary_search_by_key(&line, Line::key).ok()
    }
}

impl Line {
    fn key(&self) -> LineKey {
        (self.start, self.arrival)
    }

    fn speaker(&self, people: &People) -> SmolStr {
        let named = self.name.as_ref().filter(|name| !is_blank(name)).cloned();
        named.or_else(|| people.name_at(&self.who, UnixMillis(self.start))).unwrap_or_else(|| self.who.label())
    }

    fn as_vtt(&self, origin: UnixMillis, people: &People) -> String {
        let start = self.start.saturating_sub(origin.0);
        let end = self.end.filter(|end| *end > self.start).unwrap_or(self.start.saturating_add(SHOWN_MS));
        let end = end.min(self.start.saturating_add(MAX_MESSAGE_MS));
        // A line from before the origin is shown at the very beginning, for an instant at least.
        let end = end.saturating_sub(origin.0).max(start.saturating_add(1));
        let speaker = escape(&one_line(&self.speaker(people)));
        format!("{} --> {}\n<v {speaker}>{}\n\n", clock(start), clock(end), escape(&one_line(&self.words)))
    }

    fn as_text(&self, origin: UnixMillis, people: &People) -> String {
        let clock = clock(self.start.saturating_sub(origin.0));
        // Whole seconds are what people look for.
        let seconds = clock.split('.').next().unwrap_or_default();
        format!("[{seconds}] {}: {}\n", one_line(&self.speaker(people)), one_line(&self.words))
    }
}

impl Readable {
    fn rewrite(
        &mut self,
        from: usize,
        lines: impl Iterator<Item = String>,
        files: &mut Files,
    ) -> Result<(), RecordError> {
        let begin = self.starts.get(from).copied().unwrap_or(self.end);
        let mut text = String::new();
        let mut starts = Vec::new();
        for line in lines {
            starts.push(begin + text.len() as u64);
            text.push_str(&line);
        }
        if begin == self.heading.len() as u64 {
            files.write_at(&self.path, 0, self.heading.as_bytes())?;
        }
        files.write_at(&self.path, begin, text.as_bytes())?;
        files.set_len(&self.path, begin + text.len() as u64)?;
        self.starts.truncate(from);
        self.starts.append(&mut starts);
        self.end = begin + text.len() as u64;
        Ok(())
    }
}

/// When it was said. Documents disagree on `timestamp`, so it serves only for want of `start_time`.
fn start_of(said: &MediaDataTranscript) -> Option<u64> {
    said.start_time.or(said.timestamp).map(|time| time.0)
}

/// The time on a tape, `hh:mm:ss.mmm`.
fn clock(ms: u64) -> String {
    format!("{:02}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000)
}

/// WebVTT's own characters as references, so that no text becomes markup or an arrow.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
