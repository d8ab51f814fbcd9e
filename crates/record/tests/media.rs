//! Pictures and coded sound are kept byte for byte, with an index.

mod common;

use common::*;
use rtms_record::{Input, Manifest, check::check};
use rtms_wire::{
    codes::media::{AudioChannel, AudioSampleRate, MediaDataOption, MediaPayloadType},
    media::{medium::Medium, params::MediaParams, video::VideoParams},
};

const H264: &[u8] = &[0, 0, 0, 1, 0x67, 1, 2, 3];
const JPG: &[u8] = &[0xff, 0xd8, 0xff, 0xe0, 0, 3, 1, 0xff, 0xda, 0, 2, 5, 0xff, 0, 6, 0xff, 0xd9];
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\0IEND\xaeB`\x82";

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
    let part = &[0xff, 0xd8, 0, 7][..];
    record(&mut recorder, [Input::Video(data(5, 40, part.into()))]);
    finish(recorder);
    assert_eq!(std::fs::read(room.path("video/5.h264")).expect("video"), [H264, part].concat());
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
    assert_eq!(std::fs::read(room.path("deskshare/6.unknown.raw")).expect("no picture"), b"what");
}

#[test]
fn content_counts_where_it_contradicts_the_grant() {
    let granted = |codec| {
        let params = Some(VideoParams { codec: Some(codec), ..VideoParams::default() });
        [
            Input::Granted(Medium::Video, MediaParams { video: params.clone(), ..MediaParams::default() }),
            Input::Granted(Medium::Deskshare, MediaParams { deskshare: params, ..MediaParams::default() }),
        ]
    };
    for (codec, sent) in [
        (MediaPayloadType::H264, [(0, H264), (40, PNG), (80, JPG), (120, H264)]),
        (MediaPayloadType::Png, [(0, JPG), (40, H264), (80, PNG), (120, H264)]),
    ] {
        let room = Room::new();
        let mut recorder = room.open();
        record(&mut recorder, granted(codec));
        for (at, bytes) in sent {
            let packet = data(5, at, bytes.into());
            record(&mut recorder, [Input::Video(packet.clone()), Input::Deskshare(packet)]);
        }
        finish(recorder);
        for (video, medium) in [("video/active.h264", "video"), ("deskshare/5.h264", "deskshare")] {
            assert_eq!(std::fs::read(room.path(video)).expect("a video"), [H264, H264].concat(), "{codec}");
            let lines = room.lines(&format!("{medium}/index.jsonl"));
            let images = lines.iter().filter_map(|line| line["file"].as_str()).filter(|file| file.contains("images/"));
            let images: Vec<_> = images.map(|file| std::fs::read(room.path(file)).expect("a picture")).collect();
            assert!(lines.len() == 4 && images.len() == 2 && images.contains(&PNG.to_vec()), "{codec}");
        }
        assert!(check(&room.folder()).is_fine());
    }
}

#[test]
fn pictures_without_an_end_or_without_a_byte_are_listed_and_counted_apart() {
    for codec in [MediaPayloadType::Jpg, MediaPayloadType::Png, MediaPayloadType::H264] {
        let room = Room::new();
        let mut recorder = room.open();
        let video = VideoParams { codec: Some(codec), ..VideoParams::default() };
        let granted = MediaParams { video: Some(video), ..MediaParams::default() };
        record(&mut recorder, [Input::Granted(Medium::Video, granted)]);
        for (at, bytes) in [JPG, &JPG[..11], &[], PNG, &PNG[..15], JPG].into_iter().enumerate() {
            record(&mut recorder, [Input::Video(data(5, 40 * at as i64, bytes.into()))]);
        }
        let manifest = finish(recorder).manifest;

        let received = &manifest.media[&Medium::Video];
        assert_eq!((received.packets, received.empty, received.cut_off), (6, 1, 2), "{codec}");
        let lines = room.lines("video/index.jsonl");
        let broken: Vec<_> = lines.iter().map(|line| line["broken"].as_str().unwrap_or("")).collect();
        assert_eq!(broken, ["", "cut_off", "empty", "", "cut_off", ""]);
        assert_eq!(std::fs::read_dir(room.path("video/images")).expect("pictures").count(), 3);
        assert_eq!(std::fs::read(room.path("video/broken/00000002.jpg")).expect("a part"), JPG[..11]);
        assert_eq!(std::fs::read(room.path("video/broken/00000004.png")).expect("a part"), PNG[..15]);
        let report = check(&room.folder());
        assert!(report.is_fine(), "{report:?}");
        assert!(report.notes.iter().any(|note| note.contains("2 without their end")), "{report:?}");
    }
}

#[test]
fn what_is_surely_another_format_is_no_part_of_a_video() {
    let room = Room::new();
    let mut recorder = room.open();
    let video = VideoParams { codec: Some(MediaPayloadType::H264), ..VideoParams::default() };
    let granted = MediaParams { video: Some(video), ..MediaParams::default() };
    record(&mut recorder, [Input::Granted(Medium::Video, granted)]);
    // A part without a start code belongs to it.
    let part = &[0x41, 0x9a, 7][..];
    let others = [&b"GIF87a,"[..], b"RIFF\x04\0\0\0WEBPVP8X", &[0xff, 0xd8, 0xff, 2]];
    let cut_off = [&[0xff, 0xd8, 0xff][..], &[0xff, 0xd8, 0xff, 0xdb, 0]];
    for (at, bytes) in [H264, part].into_iter().chain(others).chain(cut_off).chain([H264]).enumerate() {
        record(&mut recorder, [Input::Video(data(5, 40 * at as i64, bytes.into()))]);
    }
    let manifest = finish(recorder).manifest;

    assert_eq!(std::fs::read(room.path("video/active.h264")).expect("a video"), [H264, part, H264].concat());
    assert_eq!(std::fs::read(room.path("video/active.unknown.raw")).expect("the others"), others.concat());
    assert_eq!(manifest.media[&Medium::Video].cut_off, 2);
    assert!(check(&room.folder()).is_fine());
}

#[test]
fn sound_in_a_container_is_no_pcm_whatever_was_granted() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [granted_audio(AudioSampleRate::Khz16, AudioChannel::Mono, MediaPayloadType::L16)]);
    let page = [&b"OggS\0\x02"[..], &[7; 634]].concat();
    record(&mut recorder, [packet(5, 0, &tone(1)), Input::Audio(data(5, 20, page.clone())), packet(5, 40, &tone(2))]);
    finish(recorder);
    assert_eq!(std::fs::read(room.path("audio/5.ogg")).expect("a page"), page);
    assert_eq!(room.samples("audio/5.wav"), [&tone(1)[..], &silence(20), &tone(2)].concat());
    assert!(check(&room.folder()).is_fine());
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
        let granted = granted_audio(AudioSampleRate::Khz48, AudioChannel::Mono, codec);
        let sound = |at| Input::Audio(data(5, at, vec![at as u8; 640]));
        // The second connection repeats the first packet.
        record(&mut recorder, [granted.clone(), sound(0), sound(20), granted, sound(0)]);
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
