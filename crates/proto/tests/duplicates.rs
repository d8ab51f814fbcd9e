//! What comes twice around a reconnection is delivered once, and what only looks like it is delivered.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use common::{Pair, audio, media, seconds};
use rtms_proto::{
    dedupe::{MAX_LINES, MAX_PACKETS},
    event::Event,
    input::Input,
    role::Role,
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
fn what_differs_is_no_repeat_whatever_it_shares() {
    let mut pair = Pair::running();
    let of = |msg_type: u64, who: Value, data: &str| {
        let mut content = json!({"data": data, "timestamp": 7_000});
        content.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
        json!({"msg_type": msg_type, "content": content})
    };
    let people = [json!({"user_id": 7}), json!({"user_id": -1}), json!({})];
    for data in ["AAAA", "AAAB", "AAAC", "AAA="] {
        for who in &people {
            for msg_type in [14, 15, 16] {
                pair.hear(media(Medium::Audio), of(msg_type, who.clone(), data));
            }
        }
        pair.lose(media(Medium::Audio));
        pair.pass(seconds(5));
    }

    for medium in [Medium::Audio, Medium::Video, Medium::Deskshare] {
        assert_eq!(times(&pair, medium), [7_000; 12], "{medium}");
    }
    assert_eq!(removed(&pair), []);
}

#[test]
fn what_one_connection_carries_twice_is_delivered_twice() {
    let mut pair = Pair::running();
    for _ in 0..5 {
        pair.hear(media(Medium::Audio), audio(1_000));
    }
    pair.lose(media(Medium::Audio));
    pair.hear(media(Medium::Audio), audio(1_000));
    pair.hear(media(Medium::Audio), audio(1_020));

    assert_eq!(times(&pair, Medium::Audio), [1_000, 1_000, 1_000, 1_000, 1_000, 1_020]);
    assert_eq!(removed(&pair), [(Medium::Audio, 1)]);
}

#[test]
fn two_who_are_not_named_may_say_the_same_at_the_same_moment() {
    let mut pair = Pair::running();
    let say = |who: Value| {
        let mut content = json!({"data": "yes", "timestamp": BASE + 5_000});
        content.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
        content
    };
    for who in [json!({}), json!({"user_id": -1}), json!({"user_id": 0}), json!({"user_id": 9})] {
        for msg_type in [17, 18] {
            for _ in 0..2 {
                pair.hear(media(Medium::Chat), json!({"msg_type": msg_type, "content": say(who.clone())}));
            }
        }
    }

    let told = |medium| times(&pair, medium).len();
    assert_eq!((told(Medium::Transcript), told(Medium::Chat)), (7, 7), "of user 9, who is known, once");
}

#[test]
fn a_line_its_correction_and_its_deletion_are_three_lines() {
    let mut pair = Pair::running();
    let line = |attribute: i64, data: &str| {
        json!({"msg_type": 17, "content": {"user_id": 7, "data": data, "timestamp": BASE, "start_time": BASE, "end_time": BASE + 2,
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
fn as_many_packets_and_lines_are_remembered_as_there_is_room_for() {
    for (medium, max) in [(Medium::Audio, MAX_PACKETS), (Medium::Chat, MAX_LINES)] {
        let mut pair = Pair::running();
        for number in 0..=max {
            pair.hear(media(medium), packet(medium, 10_000 + 20 * number as u64));
        }
        pair.lose(media(medium));

        for (number, is_forgotten) in [(1, false), (max, false), (0, true)] {
            let before = times(&pair, medium).len();
            pair.hear(media(medium), packet(medium, 10_000 + 20 * number as u64));
            assert_eq!(times(&pair, medium).len() - before, usize::from(is_forgotten), "{medium} {number}");
        }
    }
}

// --- Helpers ---

/// Times of words are read as times, so they are of this age.
const BASE: u64 = 1_795_420_800_000;

fn packet(medium: Medium, timestamp: u64) -> Value {
    let msg_type = match medium {
        Medium::Audio => 14,
        Medium::Video => 15,
        Medium::Deskshare => 16,
        Medium::Transcript => 17,
        Medium::Chat => 18,
    };
    json!({"msg_type": msg_type, "content": {"user_id": 7, "data": "AAAA", "timestamp": BASE + timestamp}})
}

/// The timestamps of what was delivered, in order, from [`BASE`] on if they are behind it.
fn times(pair: &Pair, medium: Medium) -> Vec<u64> {
    let time = |event: &Event| match (medium, event) {
        (Medium::Audio, Event::Audio(data))
        | (Medium::Video, Event::Video(data))
        | (Medium::Deskshare, Event::Deskshare(data)) => Some(data.timestamp.0),
        (Medium::Transcript, Event::Transcript(line)) => Some(line.timestamp.unwrap().0),
        (Medium::Chat, Event::Chat(chat)) => Some(chat.timestamp.unwrap().0),
        _ => None,
    };
    pair.events.iter().filter_map(time).map(|time| time.checked_sub(BASE).unwrap_or(time)).collect()
}

fn removed(pair: &Pair) -> Vec<(Medium, u64)> {
    let removed = |event: &Event| match event {
        Event::DuplicatesRemoved { medium, count } => Some((*medium, *count)),
        _ => None,
    };
    pair.events.iter().filter_map(removed).collect()
}
