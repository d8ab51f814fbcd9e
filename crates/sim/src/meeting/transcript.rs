//! The lines of transcript that spoken lines become.

use rtms_wire::codes::media::DataMessageAttribute;

use crate::meeting::{options::TranscriptStyle, utterance::Utterance};

/// One message of transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscriptLine {
    /// Which spoken line it is of, as an index into [`Meeting::utterances`](crate::meeting::Meeting::utterances).
    pub utterance: usize,
    /// When it is known, before the time that writing takes.
    pub at_ms: u64,
    /// Up to which moment it tells what was said.
    pub end_ms: u64,
    /// The words; nothing when a line is taken back.
    pub text: String,
    /// Whether it is new, put right or taken back; not said of lines that come whole.
    pub attribute: Option<DataMessageAttribute>,
    /// What corrections refer to; never the same for two sentences of a stream.
    pub sentence_id: Option<i64>,
}

/// The lines in the order of their time. `updates` is whether the client takes corrections.
pub(super) fn lines(utterances: &[Utterance], style: TranscriptStyle, updates: bool) -> Vec<TranscriptLine> {
    let mut lines = Vec::new();
    let spoken = utterances.iter().enumerate().filter(|(_, said)| !said.text.is_empty());
    for (index, said) in spoken {
        let mut line = |at_ms: u64, text: String, attribute, sentence_id| {
            lines.push(TranscriptLine { utterance: index, at_ms, end_ms: at_ms, text, attribute, sentence_id });
        };
        let whole = || said.text.clone();
        if style == TranscriptStyle::WholeLines {
            line(said.end_ms, whole(), None, None);
            continue;
        }
        let new = Some(DataMessageAttribute::New);
        // Two numbers are kept for every spoken line, should it be written twice.
        let first = Some(2 * index as i64 + 1);
        let second = Some(2 * index as i64 + 2);
        let length_ms = said.end_ms - said.start_ms;
        let (early, later) = (said.start_ms + length_ms * 4 / 10, said.start_ms + length_ms * 7 / 10);
        match index % 4 {
            _ if !updates => line(said.end_ms, whole(), new, first),
            1 => {
                line(early, half_heard(&said.text), new, first);
                line(later, String::new(), Some(DataMessageAttribute::Delete), first);
                line(said.end_ms, whole(), new, second);
            }
            3 => line(said.end_ms, whole(), new, first),
            _ => {
                line(early, half_heard(&said.text), new, first);
                line(said.end_ms, whole(), Some(DataMessageAttribute::Update), first);
            }
        }
    }
    lines.sort_by_key(|line| (line.at_ms, line.utterance));
    lines
}

/// The first half of a line, its last two characters in the wrong order.
fn half_heard(text: &str) -> String {
    let mut heard: Vec<char> = text.chars().take(text.chars().count().div_ceil(2)).collect();
    let length = heard.len();
    if length >= 2 {
        heard.swap(length - 2, length - 1);
    }
    heard.into_iter().collect()
}
