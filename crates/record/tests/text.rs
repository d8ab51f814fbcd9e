//! What was said and written, in words.

mod common;

use common::*;
use rtms_record::{Input, Note, Options};
use rtms_wire::{
    codes::media::DataMessageAttribute,
    message::{
        event_update::EventUpdate,
        text_data::{MediaDataChat, MediaDataTranscript},
    },
    time::UnixMillis,
};
use serde_json::json;

#[test]
fn lines_come_in_the_order_of_speaking() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [line(2, 5, 4_000, "later"), line(1, 6, 1_500, "earlier"), line(3, 5, 1_500, "same time")]);
    finish(recorder);

    assert_eq!(
        room.text("transcript.txt"),
        "[00:00:01] Person 6: earlier\n[00:00:01] Person 5: same time\n[00:00:04] Person 5: later\n"
    );
    assert_eq!(
        room.text("transcript.vtt"),
        "WEBVTT\n\n\
         00:00:01.500 --> 00:00:03.500\n<v Person 6>earlier\n\n\
         00:00:01.500 --> 00:00:03.500\n<v Person 5>same time\n\n\
         00:00:04.000 --> 00:00:06.000\n<v Person 5>later\n\n"
    );
}

#[test]
fn nothing_that_is_said_becomes_markup() {
    let room = Room::new();
    let mut recorder = room.open();
    let mut evil = message(1, 5, 0, "a --> b\n\n00:00:00.000 --> 00:00:09.000\n<c>&amp;\u{1b}[2J");
    evil.user_name = Some("<v Bob> & --> \r\nCo".into());
    record(&mut recorder, [Input::Transcript(evil)]);
    finish(recorder);

    assert_eq!(
        room.text("transcript.vtt"),
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n<v &lt;v Bob&gt; &amp; --&gt;  Co>\
         a --&gt; b 00:00:00.000 --&gt; 00:00:09.000 &lt;c&gt;&amp;amp; [2J\n\n"
    );
    assert_eq!(room.text("transcript.txt").lines().count(), 1);
    assert!(!room.text("transcript.txt").contains('\u{1b}'));
}

#[test]
fn updates_and_deletions_are_applied_and_every_line_is_kept_as_received() {
    let room = Room::new();
    let mut recorder = room.open();
    let with = |attribute, message: MediaDataTranscript| {
        Input::Transcript(MediaDataTranscript { attribute: Some(attribute), ..message })
    };
    record(&mut recorder, [line(1, 5, 1_000, "helo"), line(2, 5, 2_000, "noise"), line(1, 6, 3_000, "another's 1")]);
    recorder.sync(now()).expect("synced");
    assert_eq!(room.text("transcript.txt").lines().count(), 3);
    record(
        &mut recorder,
        [
            with(DataMessageAttribute::Update, message(1, 5, 1_000, "Hello, Zoë")),
            with(DataMessageAttribute::Delete, message(2, 5, 2_000, "")),
            with(DataMessageAttribute::Update, message(9, 5, 9_000, "never seen before")),
            with(DataMessageAttribute::Delete, message(8, 5, 9_000, "")),
        ],
    );
    finish(recorder);

    assert_eq!(
        room.text("transcript.txt"),
        "[00:00:01] Person 5: Hello, Zoë\n[00:00:03] Person 6: another's 1\n[00:00:09] Person 5: never seen before\n"
    );
    let lines = room.lines("transcript.jsonl");
    assert_eq!(lines.len(), 7);
    assert_eq!((&lines[0]["data"], &lines[0]["sentence_id"]), (&json!("helo"), &json!(1)));
    assert_eq!((&lines[3]["attribute"], &lines[4]["attribute"]), (&json!(2), &json!(3)));
    assert_eq!(lines[0]["received_at"], json!(now().0));
}

#[test]
fn a_line_sent_again_is_shown_once() {
    let room = Room::new();
    let mut recorder = room.open();
    let nameless = MediaDataTranscript { sentence_id: None, ..message(0, 5, 500, "yes") };
    record(&mut recorder, [line(1, 5, 100, "one"), Input::Transcript(nameless.clone())]);
    record(&mut recorder, [line(1, 5, 100, "one"), Input::Transcript(nameless)]);
    // Two parts of one utterance share an id and differ in time.
    record(&mut recorder, [line(1, 5, 900, "and more")]);
    finish(recorder);
    assert_eq!(
        room.text("transcript.txt"),
        "[00:00:00] Person 5: one\n[00:00:00] Person 5: yes\n[00:00:00] Person 5: and more\n"
    );
}

#[test]
fn speakers_are_named_even_when_the_name_comes_later() {
    let room = Room::new();
    let mut recorder = room.open();
    let nameless = |user| Input::Transcript(MediaDataTranscript { user_name: None, ..message(1, user, 0, "hi") });
    record(&mut recorder, [nameless(5), nameless(6), nameless(7), nameless(8)]);
    recorder.sync(now()).expect("synced");
    assert!(room.text("transcript.txt").contains("User 5: hi"));

    let event: EventUpdate = serde_json::from_value(json!({
        "event": {"event_type": 3, "timestamp": START, "participants": [{"user_id": 5, "user_name": "Ines"}]}
    }))
    .expect("an event");
    let fields = json!({"participants": [{"user_id": 6, "user_name": "Bo"}], "user_id": "7", "user_name": "Cy"});
    let fields = fields.as_object().expect("an object").clone();
    record(&mut recorder, [Input::Event(event), Input::Note(Note { at: now(), kind: "joined", fields })]);
    finish(recorder);

    let text = room.text("transcript.txt");
    for expected in ["] Ines: hi", "] Bo: hi", "] Cy: hi", "] User 8: hi"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn events_are_lines_with_time_and_kind() {
    let room = Room::new();
    let mut recorder = room.open();
    let fields = json!({"kind": "mine", "state": 2}).as_object().expect("an object").clone();
    let event: EventUpdate =
        serde_json::from_value(json!({"event": {"event_type": 6, "timestamp": START + 5}})).expect("an event");
    record(&mut recorder, [Input::Note(Note { at: UnixMillis(START), kind: "state", fields }), Input::Event(event)]);
    let summary = finish(recorder);

    let lines = room.lines("events.jsonl");
    assert_eq!(lines[0], json!({"at": START, "kind": "state", "state": 2}));
    assert_eq!(lines[1]["kind"], "event_update");
    assert_eq!(lines[1]["event"]["event_type"], 6);
    assert_eq!(summary.manifest.events, 2);
}

#[test]
fn chat_is_kept_as_received() {
    let room = Room::new();
    let mut recorder = room.open();
    let chat: MediaDataChat = serde_json::from_value(json!({
        "user_id": 5, "user_name": "Ines", "timestamp": START + 7, "data": "hello\nthere", "message_id": "m1", "later": [1]
    }))
    .expect("a chat message");
    record(&mut recorder, [Input::Chat(chat)]);
    let summary = finish(recorder);

    let line = &room.lines("chat.jsonl")[0];
    assert_eq!(
        (&line["data"], &line["message_id"], &line["later"]),
        (&json!("hello\nthere"), &json!("m1"), &json!([1]))
    );
    assert_eq!(summary.manifest.participants[0].name.as_deref(), Some("Ines"));
}

#[test]
fn times_count_from_the_first_sound_once_it_is_known() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [line(1, 5, 1_000, "hi")]);
    recorder.sync(now()).expect("synced");
    assert!(room.text("transcript.vtt").contains("00:00:01.000"));
    record(&mut recorder, [packet(5, -500, &tone(1))]);
    recorder.sync(now()).expect("synced");
    assert!(room.text("transcript.vtt").contains("00:00:01.500"));
}

#[test]
fn old_lines_leave_memory_and_stay_in_the_files() {
    let room = Room::new();
    let mut recorder = room.open_with(Options { max_lines: 3, ..Options::default() });
    for id in 1..=10 {
        record(&mut recorder, [line(id, 5, 1000 * id, &format!("words {id}"))]);
        recorder.sync(now()).expect("synced");
    }
    let update =
        MediaDataTranscript { attribute: Some(DataMessageAttribute::Update), ..message(9, 5, 9_000, "better") };
    record(&mut recorder, [Input::Transcript(update)]);
    finish(recorder);

    let text = room.text("transcript.txt");
    assert_eq!(text.lines().count(), 10);
    assert!(text.contains("words 1\n") && text.contains("better\n") && !text.contains("words 9\n"), "{text}");
}

fn message(id: i64, user: u64, at: i64, words: &str) -> MediaDataTranscript {
    MediaDataTranscript {
        user_id: Some(user.into()),
        user_name: Some(format!("Person {user}").into()),
        data: words.into(),
        start_time: Some(UnixMillis(START.saturating_add_signed(at))),
        end_time: Some(UnixMillis(START.saturating_add_signed(at + 2_000))),
        timestamp: Some(UnixMillis(START.saturating_add_signed(at + 2_100))),
        sentence_id: Some(id),
        ..MediaDataTranscript::default()
    }
}

fn line(id: i64, user: u64, at: i64, words: &str) -> Input {
    Input::Transcript(message(id, user, at, words))
}
