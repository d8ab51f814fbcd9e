//! Which utterance a sentence id means. Ids are counted by speaker and connection, and begin anew with each connection.

use std::collections::{BTreeMap, VecDeque};

use rtms_wire::sequence::SequenceNumber;

use crate::who::Who;

/// How far apart in time a correction and its sentence may begin where nothing else tells them apart: five minutes,
/// longer than one is spoken.
const NEAR_MS: u64 = 300_000;

/// Speaker and sentence id.
pub(super) type Key = (Who, i64);

/// The sentences of a transcript, deleted ones included, up to a bound.
#[derive(Debug)]
pub(super) struct Sentences {
    by_key: BTreeMap<Key, Vec<Sentence>>,
    /// One for each, the oldest first.
    order: VecDeque<Key>,
    max: usize,
}

/// One sentence, which is one utterance.
#[derive(Debug)]
pub(super) struct Sentence {
    pub(super) id: SequenceNumber,
    pub(super) revision: u64,
    pub(super) connection: u64,
    /// False once it is deleted.
    pub(super) is_shown: bool,
    /// Each time that was given as its beginning, at first and by corrections.
    pub(super) starts: Starts,
    /// A correction or a deletion came.
    pub(super) is_corrected: bool,
    pub(super) has_original: bool,
    /// A hash of what its newest revision shows.
    pub(super) shows: u64,
}

/// The first time and the last.
#[derive(Debug, Default)]
pub(super) struct Starts {
    first: Option<u64>,
    last: Option<u64>,
}

/// A sentence that was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) sentence: &'a Sentence,
    /// By the time of its beginning, otherwise by its connection.
    pub(super) same_start: bool,
}

impl Starts {
    pub(super) fn at(start: Option<u64>) -> Self {
        Self { first: start, last: start }
    }

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
        Self { by_key: BTreeMap::new(), order: VecDeque::new(), max: max_lines.max(1).saturating_mul(2) }
    }

    /// The newest sentence of this id that began at this time, or else that of this connection.
    pub(super) fn find(&self, key: &Key, start: Option<u64>, connection: u64) -> Option<Found<'_>> {
        let sentences = self.by_key.get(key)?;
        let found = |same_start| move |sentence| Found { sentence, same_start };
        let same = start.and_then(|start| sentences.iter().rev().find(|sentence| sentence.starts.has(start)));
        let own = || sentences.iter().rev().find(|it| it.connection == connection && it.starts.is_near(start));
        same.map(found(true)).or_else(|| own().map(found(false)))
    }

    pub(super) fn get_mut(&mut self, key: &Key, id: SequenceNumber) -> Option<&mut Sentence> {
        self.by_key.get_mut(key)?.iter_mut().rev().find(|sentence| sentence.id == id)
    }

    pub(super) fn add(&mut self, key: Key, sentence: Sentence) {
        self.order.push_back(key.clone());
        self.by_key.entry(key).or_default().push(sentence);
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

    /// The shown parts of a sentence: itself, and the others that its connection brought at about this time.
    pub(super) fn shown_parts(&self, key: &Key, of: &Sentence, start: Option<u64>) -> Vec<SequenceNumber> {
        let parts = self.by_key.get(key).into_iter().flatten();
        let parts = parts.filter(|it| it.connection == of.connection && it.starts.is_near(start) && it.is_shown);
        parts.map(|it| it.id).collect()
    }

    /// Marks a sentence and its parts as deleted. Whether there is one.
    pub(super) fn delete(&mut self, key: &Key, id: SequenceNumber, start: Option<u64>) -> bool {
        let Some(sentences) = self.by_key.get_mut(key) else { return false };
        let Some(connection) = sentences.iter().find(|it| it.id == id).map(|it| it.connection) else { return false };
        for sentence in sentences.iter_mut().filter(|it| it.connection == connection && it.starts.is_near(start)) {
            sentence.is_corrected = true;
            sentence.starts.extend(start);
            let was_shown = std::mem::take(&mut sentence.is_shown);
            sentence.revision = sentence.revision.saturating_add(u64::from(was_shown));
        }
        true
    }
}
