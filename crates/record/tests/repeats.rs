//! What comes again after a restart or by another connection is left out; what is new is never written over what is there.

mod common;

use common::*;
use rtms_record::{Input, Recorder, check::check, ledger::What, manifest::AsideReason};
use rtms_wire::{
    codes::media::{AudioChannel, AudioSampleRate, MediaPayloadType},
    media::medium::Medium,
    message::media_data::MediaData,
};

/// 20 ms at 16 kHz that no other number gives.
fn sound(number: i16) -> Vec<i16> {
    (0..320).map(|step: i16| 1 + number.wrapping_mul(7) + (step.wrapping_mul(number)) % 101).collect()
}

fn sounds(at: impl Fn(i64) -> i64, numbers: std::ops::Range<i64>) -> Vec<Input> {
    numbers.map(|number| packet(5, at(number), &sound(number as i16))).collect()
}

/// The next process, after a proper end or a kill.
fn restarted(room: &Room, mut recorder: Recorder, is_killed: bool) -> Recorder {
    if is_killed {
        recorder.sync(now()).expect("synced");
        std::mem::forget(recorder);
    } else {
        finish(recorder);
    }
    room.open()
}

#[test]
fn after_a_restart_other_sound_for_a_time_that_has_sound_goes_aside() {
    for is_killed in [true, false] {
        let room = Room::new();
        let mut recorder = room.open();
        record(&mut recorder, sounds(|number| 20 * number, 0..60));
        let mut recorder = restarted(&room, recorder, is_killed);
        let other = |step: i64| packet(5, 20 * step, &sound(-1 - step as i16));
        record(&mut recorder, (20..50).map(other));
        record(&mut recorder, sounds(|number| 20 * number, 60..70));
        let manifest = finish(recorder).manifest;

        let all: Vec<_> = (0..70).flat_map(sound).collect();
        assert_eq!(room.samples("audio/5.wav"), all);
        assert_eq!(room.samples("audio/mixed.wav"), all);
        assert_eq!(manifest.aside[&AsideReason::Overlap].packets, 30);
        let track = manifest.tracks.iter().find(|track| track.placed.packets > 0).expect("a track");
        assert_eq!((track.placed.packets, track.placed.duplicates), (70, 0));
        assert_eq!(check(&room.folder()).problems, []);
    }
}

#[test]
fn after_a_restart_sound_finds_its_place_in_a_pause_of_what_is_there() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, sounds(|number| 20 * number, 0..10));
    record(&mut recorder, sounds(|number| 20 * number, 20..30));
    let mut recorder = restarted(&room, recorder, true);
    record(&mut recorder, sounds(|number| 20 * number, 5..25));
    let manifest = finish(recorder).manifest;

    assert_eq!(room.samples("audio/5.wav"), (0..30).flat_map(sound).collect::<Vec<_>>());
    assert_eq!(manifest.media[&Medium::Audio].duplicates, 10);
    assert_eq!(manifest.aside.len(), 0);
}

/// The timestamp of a packet by its number.
type Stamp = fn(i64) -> i64;

#[test]
fn after_a_restart_sound_that_comes_again_is_left_out_however_it_was_stamped() {
    let stamps: [(&str, Stamp); 4] = [
        ("regular", |number| 20 * number),
        ("bunched", |number| 140 * (number / 7)),
        ("jittering", |number| 20 * number + number * 7_919 % 13),
        ("slow", |number| 19 * number + number / 2),
    ];
    for (name, at) in stamps {
        for is_killed in [true, false] {
            let room = Room::new();
            let mut recorder = room.open();
            record(&mut recorder, sounds(at, 0..70));
            let before = recorder.describe().tracks;
            let held: u64 = before.iter().map(|track| track.placed.packets).sum();
            assert_eq!(held, 70, "{name}");
            let mut recorder = restarted(&room, recorder, is_killed);
            record(&mut recorder, sounds(at, 30..70));
            let again = room.samples("audio/5.wav");
            record(&mut recorder, sounds(at, 70..77));
            let manifest = finish(recorder).manifest;

            let track = manifest.tracks.iter().find(|track| track.placed.packets > 0).expect("a track");
            assert_eq!((track.placed.packets, track.placed.duplicates), (77, 40), "{name}");
            assert_eq!(manifest.media[&Medium::Audio].duplicates, 40, "{name}");
            assert!(room.samples("audio/5.wav").starts_with(&again), "{name}");
            assert_eq!(check(&room.folder()).problems, [], "{name}");
        }
    }
}

#[test]
fn after_a_restart_what_lies_aside_is_not_put_there_again() {
    let room = Room::new();
    let mut recorder = room.open();
    let unnamed = |at, samples: &[i16]| {
        let bytes = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        Input::Audio(MediaData { user_id: None, user_name: None, ..data(0, at, bytes) })
    };
    let both = |step: i64| [1, -1].map(|sign| unnamed(20 * step, &sound(sign * step as i16)));
    record(&mut recorder, (1..40).flat_map(both));
    let aside = recorder.describe().aside;
    let mut recorder = restarted(&room, recorder, false);
    record(&mut recorder, (10..40).flat_map(both));
    let manifest = finish(recorder).manifest;

    assert_eq!(manifest.aside, aside);
    assert_eq!(manifest.media[&Medium::Audio].duplicates, 60);
    assert_eq!(check(&room.folder()).problems, []);
}

fn picture(at: i64, number: u8) -> Input {
    Input::Video(data(5, at, vec![0, 0, 0, 1, 0x41, number, 9, 9]))
}

fn chat(at: u64, words: &str) -> Input {
    let chat = serde_json::json!({ "user_id": 5, "user_name": "Ana", "data": words, "timestamp": START + at });
    Input::Chat(serde_json::from_value(chat).expect("a message"))
}

fn words(at: u64, words: &str) -> Input {
    let said = serde_json::json!({
        "user_id": 5, "user_name": "Ana", "data": words, "timestamp": START + at, "start_time": START + at,
        "sentence_id": at, "attribute": 1,
    });
    Input::Transcript(serde_json::from_value(said).expect("a line"))
}

#[test]
fn after_a_restart_pictures_and_lines_that_come_again_are_left_out() {
    for is_killed in [true, false] {
        let room = Room::new();
        let mut recorder = room.open();
        let jpg = |at| Input::Deskshare(data(6, at, vec![0xff, 0xd8, 0xff, 0xe0, 1, 2, at as u8, 0xff, 0xd9]));
        record(&mut recorder, (0..12).map(|step| picture(40 * i64::from(step), step)));
        record(&mut recorder, [jpg(10), jpg(50), chat(100, "hi"), chat(300, "hi"), words(100, "one")]);
        let mut recorder = restarted(&room, recorder, is_killed);
        record(&mut recorder, (5..20).map(|step| picture(40 * i64::from(step), step)));
        // The same time and other content is new, and so is the same content at another time.
        record(&mut recorder, [picture(40 * 11, 99), jpg(50), jpg(90)]);
        record(
            &mut recorder,
            [chat(300, "hi"), chat(300, "ho"), chat(500, "hi"), words(100, "one"), words(900, "one")],
        );
        let manifest = finish(recorder).manifest;

        assert_eq!(room.lines("video/index.jsonl").len(), 21);
        assert_eq!(room.lines("deskshare/index.jsonl").len(), 3);
        assert_eq!(room.lines("chat.jsonl").len(), 4);
        assert_eq!(room.lines("transcript.jsonl").len(), 2);
        let duplicates = |medium| manifest.media[&medium].duplicates;
        let media = [Medium::Video, Medium::Deskshare, Medium::Chat, Medium::Transcript];
        assert_eq!(media.map(duplicates), [7, 1, 1, 1]);
        assert_eq!(check(&room.folder()).problems, []);
    }
}

fn opus() -> Input {
    granted_audio(AudioSampleRate::Khz48, AudioChannel::Stereo, MediaPayloadType::Opus)
}

#[test]
fn coded_packets_that_are_alike_are_repeats_by_another_connection_only() {
    let room = Room::new();
    let mut recorder = room.open();
    let pauses = |bunches: std::ops::Range<i64>| -> Vec<_> {
        bunches
            .flat_map(|bunch| (0..4).map(move |_| Input::Audio(data(7, 80 * bunch, vec![0xf8, 0xff, 0xfe]))))
            .collect()
    };
    record(&mut recorder, [opus()]);
    record(&mut recorder, pauses(0..10));
    record(&mut recorder, [opus()]);
    record(&mut recorder, pauses(5..15));
    assert_eq!(recorder.describe().media[&Medium::Audio].duplicates, 20);
    let mut recorder = restarted(&room, recorder, true);
    record(&mut recorder, [opus()]);
    record(&mut recorder, pauses(9..18));
    record(&mut recorder, [opus()]);
    record(&mut recorder, pauses(12..19));
    let manifest = finish(recorder).manifest;

    assert_eq!(room.lines("audio/index.jsonl").len(), 4 * 19);
    assert_eq!(manifest.media[&Medium::Audio].duplicates, 20 + 24 + 24);
    assert_eq!(check(&room.folder()).problems, []);
}

#[test]
fn coded_packets_that_share_a_time_are_received_one_after_the_other() {
    let granted =
        [(MediaPayloadType::Opus, AudioSampleRate::Khz48, 50), (MediaPayloadType::G711, AudioSampleRate::Khz8, 160)];
    for (codec, rate, bytes) in granted {
        let room = Room::new();
        let mut recorder = room.open();
        record(&mut recorder, [granted_audio(rate, AudioChannel::Mono, codec)]);
        for step in 0..80_i64 {
            let sound = |user| Input::Audio(data(user, 100 + 80 * (step / 4), vec![step as u8; bytes]));
            record(&mut recorder, [sound(5), sound(6)]);
        }
        let manifest = finish(recorder).manifest;
        let ledger = manifest.ledger.expect("a ledger");
        let spans = &ledger.media[&Medium::Audio].spans;
        let received: Vec<_> = spans.iter().filter(|span| span.what == What::Received).collect();
        assert_eq!(received.len(), 1, "{codec}: {spans:?}");
        assert_eq!((received[0].from.0 - START, received[0].to.0 - START), (100, 1_700), "{codec}: {spans:?}");
    }
}
