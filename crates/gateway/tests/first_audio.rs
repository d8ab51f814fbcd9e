//! The main job, end to end: a webhook comes in, and what the simulator says is in the files, word for word and sample
//! for sample.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use common::{
    Gateway, config, player,
    recording::{Truth, assert_checksums, json_lines, wavs, written},
    simulator,
};
use rtms_gateway::config::{
    Config,
    media::{AudioStreams, Layout},
};
use rtms_record::{
    Manifest, Who,
    manifest::{RecordingState, TrackSource},
};
use rtms_sim::sent::Payload;
use rtms_sim_server::{Simulator, SimulatorConfig};
use rtms_wire::{codes::stop_reason::StopReason, media::medium::Medium};

/// A meeting of six seconds with three languages, two people who talk at once, and chat that looks like JSON.
const SEED: u64 = 847;

#[tokio::test]
async fn what_is_said_is_in_the_transcript_word_for_word() {
    let recorded = Recorded::with(|_| ()).await;
    let Recorded { truth, folder, simulator, .. } = &recorded;
    let start = simulator.start_time();

    assert!(truth.words.iter().any(|words| !words.text.is_ascii()), "the seed has no foreign words");
    assert_eq!(fs::read_to_string(folder.join("transcript.txt")).unwrap(), truth.as_text(start));
    assert_eq!(fs::read_to_string(folder.join("transcript.vtt")).unwrap(), truth.as_vtt(start));
    let lines = json_lines(&folder.join("transcript.jsonl"));
    assert_eq!(lines.len(), truth.words.len());
    for (line, words) in lines.iter().zip(&truth.words) {
        assert_eq!(line["data"], words.text);
        assert_eq!(line["user_name"], words.user_name);
        assert_eq!(line["user_id"].to_string().trim_matches('"'), words.user_id.as_str());
        assert_eq!(line["start_time"], words.start.0);
        assert_eq!(line["end_time"], words.end.0);
    }
    let chat: Vec<_> = json_lines(&folder.join("chat.jsonl")).iter().map(written).collect();
    assert!(chat.len() > 1, "the seed has no chat of both forms");
    assert_eq!(chat, truth.chat);
}

#[tokio::test]
async fn every_sample_is_where_its_timestamp_says_and_the_rest_is_silence() {
    let recorded = Recorded::with(|_| ()).await;

    recorded.assert_audio(16_000, 1);
    assert!(recorded.truth.as_samples(recorded.simulator.start_time(), 16_000, 1).len() > 2, "one person alone");
    assert_eq!(recorded.simulator.counts().media_connections, 5);
}

#[tokio::test]
async fn pictures_are_kept_byte_for_byte() {
    let recorded = Recorded::with(|_| ()).await;
    let Recorded { truth, folder, .. } = &recorded;

    let video: Vec<u8> = truth.video.iter().flat_map(|frame| frame.bytes.to_vec()).collect();
    assert!(!video.is_empty());
    assert!(fs::read(folder.join("video/active.h264")).unwrap() == video, "the video differs");
    let mut offset = 0;
    assert_index(&json_lines(&folder.join("video/index.jsonl")), &truth.video, |frame, _| {
        let place = offset;
        offset += frame.length;
        ("video/active.h264".into(), place)
    });

    assert!(!truth.deskshare.is_empty());
    for (index, picture) in truth.deskshare.iter().enumerate() {
        let file = fs::read(folder.join(format!("deskshare/images/{:08}.jpg", index + 1))).unwrap();
        assert!(file == picture.bytes, "picture {index} differs");
    }
    assert_index(&json_lines(&folder.join("deskshare/index.jsonl")), &truth.deskshare, |_, index| {
        (format!("deskshare/images/{:08}.jpg", index + 1), 0)
    });
}

#[tokio::test]
async fn the_manifest_tells_what_is_there() {
    let recorded = Recorded::with(|_| ()).await;
    let Recorded { truth, folder, manifest, simulator, .. } = &recorded;

    assert_checksums(folder, manifest);
    assert_eq!(manifest.state, RecordingState::Finished);
    assert_eq!(manifest.about.stream_id, *simulator.stream());
    assert_eq!(manifest.about.instance, *simulator.instance());
    assert_eq!(manifest.about.started_at, simulator.start_time());
    assert_eq!(manifest.origin, Some(simulator.start_time()));
    assert_eq!(manifest.ending.as_ref().unwrap().stop_reason, Some(StopReason::MeetingEnded));
    assert!(manifest.aside.is_empty() && manifest.resumes.is_empty() && manifest.refused == 0, "{manifest:?}");
    let counts = [
        (Medium::Audio, truth.audio.len()),
        (Medium::Video, truth.video.len()),
        (Medium::Deskshare, truth.deskshare.len()),
        (Medium::Transcript, truth.words.len()),
        (Medium::Chat, truth.chat.len()),
    ];
    for (medium, count) in counts {
        let received = &manifest.media[&medium];
        assert_eq!((received.packets, received.duplicates), (count as u64, 0), "{medium}");
    }
    let names: BTreeMap<_, _> = simulator
        .meeting()
        .participants
        .iter()
        .map(|person| (Who::User(person.user_id.clone()), Some(person.name.as_str())))
        .collect();
    let known: BTreeMap<_, _> =
        manifest.participants.iter().map(|person| (person.who.clone(), person.name.as_deref())).collect();
    assert_eq!(known, names);
    assert_eq!(manifest.events, json_lines(&folder.join("events.jsonl")).len() as u64);
}

#[tokio::test]
async fn one_connection_for_all_media_gives_the_same_recording() {
    let recorded = Recorded::with(|config| config.media.layout = Layout::Unified).await;
    let Recorded { truth, folder, manifest, simulator, .. } = &recorded;

    assert_eq!(simulator.counts().media_connections, 1);
    recorded.assert_audio(16_000, 1);
    assert_eq!(fs::read_to_string(folder.join("transcript.txt")).unwrap(), truth.as_text(simulator.start_time()));
    let video: Vec<u8> = truth.video.iter().flat_map(|frame| frame.bytes.to_vec()).collect();
    assert!(fs::read(folder.join("video/active.h264")).unwrap() == video, "the video differs");
    assert_eq!(manifest.media[&Medium::Deskshare].packets, truth.deskshare.len() as u64);
    assert_checksums(folder, manifest);
}

#[tokio::test]
async fn sound_that_zoom_mixed_is_one_track() {
    let recorded = Recorded::with(|config| config.media.audio.streams = AudioStreams::Mixed).await;

    assert!(recorded.truth.audio.iter().all(|packet| packet.user_id.is_mixed()));
    recorded.assert_audio(16_000, 1);
    assert_eq!(recorded.manifest.tracks[0].source, TrackSource::ReceivedMix);
}

#[tokio::test]
async fn stereo_at_48_khz_is_kept_as_it_is() {
    let recorded = Recorded::with(|config| {
        config.media.audio.sample_rate = 48_000;
        config.media.audio.channels = 2;
    })
    .await;

    recorded.assert_audio(48_000, 2);
}

/// A meeting that was recorded from its webhook to its end.
struct Recorded {
    simulator: Simulator,
    truth: Truth,
    folder: PathBuf,
    manifest: Manifest,
    _data_dir: tempfile::TempDir,
}

impl Recorded {
    /// Plays a short meeting to a gateway whose settings are changed first.
    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let mut config = config(data_dir.path());
        change(&mut config);
        let gateway = Gateway::start_with(config).await;
        let simulator = Simulator::start(SimulatorConfig {
            webhook_url: Some(gateway.webhook_url().parse().unwrap()),
            ..simulator(SEED, Duration::from_secs(6))
        })
        .await
        .unwrap();

        simulator.finished().await;
        let ended = gateway.ended(simulator.stream()).await;
        let (folder, manifest) = (gateway.folder_of(simulator.stream()), gateway.manifest_of(simulator.stream()));
        gateway.stop().await;

        assert_eq!(ended.stop_reason, Some(StopReason::MeetingEnded));
        let findings: Vec<_> = simulator.findings().iter().map(|finding| finding.mistake.to_string()).collect();
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!(simulator.counts().joins, 1);
        let truth = Truth::of(simulator.sent());
        truth.assert_whole(simulator.meeting(), simulator.start_time());
        Self { simulator, truth, folder, manifest, _data_dir: data_dir }
    }

    /// Every WAV file has the format and exactly the samples that follow from what was sent, and the right duration.
    fn assert_audio(&self, sample_rate: u32, channels: u16) {
        let expected = self.truth.as_samples(self.simulator.start_time(), sample_rate, channels);
        let found = wavs(&self.folder);
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (name, (spec, samples)) in &found {
            assert_eq!((spec.sample_rate, spec.channels, spec.bits_per_sample), (sample_rate, channels, 16), "{name}");
            let expected = &expected[name];
            assert_eq!(samples.len(), expected.len(), "{name}: how many samples");
            let different = samples.iter().zip(expected).position(|(found, expected)| found != expected);
            assert_eq!(different, None, "{name}: the first sample that differs");

            let duration_ms = samples.len() as u64 * 1000 / u64::from(sample_rate) / u64::from(channels);
            let file = format!("audio/{name}.wav");
            let track = self.manifest.tracks.iter().find(|track| track.files == [file.clone()]).unwrap();
            assert_eq!(track.duration_ms, duration_ms, "{name}");
            if track.source != TrackSource::ComputedMix {
                let whose = |packet: &&Payload| packet.user_id.is_mixed() || packet.user_id.as_str() == *name;
                let packets = self.truth.audio.iter().filter(whose).count();
                assert_eq!(track.placed.packets, packets as u64, "{name}");
            }
            if let Some(duration) = player::assert_plays(&self.folder.join(&file), sample_rate, channels) {
                assert_eq!(duration, format!("{}.{:03}000", duration_ms / 1000, duration_ms % 1000), "{file}");
            }
        }
    }
}

/// The index has a line for each picture, in order, and `place` says in which file and where in it.
fn assert_index(
    lines: &[serde_json::Value],
    sent: &[Payload],
    mut place: impl FnMut(&Payload, usize) -> (String, usize),
) {
    assert_eq!(lines.len(), sent.len());
    for (index, (line, payload)) in lines.iter().zip(sent).enumerate() {
        let (file, offset) = place(payload, index);
        assert_eq!(line["timestamp"], payload.timestamp.0);
        assert_eq!(line["user_id"].to_string().trim_matches('"'), payload.user_id.as_str());
        assert_eq!((&line["file"], &line["offset"]), (&file.into(), &offset.into()));
        assert_eq!(line["length"], payload.length);
    }
}
