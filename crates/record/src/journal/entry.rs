//! One entry of a stream's journal, and its line: a JSON object with number, time, kind and content.
//!
//! ```text
//! {"n":"4294967297-12","at":1795420801000,"kind":"transcript","data":{"message":{…},"utterance":{"id":"4294967297-12",…}}}
//! ```
//!
//! What Zoom sent stands in an object of its own, so that no field of Zoom's can be taken for one of ours.

use rtms_wire::{
    SmolStr,
    message::{
        event_update::EventUpdate,
        text_data::{MediaDataChat, MediaDataTranscript},
    },
    sequence::SequenceNumber,
    time::UnixMillis,
    utterance::Utterance,
};
use serde::{Deserialize, Serialize};

use crate::{ledger::report::SpanChange, note::Note};

/// Something that a stream says in words, with its number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, which no other entry of the stream has. Later entries have larger numbers.
    #[serde(rename = "n")]
    pub number: SequenceNumber,
    /// When it came, on our clock.
    pub at: UnixMillis,
    /// What it says.
    #[serde(flatten)]
    pub word: Word,
}

/// What an entry says. In JSON the key `kind` has the word and `data` the content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum Word {
    /// A line of the transcript: message 17, and what it does to the lines before it.
    Transcript {
        /// The message.
        message: MediaDataTranscript,
        /// What it adds, replaces or deletes.
        utterance: Utterance,
    },
    /// A message of the chat: message 18.
    Chat(MediaDataChat),
    /// An event, such as somebody who joins: message 6.
    Event(EventUpdate),
    /// A note of ours: a state, a gap, an interruption.
    Note(Note),
    /// A note that `events.jsonl` leaves out: the manifest says the same, or it may come with every message.
    Unlisted(Note),
    /// A change of the ledger.
    Span(SpanChange),
}

/// Why a line of a journal is no entry. It has nothing of the line's content but an unknown kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEntry {
    /// It is no JSON object with a number, a time and a kind.
    #[error("it is no JSON object of an entry, from column {column} on")]
    Broken {
        /// Where it stops making sense, from 1; 0 if that is not known.
        column: usize,
    },
    /// It is of a kind that a newer version knows.
    #[error("entry {number} is of the unknown kind {kind}")]
    UnknownKind {
        /// Its number.
        number: SequenceNumber,
        /// The kind.
        kind: SmolStr,
    },
    /// It is longer than any entry, and was skipped.
    #[error("it is longer than any entry")]
    TooLong,
    /// It has no end, and something lies behind it.
    #[error("it has no end")]
    Torn,
}

impl Entry {
    /// Appends the entry's line with its end; how many bytes it has.
    pub(super) fn write(&self, text: &mut Vec<u8>) -> Result<usize, serde_json::Error> {
        let before = text.len();
        serde_json::to_writer(&mut *text, self)?;
        text.push(b'\n');
        Ok(text.len() - before)
    }

    /// Reads a line.
    pub(super) fn read(line: &[u8]) -> Result<Self, NoEntry> {
        let error = match serde_json::from_slice(line) {
            Ok(entry) => return Ok(entry),
            Err(error) => error,
        };
        #[derive(Deserialize)]
        struct Head {
            n: SequenceNumber,
            kind: SmolStr,
        }
        match serde_json::from_slice::<Head>(line) {
            Ok(head) if !KINDS.contains(&head.kind.as_str()) => {
                Err(NoEntry::UnknownKind { number: head.n, kind: head.kind })
            }
            Ok(_) | Err(_) => Err(NoEntry::Broken { column: error.column() }),
        }
    }

    /// The number of a line, whatever its kind; none if it has none.
    pub(super) fn number_of(line: &[u8]) -> Option<SequenceNumber> {
        #[derive(Deserialize)]
        struct Head {
            n: SequenceNumber,
        }
        serde_json::from_slice::<Head>(line).ok().map(|head| head.n)
    }
}

/// The words of `kind`.
const KINDS: [&str; 6] = ["transcript", "chat", "event", "note", "unlisted", "span"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtms_wire::{
        codes::media::DataMessageAttribute, extra::Extra, ids::UserId, media::medium::Medium,
        utterance::UtteranceChange,
    };
    use serde_json::{Value, json};

    use super::*;
    use crate::ledger::word::{Cause, Span, What};

    fn numbers() -> impl Strategy<Value = SequenceNumber> {
        (any::<u64>(), any::<u64>()).prop_map(|(token, count)| SequenceNumber { token, count })
    }

    /// Fields of the sender's, some of which are called like ours.
    fn extras() -> impl Strategy<Value = Extra> {
        let name = prop_oneof![Just("n"), Just("at"), Just("kind"), Just("data"), Just("utterance"), Just("later")];
        let value = prop_oneof![
            Just(Value::Null),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            Just(json!([{"n": [1]}])),
        ];
        prop::collection::btree_map(name.prop_map(str::to_owned), value, 0..4)
            .prop_map(|fields| fields.into_iter().collect())
    }

    fn words() -> impl Strategy<Value = Word> {
        let change = prop_oneof![
            Just(UtteranceChange::New),
            any::<u64>().prop_map(|replaces| UtteranceChange::Replaces { replaces }),
            prop::collection::vec(numbers(), 0..3).prop_map(|deletes| UtteranceChange::Deletes { deletes }),
            Just(UtteranceChange::Repeat),
            Just(UtteranceChange::Late),
        ];
        let utterance = (numbers(), any::<u64>(), any::<u64>(), change)
            .prop_map(|(id, revision, connection, change)| Utterance { id, revision, connection, change });
        let transcript = (any::<String>(), any::<Option<i64>>(), extras(), utterance).prop_map(
            |(data, sentence_id, mut extra, utterance)| {
                extra.remove("data");
                let message = MediaDataTranscript {
                    user_id: Some(UserId::from(5)),
                    user_name: Some("Inés\u{2028}".into()),
                    data,
                    start_time: Some(UnixMillis(1_795_420_800_000)),
                    attribute: Some(DataMessageAttribute::Update),
                    sentence_id,
                    extra,
                    ..MediaDataTranscript::default()
                };
                Word::Transcript { message, utterance }
            },
        );
        let chat = (any::<String>(), extras()).prop_map(|(text, mut extra)| {
            extra.remove("data");
            let mut chat = MediaDataChat { data: text.into(), ..MediaDataChat::default() };
            chat.fields.extra = extra;
            Word::Chat(chat)
        });
        let event = extras().prop_map(|extra| {
            let event = json!({"event": {"event_type": 3, "participants": [{"user_id": 5, "user_name": "Ines"}]}});
            let event: EventUpdate = serde_json::from_value(event).unwrap();
            Word::Event(EventUpdate { extra, ..event })
        });
        let note = (any::<u64>(), extras())
            .prop_map(|(at, fields)| Word::Note(Note { at: UnixMillis(at), kind: "stream_state".into(), fields }));
        let span = (any::<u64>(), any::<u64>(), any::<bool>()).prop_map(|(from, to, open)| {
            let what = What::Interrupted { by: Cause::Frozen };
            let span = Span { from: UnixMillis(from), to: UnixMillis(to), what };
            Word::Span(SpanChange { medium: Medium::Chat, span, open })
        });
        let unlisted =
            extras().prop_map(|fields| Word::Unlisted(Note { at: UnixMillis(5), kind: "started".into(), fields }));
        prop_oneof![transcript, chat, event, note, unlisted, span]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_entry_comes_back_from_its_line(number in numbers(), at in any::<u64>(), word in words()) {
            let entry = Entry { number, at: UnixMillis(at), word };
            let mut line = Vec::new();
            let bytes = entry.write(&mut line).unwrap();
            prop_assert_eq!(bytes, line.len());
            prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            prop_assert_eq!(Entry::number_of(&line), Some(number));
            prop_assert_eq!(Entry::read(&line), Ok(entry));
        }

        #[test]
        fn any_line_is_read_or_refused(line in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Entry::read(&line);
        }
    }

    #[test]
    fn an_unknown_kind_is_told_from_a_broken_line() {
        let unknown = br#"{"n":"7-3","at":5,"kind":"gesture","data":{"hand":"up"}}"#;
        let number = SequenceNumber { token: 7, count: 3 };
        assert_eq!(Entry::read(unknown), Err(NoEntry::UnknownKind { number, kind: "gesture".into() }));
        for broken in [&b"{}"[..], b"", b"{\"n\":\"7-3\"", br#"{"n":"7-3","at":5,"kind":"chat"}"#, b"\0\0\0"] {
            assert!(matches!(Entry::read(broken), Err(NoEntry::Broken { .. })), "{broken:?}");
        }
    }
}
