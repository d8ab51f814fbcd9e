//! Cameras and shared screens: who is seen when, in which size, and that what is sent decodes.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use std::{collections::BTreeSet, process::Command};

use common::{
    Run, START, config,
    payloads::{audio_packets, pictures},
};
use rtms_sim::{
    config::ZoomConfig,
    meeting::{
        MeetingOptions,
        options::{CameraStyle, MediaDetail, Scene},
    },
    source::{h264::Film, marker::Marker},
};
use rtms_wire::{codes::media::MediaResolution, message::media_data::MediaData};
use serde_json::{Value, json};
use zune_jpeg::{JpegDecoder, zune_core::bytestream::ZCursor};

#[test]
fn h264_video_follows_the_active_speaker_with_a_key_frame_at_each_change() {
    let mut run = Run::of_seconds(20);
    let signaling = run.join();
    let video = run.open_media(2, json!({"video": {"codec": 7, "fps": 30}}));
    run.ready(signaling);
    run.live_until(20_000);

    let frames = pictures(&run, video);
    let mut last = None;
    let mut since_key = 0;
    for frame in &frames {
        let is_key = frame.data.windows(5).any(|bytes| bytes[..3] == [0, 0, 1] && bytes[3] & 31 == 5);
        if last != frame.user_id {
            assert!(is_key, "the first picture of somebody is a key frame");
        }
        since_key = if is_key { 0 } else { since_key + 1 };
        assert!(since_key < 60);
        last.clone_from(&frame.user_id);
    }
    let people: std::collections::BTreeSet<_> = frames.iter().map(|frame| frame.user_id.clone()).collect();
    assert!(people.len() > 1);
}

#[test]
fn pictures_up_to_five_a_second_are_jpeg_or_png() {
    for (codec, magic) in [(5, [0xff, 0xd8, 0xff]), (6, [0x89, b'P', b'N'])] {
        let mut run = Run::of_seconds(4);
        let signaling = run.join();
        let video = run.open_media(2, json!({"video": {"codec": codec, "fps": 5}}));
        run.ready(signaling);
        run.live_until(4_000);

        let frames = pictures(&run, video);
        // Five a second while the camera of whoever speaks is on.
        assert!((10..=20).contains(&frames.len()));
        assert!(frames.iter().all(|frame| (frame.timestamp.0 - START.0).is_multiple_of(200)));
        assert!(frames.iter().all(|frame| frame.data[..3] == magic));
    }
}

#[test]
fn the_screen_is_seen_exactly_while_somebody_shares() {
    let mut run = Run::of_seconds(20);
    let signaling = run.join();
    let share = run.open_media(4, json!({"deskshare": {"codec": 7, "fps": 10}}));
    run.ready(signaling);
    run.live_until(20_000);

    let shared = run.zoom.meeting().shares[0].clone();
    let frames = pictures(&run, share);
    assert!(!frames.is_empty());
    for frame in frames {
        assert!((START.0 + shared.start_ms..START.0 + shared.end_ms).contains(&frame.timestamp.0));
        assert_eq!(frame.user_id.as_ref(), Some(&run.zoom.meeting().participants[shared.sharer].user_id));
    }
}

#[test]
fn one_persons_camera_flows_only_after_it_was_chosen() {
    let mut run = Run::of_seconds(30);
    let signaling = run.join();
    let video = run.open_media(2, json!({"video": {"codec": 7, "fps": 30, "data_opt": 4}}));
    run.ready(signaling);
    run.live_until(1_000);
    assert!(!run.heard_types(video).contains(&15));
    run.heard(signaling);

    let host = run.zoom.meeting().participants[0].user_id.as_u64().unwrap();
    let choose = |user_id: u64, subscribe: bool| json!({"msg_type": 28, "user_id": user_id, "subscribe": subscribe, "timestamp": 1});
    run.say(signaling, &choose(host, true));
    run.say(signaling, &choose(host, true));
    run.live_until(2_000);
    let statuses: Vec<_> = run.heard(signaling).iter().map(|answer| answer["status_code"].clone()).collect();
    assert_eq!(statuses, [0, 44]);
    assert!(run.heard_types(video).contains(&15));

    run.say(signaling, &choose(host, false));
    run.live_until(3_000);
    run.heard(video);
    run.live_until(4_000);
    assert!(!run.heard_types(video).contains(&15));
}

#[test]
fn people_can_be_told_apart_in_h264() {
    let run = seen(config(20), json!({"codec": 7, "fps": 30}));

    let meeting = run.run.zoom.meeting();
    for frame in run.frames.iter().filter(|frame| is_key_frame(&frame.data)) {
        let whose = meeting.participants.iter().position(|who| Some(&who.user_id) == frame.user_id.as_ref()).unwrap();
        assert_eq!(frame.data, Film::of_person(whose, MediaResolution::Hd).access_unit(0));
    }
}

#[test]
fn a_camera_changes_its_size_with_a_key_frame_and_parameter_sets() {
    let run = seen(changing_sizes(), json!({"codec": 7, "fps": 30}));

    let meeting = run.run.zoom.meeting();
    let mut sizes = Vec::new();
    for frame in &run.frames {
        let (whose, who) = meeting
            .participants
            .iter()
            .enumerate()
            .find(|(_, who)| Some(&who.user_id) == frame.user_id.as_ref())
            .unwrap();
        let size = who.camera_size(frame.timestamp.0 - START.0).unwrap();
        if sizes.last() != Some(&size) {
            sizes.push(size);
            assert_eq!(frame.data, Film::of_person(whose, size).access_unit(0));
        }
    }
    assert!(sizes.len() >= 3 && sizes.contains(&MediaResolution::Sd) && sizes.contains(&MediaResolution::Hd));
}

#[test]
fn a_camera_never_sends_more_than_was_asked_for() {
    let run = seen(changing_sizes(), json!({"codec": 7, "fps": 30, "resolution": 1}));

    let keys: BTreeSet<_> =
        run.frames.iter().filter(|frame| is_key_frame(&frame.data)).map(|frame| &frame.data).collect();
    let small: BTreeSet<_> = (0..3).map(|whose| Film::of_person(whose, MediaResolution::Sd).access_unit(0)).collect();
    assert!(keys.into_iter().all(|key| small.contains(key)));
}

#[test]
fn still_pictures_change_their_size_too() {
    let run = seen(changing_sizes(), json!({"codec": 5, "fps": 5}));

    let sizes: BTreeSet<_> = run.frames.iter().map(|frame| jpeg(&frame.data).0).collect();
    assert_eq!(sizes, BTreeSet::from([(640, 360), (1280, 720)]));
}

#[test]
fn a_flash_and_a_beep_have_one_timestamp_at_every_full_second() {
    let beeps = {
        let mut run = Run::new(flash_and_beep());
        let signaling = run.join();
        let audio = run.open_media(1, json!({}));
        run.ready(signaling);
        run.live_until(8_000);
        let mut starts = Vec::new();
        for packet in audio_packets(&run, audio) {
            let at_ms = packet.timestamp.0 - START.0;
            assert!(at_ms % 1000 < 100, "it is silent between the beeps");
            if at_ms.is_multiple_of(1000) {
                // The very first samples of 1 kHz at 16 kHz: a sixteenth of a turn each.
                let samples: Vec<i16> = packet.data.chunks(2).map(|it| i16::from_le_bytes([it[0], it[1]])).collect();
                assert!(samples[0].abs() < 10 && samples[4] > 9_900 && samples[12] < -9_900);
                starts.push(at_ms);
            }
        }
        starts
    };
    assert_eq!(beeps, (0..8).map(|second| second * 1000).collect::<Vec<_>>());

    for (params, medium) in [
        (json!({"codec": 7, "fps": 30}), 2),
        (json!({"codec": 7, "fps": 7, "resolution": 1}), 2),
        (json!({"codec": 7, "fps": 10}), 4),
    ] {
        let size = if params["resolution"] == 1 { MediaResolution::Sd } else { MediaResolution::Hd };
        let white = Film::of_flash(size).access_unit(0);
        let run = seen_on(flash_and_beep(), medium, params, 0);
        let flashes = run.frames.iter().filter(|frame| frame.data == white);
        assert_eq!(flashes.map(|frame| frame.timestamp.0 - START.0).collect::<Vec<_>>(), beeps);
    }
    let run = seen(flash_and_beep(), json!({"codec": 5, "fps": 5}));
    let flashes = run.frames.iter().filter(|frame| jpeg(&frame.data).1.iter().all(|byte| *byte >= 250));
    assert_eq!(flashes.map(|frame| frame.timestamp.0 - START.0).collect::<Vec<_>>(), beeps);
}

#[test]
fn who_comes_between_two_flashes_begins_with_a_dark_key_frame() {
    let run = seen_on(flash_and_beep(), 2, json!({"codec": 7, "fps": 30}), 2_417);

    let first = &run.frames[0];
    assert_eq!(first.timestamp.0 - START.0, 2_433);
    assert_eq!(first.data, Film::of_dark(MediaResolution::Hd).access_unit(0));
    assert!(run.frames.iter().any(|frame| frame.data == Film::of_flash(MediaResolution::Hd).access_unit(0)));
}

#[test]
fn markers_stand_where_the_pictures_were() {
    let markers = ZoomConfig {
        meeting: MeetingOptions { detail: MediaDetail::Markers, ..config(20).meeting },
        ..ZoomConfig::default()
    };
    for medium in [2, 4] {
        let params = json!({"codec": 7, "fps": 30});
        let real = seen_on(config(20), medium, params.clone(), 0).frames;
        let markers = seen_on(markers.clone(), medium, params, 0).frames;

        assert_eq!(real.len(), markers.len());
        for (real, marker) in real.iter().zip(&markers) {
            assert_eq!((&real.user_id, real.timestamp), (&marker.user_id, marker.timestamp));
            let marker = Marker::from_bytes(&marker.data).unwrap();
            assert_eq!(marker.medium, if medium == 2 { b'V' } else { b'S' });
            assert_eq!(u64::from(marker.slot) * 1000 / 30, real.timestamp.0 - START.0);
            assert!(!marker.is_key_frame || is_key_frame(&real.data));
        }
    }
}

#[test]
fn ffprobe_decodes_every_picture_of_a_film_whose_size_changes() {
    let Ok(ffprobe) = std::env::var("RTMS_FFPROBE") else {
        eprintln!("ffprobe was NOT run: set RTMS_FFPROBE=ffprobe to have films judged by it");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let meetings = [(changing_sizes(), "both"), (flash_and_beep(), "hd")];
    for (index, (config, sizes)) in meetings.into_iter().enumerate() {
        let frames = seen(config, json!({"codec": 7, "fps": 30})).frames;
        let path = directory.path().join(format!("{index}.h264"));
        std::fs::write(&path, frames.iter().flat_map(|frame| frame.data.to_vec()).collect::<Vec<u8>>()).unwrap();

        let output = Command::new(&ffprobe)
            .args(["-v", "error", "-show_entries", "frame=width,height", "-of", "csv=p=0"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap();
        let decoded: Vec<_> = said.lines().map(|line| line.trim_end_matches(',')).collect();
        assert_eq!(decoded.len(), frames.len());
        let expected: &[&str] = if sizes == "both" { &["1280,720", "640,360"] } else { &["1280,720"] };
        assert!(decoded.iter().copied().collect::<BTreeSet<_>>().into_iter().eq(expected.iter().copied()));
    }
}

/// A meeting that is over, and the pictures that were sent.
struct Seen {
    run: Run,
    frames: Vec<MediaData>,
}

fn seen(config: ZoomConfig, params: Value) -> Seen {
    seen_on(config, 2, params, 0)
}

/// The pictures of one medium for a client that comes at some moment.
fn seen_on(config: ZoomConfig, medium: u32, params: Value, from_ms: u64) -> Seen {
    let until = u64::try_from(config.meeting.duration.as_millis()).unwrap();
    let mut run = Run::new(config);
    run.until(from_ms);
    let signaling = run.join();
    let key = if medium == 2 { "video" } else { "deskshare" };
    let connection = run.open_media(medium, json!({key: params}));
    run.ready(signaling);
    run.live_until(until);
    let frames = pictures(&run, connection);
    Seen { run, frames }
}

fn changing_sizes() -> ZoomConfig {
    let meeting = MeetingOptions { cameras: CameraStyle::ChangingSizes, ..config(20).meeting };
    ZoomConfig { meeting, ..ZoomConfig::default() }
}

fn flash_and_beep() -> ZoomConfig {
    let meeting = MeetingOptions { scene: Scene::FlashAndBeep, ..config(8).meeting };
    ZoomConfig { meeting, ..ZoomConfig::default() }
}

fn is_key_frame(unit: &[u8]) -> bool {
    unit.windows(4).any(|bytes| bytes[..3] == [0, 0, 1] && bytes[3] & 31 == 5)
}

/// Width and height, and the pixels.
fn jpeg(data: &[u8]) -> ((u16, u16), Vec<u8>) {
    let mut decoder = JpegDecoder::new(ZCursor::new(data));
    let pixels = decoder.decode().unwrap();
    let info = decoder.info().unwrap();
    ((info.width, info.height), pixels)
}
