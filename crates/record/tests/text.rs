//! What was said and written, in words.

mod common;

use common::*;
use rtms_record::{Input, Note, Options, check::check};
use rtms_wire::{
    codes::media::DataMessageAttribute,
    flaws::{Flaw, Flaws, RawMessage},
    media::{medium::Medium, params::MediaParams},
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
    record(&mut recorder, [Input::Event(event), Input::Note(Note { at: now(), kind: "joined".into(), fields })]);
    finish(recorder);

    let text = room.text("transcript.txt");
    for expected in ["] Ines: hi", "] Bo: hi", "] Cy: hi", "] User 8: hi"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

/// The transcript's medium is opened: another connection.
fn connected() -> Input {
    Input::Granted(Medium::Transcript, MediaParams::default())
}

fn with(attribute: DataMessageAttribute, message: MediaDataTranscript) -> Input {
    Input::Transcript(MediaDataTranscript { attribute: Some(attribute), ..message })
}

/// Message 6 about one person.
fn event(kind: i64, user: u64, name: Option<&str>, at: u64) -> Input {
    let person = json!({"user_id": user, "user_name": name});
    let event = json!({"event": {"event_type": kind, "timestamp": START + at, "participants": [person]}});
    Input::Event(serde_json::from_value(event).expect("an event"))
}

fn words(room: &Room) -> Vec<String> {
    room.text("transcript.txt").lines().map(|line| line.split_once(": ").expect("a line").1.to_owned()).collect()
}

#[test]
fn sentences_that_are_counted_anew_leave_those_from_before_alone() {
    use DataMessageAttribute::{Delete, Update};
    // After a reconnect, and in a process that goes on.
    for is_takeover in [false, true] {
        let room = Room::new();
        let mut recorder = room.open();
        record(
            &mut recorder,
            [connected(), line(1, 5, 1_000, "first"), line(2, 5, 2_000, "second"), line(3, 5, 3_000, "thrid")],
        );
        if is_takeover {
            recorder.sync(now()).expect("synced");
            drop(recorder);
            recorder = room.open();
        }
        let timeless =
            MediaDataTranscript { start_time: None, end_time: None, timestamp: None, ..message(2, 5, 0, "") };
        record(
            &mut recorder,
            [
                connected(),
                // Of this connection nothing has that number yet.
                with(Delete, timeless.clone()),
                line(1, 5, 9_000, "forth"),
                with(Update, message(1, 5, 9_000, "fourth")),
                // A late correction of a sentence from before: it began then.
                with(Update, message(3, 5, 3_000, "third")),
                with(Update, message(4, 5, 9_500, "fifth")),
                line(5, 5, 9_900, "noise"),
                with(Delete, message(5, 5, 9_900, "")),
            ],
        );
        finish(recorder);
        assert_eq!(words(&room), ["first", "second", "third", "fourth", "fifth"], "takeover: {is_takeover}");
    }
}

#[test]
fn an_original_that_comes_after_its_correction_does_not_undo_it() {
    use DataMessageAttribute::{Delete, Update};
    let room = Room::new();
    let mut recorder = room.open();
    record(
        &mut recorder,
        [
            connected(),
            // The correction is first.
            with(Update, message(1, 5, 1_000, "right")),
            line(1, 5, 900, "wrong"),
            with(Delete, message(2, 5, 2_000, "")),
            line(2, 5, 2_000, "noise"),
            // In order, and then all again on another connection.
            line(3, 5, 3_000, "helo"),
            with(Update, message(3, 5, 3_100, "hello")),
            line(4, 5, 4_000, "cough"),
            with(Delete, message(4, 5, 4_000, "")),
            connected(),
            line(3, 5, 3_000, "helo"),
            line(4, 5, 4_000, "cough"),
            with(Update, message(4, 5, 4_000, "cough")),
            line(1, 5, 900, "wrong"),
        ],
    );
    recorder.sync(now()).expect("synced");
    assert_eq!(words(&room), ["right", "hello"]);
    drop(recorder);
    let mut recorder = room.open();
    record(&mut recorder, [line(3, 5, 3_000, "helo"), line(4, 5, 4_000, "cough"), line(1, 5, 8_000, "new")]);
    finish(recorder);
    assert_eq!(words(&room), ["right", "hello", "new"]);
}

#[test]
fn who_said_what_does_not_move_when_an_id_is_used_again_or_a_name_changes() {
    let room = Room::new();
    let mut recorder = room.open();
    let said =
        |user, at, text| Input::Transcript(MediaDataTranscript { user_name: None, ..message(at, user, at, text) });
    record(
        &mut recorder,
        [
            said(5, 100, "before her name"),
            event(3, 5, Some("Ines"), 200),
            event(3, 6, Some("Sam"), 200),
            event(3, 7, Some("Sam"), 200),
            said(5, 1_000, "hers"),
            event(4, 5, None, 2_000),
            event(3, 5, None, 3_000),
            said(5, 4_000, "of a newcomer"),
            event(2, 5, Some("Bo"), 5_000),
            said(5, 6_000, "his"),
            said(6, 6_000, "as Sam"),
            event(3, 6, Some("Samantha"), 7_000),
            said(6, 8_000, "as Samantha"),
            said(7, 8_500, "the other Sam"),
        ],
    );
    recorder.sync(now()).expect("synced");
    drop(recorder);
    let mut recorder = room.open();
    record(&mut recorder, [said(5, 9_000, "his too")]);
    let people = finish(recorder).manifest.participants;

    let names: Vec<_> = room.text("transcript.txt").lines().map(|line| line[11..].to_owned()).collect();
    assert_eq!(
        names,
        [
            "Ines: before her name",
            "Ines: hers",
            "Bo: of a newcomer",
            "Bo: his",
            "Sam: as Sam",
            "Samantha: as Samantha",
            "Sam: the other Sam",
            "Bo: his too",
        ]
    );
    let [five, six, seven] = people.as_slice() else { panic!("{people:?}") };
    let times: Vec<_> = five.names.iter().map(|it| (it.name.as_deref(), it.from.0 - START, it.until)).collect();
    assert_eq!(times, [(Some("Ines"), 200, Some(UnixMillis(START + 2_000))), (Some("Bo"), 3_000, None)]);
    assert_eq!((six.name.as_deref(), six.names.len(), seven.names.len()), (Some("Samantha"), 2, 0));
}

#[test]
fn no_speaker_is_empty_and_each_utterance_is_one_line() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [event(3, 2, Some("Zoë"), 0)]);
    let names = ["", "\u{200b}", "\u{202e}\u{2066}", "\u{3164}\n", "\0", "ok\u{202d}\u{2028}x"];
    for (place, name) in names.into_iter().enumerate() {
        let text = "a\u{2029}b\u{85}\u{202b}c\r\n\u{7f}";
        let said = message(1, 1 + place as u64, 100 * place as i64, text);
        record(&mut recorder, [Input::Transcript(MediaDataTranscript { user_name: Some(name.into()), ..said })]);
    }
    finish(recorder);

    let text = room.text("transcript.txt");
    let lines: Vec<_> = text.split_inclusive('\n').map(|line| &line[11..]).collect();
    let speakers = ["User 1", "Zoë", "User 3", "User 4", "User 5", "ok x"];
    assert_eq!(lines, speakers.map(|speaker| format!("{speaker}: a b c\n")));
    assert_eq!(room.text("transcript.vtt").split("\n\n").filter(|cue| cue.contains(">a b c")).count(), 6);
    assert_eq!(room.lines("transcript.jsonl")[5]["user_name"], "ok\u{202d}\u{2028}x", "as it was received");
}

#[test]
fn what_was_broken_is_counted_by_kind_and_the_first_of_each_are_kept() {
    let room = Room::new();
    let mut recorder = room.open();
    let raw = |flaw, bytes: &[u8]| {
        let mut flaws = Flaws::default();
        flaws.insert(flaw);
        Input::Raw(RawMessage::new(Some(Medium::Audio), flaws, bytes))
    };
    for _ in 0..300 {
        record(&mut recorder, [raw(Flaw::BrokenText, b"{\"user_name\":\"\\ud83d\",\"token\":\"t0p\"}")]);
    }
    record(
        &mut recorder,
        [raw(Flaw::WrongLength, &vec![b'x'; 100_000]), Input::Raw(RawMessage::new(None, Flaws::default(), b"\xff"))],
    );
    recorder.sync(now()).expect("synced");
    std::mem::forget(recorder);
    let manifest = finish(room.open()).manifest;

    assert_eq!(manifest.flaws.into_iter().collect::<Vec<_>>(), [(Flaw::BrokenText, 300), (Flaw::WrongLength, 1)]);
    let lines = room.lines("aside/messages.jsonl");
    assert_eq!(lines.len(), 22);
    assert_eq!(lines[0]["text"], "{\"user_name\":\"\\ud83d\",\"token\":\"\"}", "without its secrets");
    assert_eq!(
        (&lines[20]["length"], lines[20]["text"].as_str().map(str::len)),
        (&json!(100_000), Some(RawMessage::MAX_BYTES))
    );
    assert_eq!((&lines[21]["flaws"], &lines[21]["binary_base64"]), (&json!([]), &json!("/w==")));
    assert!(check(&room.folder()).is_fine());
}

#[test]
fn events_are_lines_with_time_and_kind() {
    let room = Room::new();
    let mut recorder = room.open();
    let fields = json!({"kind": "mine", "state": 2}).as_object().expect("an object").clone();
    let event: EventUpdate =
        serde_json::from_value(json!({"event": {"event_type": 6, "timestamp": START + 5}})).expect("an event");
    record(
        &mut recorder,
        [Input::Note(Note { at: UnixMillis(START), kind: "state".into(), fields }), Input::Event(event)],
    );
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
fn no_line_has_a_name_twice_whatever_the_sender_called_its_fields() {
    let room = Room::new();
    let mut recorder = room.open();
    let names = ["received_at", "connection", "at", "kind", "zoom_received_at"];
    let strange: serde_json::Map<_, _> = names.map(|name| (name.to_owned(), json!(name))).into_iter().collect();
    let with = |mut message: serde_json::Value| {
        message.as_object_mut().expect("an object").extend(strange.clone());
        message
    };
    let chat = with(json!({"user_id": 5, "data": "hello", "timestamp": START + 7}));
    let said = with(json!({"user_id": 5, "data": "hello", "start_time": START + 7}));
    let event = with(json!({"event": with(json!({"event_type": 6}))}));
    let read = |what| serde_json::from_value(what).expect("a message");
    record(&mut recorder, [connected(), connected(), Input::Transcript(read(said))]);
    let (chat, event) =
        (serde_json::from_value(chat).expect("a chat message"), serde_json::from_value(event).expect("an event"));
    record(&mut recorder, [Input::Chat(chat), Input::Event(event)]);
    finish(recorder);

    for (file, ours) in [
        ("chat.jsonl", &["received_at", "connection"][..]),
        ("transcript.jsonl", &["received_at", "connection"]),
        ("events.jsonl", &["at", "kind"]),
    ] {
        // A name that is there twice counts once when it is read.
        let text = room.text(file);
        let line = &room.lines(file)[0];
        assert_eq!(text.trim_end().len(), line.to_string().len(), "{text}");
        for name in names {
            let kept = if ours.contains(&name) { format!("zoom_{name}") } else { name.to_owned() };
            let values = [&line[&kept], &line[format!("zoom_{kept}")]];
            assert!(values.contains(&&json!(name)), "{name}: {text}");
        }
        for name in ours {
            assert_ne!(line[name], json!(name), "{text}");
        }
    }
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
