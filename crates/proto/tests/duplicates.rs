//! What comes twice around a reconnection is delivered once, and what only looks like it is delivered.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use common::{Pair, audio, media, message, seconds};
use rtms_proto::{
    dedupe::{MAX_LINES, MAX_RUNS, MAX_TRACKS},
    event::Event,
    input::Input,
    output::Role,
};
use rtms_wire::media::medium::Medium;
use serde_json::{Value, json};

#[test]
fn sound_that_both_connections_carry_is_delivered_once() {
    let mut pair = Pair::running();
    for timestamp in (1_000..2_000).step_by(20) {
        pair.hear(media(Medium::Audio), audio(timestamp));
    }
    pair.lose(media(Medium::Audio));
    for timestamp in (1_500..2_500).step_by(20) {
        pair.hear(media(Medium::Audio), audio(timestamp));
    }

    assert_eq!(times(&pair, Medium::Audio), (1_000..2_500).step_by(20).collect::<Vec<_>>());
    assert_eq!(removed(&pair), [(Medium::Audio, 25)], "told once, when something new comes");
}

#[test]
fn an_empty_packet_takes_the_place_of_nothing() {
    let mut pair = Pair::running();
    let empty = json!({"msg_type": 14, "content": {"user_id": 1, "data": "", "length": 0, "timestamp": 1_000}});
    pair.hear(media(Medium::Audio), empty);
    pair.hear(media(Medium::Audio), audio(1_000));

    assert_eq!(times(&pair, Medium::Audio), [1_000, 1_000]);
}

#[test]
fn pictures_and_words_that_come_again_are_delivered_once() {
    let mut pair = Pair::running();
    for medium in [Medium::Video, Medium::Deskshare, Medium::Transcript, Medium::Chat] {
        // 30 pictures a second have uneven steps.
        let times: Vec<_> = (0..60).map(|number| 10_000 + number * 100 / 3).collect();
        for time in &times {
            pair.hear(media(medium), packet(medium, *time));
        }
        pair.lose(media(medium));
        for time in &times[30..] {
            pair.hear(media(medium), packet(medium, *time));
        }
        pair.hear(media(medium), packet(medium, 20_000));

        assert_eq!(self::times(&pair, medium), [&times[..], &[20_000]].concat(), "{medium}");
        assert_eq!(removed(&pair).pop(), Some((medium, 30)));
    }
}

#[test]
fn the_same_moment_of_another_person_channel_or_medium_is_something_else() {
    let mut pair = Pair::running();
    let of = |who: Value| {
        let mut content = json!({"data": "AAAA", "timestamp": 1_000});
        content.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
        content
    };
    let people = [json!({"user_id": 1}), json!({"user_id": 2}), json!({"channel_id": "1"}), json!({})];
    for round in 0..2 {
        for msg_type in [14, 15, 16] {
            for who in &people {
                pair.hear(media(Medium::Audio), json!({"msg_type": msg_type, "content": of(who.clone())}));
            }
        }
        if round == 0 {
            pair.lose(media(Medium::Audio));
        }
    }

    for medium in [Medium::Audio, Medium::Video, Medium::Deskshare] {
        assert_eq!(times(&pair, medium), [1_000; 4], "{medium}");
    }
}

#[test]
fn a_backlog_with_old_timestamps_is_delivered_beside_what_is_live() {
    let mut pair = Pair::running();
    pair.hear(media(Medium::Audio), audio(1_000));
    pair.lose(media(Medium::Audio));

    // The newest comes first, then the minute before it, in the order of time and with live packets between.
    for step in 0..3_000 {
        pair.hear(media(Medium::Audio), audio(61_020 + step * 20));
        pair.hear(media(Medium::Audio), audio(1_020 + step * 20));
    }

    assert_eq!(times(&pair, Medium::Audio).len(), 6_001);
    assert_eq!(removed(&pair), []);
}

#[test]
fn parts_of_one_picture_share_their_time_and_are_all_delivered() {
    let mut pair = Pair::running();
    for _ in 0..3 {
        pair.hear(media(Medium::Video), packet(Medium::Video, 1_000));
    }
    pair.lose(media(Medium::Video));
    for _ in 0..3 {
        pair.hear(media(Medium::Video), packet(Medium::Video, 1_000));
    }
    pair.hear(media(Medium::Video), packet(Medium::Video, 1_040));

    assert_eq!(times(&pair, Medium::Video), [1_000, 1_000, 1_000, 1_040]);
    assert_eq!(removed(&pair), [(Medium::Video, 3)]);
}

#[test]
fn a_line_its_correction_and_its_deletion_are_three_lines() {
    let mut pair = Pair::running();
    let line = |attribute: i64, data: &str| {
        json!({"msg_type": 17, "content": {"user_id": 7, "data": data, "timestamp": 1, "start_time": 1, "end_time": 2,
            "attribute": attribute, "sentence_id": 5}})
    };
    let lines = [line(1, "to"), line(2, "two"), line(2, "too"), line(3, "")];
    for _ in 0..2 {
        for line in &lines {
            pair.hear(media(Medium::Transcript), line.clone());
        }
        pair.lose(Role::Signaling);
        pair.pass(seconds(2));
    }

    let told = pair.events.iter().filter(|event| matches!(event, Event::Transcript(_))).count();
    assert_eq!(told, 4);
    assert_eq!(removed(&pair), [(Medium::Transcript, 4)], "told when the connection goes, at the latest");
}

#[test]
fn lines_without_a_time_may_be_said_twice() {
    let mut pair = Pair::running();
    for _ in 0..2 {
        pair.hear(media(Medium::Transcript), json!({"msg_type": 17, "content": {"user_id": 7, "data": "yes"}}));
        pair.hear(media(Medium::Chat), json!({"msg_type": 18, "content": {"user_id": 7, "data": "yes"}}));
    }

    assert_eq!(removed(&pair), []);
}

#[test]
fn what_was_removed_is_told_before_the_end() {
    let mut pair = Pair::running();
    pair.hear(media(Medium::Audio), audio(1_000));
    pair.lose(media(Medium::Audio));
    pair.hear(media(Medium::Audio), audio(1_000));

    pair.input(Input::Abandon);

    assert_eq!(removed(&pair), [(Medium::Audio, 1)]);
}

// --- Bounds ---

#[test]
fn of_one_person_as_many_runs_are_remembered_as_there_is_room_for() {
    let mut pair = Pair::running();
    // Two seconds between them: each is a run of its own.
    let time = |number: usize| 10_000 + 2_000 * number as u64;
    for number in 0..=MAX_RUNS {
        pair.hear(media(Medium::Audio), audio(time(number)));
    }

    for (number, forgotten) in [(1, false), (MAX_RUNS, false), (0, true)] {
        let before = times(&pair, Medium::Audio).len();
        pair.hear(media(Medium::Audio), audio(time(number)));
        assert_eq!(times(&pair, Medium::Audio).len() - before, usize::from(forgotten), "{number}");
    }
}

#[test]
fn as_many_people_are_remembered_as_there_is_room_for() {
    let mut pair = Pair::running();
    let connection = pair.line(media(Medium::Audio));
    let mut hear = |person: usize| {
        let content = json!({"user_id": person, "data": "AAAA", "timestamp": 1_000});
        let before = pair.events.len();
        pair.input(Input::Received(connection, message(json!({"msg_type": 14, "content": content}))));
        pair.events.len() > before
    };
    assert!((0..=MAX_TRACKS).all(&mut hear));

    assert!(!hear(1), "the second is remembered");
    assert!(hear(0), "who was not heard for longest is forgotten");
}

#[test]
fn as_many_lines_are_remembered_as_there_is_room_for() {
    let mut pair = Pair::running();
    for number in 0..=MAX_LINES {
        pair.hear(media(Medium::Chat), packet(Medium::Chat, number as u64));
    }

    for (number, forgotten) in [(1, false), (MAX_LINES, false), (0, true)] {
        let before = times(&pair, Medium::Chat).len();
        pair.hear(media(Medium::Chat), packet(Medium::Chat, number as u64));
        assert_eq!(times(&pair, Medium::Chat).len() - before, usize::from(forgotten), "{number}");
    }
}

// --- Helpers ---

fn packet(medium: Medium, timestamp: u64) -> Value {
    let msg_type = match medium {
        Medium::Audio => 14,
        Medium::Video => 15,
        Medium::Deskshare => 16,
        Medium::Transcript => 17,
        Medium::Chat => 18,
    };
    json!({"msg_type": msg_type, "content": {"user_id": 7, "data": "AAAA", "timestamp": timestamp}})
}

/// The timestamps of what was delivered, in order.
fn times(pair: &Pair, medium: Medium) -> Vec<u64> {
    let time = |event: &Event| match (medium, event) {
        (Medium::Audio, Event::Audio(data))
        | (Medium::Video, Event::Video(data))
        | (Medium::Deskshare, Event::Deskshare(data)) => Some(data.timestamp.0),
        (Medium::Transcript, Event::Transcript(line)) => Some(line.timestamp.unwrap().0),
        (Medium::Chat, Event::Chat(chat)) => Some(chat.timestamp.unwrap().0),
        _ => None,
    };
    pair.events.iter().filter_map(time).collect()
}

fn removed(pair: &Pair) -> Vec<(Medium, u64)> {
    let removed = |event: &Event| match event {
        Event::DuplicatesRemoved { medium, count } => Some((*medium, *count)),
        _ => None,
    };
    pair.events.iter().filter_map(removed).collect()
}
