//! What the tests share: a folder, packets made of numbers, and WAV files read back by another program's reader.
#![allow(dead_code, reason = "each test file uses its own part of it")]

use std::path::{Path, PathBuf};

use rtms_record::{
    Ending, Input, Options, Recorder, RecordingAbout, Summary,
    ledger::{Ledger, LedgerReport},
};
use rtms_wire::{
    SmolStr,
    codes::{
        media::{AudioChannel, AudioSampleRate, MediaPayloadType},
        product::Product,
        stop_reason::StopReason,
    },
    ids::{InstanceId, InstanceIdField, StreamId, UserId},
    media::{audio::AudioParams, medium::Medium, params::MediaParams},
    message::media_data::MediaData,
    time::UnixMillis,
};

/// When the stream of every test starts.
pub(crate) const START: u64 = 1_795_420_800_000;

/// The recording of one stream in a folder that goes away.
pub(crate) struct Room {
    pub(crate) root: tempfile::TempDir,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self { root: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn open(&self) -> Recorder {
        self.open_with(Options::default())
    }

    pub(crate) fn open_with(&self, options: Options) -> Recorder {
        Recorder::open_with(self.root.path(), about("stream-1"), options, now()).expect("a recorder")
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.root.path().join("stream-1")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn lines(&self, name: &str) -> Vec<serde_json::Value> {
        self.text(name).lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    pub(crate) fn samples(&self, name: &str) -> Vec<i16> {
        samples(&self.path(name))
    }
}

pub(crate) fn about(stream_id: &str) -> RecordingAbout {
    RecordingAbout::new(
        StreamId::new(stream_id),
        Product::Meeting,
        InstanceId::new(InstanceIdField::MeetingUuid, "abc=="),
        UnixMillis(START),
    )
}

/// Our clock, a little behind Zoom's.
pub(crate) fn now() -> UnixMillis {
    UnixMillis(START + 700)
}

pub(crate) fn ending() -> Ending {
    Ending { stop_reason: Some(StopReason::MeetingEnded), why: "meeting ended".into(), at: UnixMillis(START + 60_000) }
}

pub(crate) fn finish(recorder: Recorder) -> Summary {
    recorder.finish(ending()).expect("a proper end")
}

/// A packet of these samples, `at` milliseconds after the start. User 0 is the mix.
pub(crate) fn packet(user: u64, at: i64, samples: &[i16]) -> Input {
    Input::Audio(data(user, at, samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()))
}

pub(crate) fn data(user: u64, at: i64, bytes: Vec<u8>) -> MediaData {
    MediaData {
        user_id: Some(UserId::from(user)),
        user_name: (user != 0).then(|| SmolStr::new(format!("Person {user}"))),
        data: bytes.into(),
        timestamp: UnixMillis(START.saturating_add_signed(at)),
        ..MediaData::default()
    }
}

/// 20 ms at 16 kHz, all the same sample.
pub(crate) fn tone(sample: i16) -> [i16; 320] {
    [sample; 320]
}

pub(crate) fn granted_audio(rate: AudioSampleRate, channel: AudioChannel, codec: MediaPayloadType) -> Input {
    let audio =
        AudioParams { sample_rate: Some(rate), channel: Some(channel), codec: Some(codec), ..AudioParams::default() };
    Input::Granted(Medium::Audio, MediaParams { audio: Some(audio), ..MediaParams::default() })
}

pub(crate) fn record(recorder: &mut Recorder, inputs: impl IntoIterator<Item = Input>) {
    for input in inputs {
        recorder.handle(input, now()).expect("recorded");
    }
}

/// The same at another time of ours, in milliseconds after the start.
pub(crate) fn record_at(ms: u64, recorder: &mut Recorder, inputs: impl IntoIterator<Item = Input>) {
    for input in inputs {
        recorder.handle(input, UnixMillis(START + ms)).expect("recorded");
    }
}

pub(crate) fn samples(path: &Path) -> Vec<i16> {
    let mut wav = hound::WavReader::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    wav.samples().map(|sample| sample.expect("a sample")).collect()
}

/// So many milliseconds of silence at 16 kHz.
pub(crate) fn silence(ms: usize) -> Vec<i16> {
    vec![0; 16 * ms]
}

/// So many milliseconds after the start.
pub(crate) fn at(ms: u64) -> UnixMillis {
    UnixMillis(START + ms)
}

pub(crate) fn flawless(report: &LedgerReport) {
    assert_eq!(report.flaw(), None);
    for medium in report.media.values() {
        assert!(medium.spans.windows(2).all(|pair| pair[0].what != pair[1].what), "as few as can be");
    }
}

/// The words of a medium's time, each from when to when after the start.
pub(crate) fn words(report: &LedgerReport, medium: Medium) -> Vec<(u64, u64, String)> {
    let spans = report.media[&medium].spans.iter();
    spans.map(|span| (span.from.0 - START, span.to.0 - START, span.what.to_string())).collect()
}

/// The words of a medium's time, each with its end after the start.
pub(crate) fn ends(ledger: &Ledger, medium: Medium) -> Vec<(u64, String)> {
    words(&ledger.report(), medium).into_iter().map(|(_, to, word)| (to, word)).collect()
}
