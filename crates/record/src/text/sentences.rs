//! Which line a sentence id means. Ids are counted by speaker and connection, and begin anew with each connection.

use std::collections::{BTreeMap, VecDeque};

use crate::input::Who;

/// How far apart in time a correction and its sentence may begin where nothing else tells them apart: five minutes, longer than
/// one is spoken.
const NEAR_MS: u64 = 300_000;

/// Speaker and sentence id.
pub(super) type Key = (Who, i64);

/// When a line begins, and the order of its arrival.
pub(super) type LineKey = (u64, u64);

/// The sentences of a transcript, those that are deleted too, up to a bound.
#[derive(Debug)]
pub(super) struct Sentences {
    by_key: BTreeMap<Key, Vec<Sentence>>,
    /// One for each, the oldest first.
    order: VecDeque<Key>,
    max: usize,
    added: u64,
}

/// One sentence.
#[derive(Debug)]
pub(super) struct Sentence {
    connection: u64,
    number: u64,
    /// Its line; none once it is deleted.
    pub(super) line: Option<LineKey>,
    /// Each time that it was given as its beginning, at first and by corrections.
    pub(super) starts: Starts,
    /// A correction or a deletion came.
    pub(super) is_corrected: bool,
    pub(super) has_original: bool,
}

/// The first time and the last.
#[derive(Debug, Default)]
pub(super) struct Starts {
    first: Option<u64>,
    last: Option<u64>,
}

/// One that was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    number: u64,
    /// By the time of its beginning, otherwise by its connection.
    pub(super) same_start: bool,
}

impl Sentence {
    pub(super) fn original(connection: u64, start: Option<u64>, line: LineKey) -> Self {
        let starts = Starts { first: start, last: start };
        Self { connection, number: 0, line: Some(line), starts, is_corrected: false, has_original: true }
    }

    /// One whose correction comes first; a deletion has no line.
    pub(super) fn corrected(connection: u64, start: Option<u64>, line: Option<LineKey>) -> Self {
        let starts = Starts { first: start, last: start };
        Self { connection, number: 0, line, starts, is_corrected: true, has_original: false }
    }
}

impl Starts {
    pub(super) fn extend(&mut self, start: Option<u64>) {
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
    pub(super) fn new(max_lines: usize) -> Self {
        // As many deleted ones as there are lines.
        Self { by_key: BTreeMap::new(), order: VecDeque::new(), max: max_lines.max(1).saturating_mul(2), added: 0 }
    }

    /// The newest sentence of this id that began at this time, or else that of this connection.
    pub(super) fn find(&self, key: &Key, start: Option<u64>, connection: u64) -> Option<Found> {
        let sentences = self.by_key.get(key)?;
        let found = |same_start| move |sentence: &Sentence| Found { number: sentence.number, same_start };
        let same = start.and_then(|start| sentences.iter().rev().find(|sentence| sentence.starts.has(start)));
        let own = || sentences.iter().rev().find(|it| it.connection == connection && it.starts.is_near(start));
        same.map(found(true)).or_else(|| own().map(found(false)))
    }

    pub(super) fn get_mut(&mut self, key: &Key, found: Found) -> Option<&mut Sentence> {
        self.by_key.get_mut(key)?.iter_mut().find(|sentence| sentence.number == found.number)
    }

    /// Its line is elsewhere now.
    pub(super) fn moved(&mut self, key: &Key, found: Option<Found>, line: Option<LineKey>) {
        if let Some(sentence) = found.and_then(|found| self.get_mut(key, found)) {
            sentence.line = line.or(sentence.line);
        }
    }

    pub(super) fn add(&mut self, key: Key, sentence: Sentence) {
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
    pub(super) fn delete(&mut self, key: &Key, found: Found, start: Option<u64>) -> Vec<LineKey> {
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
