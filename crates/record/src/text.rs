//! What was said, in words: `transcript.jsonl` as received, and `.vtt` and `.txt` as it reads in the end, with updates
//! and deletions applied, in the order of speaking.
//!
//! The readable files are written from the first line that changed, so a long meeting costs no more than a short one.

use std::{
    collections::BTreeSet,
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
    people::People,
};

/// How long a line is shown that does not say when it ended.
const SHOWN_MS: u64 = 3000;

/// The transcript as it reads now.
#[derive(Debug)]
pub(crate) struct Transcript {
    /// By time of speaking, then of arrival.
    lines: Vec<Line>,
    /// Whose sentences are among them, so that a new one is not looked for.
    sentences: BTreeSet<(Who, i64)>,
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
    sentence_id: Option<i64>,
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
            sentences: BTreeSet::new(),
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
            if let Ok(said) = serde_json::from_slice(&line) {
                self.apply(&said);
            }
            line.clear();
        }
        self.changed_from = 0;
        Ok(())
    }

    /// All is to be written again: the origin changed.
    pub(crate) fn change_all(&mut self) {
        if !self.lines.is_empty() {
            self.changed_from = 0;
        }
    }

    /// Lines that do not say whose they are by name are to be written again: names changed.
    pub(crate) fn change_nameless(&mut self) {
        let nameless = self.lines.iter().position(|line| line.name.as_ref().is_none_or(|name| name.is_empty()));
        self.changed_from = self.changed_from.min(nameless.unwrap_or(usize::MAX));
    }

    /// A new line, a better one, or one less.
    pub(crate) fn apply(&mut self, said: &MediaDataTranscript) {
        let who = Who::of(said.user_id.as_ref(), said.channel_id.as_ref());
        let sentence = said.sentence_id.map(|id| (who.clone(), id)).filter(|id| self.sentences.contains(id));
        // From the end, as updates follow closely.
        let known = sentence
            .and_then(|(who, id)| self.lines.iter().rposition(|line| line.sentence_id == Some(id) && line.who == who));
        match (said.attribute.unwrap_or(DataMessageAttribute::New), known) {
            (DataMessageAttribute::Delete, known) => {
                if let Some(id) = said.sentence_id {
                    self.delete(&who, id, known);
                }
            }
            (DataMessageAttribute::Update, Some(known)) => self.update(known, said),
            (DataMessageAttribute::Update, None) => self.insert(who, said),
            (
                DataMessageAttribute::None | DataMessageAttribute::New | DataMessageAttribute::Unknown(_),
                Some(known),
            ) if self.lines.get(known).is_some_and(|line| Some(line.start) == start_of(said)) => {
                // Sent again after a reconnect.
                self.update(known, said);
            }
            (DataMessageAttribute::None | DataMessageAttribute::New | DataMessageAttribute::Unknown(_), _) => {
                // Without a sentence id only all of it can tell that it was sent again.
                let start = start_of(said);
                let same_time = self.lines.partition_point(|line| Some(line.start) < start);
                let again = said.sentence_id.is_none()
                    && self
                        .lines
                        .iter()
                        .skip(same_time)
                        .take_while(|line| Some(line.start) == start)
                        .any(|line| line.sentence_id.is_none() && line.who == who && line.words == said.data);
                if !again {
                    self.insert(who, said);
                }
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
        for line in self.lines.drain(..surplus) {
            if let Some(id) = line.sentence_id {
                self.sentences.remove(&(line.who, id));
            }
        }
        self.vtt.starts.drain(..surplus.min(self.vtt.starts.len()));
        self.text.starts.drain(..surplus.min(self.text.starts.len()));
        Ok(())
    }

    fn insert(&mut self, who: Who, said: &MediaDataTranscript) {
        let start = start_of(said).or_else(|| self.lines.last().map(|line| line.start)).unwrap_or_default();
        self.arrivals += 1;
        if let Some(id) = said.sentence_id {
            self.sentences.insert((who.clone(), id));
        }
        let line = Line {
            start,
            arrival: self.arrivals,
            end: said.end_time.map(|time| time.0),
            who,
            name: said.user_name.clone(),
            words: said.data.clone(),
            sentence_id: said.sentence_id,
        };
        self.put(line);
    }

    fn update(&mut self, place: usize, said: &MediaDataTranscript) {
        let mut line = self.lines.remove(place);
        self.changed_from = self.changed_from.min(place);
        line.start = start_of(said).unwrap_or(line.start);
        line.end = said.end_time.map(|time| time.0).or(line.end);
        line.name = said.user_name.clone().or(line.name);
        line.words.clone_from(&said.data);
        self.put(line);
    }

    fn delete(&mut self, who: &Who, id: i64, known: Option<usize>) {
        if known.is_none() {
            return;
        }
        let of_it = |line: &Line| line.sentence_id == Some(id) && line.who == *who;
        if let Some(first) = self.lines.iter().position(of_it) {
            self.changed_from = self.changed_from.min(first);
            self.lines.retain(|line| !of_it(line));
            self.sentences.remove(&(who.clone(), id));
        }
    }

    fn put(&mut self, line: Line) {
        let order = (line.start, line.arrival);
        let place = self.lines.partition_point(|other| (other.start, other.arrival) < order);
        self.changed_from = self.changed_from.min(place);
        self.lines.insert(place, line);
    }
}

impl Line {
    fn speaker(&self, people: &People) -> SmolStr {
        let named = self.name.as_ref().filter(|name| !name.is_empty());
        named.cloned().or_else(|| people.name(&self.who)).unwrap_or_else(|| self.who.label())
    }

    fn as_vtt(&self, origin: UnixMillis, people: &People) -> String {
        let start = self.start.saturating_sub(origin.0);
        let end = self.end.filter(|end| *end > self.start).unwrap_or(self.start.saturating_add(SHOWN_MS));
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

/// Line breaks and other control characters as spaces: an empty line would end a cue, and a terminal obeys the rest.
fn one_line(text: &str) -> String {
    let words: Vec<_> = text.split(char::is_control).filter(|part| !part.is_empty()).collect();
    words.join(" ")
}

/// WebVTT's own characters as references, so that no text becomes markup or an arrow.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
