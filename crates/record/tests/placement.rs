//! Sound lies where Zoom's timestamps say, to the sample.

mod common;

use common::*;
use rtms_record::manifest::AsideReason;
use rtms_wire::{
    codes::media::{AudioChannel, AudioSampleRate, MediaPayloadType},
    ids::UserId,
    media::medium::Medium,
    message::media_data::MediaData,
};

#[test]
fn gaps_become_silence_of_their_length() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [packet(5, 100, &tone(1)), packet(5, 120, &tone(2)), packet(5, 1500, &tone(3))]);
    let summary = finish(recorder);

    let expected = [silence(100), tone(1).into(), tone(2).into(), silence(1360), tone(3).into()].concat();
    assert_eq!(room.samples("audio/5.wav"), expected);
    assert_eq!(summary.duration.as_millis(), 1520);
    let track = &summary.manifest.tracks[1];
    assert_eq!((track.placed.packets, track.placed.silence_ms, track.duration_ms), (3, 1460, 1520));
}

#[test]
fn all_tracks_begin_at_the_same_instant() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [packet(7, 1000, &tone(7)), packet(8, 3000, &tone(8))]);
    finish(recorder);

    assert_eq!(room.samples("audio/7.wav"), [silence(1000), tone(7).into()].concat());
    assert_eq!(room.samples("audio/8.wav"), [silence(3000), tone(8).into()].concat());
}

#[test]
fn first_sound_before_the_start_moves_the_origin() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [packet(5, -300, &tone(1)), packet(5, 0, &tone(2))]);
    let summary = finish(recorder);

    assert_eq!(summary.manifest.origin.map(|origin| origin.0), Some(START - 300));
    assert_eq!(room.samples("audio/5.wav"), [tone(1).into(), silence(280), tone(2).into()].concat());
}

#[test]
fn sound_from_before_the_origin_is_kept_aside_and_counted() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [packet(5, 0, &tone(1)), packet(5, -40, &tone(2))]);
    let summary = finish(recorder);

    assert_eq!(room.samples("audio/5.wav"), tone(1));
    assert_eq!(summary.manifest.aside[&AsideReason::BeforeOrigin].packets, 1);
    assert_eq!(summary.manifest.tracks[1].placed.before_origin, 1);
    let index = &room.lines("aside/index.jsonl")[0];
    assert_eq!(index["reason"], "before_origin");
    assert_eq!((index["offset"].as_u64(), index["length"].as_u64()), (Some(0), Some(640)));
    let kept = std::fs::read(room.path("aside/audio.raw")).expect("the packet");
    assert_eq!(kept, tone(2).iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<_>>());
}

#[test]
fn jitter_leaves_no_clicks() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [packet(5, 0, &tone(1)), packet(5, 23, &tone(2)), packet(5, 37, &tone(3))]);
    let summary = finish(recorder);

    assert_eq!(room.samples("audio/5.wav"), [tone(1), tone(2), tone(3)].concat());
    assert_eq!(summary.manifest.tracks[1].placed.joined, 2);
}

#[test]
fn repeated_packets_change_nothing() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [packet(5, 0, &tone(1)), packet(5, 20, &tone(2))]);
    record(&mut recorder, [packet(5, 0, &tone(1)), packet(5, 20, &tone(2)), packet(5, 40, &tone(3))]);
    let summary = finish(recorder);

    let expected = [tone(1), tone(2), tone(3)].concat();
    assert_eq!(room.samples("audio/5.wav"), expected);
    assert_eq!(room.samples("audio/mixed.wav"), expected);
    assert_eq!(summary.manifest.tracks[1].placed.duplicates, 2);
    assert_eq!(summary.manifest.media[&Medium::Audio].duplicates, 2);
}

#[test]
fn packets_that_come_twice_in_a_row_are_repeats_where_there_is_no_time_for_both() {
    let room = Room::new();
    let mut recorder = room.open();
    for step in 0..50 {
        record(&mut recorder, [packet(5, 20 * step, &tone(4)), packet(5, 20 * step, &tone(4))]);
    }
    let summary = finish(recorder);

    assert_eq!(room.samples("audio/5.wav"), tone(4).repeat(50));
    assert_eq!(summary.manifest.tracks[1].placed.duplicates, 50);
    assert!(summary.manifest.aside.is_empty());
}

#[test]
fn packets_that_are_stamped_several_at_once_are_all_in_the_track() {
    for sounds in [[1, 2, 3, 4], [7, 7, 7, 7], [7, 7, 8, 8]] {
        let room = Room::new();
        let mut recorder = room.open();
        let expected: Vec<i16> = (0..10).flat_map(|_| sounds).flat_map(tone).collect();
        for step in 0..10 {
            record(&mut recorder, sounds.map(|sound| packet(5, 80 * step, &tone(sound))));
        }
        let summary = finish(recorder);

        assert!(room.samples("audio/5.wav") == expected, "{sounds:?}");
        assert!(room.samples("audio/mixed.wav") == expected, "{sounds:?}");
        assert_eq!(summary.manifest.tracks[1].placed.packets, 40);
        assert_eq!(summary.manifest.media[&Medium::Audio].duplicates, 0);
        assert!(summary.manifest.aside.is_empty());
    }
}

#[test]
fn of_two_who_are_not_named_one_is_in_the_track_and_the_other_aside() {
    for who in [None, Some(-1)] {
        let room = Room::new();
        let mut recorder = room.open();
        let user_id = who.map(|who: i64| UserId::new(who.to_string()));
        for step in 0..70 {
            for sound in [3, 9] {
                let bytes = tone(sound).iter().flat_map(|sample| sample.to_le_bytes()).collect();
                let data = MediaData { user_id: user_id.clone(), user_name: None, ..data(0, 20 * step, bytes) };
                record(&mut recorder, [rtms_record::Input::Audio(data)]);
            }
        }
        let summary = finish(recorder);

        assert_eq!(room.samples("audio/mixed.wav"), tone(3).repeat(70));
        assert_eq!(summary.manifest.aside[&AsideReason::Overlap].packets, 70);
        assert_eq!(summary.manifest.tracks[0].placed.same_time, 70);
        assert_eq!(room.lines("aside/index.jsonl").len(), 70);
    }
}

#[test]
fn a_clock_that_is_put_back_loses_no_packet() {
    for back in [40, 700, 3_000, 20_000] {
        let room = Room::new();
        let mut recorder = room.open();
        for step in 0..300 {
            record_at(31_000, &mut recorder, [packet(5, 30_000 + 20 * step, &tone(1))]);
        }
        for step in 300..600 {
            record_at(31_000, &mut recorder, [packet(5, 30_000 + 20 * step - back, &tone(2))]);
        }
        let summary = finish(recorder);

        let placed = &summary.manifest.tracks[1].placed;
        let aside = summary.manifest.aside.get(&AsideReason::Overlap).map_or(0, |kept| kept.packets);
        assert_eq!((placed.packets + aside, placed.duplicates), (600, 0), "{back}");
        let samples = room.samples("audio/5.wav");
        let kept = |sound: i16| samples.iter().filter(|sample| **sample == sound).count() as u64 / 320;
        assert_eq!((kept(1), kept(2)), (300, placed.packets - 300), "{back}: nothing is written over");
    }
}

#[test]
fn timestamps_that_jitter_lose_no_sample() {
    for spread in [8, 15, 33] {
        let room = Room::new();
        let mut recorder = room.open();
        let jitter = |step: i64| step * step * 7_919 % 1_009 % (2 * spread + 1);
        for step in 0..500 {
            // Near ones differ: those that are the same, and have the same timestamp, are repeats.
            let sound = tone(1 + i16::try_from(step % 11).expect("small"));
            record(&mut recorder, [packet(5, 1_000 + 20 * step + jitter(step), &sound)]);
        }
        let summary = finish(recorder);

        let samples = room.samples("audio/5.wav");
        assert_eq!(samples.iter().filter(|sample| **sample != 0).count(), 160_000, "{spread}");
        let length = summary.manifest.tracks[1].duration_ms;
        assert!(length.abs_diff(11_000) <= 3 * spread.unsigned_abs(), "{spread}: {length} ms, as long as Zoom's time");
        assert!(summary.manifest.tracks[1].placed.silence_ms <= 1_000 + 3 * spread.unsigned_abs(), "{spread}");
    }
}

#[test]
fn a_backlog_that_comes_after_live_sound_lands_before_it() {
    let room = Room::new();
    let mut recorder = room.open();
    // Live first, then the minute before, in pieces between further live packets, with syncs on the way.
    let sound = |step: i64| tone(i16::try_from(step % 1000 + 1).expect("small"));
    for step in 0..3000 {
        let live = 3000 + step / 10;
        if step % 10 == 0 {
            record_at(66_000, &mut recorder, [packet(5, 20 * live, &sound(live))]);
        }
        record_at(66_000, &mut recorder, [packet(5, 20 * step, &sound(step))]);
        if step % 700 == 0 {
            recorder.sync(now()).expect("synced");
        }
    }
    let summary = finish(recorder);

    let expected: Vec<i16> = (0..3300).flat_map(sound).collect();
    assert!(room.samples("audio/5.wav") == expected);
    assert!(room.samples("audio/mixed.wav") == expected);
    assert_eq!(summary.manifest.tracks[1].placed.silence_ms, 0);
}

#[test]
fn what_reaches_into_the_time_of_another_follows_it() {
    for (order, quiet_ms) in [([0, 1], 0), ([1, 0], 5)] {
        let room = Room::new();
        let mut recorder = room.open();
        let packets = [packet(5, 0, &tone(1)), packet(5, 5, &tone(2))];
        record(&mut recorder, order.map(|which| packets[which].clone()));
        finish(recorder);
        let expected = [silence(quiet_ms), order.map(|which| tone(which as i16 + 1)).concat()].concat();
        assert_eq!(room.samples("audio/5.wav"), expected);
        assert_eq!(room.samples("audio/mixed.wav"), expected);
    }
}

#[test]
fn sound_for_a_time_that_is_taken_is_kept_aside_unless_it_is_the_same() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [packet(5, 0, &[4; 32_000]), packet(5, 500, &tone(4)), packet(5, 600, &tone(6))]);
    let summary = finish(recorder);

    assert!(room.samples("audio/5.wav") == [4; 32_000], "neither is heard two seconds late");
    assert_eq!(summary.manifest.tracks[1].placed.duplicates, 1);
    assert_eq!(summary.manifest.aside[&AsideReason::Overlap].packets, 1);
}

#[test]
fn stereo_stays_interleaved() {
    let room = Room::new();
    let mut recorder = room.open();
    let left_right: Vec<i16> = (0..960).flat_map(|frame| [frame, -frame]).collect();
    record(&mut recorder, [granted_audio(AudioSampleRate::Khz48, AudioChannel::Stereo, MediaPayloadType::L16)]);
    record(&mut recorder, [packet(5, 0, &left_right), packet(5, 40, &left_right), packet(6, 40, &left_right)]);
    finish(recorder);

    let spec = hound::WavReader::open(room.path("audio/5.wav")).expect("a WAV").spec();
    assert_eq!((spec.sample_rate, spec.channels, spec.bits_per_sample), (48_000, 2, 16));
    let gap = vec![0; 1920];
    assert_eq!(room.samples("audio/5.wav"), [left_right.clone(), gap.clone(), left_right.clone()].concat());
    let doubled = left_right.iter().map(|sample| 2 * sample).collect();
    assert_eq!(room.samples("audio/mixed.wav"), [left_right, gap, doubled].concat());
}

#[test]
fn every_rate_of_zooms_is_placed_exactly() {
    let rates = [
        (AudioSampleRate::Khz8, 8),
        (AudioSampleRate::Khz16, 16),
        (AudioSampleRate::Khz32, 32),
        (AudioSampleRate::Khz48, 48),
    ];
    for (rate, per_ms) in rates {
        let room = Room::new();
        let mut recorder = room.open();
        let sound = vec![3; 20 * per_ms];
        record(&mut recorder, [granted_audio(rate, AudioChannel::Mono, MediaPayloadType::L16)]);
        record(&mut recorder, [packet(0, 1003, &sound), packet(0, 2006, &sound)]);
        finish(recorder);
        let (before, between) = (vec![0; 1003 * per_ms], vec![0; 983 * per_ms]);
        assert_eq!(room.samples("audio/mixed.wav"), [before, sound.clone(), between, sound].concat());
    }
}

#[test]
fn another_format_after_a_reconnect_gets_files_of_its_own() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [packet(5, 0, &tone(1))]);
    record(&mut recorder, [granted_audio(AudioSampleRate::Khz8, AudioChannel::Mono, MediaPayloadType::L16)]);
    record(&mut recorder, [packet(5, 20, &[2; 160])]);
    finish(recorder);

    assert_eq!(room.samples("audio/5.wav"), tone(1));
    assert_eq!(room.samples("audio/5.set2.wav"), [[0; 160], [2; 160]].concat());
}

#[test]
fn half_a_sample_is_kept_aside_and_the_rest_is_heard() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [granted_audio(AudioSampleRate::Khz16, AudioChannel::Mono, MediaPayloadType::L16)]);
    record(&mut recorder, [rtms_record::Input::Audio(data(5, 0, vec![1, 0, 2, 0, 3]))]);
    let summary = finish(recorder);

    assert_eq!(room.samples("audio/5.wav"), [1, 2]);
    assert_eq!(summary.manifest.aside[&AsideReason::TornSamples].bytes, 5);
}
