//! Pictures and coded sound are kept byte for byte, with an index.

mod common;

use common::*;
use rtms_record::{Input, Manifest};
use rtms_wire::{
    codes::media::{AudioChannel, AudioSampleRate, MediaDataOption, MediaPayloadType},
    media::{medium::Medium, params::MediaParams, video::VideoParams},
};

const H264: &[u8] = &[0, 0, 0, 1, 0x67, 1, 2, 3];
const JPG: &[u8] = &[0xff, 0xd8, 0xff, 0xe0, 1];
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

#[test]
fn the_active_speakers_video_is_one_stream_with_an_index() {
    let room = Room::new();
    let mut recorder = room.open();
    let frames = [(5, 0, H264), (6, 40, &[0, 0, 1, 9]), (5, 80, H264)];
    record(&mut recorder, frames.map(|(user, at, bytes)| Input::Video(data(user, at, bytes.into()))));
    finish(recorder);

    let stream = std::fs::read(room.path("video/active.h264")).expect("the stream");
    assert_eq!(stream, [H264, &[0, 0, 1, 9], H264].concat());
    let index = room.lines("video/index.jsonl");
    for ((user, at, bytes), line) in frames.iter().zip(&index) {
        let offset = usize::try_from(line["offset"].as_u64().expect("a number")).expect("small");
        let length = usize::try_from(line["length"].as_u64().expect("a number")).expect("small");
        assert_eq!(&stream[offset..offset + length], *bytes);
        assert_eq!((line["user_id"].as_u64(), line["timestamp"].as_u64()), (Some(*user), Some(START + *at as u64)));
        assert_eq!(line["file"], "video/active.h264");
    }
}

#[test]
fn individual_video_and_shares_are_files_by_person() {
    let room = Room::new();
    let mut recorder = room.open();
    let video = VideoParams {
        codec: Some(MediaPayloadType::H264),
        fps: Some(25),
        data_opt: Some(MediaDataOption::VideoSingleIndividualStream),
        ..VideoParams::default()
    };
    let granted = MediaParams { video: Some(video), ..MediaParams::default() };
    record(&mut recorder, [Input::Granted(Medium::Video, granted)]);
    record(&mut recorder, [Input::Video(data(5, 0, H264.into())), Input::Deskshare(data(6, 0, H264.into()))]);
    // A part of a sequence may begin with anything.
    record(&mut recorder, [Input::Video(data(5, 40, JPG.into()))]);
    finish(recorder);
    assert_eq!(std::fs::read(room.path("video/5.h264")).expect("video"), [H264, JPG].concat());
    assert_eq!(std::fs::read(room.path("deskshare/6.h264")).expect("share"), H264);
}

#[test]
fn pictures_are_numbered_files_and_go_on_after_a_restart() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [Input::Deskshare(data(5, 0, JPG.into())), Input::Deskshare(data(5, 1000, PNG.into()))]);
    recorder.sync(now()).expect("synced");
    std::mem::forget(recorder);
    let mut recorder = room.open();
    record(&mut recorder, [Input::Deskshare(data(5, 2000, JPG.into()))]);
    finish(recorder);

    assert_eq!(std::fs::read(room.path("deskshare/images/00000001.jpg")).expect("a picture"), JPG);
    assert_eq!(std::fs::read(room.path("deskshare/images/00000002.png")).expect("a picture"), PNG);
    assert_eq!(std::fs::read(room.path("deskshare/images/00000003.jpg")).expect("a picture"), JPG);
    assert_eq!(room.lines("deskshare/index.jsonl").len(), 3);
}

#[test]
fn a_picture_is_what_it_says_and_not_what_was_granted() {
    let room = Room::new();
    let mut recorder = room.open();
    let share = VideoParams { codec: Some(MediaPayloadType::Jpg), fps: Some(1), ..VideoParams::default() };
    let granted = MediaParams { deskshare: Some(share), ..MediaParams::default() };
    record(&mut recorder, [Input::Granted(Medium::Deskshare, granted)]);
    record(&mut recorder, [Input::Deskshare(data(6, 0, PNG.into())), Input::Deskshare(data(6, 40, b"what".into()))]);
    finish(recorder);

    assert_eq!(std::fs::read(room.path("deskshare/images/00000001.png")).expect("a picture"), PNG);
    assert_eq!(std::fs::read(room.path("deskshare/images/00000002.jpg")).expect("as was granted"), b"what");
}

#[test]
fn unknown_bytes_are_kept_too() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [Input::Video(data(5, 0, b"what".into())), Input::Audio(data(5, 0, b"is this".into()))]);
    finish(recorder);
    assert_eq!(room.text("video/active.unknown.raw"), "what");
    assert_eq!(room.text("audio/5.unknown.raw"), "is this");
}

#[test]
fn coded_sound_is_kept_packet_by_packet_without_repeats() {
    for (codec, name) in
        [(MediaPayloadType::Opus, "opus"), (MediaPayloadType::G711, "g711"), (MediaPayloadType::G722, "g722")]
    {
        let room = Room::new();
        let mut recorder = room.open();
        record(&mut recorder, [granted_audio(AudioSampleRate::Khz48, AudioChannel::Mono, codec)]);
        for at in [0, 20, 0] {
            record(&mut recorder, [Input::Audio(data(5, at, vec![at as u8; 640]))]);
        }
        finish(recorder);
        let kept = std::fs::read(room.path(&format!("audio/5.{name}.raw"))).expect("packets");
        assert_eq!(kept, [[0; 640], [20; 640]].concat());
        assert_eq!(room.lines("audio/index.jsonl").len(), 2);
    }
}

#[test]
fn the_manifest_tells_everything_and_its_checksums_are_right() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [granted_audio(AudioSampleRate::Khz16, AudioChannel::Mono, MediaPayloadType::L16)]);
    record(&mut recorder, [packet(5, 0, &tone(1)), Input::Video(data(5, 0, H264.into()))]);
    let summary = finish(recorder);

    let manifest = Manifest::read(&room.folder()).expect("readable").expect("there");
    assert_eq!(manifest, summary.manifest);
    let paths: Vec<_> = manifest.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["audio/5.wav", "audio/mixed.wav", "video/active.h264", "video/index.jsonl"]);
    for file in &manifest.files {
        let bytes = std::fs::read(room.path(&file.path)).expect("the file");
        let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
        let sum: String = sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((file.bytes, &file.sha256), (bytes.len() as u64, &sum));
    }
    assert_eq!(manifest.granted.len(), 1);
    assert_eq!(manifest.media[&Medium::Video].bytes, 8);
    assert_eq!(manifest.participants[0].name.as_deref(), Some("Person 5"));
}
