//! What a consumer of a stream's envelopes heard, and the stream's journal beside it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use rtms_record::journal::{JournalReader, entry::Word};
use rtms_wire::sequence::SequenceNumber;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::ChildStdout,
    task::JoinHandle,
};

/// The settings of a server whose envelopes are lines on its stdout.
pub(crate) fn settings(folder: &Path) -> PathBuf {
    let path = folder.join("rtms.toml");
    fs::write(&path, "[[sink]]\nkind = \"stdout\"\n").unwrap();
    path
}

/// The envelopes of all processes, in the order of their coming.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<Value>>>);

impl Heard {
    /// Listens to a process to its end. A line that it died in was not heard.
    pub(crate) fn listen(&self, stdout: ChildStdout) -> JoinHandle<()> {
        let (heard, mut lines) = (self.clone(), BufReader::new(stdout).lines());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                heard.0.lock().unwrap().extend(serde_json::from_str::<Value>(&line));
            }
        })
    }

    /// The number of envelopes of a kind.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|envelope| envelope["kind"] == kind).count()
    }

    /// The number of all envelopes.
    pub(crate) fn total(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// The journal rises strictly and has everything that was heard, as it was heard. Returns its owners' tokens and the
    /// number of its entries.
    pub(crate) fn assert_all_in(&self, folder: &Path) -> (Vec<u64>, usize) {
        let mut journal = BTreeMap::new();
        let mut last = SequenceNumber::default();
        for entry in JournalReader::open(folder).unwrap().entries() {
            let entry = entry.unwrap();
            assert!(entry.number > last, "{} stands behind {last}", entry.number);
            last = entry.number;
            journal.insert(entry.number, entry);
        }
        let heard = self.0.lock().unwrap();
        let mut heard_last = SequenceNumber::default();
        for envelope in &*heard {
            let id: SequenceNumber = envelope["id"].as_str().unwrap().parse().unwrap();
            assert!(id > heard_last, "{id} was heard behind {heard_last}");
            heard_last = id;
            let entry = journal.get(&id).unwrap_or_else(|| panic!("{envelope} was heard and is not in the journal"));
            assert_eq!(envelope["received_at"], entry.at.0, "{envelope}");
            let same = match &entry.word {
                Word::Transcript { message, utterance } => {
                    envelope["text"] == message.data.as_str()
                        && envelope["utterance"] == serde_json::to_value(utterance).unwrap()
                }
                Word::Chat(chat) => envelope["message"]["text"] == chat.message().text.as_str(),
                Word::Event(_) => envelope["kind"] == "event_update",
                Word::Note(note) | Word::Unlisted(note) => envelope["kind"] == note.kind.as_str(),
                Word::Span(change) => envelope["from"] == change.span.from.0 && envelope["to"] == change.span.to.0,
            };
            assert!(same, "{envelope} is not {entry:?}");
        }
        let mut tokens: Vec<_> = journal.keys().map(|number| number.token).collect();
        tokens.dedup();
        (tokens, journal.len())
    }
}
