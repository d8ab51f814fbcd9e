//! The views of the journal: what was heard is in them, once, whenever the process died.
#![allow(clippy::disallowed_methods, reason = "a test may put a file into the way")]
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{fs, sync::Arc};

use common::*;
use proptest::prelude::*;
use rtms_record::{
    Input, Note, Recorder,
    check::{ProblemKind, check},
    journal::{
        JournalOptions, JournalReader, JournalWriter, Restored,
        entry::{Entry, Word},
    },
    utterance::Utterances,
};
use rtms_wire::{
    codes::media::DataMessageAttribute,
    ids::StreamId,
    media::medium::Medium,
    message::text_data::MediaDataTranscript,
    sequence::{Numbering, SequenceNumber},
    time::UnixMillis,
};
use serde_json::json;

/// One owner of a stream: it appends to the journal, and then hands the entry to its recorder, some time.
struct Owner {
    journal: JournalWriter,
    numbering: Numbering,
    utterances: Utterances,
    recorder: Recorder,
}

impl Owner {
    /// Goes on with what is there, as the gateway does.
    fn begin(room: &Room, token: u64) -> Self {
        let recorder = room.open();
        let entries = JournalReader::open(&room.folder()).unwrap().entries();
        let restored = Restored::read(entries, 50_000).unwrap();
        let journal = JournalWriter::open(&room.folder(), &stream(), JournalOptions::default()).unwrap();
        assert_eq!(restored.last, journal.last());
        Self { journal, numbering: Numbering::new(token), utterances: restored.utterances, recorder }
    }

    /// The entry of something that was said, in the journal.
    fn entry(&mut self, what: &Input) -> Arc<Entry> {
        let number = self.numbering.give();
        let word = match what.clone() {
            Input::Transcript(message) => {
                let utterance = self.utterances.take(&message, number);
                Word::Transcript { message, utterance }
            }
            Input::Chat(chat) => Word::Chat(chat),
            Input::Event(update) => Word::Event(update),
            Input::Note(note) => Word::Note(note),
            other => panic!("{other:?}"),
        };
        let entry = Arc::new(Entry { number, at: now(), word });
        self.journal.append(std::slice::from_ref(&entry)).unwrap();
        entry
    }

    fn say(&mut self, what: &Input) {
        let entry = self.entry(what);
        self.recorder.handle(Input::Word(entry), now()).unwrap();
    }

    /// Dies without bringing anything more into a file.
    fn die(self) {
        std::mem::forget(self.recorder);
    }
}

#[test]
fn each_line_of_a_view_has_the_number_of_its_entry() {
    let room = Room::new();
    let mut owner = Owner::begin(&room, 7);
    let better = said(1, 5, 1_000, "hello", Some(DataMessageAttribute::Update));
    for what in [said(1, 5, 1_000, "helo", None), written(5, 2_000, "hi"), joined(5, "Ines"), better, noted(3_000)] {
        owner.say(&what);
    }
    let summary = finish(owner.recorder);

    let numbers = |name: &str| room.lines(name).iter().map(|line| line["n"].clone()).collect::<Vec<_>>();
    assert_eq!(numbers("transcript.jsonl"), ["7-1", "7-4"]);
    assert_eq!(numbers("chat.jsonl"), ["7-2"]);
    assert_eq!(numbers("events.jsonl"), ["7-3", "7-5"]);
    let utterance = &room.lines("transcript.jsonl")[1]["utterance"];
    let expected = json!({"id": "7-1", "revision": 2, "connection": 1, "change": "replaces", "replaces": 1});
    assert_eq!(utterance, &expected);
    assert_eq!(room.text("transcript.txt"), "[00:00:01] Person 5: hello\n");
    assert!(summary.manifest.files.iter().any(|file| file.path == "journal.jsonl" && file.is_summed()));
    let report = check(&room.folder());
    assert!(report.is_fine(), "{:?}", report.problems);
}

#[test]
fn what_was_heard_before_a_kill_is_added_to_the_views_and_counted_once() {
    let room = Room::new();
    let mut owner = Owner::begin(&room, 7);
    owner.say(&said(1, 5, 1_000, "synced", None));
    owner.recorder.sync(now()).unwrap();
    owner.say(&said(2, 5, 2_000, "in memory", None));
    owner.say(&joined(6, "Bo"));
    // The recorder had not got these yet.
    owner.entry(&written(6, 2_500, "hi"));
    owner.entry(&said(3, 6, 3_000, "in its queue", None));
    owner.die();
    assert_eq!(room.lines("transcript.jsonl").len(), 1);
    let report = check(&room.folder());
    let added = report.notes.iter().filter(|note| note.contains("are added when the stream goes on")).count();
    assert!(report.is_fine() && added == 3, "{report:?}");

    let mut owner = Owner::begin(&room, 8);
    let lines = room.lines("transcript.jsonl");
    assert_eq!(lines.iter().map(|line| &line["n"]).collect::<Vec<_>>(), ["7-1", "7-2", "7-5"]);
    assert_eq!(lines[2]["received_at"], json!(now().0));
    // One that is handed over again is there already.
    let entries: Vec<_> = JournalReader::open(&room.folder()).unwrap().entries().map(Result::unwrap).collect();
    for entry in entries {
        owner.recorder.handle(Input::Word(entry), now()).unwrap();
    }
    owner.say(&said(3, 6, 3_000, "another's", Some(DataMessageAttribute::Update)));
    let manifest = finish(owner.recorder).manifest;
    assert_eq!((manifest.media[&Medium::Transcript].packets, manifest.media[&Medium::Chat].packets), (4, 1));
    assert_eq!((manifest.events, manifest.refused), (1, 0));
    assert_eq!(manifest.media[&Medium::Transcript].bytes, "syncedin memoryin its queueanother's".len() as u64);
    assert_eq!(
        room.text("transcript.txt"),
        "[00:00:01] Person 5: synced\n[00:00:02] Person 5: in memory\n[00:00:03] Person 6: another's\n"
    );
    let names: Vec<_> = manifest.participants.iter().map(|person| person.name.as_deref()).collect();
    assert_eq!(names, [Some("Person 5"), Some("Person 6")], "learnt again");
    let report = check(&room.folder());
    assert!(report.is_fine(), "{:?}", report.problems);
    assert_eq!(report.lost.map(|lost| lost.is_none()), Some(false), "the time between is lost");
}

#[test]
fn names_of_events_that_were_added_are_known() {
    let room = Room::new();
    let mut owner = Owner::begin(&room, 7);
    owner.entry(&joined(6, "Bo"));
    owner.die();
    let manifest = finish(Owner::begin(&room, 8).recorder).manifest;
    assert_eq!(manifest.participants[0].name.as_deref(), Some("Bo"));
}

#[test]
fn a_journal_that_was_there_before_the_recording_is_its_beginning() {
    let room = Room::new();
    fs::create_dir(room.folder()).unwrap();
    let mut journal = JournalWriter::open(&room.folder(), &stream(), JournalOptions::default()).unwrap();
    let mut numbering = Numbering::new(7);
    let mut entries = Vec::new();
    for what in [noted(100), written(5, 200, "hi")] {
        let word = match what {
            Input::Note(note) => Word::Note(note),
            Input::Chat(chat) => Word::Chat(chat),
            other => panic!("{other:?}"),
        };
        entries.push(Arc::new(Entry { number: numbering.give(), at: now(), word }));
    }
    journal.append(&entries).unwrap();

    let mut recorder = room.open();
    assert!(!recorder.is_resumed());
    for entry in entries {
        recorder.handle(Input::Word(entry), now()).unwrap();
    }
    let manifest = finish(recorder).manifest;
    assert_eq!((manifest.events, manifest.media[&Medium::Chat].packets), (1, 1));
    assert_eq!(room.lines("chat.jsonl").len(), 1);
    let report = check(&room.folder());
    assert!(report.is_fine(), "{:?}", report.problems);
}

#[test]
fn a_recording_of_an_older_version_goes_on_with_a_journal() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [said(1, 5, 1_000, "without a number", None), noted(1_000)]);
    recorder.sync(now()).unwrap();
    std::mem::forget(recorder);

    let mut owner = Owner::begin(&room, 8);
    owner.say(&said(2, 5, 2_000, "with one", None));
    owner.entry(&said(3, 5, 3_000, "and one more", None));
    owner.die();
    let owner = Owner::begin(&room, 9);
    let manifest = finish(owner.recorder).manifest;
    let lines = room.lines("transcript.jsonl");
    let numbers: Vec<_> = lines.iter().map(|line| line["n"].as_str().unwrap_or("none")).collect();
    assert_eq!(numbers, ["none", "8-1", "8-2"]);
    assert_eq!((manifest.events, manifest.media[&Medium::Transcript].packets), (1, 3));
    let report = check(&room.folder());
    assert!(report.is_fine(), "{:?}", report.problems);
}

#[test]
fn a_journal_of_a_newer_version_is_left_alone_and_the_recording_goes_on() {
    let room = Room::new();
    Owner::begin(&room, 7).die();
    let newer = "{\"format\":\"rtms-journal\",\"version\":9}\n{\"torn";
    fs::write(room.path("journal.jsonl"), newer).unwrap();
    let mut recorder = room.open();
    record(&mut recorder, [noted(100)]);
    finish(recorder);
    assert_eq!(room.text("journal.jsonl"), newer);
    assert_eq!(room.lines("events.jsonl").len(), 1);
    let report = check(&room.folder());
    let [problem] = &report.problems[..] else { panic!("{report:?}") };
    assert_eq!(problem.kind, ProblemKind::Journal);
    assert!(problem.what.contains("format version 9"), "{}", problem.what);
}

#[test]
fn a_time_that_nobody_can_mean_is_not_that_of_a_line_that_is_added() {
    let room = Room::new();
    let mut owner = Owner::begin(&room, 7);
    let what = said(1, 5, 40_000_000_000, "from the future", None);
    owner.say(&what);
    owner.recorder.sync(now()).unwrap();
    owner.entry(&what);
    owner.die();
    let owner = Owner::begin(&room, 8);
    finish(owner.recorder);
    let lines = room.lines("transcript.jsonl");
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["timestamp"], lines[1]["timestamp"]);
    assert_eq!(lines[0]["start_time_as_sent"], lines[1]["start_time_as_sent"]);
    let report = check(&room.folder());
    assert!(report.is_fine(), "{:?}", report.problems);
}

#[test]
fn what_is_wrong_with_a_journal_is_found() {
    let broken = |change: &dyn Fn(&str) -> String| {
        let room = Room::new();
        let mut owner = Owner::begin(&room, 7);
        for what in [noted(100), said(1, 5, 1_000, "words", None), noted(200)] {
            owner.say(&what);
        }
        finish(owner.recorder);
        let path = room.path("journal.jsonl");
        fs::write(&path, change(&room.text("journal.jsonl"))).unwrap();
        let problems = check(&room.folder()).problems;
        problems.into_iter().map(|problem| (problem.kind, problem.what)).collect::<Vec<_>>()
    };
    let found = |problems: &[(ProblemKind, String)], kind, text: &str| {
        let is_it = |(of, what): &(ProblemKind, String)| *of == kind && what.contains(text);
        assert!(problems.iter().any(is_it), "{text}: {problems:?}");
    };
    let torn = broken(&|text| text[..text.len() - 5].to_owned());
    found(&torn, ProblemKind::Lines, "ends in the middle of a line");
    found(&torn, ProblemKind::Size, "bytes");
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    found(&broken(&|text| text.replacen("7-3", "7-1", 1)), ProblemKind::Journal, "are not larger");
    found(
        &broken(&|text| lines(text)[..3].join("\n") + "\n"),
        ProblemKind::Journal,
        "numbers that the journal has not",
    );
    found(&broken(&|text| text.replace("{\"n\":\"7-3\"", "{\"m\":\"7-3\"")), ProblemKind::Lines, "no entries");
    found(&broken(&|text| text.replace("stream-1", "stream-2")), ProblemKind::Journal, "another stream");
    found(&broken(&|text| text.replace("\"part\":1", "\"part\":3")), ProblemKind::Journal, "file 3");
    let more = r#"{"n":"7-9","at":5,"kind":"note","data":{"at":5,"kind":"x","fields":{}}}"#;
    found(&broken(&|text| format!("{text}{more}\n")), ProblemKind::Journal, "lacks 1 entries");
}

#[test]
fn a_torn_end_that_nobody_cut_off_is_cut_off_when_the_recording_is_closed() {
    let room = Room::new();
    let mut owner = Owner::begin(&room, 7);
    owner.say(&noted(100));
    owner.die();
    let text = room.text("journal.jsonl");
    fs::write(room.path("journal.jsonl"), format!("{text}{{\"n\":\"7-")).unwrap();
    finish(room.open());
    assert_eq!(room.text("journal.jsonl"), text);
    let report = check(&room.folder());
    assert!(report.is_fine(), "{:?}", report.problems);
}

#[derive(Clone, Debug)]
enum Step {
    Say(Box<Input>),
    Sync,
    Die,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let attribute = prop_oneof![
        3 => Just(None),
        2 => Just(Some(DataMessageAttribute::Update)),
        1 => Just(Some(DataMessageAttribute::Delete)),
    ];
    let words = prop_oneof![Just("a"), Just("bb"), Just("ccc")];
    let transcript = (1..5i64, 5..7u64, 0..8i64, words.clone(), attribute)
        .prop_map(|(id, user, at, words, attribute)| said(id, user, 500 * at, words, attribute));
    let chat = (5..7u64, 0..20u64, words).prop_map(|(user, at, text)| written(user, 100 * at, text));
    let note = (0..100u64).prop_map(noted);
    let step = prop_oneof![
        6 => transcript.prop_map(|what| Step::Say(Box::new(what))),
        2 => chat.prop_map(|what| Step::Say(Box::new(what))),
        2 => note.prop_map(|what| Step::Say(Box::new(what))),
        2 => Just(Step::Sync),
        1 => Just(Step::Die),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whenever_the_process_dies_the_views_have_all_of_the_journal_once(steps in steps(), handed in 0..6usize) {
        let room = Room::new();
        let mut owner = Owner::begin(&room, 1);
        let (mut token, mut since_death) = (1, 0);
        let (mut transcripts, mut chats, mut events) = (0, 0, 0);
        for step in steps {
            match step {
                Step::Say(what) => {
                    match *what {
                        Input::Transcript(_) => transcripts += 1,
                        Input::Chat(_) => chats += 1,
                        _ => events += 1,
                    }
                    since_death += 1;
                    // The recorder is behind, and from some entry on it gets none until the process dies.
                    if since_death > handed {
                        owner.entry(&what);
                    } else {
                        owner.say(&what);
                    }
                }
                Step::Sync => owner.recorder.sync(now()).unwrap(),
                Step::Die => {
                    owner.die();
                    (token, since_death) = (token + 1, 0);
                    owner = Owner::begin(&room, token);
                }
            }
        }
        owner.die();
        let owner = Owner::begin(&room, token + 1);
        let manifest = finish(owner.recorder).manifest;
        let packets = |medium| manifest.media.get(&medium).map_or(0, |received| received.packets);
        let counted = (packets(Medium::Transcript), packets(Medium::Chat), manifest.events);
        prop_assert_eq!(counted, (transcripts, chats, events));
        let report = check(&room.folder());
        prop_assert!(report.is_fine(), "{:?}", report.problems);

        // One process that never died gives the same words.
        let whole = Room::new();
        let mut owner = Owner::begin(&whole, 1);
        for entry in JournalReader::open(&room.folder()).unwrap().entries() {
            owner.recorder.handle(Input::Word(entry.unwrap()), now()).unwrap();
        }
        finish(owner.recorder);
        // A transcript without a line has no file, or an empty one.
        let words = |room: &Room| fs::read_to_string(room.path("transcript.txt")).unwrap_or_default();
        prop_assert_eq!(words(&room), words(&whole));
    }
}

fn said(id: i64, user: u64, at: i64, words: &str, attribute: Option<DataMessageAttribute>) -> Input {
    Input::Transcript(MediaDataTranscript {
        user_id: Some(user.into()),
        user_name: Some(format!("Person {user}").into()),
        data: words.into(),
        start_time: Some(UnixMillis(START.saturating_add_signed(at))),
        sentence_id: Some(id),
        attribute,
        ..MediaDataTranscript::default()
    })
}

fn written(user: u64, at: u64, text: &str) -> Input {
    let chat = json!({"user_id": user, "timestamp": START + at, "data": text});
    Input::Chat(serde_json::from_value(chat).unwrap())
}

fn joined(user: u64, name: &str) -> Input {
    let person = json!({"user_id": user, "user_name": name});
    let event = json!({"event": {"event_type": 3, "timestamp": START, "participants": [person]}});
    Input::Event(serde_json::from_value(event).unwrap())
}

fn noted(at: u64) -> Input {
    let fields = json!({"n": "mine", "state": 2}).as_object().cloned().unwrap();
    Input::Note(Note { at: UnixMillis(START + at), kind: "stream_state".into(), fields })
}

fn stream() -> StreamId {
    StreamId::new("stream-1")
}

#[test]
fn no_number_of_the_senders_is_taken_for_one_of_ours() {
    let room = Room::new();
    let mut recorder = room.open();
    let chat = json!({"user_id": 5, "timestamp": START, "data": "hi", "n": "9-9", "utterance": 1});
    record(&mut recorder, [Input::Chat(serde_json::from_value(chat).unwrap()), noted(5)]);
    recorder.sync(now()).unwrap();
    drop(recorder);
    let line = &room.lines("chat.jsonl")[0];
    assert_eq!((&line["n"], &line["zoom_n"]), (&json!(null), &json!("9-9")));
    let mut owner = Owner::begin(&room, 7);
    owner.say(&written(5, 100, "numbered"));
    assert_eq!(owner.journal.last(), SequenceNumber { token: 7, count: 1 });
    finish(owner.recorder);
    assert_eq!(room.lines("chat.jsonl")[1]["n"], "7-1");
}
