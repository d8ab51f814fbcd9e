//! The rules of the readable transcript written down a second time, line by line: what utterances are tested against.

use std::collections::{BTreeMap, VecDeque};

use rtms_wire::{SmolStr, codes::media::DataMessageAttribute, message::text_data::MediaDataTranscript};

use super::start_of;
use crate::who::Who;

/// As many lines as no test has.
const MAX_LINES: usize = 50_000;

/// A line as a reader sees it: from when, until when, by whom, and what.
pub(super) type Shown = (u64, Option<u64>, Option<SmolStr>, String);

/// The lines of a transcript.
#[derive(Debug)]
pub(super) struct Reference {
    lines: Vec<Line>,
    connection: u64,
    sentences: Sentences,
    arrivals: u64,
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

impl Default for Reference {
    fn default() -> Self {
        Self { lines: Vec::new(), connection: 0, sentences: Sentences::new(MAX_LINES), arrivals: 0 }
    }
}

impl Reference {
    pub(super) fn lines(&self) -> Vec<Shown> {
        self.lines.iter().map(|it| (it.start, it.end, it.name.clone(), it.words.clone())).collect()
    }

    pub(super) fn begin_connection(&mut self) {
        self.connection += 1;
    }

    /// A new line, a better one, or one less.
    ///
    /// A correction or deletion is for the sentence of its id that began at the same time, on whichever connection;
    /// else for that of its own connection, as the count of sentences begins anew with each. An original that comes
    /// after its correction changes nothing.
    pub(super) fn apply(&mut self, said: &MediaDataTranscript) {
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
            }
        }
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
        line.start = start_of(said).unwrap_or(line.start);
        line.end = said.end_time.map(|time| time.0).or(line.end);
        line.name = said.user_name.clone().or(line.name);
        line.words.clone_from(&said.data);
        Some(self.put(line))
    }

    fn put(&mut self, line: Line) -> LineKey {
        let key = line.key();
        let place = self.lines.partition_point(|other| other.key() < key);
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
}

/// How far apart in time a correction and its sentence may begin where nothing else tells them apart: five minutes,
/// longer than one is spoken.
const NEAR_MS: u64 = 300_000;

/// Speaker and sentence id.
type Key = (Who, i64);

/// When a line begins, and the order of its arrival.
type LineKey = (u64, u64);

/// The sentences of a transcript, those that are deleted too, up to a bound.
#[derive(Debug)]
struct Sentences {
    by_key: BTreeMap<Key, Vec<Sentence>>,
    /// One for each, the oldest first.
    order: VecDeque<Key>,
    max: usize,
    added: u64,
}

/// One sentence.
#[derive(Debug)]
struct Sentence {
    connection: u64,
    number: u64,
    /// Its line; none once it is deleted.
    line: Option<LineKey>,
    /// Each time that it was given as its beginning, at first and by corrections.
    starts: Starts,
    /// A correction or a deletion came.
    is_corrected: bool,
    has_original: bool,
}

/// The first time and the last.
#[derive(Debug, Default)]
struct Starts {
    first: Option<u64>,
    last: Option<u64>,
}

/// One that was found.
#[derive(Clone, Copy, Debug)]
struct Found {
    number: u64,
    /// By the time of its beginning, otherwise by its connection.
    same_start: bool,
}

impl Sentence {
    fn original(connection: u64, start: Option<u64>, line: LineKey) -> Self {
        let starts = Starts { first: start, last: start };
        Self { connection, number: 0, line: Some(line), starts, is_corrected: false, has_original: true }
    }

    /// One whose correction comes first; a deletion has no line.
    fn corrected(connection: u64, start: Option<u64>, line: Option<LineKey>) -> Self {
        let starts = Starts { first: start, last: start };
        Self { connection, number: 0, line, starts, is_corrected: true, has_original: false }
    }
}

impl Starts {
    fn extend(&mut self, start: Option<u64>) {
        self.first = self.first.or(start);
        self.last = start.or(self.last);
    }

    fn has(&self, start: u64) -> bool {
        self.first == Some(start) || self.last == Some(start)
    }

    fn is_near(&self, start: Option<u64>) -> bool {
        self.last.zip(start).is_none_or(|(last, start)| last.abs_diff(start) <= NEAR_MS)
    }
}

impl Sentences {
    fn new(max_lines: usize) -> Self {
        // As many deleted ones as there are lines.
        Self { by_key: BTreeMap::new(), order: VecDeque::new(), max: max_lines.max(1).saturating_mul(2), added: 0 }
    }

    /// The newest sentence of this id that began at this time, or else that of this connection.
    fn find(&self, key: &Key, start: Option<u64>, connection: u64) -> Option<Found> {
        let sentences = self.by_key.get(key)?;
        let found = |same_start| move |sentence: &Sentence| Found { number: sentence.number, same_start };
        let same = start.and_then(|start| sentences.iter().rev().find(|sentence| sentence.starts.has(start)));
        let own = || sentences.iter().rev().find(|it| it.connection == connection && it.starts.is_near(start));
        same.map(found(true)).or_else(|| own().map(found(false)))
    }

    fn get_mut(&mut self, key: &Key, found: Found) -> Option<&mut Sentence> {
        self.by_key.get_mut(key)?.iter_mut().find(|sentence| sentence.number == found.number)
    }

    /// Its line is elsewhere now.
    fn moved(&mut self, key: &Key, found: Option<Found>, line: Option<LineKey>) {
        if let Some(sentence) = found.and_then(|found| self.get_mut(key, found)) {
            sentence.line = line.or(sentence.line);
        }
    }

    fn add(&mut self, key: Key, sentence: Sentence) {
        self.added += 1;
        self.order.push_back(key.clone());
        self.by_key.entry(key).or_default().push(Sentence { number: self.added, ..sentence });
        if self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
            && let Some(sentences) = self.by_key.get_mut(&oldest)
        {
            sentences.remove(0);
            if sentences.is_empty() {
                self.by_key.remove(&oldest);
            }
        }
    }

    /// Deletes it, and the other parts of it that its connection brought; their lines.
    fn delete(&mut self, key: &Key, found: Found, start: Option<u64>) -> Vec<LineKey> {
        let Some(sentences) = self.by_key.get_mut(key) else { return Vec::new() };
        let connection = sentences.iter().find(|it| it.number == found.number).map(|it| it.connection);
        let parts = sentences.iter_mut().filter(|it| Some(it.connection) == connection && it.starts.is_near(start));
        parts
            .filter_map(|sentence| {
                sentence.is_corrected = true;
                sentence.starts.extend(start);
                sentence.line.take()
            })
            .collect()
    }
}
