//! What was said, in words: `transcript.jsonl` as received, and `.vtt` and `.txt` as it reads in the end, with updates
//! and deletions applied, in the order of speaking.
//!
//! The readable files are written from the first line that changed, so a long meeting costs no more than a short one.

#[cfg(test)]
mod reference;

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::PathBuf,
};

use rtms_wire::{
    SmolStr,
    message::text_data::MediaDataTranscript,
    sequence::SequenceNumber,
    time::UnixMillis,
    utterance::{Utterance, UtteranceChange},
};
use serde::Deserialize;

use crate::{
    error::RecordError,
    file::{Files, failed},
    layout::Layout,
    ledger::MAX_MESSAGE_MS,
    people::People,
    readable::{is_blank, one_line},
    utterance::Utterances,
    who::Who,
};

/// How long a line is shown that does not say when it ended.
const SHOWN_MS: u64 = 3000;

/// The transcript as it reads now.
#[derive(Debug)]
pub(crate) struct Transcript {
    /// By time of speaking, then of arrival.
    lines: Vec<Line>,
    /// Where each of them is.
    places: BTreeMap<SequenceNumber, LineKey>,
    utterances: Utterances,
    /// Messages without a number, which are numbered here.
    unnumbered: u64,
    arrivals: u64,
    /// The first line that is not in the files as it is here.
    changed_from: usize,
    max_lines: usize,
    vtt: Readable,
    text: Readable,
}

/// When a line begins, and the order of its arrival.
type LineKey = (u64, u64);

#[derive(Debug)]
struct Line {
    id: SequenceNumber,
    start: u64,
    arrival: u64,
    end: Option<u64>,
    who: Who,
    name: Option<SmolStr>,
    words: String,
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
            places: BTreeMap::new(),
            utterances: Utterances::new(max_lines),
            unnumbered: 0,
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
                let connection = said.extra.get("connection").and_then(serde_json::Value::as_u64).unwrap_or(1);
                self.utterances.reach_connection(connection);
                match said.extra.get("utterance").and_then(|utterance| Utterance::deserialize(utterance).ok()) {
                    Some(utterance) => self.apply_numbered(&said, &utterance),
                    None => self.apply(&said),
                }
            }
            line.clear();
        }
        self.changed_from = 0;
        // The process that comes has another.
        self.utterances.begin_connection();
        Ok(())
    }

    /// Another connection brings what comes from here on.
    pub(crate) fn begin_connection(&mut self) {
        self.utterances.begin_connection();
    }

    /// The number of the connection, from 1.
    pub(crate) fn connection(&self) -> u64 {
        self.utterances.connection()
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
    pub(crate) fn apply(&mut self, said: &MediaDataTranscript) {
        self.unnumbered += 1;
        // No owner of a stream has the token 0.
        let utterance = self.utterances.take(said, SequenceNumber { token: 0, count: self.unnumbered });
        self.show(said, &utterance);
    }

    /// The same of a message whose utterance is known.
    pub(crate) fn apply_numbered(&mut self, said: &MediaDataTranscript, utterance: &Utterance) {
        self.utterances.restore(said, utterance);
        self.show(said, utterance);
    }

    fn show(&mut self, said: &MediaDataTranscript, utterance: &Utterance) {
        match &utterance.change {
            UtteranceChange::New => self.insert(utterance.id, said),
            UtteranceChange::Replaces { .. } => match self.take_out(utterance.id) {
                Some(line) => self.update(line, said),
                // It has left memory, and stays in the files as it is.
                None => self.insert(utterance.id, said),
            },
            UtteranceChange::Deletes { deletes } => {
                for id in deletes {
                    self.take_out(*id);
                }
            }
            UtteranceChange::Repeat | UtteranceChange::Late => {}
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
            self.places.remove(&line.id);
        }
        self.vtt.starts.drain(..surplus.min(self.vtt.starts.len()));
        self.text.starts.drain(..surplus.min(self.text.starts.len()));
        Ok(())
    }

    fn insert(&mut self, id: SequenceNumber, said: &MediaDataTranscript) {
        let start = start_of(said).or_else(|| self.lines.last().map(|line| line.start)).unwrap_or_default();
        self.arrivals += 1;
        self.put(Line {
            id,
            start,
            arrival: self.arrivals,
            end: said.end_time.map(|time| time.0),
            who: Who::of(said.user_id.as_ref(), said.channel_id.as_ref()),
            name: said.user_name.clone(),
            words: said.data.clone(),
        });
    }

    fn update(&mut self, mut line: Line, said: &MediaDataTranscript) {
        line.start = start_of(said).unwrap_or(line.start);
        line.end = said.end_time.map(|time| time.0).or(line.end);
        line.name = said.user_name.clone().or(line.name);
        line.words.clone_from(&said.data);
        self.put(line);
    }

    fn put(&mut self, line: Line) {
        let key = line.key();
        let place = self.lines.partition_point(|other| other.key() < key);
        self.changed_from = self.changed_from.min(place);
        self.places.insert(line.id, key);
        self.lines.insert(place, line);
    }

    /// Removes the line of this id and returns it; none if it is not in memory.
    fn take_out(&mut self, id: SequenceNumber) -> Option<Line> {
        let key = self.places.remove(&id)?;
        let place = self.lines.binary_search_by_key(&key, Line::key).ok()?;
        self.changed_from = self.changed_from.min(place);
        Some(self.lines.remove(place))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtms_wire::{
        codes::media::DataMessageAttribute, ids::UserId, message::text_data::MediaDataTranscript, time::UnixMillis,
    };

    use super::{Layout, SequenceNumber, Transcript, Utterances, reference::Reference};

    #[derive(Clone, Debug)]
    enum Step {
        Said(Box<MediaDataTranscript>),
        /// One of the messages before, again.
        Again(prop::sample::Index),
        Connected,
        Restarted,
    }

    /// Few people, ids and times, so that messages meet.
    fn messages() -> impl Strategy<Value = MediaDataTranscript> {
        let time = prop_oneof![
            4 => (0..6u64).prop_map(|at| Some(1_795_420_800_000 + 1_000 * at)),
            1 => (0..3u64).prop_map(|at| Some(1_795_420_800_000 + 400_000 * at)),
            1 => Just(None),
        ];
        let attribute = prop_oneof![
            3 => Just(None),
            2 => Just(Some(DataMessageAttribute::Update)),
            1 => Just(Some(DataMessageAttribute::Delete)),
            1 => Just(Some(DataMessageAttribute::New)),
        ];
        let words = prop_oneof![Just("a"), Just("b"), Just("c")];
        let name = prop_oneof![Just(None), Just(Some("Ines")), Just(Some("Bo"))];
        (
            0..3u64,
            prop_oneof![4 => (1..4i64).prop_map(Some), 1 => Just(None)],
            time,
            any::<bool>(),
            attribute,
            words,
            name,
        )
            .prop_map(|(user, sentence_id, start, has_end, attribute, words, name)| {
                // Lines before it decide where a line without id and time lies.
                let start = start.or(sentence_id.is_none().then_some(1_795_420_800_000));
                MediaDataTranscript {
                    user_id: Some(UserId::from(user)),
                    user_name: name.map(Into::into),
                    data: words.into(),
                    start_time: start.map(UnixMillis),
                    end_time: start.filter(|_| has_end).map(|start| UnixMillis(start + 500)),
                    attribute,
                    sentence_id,
                    ..MediaDataTranscript::default()
                }
            })
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            10 => messages().prop_map(|said| Step::Said(Box::new(said))),
            3 => any::<prop::sample::Index>().prop_map(Step::Again),
            1 => Just(Step::Connected),
            1 => Just(Step::Restarted),
        ];
        prop::collection::vec(step, 1..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn utterances_applied_in_order_give_the_readable_transcript(steps in steps()) {
            let layout = Layout::of_folder(std::path::Path::new("nowhere"));
            let mut transcript = Transcript::new(&layout, 50_000);
            let mut utterances = Utterances::new(50_000);
            let mut reference = Reference::default();
            let mut told = Vec::new();
            let mut said_before: Vec<MediaDataTranscript> = Vec::new();
            for (step, count) in steps.into_iter().zip(1..) {
                let said = match step {
                    Step::Said(said) => *said,
                    Step::Again(index) if !said_before.is_empty() => said_before[index.index(said_before.len())].clone(),
                    Step::Again(_) => continue,
                    Step::Connected => {
                        reference.begin_connection();
                        utterances.begin_connection();
                        continue;
                    }
                    Step::Restarted => {
                        reference.begin_connection();
                        let connection = utterances.connection();
                        utterances = Utterances::new(50_000);
                        for (said, utterance) in &told {
                            utterances.restore(said, utterance);
                        }
                        while utterances.connection() <= connection {
                            utterances.begin_connection();
                        }
                        continue;
                    }
                };
                reference.apply(&said);
                let utterance = utterances.take(&said, SequenceNumber { token: 7, count });
                transcript.apply_numbered(&said, &utterance);
                told.push((said.clone(), utterance));
                said_before.push(said);
                let lines = transcript.lines.iter();
                let lines: Vec<_> = lines.map(|it| (it.start, it.end, it.name.clone(), it.words.clone())).collect();
                prop_assert_eq!(lines, reference.lines(), "after {:?}", told);
            }
        }
    }
}
