//! The journal of a stream: any bytes as its file. What can be read stays readable, and an owner that goes on appends
//! behind it.

use std::{fs, path::Path, sync::Arc};

use rtms_record::{
    Note,
    journal::{
        JournalOptions, JournalReader, JournalWriter, Restored,
        entry::{Entry, Word},
    },
};
use rtms_wire::{extra::Extra, ids::StreamId, sequence::SequenceNumber, time::UnixMillis};

/// Reads the input as the journal of stream `s`.
pub fn run(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("journal.jsonl");
    fs::write(&path, bytes).expect("written");
    let before = read(folder.path());
    let opened = JournalWriter::open(folder.path(), &StreamId::new("s"), JournalOptions::default());
    let Ok(mut journal) = opened else {
        assert_eq!(fs::read(&path).expect("read"), bytes, "what is refused is left alone");
        return;
    };
    let before = before.expect("what can be written can be read");
    let last = journal.last();
    assert!(before.iter().all(|entry| entry.number <= last), "the last number is the largest");
    let entries = JournalReader::open(folder.path()).expect("opened").entries();
    let restored = Restored::read(entries, 100).expect("what can be read can be learnt from");
    assert!(restored.last <= last);
    for entry in &before {
        assert!(journal.append(std::slice::from_ref(entry)).is_err(), "no number comes twice");
    }
    let Some(count) = last.count.checked_add(1) else { return };
    let note = Note { at: UnixMillis(1), kind: "fuzz".into(), fields: Extra::new() };
    let number = SequenceNumber { count, ..last };
    let next = Arc::new(Entry { number, at: UnixMillis(1), word: Word::Note(note) });
    journal.append(std::slice::from_ref(&next)).expect("appended");

    let after = read(folder.path()).expect("read again");
    assert_eq!(after.split_last(), Some((&next, before.as_slice())), "all that was there, and the new one");
    let reader = JournalReader::open(folder.path()).expect("opened");
    let behind: Vec<_> = reader.after(last).expect("opened").filter_map(Result::ok).collect();
    assert_eq!(behind, [next]);
}

/// The entries; none if the file is refused.
fn read(folder: &Path) -> Option<Vec<Arc<Entry>>> {
    let entries = JournalReader::open(folder).ok()?.entries();
    Some(entries.filter_map(|entry| entry.inspect_err(|error| assert!(error.is_of_line(), "{error}")).ok()).collect())
}
