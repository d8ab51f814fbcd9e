//! Each bound is reached, and what lies beyond it is kept, counted or refused with a reason.

mod common;

use std::{io::ErrorKind, time::Duration};

use common::*;
use rtms_record::{Input, Note, Options, RecordError, Recorder, manifest::AsideReason};
use rtms_wire::{
    codes::media::{AudioChannel, AudioSampleRate, MediaPayloadType},
    extra::Extra,
    media::medium::Medium,
    message::media_data::MediaData,
    time::UnixMillis,
};

#[test]
fn a_wav_goes_on_in_the_next_part_before_it_is_too_long() {
    let room = Room::new();
    let options = Options { wav_limit_bytes: 44 + 2 * 1000 + 1, ..Options::default() };
    let mut recorder = room.open_with(options.clone());
    let sound: Vec<i16> = (0..2240).collect();
    record(&mut recorder, sound.chunks(320).zip(0..).map(|(chunk, step)| packet(5, 20 * step, chunk)));
    recorder.sync(now()).expect("synced");
    std::mem::forget(recorder);

    let parts = ["audio/5.wav", "audio/5.part2.wav", "audio/5.part3.wav"];
    assert_eq!(parts.map(|part| room.samples(part).len()), [1000, 1000, 240]);
    assert_eq!(parts.map(|part| room.samples(part)).concat(), sound);

    // Another process with another limit goes on with parts of the size they have.
    let mut recorder = room.open();
    record(&mut recorder, [packet(5, 400, &tone(7))]);
    let summary = finish(recorder);
    let parts: Vec<_> =
        (1..=7).map(|part| if part == 1 { "5.wav".into() } else { format!("5.part{part}.wav") }).collect();
    let all: Vec<i16> = parts.iter().flat_map(|part| room.samples(&format!("audio/{part}"))).collect();
    assert_eq!(all, [sound, vec![0; 6400 - 2240], tone(7).into()].concat());
    let track = summary.manifest.tracks.iter().find(|track| track.files[0] == "audio/5.wav").expect("the track");
    assert_eq!(track.files.len(), 7);
}

#[test]
fn a_late_packet_reaches_an_earlier_part() {
    let room = Room::new();
    let mut recorder = room.open_with(Options { wav_limit_bytes: 44 + 2 * 1000, ..Options::default() });
    record(&mut recorder, [packet(5, 5_000, &tone(2)), packet(5, 50, &tone(1))]);
    finish(recorder);
    let first: Vec<i16> = room.samples("audio/5.wav");
    assert_eq!(first, [vec![0; 800], vec![1; 200]].concat());
    assert_eq!(room.samples("audio/5.part2.wav"), [vec![1; 120], vec![0; 880]].concat());
}

#[test]
fn files_held_open_have_a_bound() {
    let room = Room::new();
    let mut recorder = room.open_with(Options { max_open_files: 3, ..Options::default() });
    for round in 0..3 {
        for user in 1..=40 {
            record(&mut recorder, [packet(user, 20 * round, &tone(1)), Input::Video(data(user, 0, vec![0, 0, 1]))]);
        }
        recorder.sync(now()).expect("synced");
        assert!(recorder.open_files() <= 3);
    }
    finish(recorder);
    assert!((1..=40).all(|user| room.samples(&format!("audio/{user}.wav")) == [1; 960]));
    assert_eq!(room.samples("audio/mixed.wav"), [40; 960]);
}

#[test]
fn tracks_beyond_the_bound_are_kept_aside() {
    let room = Room::new();
    let mut recorder = room.open_with(Options { max_tracks: 2, ..Options::default() });
    for user in 1..=5 {
        record(&mut recorder, [packet(user, 0, &tone(1))]);
    }
    let summary = finish(recorder);
    assert_eq!(summary.manifest.aside[&AsideReason::TooManyTracks].packets, 3);
    assert_eq!(room.lines("aside/index.jsonl")[2]["user_id"], 5);
    assert_eq!(std::fs::read_dir(room.path("audio")).expect("the folder").count(), 3);
}

#[test]
fn raw_files_beyond_the_bound_share_one() {
    let room = Room::new();
    let mut recorder = room.open_with(Options { max_tracks: 2, ..Options::default() });
    for user in 1..=5 {
        record(&mut recorder, [Input::Deskshare(data(user, 0, vec![0, 0, 1, user as u8]))]);
    }
    finish(recorder);
    let shared = std::fs::read(room.path("deskshare/others+.h264")).expect("the file");
    assert_eq!(shared, [0, 0, 1, 3, 0, 0, 1, 4, 0, 0, 1, 5]);
}

#[test]
fn absurd_timestamps_make_no_hours_of_silence() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [packet(5, 0, &tone(1))]);
    for at in [3_600_000 + 701, 400 * 86_400_000, i64::MAX] {
        record(&mut recorder, [packet(5, at, &tone(2))]);
    }
    // Not even another process takes them for the time it is.
    recorder.sync(now()).expect("synced");
    drop(recorder);
    let mut recorder = room.open();
    record(&mut recorder, [packet(5, 3_600_000 + 701, &tone(4))]);
    // Just inside the bound is believed.
    record(&mut recorder, [packet(6, 10_700, &tone(3))]);
    let summary = finish(recorder);

    assert_eq!(summary.manifest.aside[&AsideReason::FarAhead].packets, 3);
    assert_eq!(summary.manifest.aside[&AsideReason::NoTime].packets, 1, "the year 292 million is none");
    assert_eq!(summary.duration.as_millis(), 10_720);
    assert_eq!(room.samples("audio/5.wav"), tone(1));
    assert_eq!(std::fs::metadata(room.path("aside/audio.raw")).expect("kept").len(), 4 * 640);
}

#[test]
fn a_recording_has_a_longest_length() {
    let room = Room::new();
    let mut recorder = room.open_with(Options { max_length: Duration::from_secs(10), ..Options::default() });
    record(&mut recorder, [packet(5, 0, &tone(1)), packet(5, 10_000, &tone(2)), packet(5, 10_001, &tone(3))]);
    let summary = finish(recorder);
    assert_eq!(summary.manifest.aside[&AsideReason::TooLong].packets, 1);
    assert_eq!(summary.duration.as_millis(), 10_020);
}

#[test]
fn a_start_that_cannot_be_meant_is_not_the_origin() {
    for start in [0, 1, START + 400 * 86_400_000, u64::MAX] {
        let room = Room::new();
        let mut about = about("stream-1");
        about.started_at = UnixMillis(start);
        let mut recorder = Recorder::open(room.root.path(), about, now()).expect("a recorder");
        record(&mut recorder, [packet(5, 0, &tone(1))]);
        let summary = finish(recorder);
        assert_eq!(summary.manifest.origin, Some(UnixMillis(START)));
        assert_eq!(room.samples("audio/5.wav"), tone(1));
    }
}

#[test]
fn a_first_packet_from_long_before_the_start_does_not_move_the_origin() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [packet(5, -3_600_001, &tone(1)), packet(5, 0, &tone(2))]);
    let summary = finish(recorder);
    assert_eq!(summary.manifest.origin.map(|origin| origin.0), Some(START));
    assert_eq!(room.samples("audio/5.wav"), tone(2));
    assert_eq!(summary.manifest.aside[&AsideReason::FarBehind].packets, 1);
}

/// `/dev/full` refuses every write as a full disk does.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_leaves_the_rest_readable() {
    let room = Room::new();
    let mut recorder = room.open_with(Options { max_held_bytes: 2000, max_open_files: 1, ..Options::default() });
    std::os::unix::fs::symlink("/dev/full", room.path("events.jsonl")).expect("a link");
    let note = || Input::Note(Note { at: now(), kind: "state".into(), fields: Extra::new() });
    record(&mut recorder, [note(), packet(5, 0, &tone(1))]);

    let error = recorder.sync(now()).expect_err("no room");
    assert!(error.is_disk_full(), "{error}");
    assert!(matches!(&error, RecordError::File { source, .. } if source.kind() == ErrorKind::StorageFull));
    assert_eq!(room.samples("audio/5.wav"), tone(1), "other files are written all the same");

    // What waits is kept up to the bound, and no further.
    let refused: Vec<_> = (0..100).filter_map(|_| recorder.handle(note(), now()).err()).collect();
    assert!((30..90).contains(&refused.len()), "{}", refused.len());
    assert!(refused.iter().all(|error| matches!(error, RecordError::Backlogged { held_bytes: 1900..=2000, .. })));
    assert!(refused.iter().all(RecordError::is_disk_full));

    // Once there is room, all that waited is there.
    std::fs::remove_file(room.path("events.jsonl")).expect("removed");
    record(&mut recorder, [packet(5, 20, &tone(2))]);
    let summary = finish(recorder);
    assert_eq!(room.lines("events.jsonl").len(), 101 - refused.len());
    assert_eq!(summary.manifest.refused, refused.len() as u64);
}

/// A message larger than all that may wait is no reason to refuse it while the disk takes it.
#[test]
fn one_large_message_may_exceed_what_may_wait() {
    let room = Room::new();
    let mut recorder = room.open_with(Options { max_held_bytes: 2000, ..Options::default() });
    for at in 0..3 {
        record(&mut recorder, [Input::Video(data(5, at, [&[0, 0, 1], &[9u8; 5000][..]].concat()))]);
    }
    finish(recorder);
    assert_eq!(std::fs::metadata(room.path("video/active.h264")).expect("the stream").len(), 3 * 5003);
}

#[test]
fn grants_and_resumes_in_the_manifest_have_a_bound() {
    let room = Room::new();
    let rates = [AudioSampleRate::Khz8, AudioSampleRate::Khz16];
    for round in 0..110 {
        let mut recorder = room.open();
        let grant = granted_audio(rates[round % 2], AudioChannel::Mono, MediaPayloadType::L16);
        record(&mut recorder, [grant.clone(), grant]);
        recorder.sync(now()).expect("synced");
    }
    let manifest = room.open().describe();
    assert_eq!((manifest.granted.len(), manifest.resumes.len()), (100, 100));
}

#[test]
fn remembered_timestamps_of_coded_sound_have_a_bound() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [granted_audio(AudioSampleRate::Khz48, AudioChannel::Mono, MediaPayloadType::Opus)]);
    for step in 0..9300 {
        record(&mut recorder, [Input::Audio(data(5, 20 * step, vec![1]))]);
    }
    // Another connection brings them again. The last is known, the first is forgotten: rather twice than not at all.
    record(&mut recorder, [granted_audio(AudioSampleRate::Khz48, AudioChannel::Mono, MediaPayloadType::Opus)]);
    record(&mut recorder, [Input::Audio(data(5, 20 * 9299, vec![1])), Input::Audio(data(5, 0, vec![1]))]);
    let summary = finish(recorder);
    assert_eq!(std::fs::metadata(room.path("audio/5.opus.raw")).expect("packets").len(), 9301);
    assert_eq!(summary.manifest.media[&Medium::Audio].duplicates, 1);
}

#[test]
fn a_packet_without_sound_is_no_trouble() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [Input::Audio(MediaData::default()), packet(5, 0, &[])]);
    finish(recorder);
}
