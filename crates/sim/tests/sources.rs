//! Sound and film that a user brings: played as they are, refused with words, never larger than the limit.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use std::{fs::File, path::Path, sync::Arc};

use common::{
    Run, START, config,
    payloads::{audio_packets, pictures},
};
use rtms_sim::{
    config::ZoomConfig,
    meeting::{MeetingOptions, options::Sources},
    source::{
        file::ReadError,
        h264::{Film, FilmError},
        sound::{Sound, SoundError},
    },
};
use rtms_wire::codes::media::MediaResolution;
use serde_json::json;

#[test]
fn the_first_participant_says_what_is_in_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("speech.wav");
    let samples: Vec<i16> = (0..16_000 * 3).map(|n: i32| (n * 7919 % 20_011 - 10_000) as i16).collect();
    write_wav(&path, 16_000, &samples);
    let sound = Some(Arc::new(Sound::load(&path).unwrap()));

    let mut run = Run::new(with(Sources { sound, film: None }));
    let signaling = run.join();
    let media = run.open_media(9, json!({"audio": {"data_opt": 2}}));
    run.ready(signaling);
    run.live_until(10_000);

    let packets = audio_packets(&run, media);
    let first = &run.zoom.meeting().participants[0].user_id;
    assert!(packets.iter().all(|packet| packet.user_id.as_ref() == Some(first)));
    let heard: Vec<i16> = packets
        .iter()
        .flat_map(|packet| packet.data.chunks(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect::<Vec<_>>())
        .collect();
    assert!(heard.into_iter().eq(samples.iter().copied().cycle().take(16_000 * 10)));
    assert!(!run.heard_types(media).contains(&17), "nobody knows the words");
}

#[test]
fn every_camera_shows_the_film_from_its_key_frame() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("clip.h264");
    let built_in = Film::of_slides();
    let bytes: Vec<u8> = (0..60).flat_map(|index| built_in.access_unit(index).to_vec()).collect();
    std::fs::write(&path, bytes).unwrap();
    let film = Arc::new(Film::load(&path).unwrap());
    assert_eq!(&*film, built_in);

    let mut run = Run::new(with(Sources { sound: None, film: Some(film) }));
    let signaling = run.join();
    let video = run.open_media(2, json!({"video": {"codec": 7, "fps": 25}}));
    run.ready(signaling);
    run.live_until(10_000);

    let mut last = None;
    let mut index = 0;
    for frame in pictures(&run, video) {
        index = if last == frame.user_id { index + 1 } else { 0 };
        assert_eq!(frame.data, built_in.access_unit(index));
        last = frame.user_id;
    }
    assert!(index > 0);
}

#[test]
fn files_at_the_limit_are_read_and_larger_ones_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large");
    let of_size = |bytes: u64| {
        File::create(&path).unwrap().set_len(bytes).unwrap();
        path.as_path()
    };

    // Nothing but zeros, so what is read is refused for what it is.
    assert!(matches!(Sound::load(of_size(Sound::MOST_BYTES)), Err(SoundError::NotWav(_))));
    assert!(matches!(Sound::load(of_size(Sound::MOST_BYTES + 1)), Err(SoundError::Read(ReadError::TooLarge { .. }))));
    assert!(matches!(Film::load(of_size(Film::MOST_BYTES)), Err(FilmError::NotAnnexB)));
    assert!(matches!(Film::load(of_size(Film::MOST_BYTES + 1)), Err(FilmError::Read(ReadError::TooLarge { .. }))));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let path = Path::new("no/such/speech.wav");

    assert_eq!(Sound::load(path).unwrap_err().to_string(), "cannot read no/such/speech.wav");
    assert_eq!(Film::load(path).unwrap_err().to_string(), "cannot read no/such/speech.wav");
}

#[test]
fn cameras_without_h264_still_show_cards() {
    let film = Some(Arc::new(Film::of_person(0, MediaResolution::Sd).clone()));
    let mut run = Run::new(with(Sources { sound: None, film }));
    let signaling = run.join();
    let video = run.open_media(2, json!({"video": {"codec": 6, "fps": 2}}));
    run.ready(signaling);
    run.live_until(4_000);

    let frames = pictures(&run, video);
    assert!(!frames.is_empty());
    assert!(frames.iter().all(|frame| frame.data.starts_with(b"\x89PNG") && frame.timestamp >= START));
}

fn with(sources: Sources) -> ZoomConfig {
    ZoomConfig { meeting: MeetingOptions { sources, ..config(10).meeting }, ..ZoomConfig::default() }
}

fn write_wav(path: &Path, sample_rate: u32, samples: &[i16]) {
    let spec =
        hound::WavSpec { channels: 1, sample_rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    samples.iter().for_each(|&sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
}
