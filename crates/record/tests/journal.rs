//! The journal of a stream: numbers that rise, nothing that was accepted is lost, and nothing broken costs more than
//! itself.
#![allow(clippy::disallowed_methods, reason = "a test may put a file into the way")]
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    collections::BTreeSet,
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use common::at;
use rtms_record::{
    Note,
    journal::{
        Entries, Journal, JournalOptions, JournalReader, JournalWriter, MemoryJournal, MemoryOptions, Restored,
        entry::{Entry, NoEntry, Word},
        error::JournalError,
    },
    utterance::Utterances,
};
use rtms_wire::{
    extra::Extra,
    ids::StreamId,
    message::text_data::{MediaDataChat, MediaDataTranscript},
    sequence::{Numbering, SequenceNumber},
    utterance::UtteranceChange,
};
use serde_json::json;

/// Change it to try other moments; a failure names the round.
const SEED: u64 = 0x5eed_2026;
const KILLS: u64 = 40;
/// Where the file-size limit puts the end of the disk.
const DISK_KIB: u64 = 64;

const SMALL_PARTS: JournalOptions =
    JournalOptions { max_line_bytes: 1 << 20, max_part_bytes: 96 << 10, max_parts: 1_000 };

#[test]
fn what_was_accepted_survives_kills_and_no_number_comes_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (mut seed, mut accepted, mut token) = (SEED, BTreeSet::new(), 0);
    for round in 0..KILLS {
        token += 1;
        let mut child = spawn(Command::new(env::current_exe().unwrap()), "append", folder.path(), token);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for _ in 0..random(&mut seed) % 200 {
            accepted.extend(numbers_in(&lines.next().unwrap().unwrap()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            accepted.extend(numbers_in(&line));
        }
        let (entries, bad) = read(folder.path());
        assert!(entries.is_sorted_by(|one, other| one.number < other.number), "round {round}");
        let found: BTreeSet<_> = entries.iter().map(|entry| entry.number).collect();
        let missing: Vec<_> = accepted.difference(&found).collect();
        assert!(missing.is_empty(), "round {round}: {missing:?}");
        assert!(bad.is_empty(), "round {round}: {bad:?}");
        // What a kill cut in two is cut off by whoever goes on, and those before it stay.
        if round % 3 == 0 {
            tear(folder.path(), &mut seed);
        }
    }
    assert!(accepted.len() > 1_000 && folder.path().join("journal.2.jsonl").exists(), "{}", accepted.len());
}

#[test]
fn a_full_disk_refuses_without_a_torn_line_and_recovers_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut bash = Command::new("bash");
    // The limit is real: the kernel fails the write. Without the trap it would kill.
    bash.args(["-c", &format!("trap '' XFSZ; ulimit -S -f {DISK_KIB}; exec \"$0\" \"$@\"")]);
    bash.arg(env::current_exe().unwrap());
    let mut child = spawn(bash, "fill", folder.path(), 7);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut accepted: Vec<_> =
        lines.by_ref().take_while(|line| !line.ends_with("full")).flat_map(|line| numbers_in(&line)).collect();
    let (before, bad) = read(folder.path());
    assert_eq!(before.iter().map(|entry| entry.number).collect::<Vec<_>>(), accepted);
    assert!(bad.is_empty() && accepted.len() > 20, "{bad:?}");
    assert!(fs::read(folder.path().join("journal.jsonl")).unwrap().ends_with(b"\n"), "nothing torn is left");

    let limits = Command::new("prlimit").args(["--fsize=unlimited:", "--pid", &child.id().to_string()]).status();
    assert!(limits.unwrap().success());
    child.stdin.take().unwrap().write_all(b"there is space\n").unwrap();
    accepted.extend(lines.flat_map(|line| numbers_in(&line)));
    assert!(child.wait().unwrap().success());
    let (after, bad) = read(folder.path());
    assert_eq!(after.iter().map(|entry| entry.number).collect::<Vec<_>>(), accepted);
    assert!(bad.is_empty() && after.len() == before.len() + 50);
}

/// A file of version 1, which every later version reads.
#[test]
fn the_format_is_that_of_the_fixture() {
    let fixture = include_str!("fixtures/journal-v1.jsonl");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("journal.jsonl"), fixture).unwrap();
    let (entries, bad) = read(folder.path());
    assert!(bad.is_empty() && entries.len() == 8, "{bad:?}");

    let again = tempfile::tempdir().unwrap();
    let mut journal = JournalWriter::open(again.path(), &StreamId::new("stream-1"), JournalOptions::default()).unwrap();
    journal.append(&entries).unwrap();
    assert_eq!(fs::read_to_string(again.path().join("journal.jsonl")).unwrap(), fixture);
}

/// What the child process does; nothing when it runs among the other tests.
#[test]
fn child() {
    let Ok(task) = env::var("RTMS_RECORD_TEST_TASK") else { return };
    let folder = PathBuf::from(env::var("RTMS_RECORD_TEST_FOLDER").unwrap());
    let token = env::var("RTMS_RECORD_TEST_TOKEN").unwrap().parse().unwrap();
    let options = if task == "append" { SMALL_PARTS } else { JournalOptions::default() };
    let mut journal = JournalWriter::open(&folder, &stream(), options).unwrap();
    assert!(journal.last().token < token);
    let (mut numbering, mut seed) = (Numbering::new(token), SEED ^ token);
    if task == "append" {
        loop {
            append(&mut journal, &mut numbering, &mut seed).unwrap();
        }
    }
    let mut failed = 0;
    while failed < 3 {
        let before = numbering.last();
        if let Err(error) = append(&mut journal, &mut numbering, &mut seed) {
            assert!(matches!(error, JournalError::File(_)), "{error}");
            assert_eq!(journal.last(), before);
            numbering = Numbering::new(token);
            while numbering.last() < before {
                numbering.give();
            }
            failed += 1;
        }
    }
    say("full");
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
    for _ in 0..50 {
        let entry = [note(numbering.give(), "there is space")];
        journal.append(&entry).unwrap();
        say(&entry[0].number.to_string());
    }
}

#[test]
fn a_broken_line_and_an_unknown_kind_cost_themselves_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(folder.path());
    let mut numbering = Numbering::new(7);
    journal.append(&[note(numbering.give(), "one"), note(numbering.give(), "two")]).unwrap();
    drop(journal);
    let path = folder.path().join("journal.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let [header, one, two] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    let unknown = r#"{"n":"7-9","at":5,"kind":"gesture","data":{"hand":"up"}}"#;
    fs::write(&path, format!("{header}\n{one}\n\0\0{two}\n{{\"n\":\n\n{unknown}\n{two}\n{{\"n\":\"7-")).unwrap();

    let (entries, bad) = read(folder.path());
    assert_eq!(entries.iter().map(|entry| text_of(entry)).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(bad.len(), 4, "the torn end is not wrong: {bad:?}");
    let is_unknown = |error: &JournalError| match error {
        JournalError::BadLine { why: NoEntry::UnknownKind { number, .. }, .. } => number.count == 9,
        _ => false,
    };
    assert_eq!(bad.iter().filter(|error| is_unknown(error)).count(), 1, "{bad:?}");
    assert!(bad.iter().all(|error| !error.to_string().contains("two")), "no word of what was said: {bad:?}");

    // Numbers of unknown kinds count, and what is torn is cut off.
    let mut journal = open(folder.path());
    assert_eq!(journal.last(), number(7, 9));
    journal.append(&[note(number(7, 10), "three")]).unwrap();
    assert_eq!(read(folder.path()).0.len(), 3);
}

#[test]
fn numbers_rise_within_an_owner_and_over_owners() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(folder.path());
    let refused = |journal: &mut JournalWriter, entries: &[Arc<Entry>]| {
        let last = journal.last();
        let error = journal.append(entries).expect_err("it does not rise");
        assert!(matches!(error, JournalError::NotRising { .. }), "{error}");
        assert_eq!(journal.last(), last);
    };
    refused(&mut journal, &[note(number(0, 0), "the number that none has")]);
    journal.append(&[note(number(7, 1), "a"), note(number(7, 5), "b")]).unwrap();
    refused(&mut journal, &[note(number(7, 5), "again")]);
    refused(&mut journal, &[note(number(7, 6), "c"), note(number(7, 6), "twice in one call")]);
    refused(&mut journal, &[note(number(6, 900), "of an earlier owner")]);
    drop(journal);

    let mut journal = open(folder.path());
    assert_eq!(journal.last(), number(7, 5));
    refused(&mut journal, &[note(number(7, 5), "again")]);
    refused(&mut journal, &[note(number(6, 900), "of an earlier owner")]);
    journal.append(&[note(number(9, 1), "of a later owner")]).unwrap();
    assert_eq!(
        read(folder.path()).0.iter().map(|entry| text_of(entry)).collect::<Vec<_>>(),
        ["a", "b", "of a later owner"]
    );
}

#[test]
fn an_owner_that_lost_the_stream_cannot_write_between_the_lines_of_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = open(folder.path());
    first.append(&[note(number(7, 1), "first")]).unwrap();
    let mut second = open(folder.path());
    second.append(&[note(number(8, 1), "second")]).unwrap();

    let error = first.append(&[note(number(7, 2), "late")]).expect_err("the other one writes");
    assert!(matches!(error, JournalError::WrittenByAnother { .. }), "{error}");
    second.append(&[note(number(8, 2), "third")]).unwrap();
    assert_eq!(
        read(folder.path()).0.iter().map(|entry| text_of(entry)).collect::<Vec<_>>(),
        ["first", "second", "third"]
    );
}

#[test]
fn what_is_no_journal_of_the_stream_is_left_alone() {
    let newer = r#"{"format":"rtms-journal","version":2,"streams":["other"]}"#;
    let other = r#"{"format":"rtms-journal","version":1,"rtms_stream_id":"other","part":1}"#;
    for (text, expected) in [
        (format!("{newer}\n{{\"torn"), "version 2"),
        (format!("{other}\n"), "of stream other"),
        ("hello\nworld".to_owned(), "not the journal"),
        ("hello".to_owned(), "not the journal"),
        ("{\"format\":\"rtms-recording\",\"version\":1}\n".to_owned(), "not the journal"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        fs::write(&path, &text).unwrap();
        let error = JournalWriter::open(folder.path(), &stream(), JournalOptions::default()).expect_err("refused");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    // A folder that is gone was deleted, and does not come back.
    let gone = tempfile::tempdir().unwrap().path().join("gone");
    assert!(matches!(JournalWriter::open(&gone, &stream(), JournalOptions::default()), Err(JournalError::File(_))));
    assert!(!gone.exists());
}

#[test]
fn a_header_that_a_kill_cut_off_is_written_again() {
    for cut in [0, 1, 20, 60] {
        let folder = tempfile::tempdir().unwrap();
        let mut journal =
            JournalWriter::open(folder.path(), &stream(), JournalOptions { max_part_bytes: 1, ..SMALL_PARTS }).unwrap();
        journal.append(&[note(number(7, 1), "one")]).unwrap();
        journal.append(&[note(number(7, 2), "two")]).unwrap();
        drop(journal);
        let second = folder.path().join("journal.2.jsonl");
        fs::OpenOptions::new().write(true).open(&second).unwrap().set_len(cut).unwrap();

        let mut journal = open(folder.path());
        assert_eq!(journal.last(), number(7, 1), "{cut}");
        journal.append(&[note(number(7, 2), "again")]).unwrap();
        let (entries, bad) = read(folder.path());
        assert_eq!(entries.iter().map(|entry| text_of(entry)).collect::<Vec<_>>(), ["one", "again"]);
        assert!(bad.is_empty());
    }
}

#[test]
fn bounds_of_lines_and_files_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let options = JournalOptions { max_line_bytes: 300, max_part_bytes: 1_000, max_parts: 3 };
    let mut journal = JournalWriter::open(folder.path(), &stream(), options).unwrap();
    let error = journal.append(&[note(number(7, 1), &"x".repeat(300))]).expect_err("too long");
    assert!(matches!(error, JournalError::TooLong { max_bytes: 300, .. }), "{error}");
    let mut numbering = Numbering::new(7);
    let full = loop {
        if let Err(error) = journal.append(&[note(numbering.give(), "some words")]) {
            break error;
        }
    };
    assert!(matches!(full, JournalError::Full { parts: 3, .. }), "{full}");
    for part in ["journal.jsonl", "journal.2.jsonl", "journal.3.jsonl"] {
        let length = fs::metadata(folder.path().join(part)).unwrap().len();
        assert!((700..=1_000).contains(&length), "{part}: {length}");
    }
    let (entries, bad) = read(folder.path());
    assert_eq!(entries.last().map(|entry| entry.number), Some(journal.last()));
    assert!(bad.is_empty() && entries.len() as u64 == journal.last().count);
    assert!(!folder.path().join("journal.4.jsonl").exists());
}

#[test]
fn behind_a_number_is_the_same_as_all_without_those_before_and_does_not_read_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal =
        JournalWriter::open(folder.path(), &stream(), JournalOptions { max_part_bytes: 1 << 20, ..SMALL_PARTS })
            .unwrap();
    let mut seed = SEED;
    for token in [3, 4, 9] {
        let mut numbering = Numbering::new(token);
        for _ in 0..2_000 {
            for _ in 0..random(&mut seed) % 3 {
                numbering.give();
            }
            let length = if random(&mut seed).is_multiple_of(500) { 100_000 } else { random(&mut seed) % 700 };
            journal.append(&[note(numbering.give(), &"x".repeat(length as usize))]).unwrap();
        }
    }
    let (all, _) = read(folder.path());
    assert!(folder.path().join("journal.3.jsonl").exists());
    let reader = JournalReader::open(folder.path()).unwrap();
    for _ in 0..100 {
        let entry = &all[(random(&mut seed) % all.len() as u64) as usize];
        let after = number(entry.number.token, (entry.number.count + random(&mut seed) % 3).saturating_sub(1));
        let found = entries_of(reader.after(after).unwrap()).0;
        let begin = all.partition_point(|entry| entry.number <= after);
        assert!(found == all[begin..], "after {after}: {} and {}", found.len(), all.len() - begin);
    }
    assert_eq!(entries_of(reader.after(number(0, 0)).unwrap()).0.len(), all.len());
    assert_eq!(entries_of(reader.after(number(99, 0)).unwrap()).0.len(), 0);

    // Of a file whose beginning is broken, the end is read without meeting it.
    let path = folder.path().join("journal.jsonl");
    let mut text = fs::read(&path).unwrap();
    let half = text.len() / 2;
    for byte in text[200..half].iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b'?';
    }
    fs::write(&path, text).unwrap();
    let part_end = all.iter().rev().find(|entry| entry.number.token == 3).unwrap().number;
    let (found, bad) = entries_of(reader.after(number(3, part_end.count - 100)).unwrap());
    assert!(bad.is_empty() && !found.is_empty(), "{bad:?}");
}

#[test]
fn a_reader_goes_on_when_more_is_appended() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal =
        JournalWriter::open(folder.path(), &stream(), JournalOptions { max_part_bytes: 400, ..SMALL_PARTS }).unwrap();
    let mut entries = JournalReader::open(folder.path()).unwrap().entries();
    for count in 1..20 {
        assert!(entries.next().is_none());
        journal.append(&[note(number(7, count), "some words")]).unwrap();
        let entry = entries.next().unwrap().unwrap();
        assert_eq!(entry.number, number(7, count));
    }
    assert!(folder.path().join("journal.3.jsonl").exists());
    // A line is given once it is whole.
    let last = (1..).take_while(|part| journal_part(folder.path(), *part).exists()).last().unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(journal_part(folder.path(), last)).unwrap();
    let line = serde_json::to_string(&*note(number(8, 1), "whole")).unwrap();
    file.write_all(&line.as_bytes()[..30]).unwrap();
    assert!(entries.next().is_none());
    file.write_all(format!("{}\n", &line[30..]).as_bytes()).unwrap();
    assert_eq!(text_of(&entries.next().unwrap().unwrap()), "whole");
}

#[cfg(unix)]
#[test]
fn nobody_but_its_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let mode = fs::metadata(folder.path().join("journal.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_journal_in_memory_keeps_the_newest_and_tells_what_has_left() {
    let options = MemoryOptions { max_entries: 10, max_bytes: 2_000 };
    let mut journal = Journal::Memory(MemoryJournal::new(options, SequenceNumber::default()));
    assert!(journal.after(number(0, 0)).unwrap().is_whole());
    for count in 1..=20 {
        journal.append(&[note(number(7, count), "words")]).unwrap();
    }
    let numbers = |journal: &Journal, after| {
        let replay = journal.after(after).unwrap();
        (replay.is_whole(), replay.map(|entry| entry.unwrap().number.count).collect::<Vec<_>>())
    };
    assert_eq!(numbers(&journal, number(7, 10)), (true, (11..=20).collect()));
    assert_eq!(numbers(&journal, number(7, 9)), (false, (11..=20).collect()));
    assert_eq!(numbers(&journal, number(7, 20)), (true, vec![]));
    assert_eq!(numbers(&journal, number(8, 0)), (true, vec![]));
    // A long one takes the place of many, and stays itself.
    journal.append(&[note(number(7, 21), &"x".repeat(10_000))]).unwrap();
    assert_eq!(numbers(&journal, number(7, 20)), (true, vec![21]));
    assert!(matches!(journal.append(&[note(number(7, 21), "again")]), Err(JournalError::NotRising { .. })));
    // What an earlier owner said is not there.
    let later = Journal::Memory(MemoryJournal::new(MemoryOptions::default(), number(9, 0)));
    assert_eq!(numbers(&later, number(7, 21)), (false, vec![]));
}

#[test]
fn whoever_goes_on_knows_the_utterances_and_what_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(folder.path());
    let (mut utterances, mut numbering) = (Utterances::new(100), Numbering::new(7));
    utterances.begin_connection();
    let said = |sentence_id, words: &str| MediaDataTranscript {
        user_id: Some(5.into()),
        sentence_id: Some(sentence_id),
        data: words.into(),
        start_time: Some(at(1_000 * sentence_id as u64)),
        ..MediaDataTranscript::default()
    };
    let chat: MediaDataChat =
        serde_json::from_value(json!({"user_id": 5, "timestamp": at(500), "data": "hello"})).unwrap();
    for said in [said(1, "helo"), said(2, "more")] {
        let number = numbering.give();
        let utterance = utterances.take(&said, number);
        let word = Word::Transcript { message: said, utterance };
        journal.append(&[Arc::new(Entry { number, at: at(900), word })]).unwrap();
    }
    let entry = Entry { number: numbering.give(), at: at(950), word: Word::Chat(chat.clone()) };
    journal.append(&[Arc::new(entry)]).unwrap();
    drop(journal);

    let entries = JournalReader::open(folder.path()).unwrap().entries();
    let mut restored = Restored::read(entries, 100).unwrap();
    assert_eq!((restored.last, restored.bad_lines, restored.utterances.connection()), (number(7, 3), 0, 2));
    let again = restored.utterances.take(&said(2, "more"), number(8, 1));
    assert_eq!((again.id, again.change), (number(7, 2), UtteranceChange::Repeat));
    let better = restored.utterances.take(&said(1, "hello"), number(8, 1));
    assert_eq!((better.id, better.change), (number(7, 1), UtteranceChange::Replaces { replaces: 1 }));
    assert!(restored.is_repeat(&chat) && !restored.is_repeat(&chat));
}

fn append(journal: &mut JournalWriter, numbering: &mut Numbering, seed: &mut u64) -> Result<(), JournalError> {
    let count = 1 + random(seed) % 5;
    let entries: Vec<_> =
        (0..count).map(|_| note(numbering.give(), &"words ".repeat((random(seed) % 300) as usize))).collect();
    journal.append(&entries)?;
    say(&entries.iter().map(|entry| entry.number.to_string()).collect::<Vec<_>>().join(" "));
    Ok(())
}

fn spawn(mut command: Command, task: &str, folder: &Path, token: u64) -> Child {
    command.args(["--exact", "child", "--nocapture", "--quiet"]);
    command.env("RTMS_RECORD_TEST_TASK", task).env("RTMS_RECORD_TEST_FOLDER", folder);
    command.env("RTMS_RECORD_TEST_TOKEN", token.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Writes one line at once. An answer that a kill cuts off was not given.
fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(format!("> {line}\n").as_bytes()).unwrap();
    stdout.flush().unwrap();
}

/// The numbers in a line of the child's; what the test harness prints has none.
fn numbers_in(line: &str) -> Vec<SequenceNumber> {
    let numbers = line.strip_prefix("> ").unwrap_or_default().split(' ');
    numbers.filter_map(|word| word.parse().ok()).collect()
}

/// Puts the beginning of a line at the end of the last file, as a kill in the middle of a write may.
fn tear(folder: &Path, seed: &mut u64) {
    let last = (1..).take_while(|part| journal_part(folder, *part).exists()).last().unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(journal_part(folder, last)).unwrap();
    if file.metadata().unwrap().len() == 0 {
        // It was killed before the header, and nobody writes an entry in front of that.
        return;
    }
    let line = serde_json::to_string(&*note(number(99, 99), "torn")).unwrap();
    file.write_all(&line.as_bytes()[..(random(seed) % line.len() as u64) as usize]).unwrap();
}

fn journal_part(folder: &Path, part: u64) -> PathBuf {
    folder.join(if part == 1 { "journal.jsonl".to_owned() } else { format!("journal.{part}.jsonl") })
}

fn open(folder: &Path) -> JournalWriter {
    JournalWriter::open(folder, &stream(), JournalOptions::default()).unwrap()
}

fn read(folder: &Path) -> (Vec<Arc<Entry>>, Vec<JournalError>) {
    entries_of(JournalReader::open(folder).unwrap().entries())
}

fn entries_of(entries: Entries) -> (Vec<Arc<Entry>>, Vec<JournalError>) {
    let (mut whole, mut bad) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry {
            Ok(entry) => whole.push(entry),
            Err(error) => {
                assert!(error.is_of_line(), "{error}");
                bad.push(error);
            }
        }
    }
    (whole, bad)
}

fn stream() -> StreamId {
    StreamId::new("7f3a/stream==")
}

fn number(token: u64, count: u64) -> SequenceNumber {
    SequenceNumber { token, count }
}

fn note(number: SequenceNumber, text: &str) -> Arc<Entry> {
    let fields: Extra = json!({ "text": text }).as_object().cloned().unwrap();
    Arc::new(Entry { number, at: at(0), word: Word::Note(Note { at: at(0), kind: "note".into(), fields }) })
}

fn text_of(entry: &Entry) -> String {
    match &entry.word {
        Word::Note(note) => note.fields["text"].as_str().unwrap().to_owned(),
        other => panic!("{other:?}"),
    }
}

fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}
