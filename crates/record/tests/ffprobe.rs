//! A player's opinion of our WAV files, where `RTMS_FFPROBE` names the program (such as `ffprobe`).

mod common;

use std::process::Command;

use common::*;
use rtms_wire::codes::media::{AudioChannel, AudioSampleRate, MediaPayloadType};

#[test]
fn ffprobe_sees_rate_channels_and_duration() {
    let Ok(ffprobe) = std::env::var("RTMS_FFPROBE") else {
        eprintln!("ffprobe was NOT run: set RTMS_FFPROBE=ffprobe to have WAV files judged by it");
        return;
    };
    let formats = [
        (AudioSampleRate::Khz16, AudioChannel::Mono, 320, "16000", "1"),
        (AudioSampleRate::Khz48, AudioChannel::Stereo, 1920, "48000", "2"),
    ];
    for (rate, channel, samples, hertz, channels) in formats {
        let room = Room::new();
        let mut recorder = room.open();
        record(&mut recorder, [granted_audio(rate, channel, MediaPayloadType::L16)]);
        record(&mut recorder, [packet(5, 0, &vec![1; samples]), packet(5, 2_480, &vec![2; samples])]);
        finish(recorder);
        for name in ["audio/5.wav", "audio/mixed.wav"] {
            let output = Command::new(&ffprobe)
                .args([
                    "-v",
                    "error",
                    "-show_entries",
                    "stream=codec_name,sample_rate,channels,duration",
                    "-of",
                    "csv=p=0",
                ])
                .arg(room.path(name))
                .output()
                .expect("ffprobe runs");
            assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
            let said = String::from_utf8_lossy(&output.stdout);
            assert_eq!(said.trim(), format!("pcm_s16le,{hertz},{channels},2.500000"));
        }
    }
}
