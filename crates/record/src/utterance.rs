//! Utterances: what a message of the transcript does to the lines before it, so that a reader needs no guess.
//!
//! Zoom corrects and deletes a line by speaker and sentence id, which it counts anew on each connection, and sends some
//! messages twice. [`Utterances`] turns that into a stable id, a revision, and what changes. The readable transcript
//! and everything that is published apply the same result.

mod sentences;

use std::{
    collections::{BTreeMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::who::Who;
use rtms_wire::{
    codes::media::DataMessageAttribute,
    message::text_data::MediaDataTranscript,
    sequence::SequenceNumber,
    time::UnixMillis,
    utterance::{Utterance, UtteranceChange},
};
use sentences::{Key, Sentence, Sentences, Starts};

/// The utterances of one stream: a bounded memory of the lines that a message can refer to.
///
/// ```
/// use rtms_record::utterance::Utterances;
/// use rtms_wire::{
///     codes::media::DataMessageAttribute, message::text_data::MediaDataTranscript, sequence::Numbering,
///     utterance::UtteranceChange,
/// };
///
/// let (mut utterances, mut numbering) = (Utterances::new(50_000), Numbering::new(7));
/// let said = MediaDataTranscript { user_id: Some(5.into()), sentence_id: Some(1), ..Default::default() };
/// let first = utterances.take(&said, numbering.give());
/// assert_eq!((first.id.to_string().as_str(), first.change), ("7-1", UtteranceChange::New));
///
/// let better = MediaDataTranscript { data: "better".into(), attribute: Some(DataMessageAttribute::Update), ..said };
/// let second = utterances.take(&better, numbering.give());
/// assert_eq!((second.id, second.revision), (first.id, 2));
/// assert_eq!(second.change, UtteranceChange::Replaces { replaces: 1 });
/// ```
#[derive(Debug)]
pub struct Utterances {
    connection: u64,
    sentences: Sentences,
    without_id: WithoutId,
}

impl Utterances {
    /// Remembers as many lines, and as many deleted ones. What refers to an older line counts as new.
    pub fn new(max_lines: usize) -> Self {
        Self { connection: 0, sentences: Sentences::new(max_lines), without_id: WithoutId::new(max_lines) }
    }

    /// Notes that another connection brings what follows.
    pub fn begin_connection(&mut self) {
        self.connection = self.connection.saturating_add(1);
    }

    /// Notes that there were this many connections at least.
    pub(crate) fn reach_connection(&mut self, connection: u64) {
        self.connection = self.connection.max(connection);
    }

    /// The number of the connection, from 1; 0 before the first.
    pub fn connection(&self) -> u64 {
        self.connection
    }

    /// Returns what a message does. `number` is that of its entry, which becomes the id of a new line.
    ///
    /// A correction or deletion is for the sentence of its id that began at the same time, on whichever connection;
    /// else for that of its own connection. An original that comes after its correction changes nothing.
    pub fn take(&mut self, said: &MediaDataTranscript, number: SequenceNumber) -> Utterance {
        let utterance = self.find(said, number);
        self.remember(said, &utterance);
        utterance
    }

    /// Remembers what [`Utterances::take`] returned for a message in an earlier process. Messages are restored in
    /// order.
    pub fn restore(&mut self, said: &MediaDataTranscript, utterance: &Utterance) {
        self.reach_connection(utterance.connection);
        self.remember(said, utterance);
    }

    fn find(&self, said: &MediaDataTranscript, number: SequenceNumber) -> Utterance {
        let of = |id, revision, change| Utterance { id, revision, connection: self.connection, change };
        let new = || of(number, 1, UtteranceChange::New);
        let attribute = said.attribute.unwrap_or(DataMessageAttribute::New);
        let Some(key) = key_of(said) else {
            // Nothing can be corrected, and only all of it can tell that it was sent again.
            return match attribute {
                DataMessageAttribute::Delete => of(number, 1, UtteranceChange::Deletes { deletes: Vec::new() }),
                DataMessageAttribute::Update => new(),
                DataMessageAttribute::None | DataMessageAttribute::New | DataMessageAttribute::Unknown(_) => {
                    self.without_id.find(said).map_or_else(new, |id| of(id, 1, UtteranceChange::Repeat))
                }
            };
        };
        let start = start_of(said);
        let Some(found) = self.sentences.find(&key, start, self.connection) else {
            return match attribute {
                // Its original may still come.
                DataMessageAttribute::Delete => of(number, 1, UtteranceChange::Deletes { deletes: Vec::new() }),
                DataMessageAttribute::Update
                | DataMessageAttribute::None
                | DataMessageAttribute::New
                | DataMessageAttribute::Unknown(_) => new(),
            };
        };
        let known = found.sentence;
        let better = || match known.shows == shows(said) {
            true => of(known.id, known.revision, UtteranceChange::Repeat),
            false => {
                of(known.id, known.revision.saturating_add(1), UtteranceChange::Replaces { replaces: known.revision })
            }
        };
        let late = || of(known.id, known.revision, UtteranceChange::Late);
        match attribute {
            DataMessageAttribute::Delete => {
                let deletes = self.sentences.shown_parts(&key, known, start);
                let revision = known.revision.saturating_add(u64::from(deletes.contains(&known.id)));
                of(known.id, revision, UtteranceChange::Deletes { deletes })
            }
            DataMessageAttribute::Update if known.is_shown => better(),
            DataMessageAttribute::Update => late(),
            DataMessageAttribute::None | DataMessageAttribute::New | DataMessageAttribute::Unknown(_) => {
                if known.is_corrected && (found.same_start || !known.has_original) {
                    late()
                } else if found.same_start {
                    // Sent again after a reconnect.
                    better()
                } else {
                    // Another part of one utterance.
                    new()
                }
            }
        }
    }

    fn remember(&mut self, said: &MediaDataTranscript, utterance: &Utterance) {
        let start = start_of(said);
        let Some(key) = key_of(said) else {
            if utterance.change == UtteranceChange::New {
                self.without_id.add(said, utterance.id);
            }
            return;
        };
        let is_correction = match said.attribute.unwrap_or(DataMessageAttribute::New) {
            DataMessageAttribute::Update | DataMessageAttribute::Delete => true,
            DataMessageAttribute::None | DataMessageAttribute::New | DataMessageAttribute::Unknown(_) => false,
        };
        let sentence = |is_shown| Sentence {
            id: utterance.id,
            revision: utterance.revision,
            connection: utterance.connection,
            is_shown,
            starts: Starts::at(start),
            is_corrected: is_correction,
            has_original: !is_correction,
            shows: shows(said),
        };
        match &utterance.change {
            UtteranceChange::New => self.sentences.add(key, sentence(true)),
            UtteranceChange::Replaces { .. } => match self.sentences.get_mut(&key, utterance.id) {
                Some(known) => {
                    known.revision = utterance.revision;
                    known.shows = shows(said);
                    known.starts.extend(start);
                    known.is_corrected |= is_correction;
                }
                None => self.sentences.add(key, sentence(true)),
            },
            UtteranceChange::Deletes { .. } => {
                if !self.sentences.delete(&key, utterance.id, start) {
                    self.sentences.add(key, sentence(false));
                }
            }
            UtteranceChange::Repeat => {
                if let Some(known) = self.sentences.get_mut(&key, utterance.id).filter(|_| is_correction) {
                    known.is_corrected = true;
                    known.starts.extend(start);
                }
            }
            UtteranceChange::Late => {
                if let Some(known) = self.sentences.get_mut(&key, utterance.id).filter(|_| !is_correction) {
                    known.has_original = true;
                    known.starts.extend(start);
                }
            }
        }
    }
}

/// Lines without a sentence id, by a hash of speaker, time and text, up to a bound.
#[derive(Debug)]
struct WithoutId {
    ids: BTreeMap<u64, SequenceNumber>,
    order: VecDeque<u64>,
    max: usize,
}

impl WithoutId {
    fn new(max_lines: usize) -> Self {
        Self { ids: BTreeMap::new(), order: VecDeque::new(), max: max_lines.max(1) }
    }

    fn find(&self, said: &MediaDataTranscript) -> Option<SequenceNumber> {
        self.ids.get(&Self::key(said)?).copied()
    }

    fn add(&mut self, said: &MediaDataTranscript, id: SequenceNumber) {
        let Some(key) = Self::key(said) else { return };
        if self.ids.insert(key, id).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    /// None for a line that may be there twice: of people who are not named, two may say the same at once.
    fn key(said: &MediaDataTranscript) -> Option<u64> {
        let who = who_of(said);
        let start = start_of(said)?;
        (who != Who::Everyone).then(|| hash(&(start, who, &said.data)))
    }
}

fn who_of(said: &MediaDataTranscript) -> Who {
    Who::of(said.user_id.as_ref(), said.channel_id.as_ref())
}

fn key_of(said: &MediaDataTranscript) -> Option<Key> {
    said.sentence_id.map(|id| (who_of(said), id))
}

/// When it was said. Documents disagree on `timestamp`, so it serves only for want of `start_time`. A time that nobody
/// can mean, such as 0, tells no two lines apart.
fn start_of(said: &MediaDataTranscript) -> Option<u64> {
    said.start_time.or(said.timestamp).filter(|time| time.is_plausible()).map(|time| time.0)
}

/// A hash of what a reader sees of a message.
fn shows(said: &MediaDataTranscript) -> u64 {
    let end = said.end_time.map(|UnixMillis(end)| end);
    hash(&(start_of(said), end, &said.user_name, &said.data, said.language.map(|language| language.code())))
}

fn hash(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}
