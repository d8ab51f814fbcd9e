//! The oracle: what a recording has to look like, made from what the simulator sent and from nothing of ours.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use aws_lc_rs::digest::{SHA256, digest};
use rtms_record::Manifest;
use rtms_sim::{
    meeting::Meeting,
    sent::{Payload, Sent, What},
};
use rtms_wire::{ids::UserId, time::UnixMillis};
use serde_json::Value;

/// A spoken line, as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    pub(crate) user_id: UserId,
    pub(crate) user_name: String,
    pub(crate) text: String,
    pub(crate) start: UnixMillis,
    pub(crate) end: UnixMillis,
}

/// A written line, as it was sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Written {
    pub(crate) user_id: UserId,
    pub(crate) user_name: String,
    pub(crate) text: String,
    pub(crate) timestamp: UnixMillis,
}

/// Everything that was sent, by medium, in order.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) words: Vec<Words>,
    pub(crate) chat: Vec<Written>,
    pub(crate) audio: Vec<Payload>,
    pub(crate) video: Vec<Payload>,
    pub(crate) deskshare: Vec<Payload>,
}

impl Truth {
    pub(crate) fn of(sent: Vec<Sent>) -> Self {
        let mut truth = Self::default();
        for Sent { what, .. } in sent {
            match what {
                What::Audio(payload) => truth.audio.push(payload),
                What::Video(payload) => truth.video.push(payload),
                What::Deskshare(payload) => truth.deskshare.push(payload),
                What::Transcript { user_id, user_name, text, start_time, end_time, .. } => {
                    truth.words.push(Words { user_id, user_name, text, start: start_time, end: end_time });
                }
                What::Chat { user_id, user_name, text, timestamp, .. } => {
                    truth.chat.push(Written { user_id, user_name, text, timestamp });
                }
                _ => {}
            }
        }
        truth
    }

    /// Nothing that happened in the meeting is missing in what was sent: whoever joined did so in time.
    pub(crate) fn assert_whole(&self, meeting: &Meeting, start: UnixMillis) {
        let said: BTreeSet<_> = meeting.utterances.iter().map(|said| said.text.as_str()).collect();
        let sent: BTreeSet<_> = self.words.iter().map(|words| words.text.as_str()).collect();
        assert_eq!(sent, said, "every line that is said is sent");
        assert_eq!(self.chat.len(), meeting.chat.len(), "every line that is written is sent");
        let heard: BTreeSet<_> = self.audio.iter().map(|packet| packet.timestamp.0 - start.0).collect();
        for said in &meeting.utterances {
            for at in (said.start_ms..said.end_ms).step_by(20) {
                assert!(heard.contains(&at), "no sound at {at} ms, where {:?} is said", said.text);
            }
        }
    }

    /// The lines in the order of speaking.
    fn in_order(&self) -> Vec<Words> {
        let mut words = self.words.clone();
        words.sort_by_key(|words| words.start);
        words
    }

    /// `transcript.txt`, whole.
    pub(crate) fn as_text(&self, origin: UnixMillis) -> String {
        let line = |words: &Words| {
            let clock = clock(words.start.0 - origin.0);
            format!("[{}] {}: {}\n", &clock[..8], words.user_name, words.text)
        };
        self.in_order().iter().map(line).collect()
    }

    /// `transcript.vtt`, whole.
    pub(crate) fn as_vtt(&self, origin: UnixMillis) -> String {
        let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let cue = |words: &Words| {
            let (from, to) = (clock(words.start.0 - origin.0), clock(words.end.0 - origin.0));
            format!("{from} --> {to}\n<v {}>{}\n\n", escape(&words.user_name), escape(&words.text))
        };
        format!("WEBVTT\n\n{}", self.in_order().iter().map(cue).collect::<String>())
    }

    /// The samples of each WAV file by its stem, silence where nothing was sent.
    pub(crate) fn as_samples(&self, origin: UnixMillis, sample_rate: u32, channels: u16) -> BTreeMap<String, Vec<i16>> {
        let per_ms = (sample_rate / 1000) as usize * usize::from(channels);
        let mut tracks = BTreeMap::<String, Vec<i16>>::new();
        for packet in &self.audio {
            let name = if packet.user_id.is_mixed() { "mixed".into() } else { packet.user_id.to_string() };
            let track = tracks.entry(name).or_default();
            let samples = packet.bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
            let place = usize::try_from(packet.timestamp.0 - origin.0).unwrap() * per_ms;
            track.resize(track.len().max(place + packet.length / 2), 0);
            track[place..].iter_mut().zip(samples).for_each(|(at, sample)| *at = sample);
        }
        if !tracks.contains_key("mixed") {
            let longest = tracks.values().map(Vec::len).max().unwrap_or_default();
            let sum = (0..longest).map(|at| {
                let sum: i32 = tracks.values().filter_map(|track| track.get(at)).copied().map(i32::from).sum();
                sum.clamp(i16::MIN.into(), i16::MAX.into()) as i16
            });
            tracks.insert("mixed".into(), sum.collect());
        }
        tracks
    }

    /// Every sample that was sent is in its place in the WAV files, and beside them is silence.
    pub(crate) fn assert_sound(&self, folder: &Path, origin: UnixMillis, sample_rate: u32, channels: u16) {
        let expected = self.as_samples(origin, sample_rate, channels);
        let found = wavs(folder);
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (name, (_, samples)) in &found {
            let different = samples.iter().zip(&expected[name]).position(|(found, sent)| found != sent);
            assert_eq!((different, samples.len()), (None, expected[name].len()), "{name}");
        }
    }
}

/// The time on a tape.
fn clock(ms: u64) -> String {
    format!("{:02}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000)
}

/// Every WAV file of a recording by its stem: format and samples, read by another program's reader.
pub(crate) fn wavs(folder: &Path) -> BTreeMap<String, (hound::WavSpec, Vec<i16>)> {
    fs::read_dir(folder.join("audio"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wav"))
        .map(|path| {
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let mut reader = hound::WavReader::open(&path).unwrap();
            (stem, (reader.spec(), reader.samples::<i16>().map(Result::unwrap).collect()))
        })
        .collect()
}

/// The lines of a `.jsonl` file.
pub(crate) fn json_lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The words of a chat line, whichever of Zoom's forms they came in.
pub(crate) fn written(line: &Value) -> Written {
    let data = line["data"].as_str().unwrap();
    // Somebody may write JSON by hand; only Zoom's has an id.
    let fields = serde_json::from_str::<Value>(data).ok().filter(|fields| fields["message_id"].is_string());
    let text = fields.as_ref().map_or(data, |fields| fields["data"].as_str().unwrap());
    let user_id = serde_json::from_value(line["user_id"].clone()).unwrap();
    let user_name = line["user_name"].as_str().unwrap().into();
    Written { user_id, user_name, text: text.into(), timestamp: UnixMillis(line["timestamp"].as_u64().unwrap()) }
}

/// The manifest names exactly the files that are there, with their sizes and checksums.
pub(crate) fn assert_checksums(folder: &Path, manifest: &Manifest) {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inside) = folders.pop() {
        for path in fs::read_dir(inside).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let content = fs::read(&path).unwrap();
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, (content.len() as u64, hex(digest(&SHA256, &content).as_ref())));
            }
        }
    }
    found.remove("manifest.json");
    let listed: BTreeMap<_, _> =
        manifest.files.iter().map(|file| (file.path.clone(), (file.bytes, file.sha256.clone()))).collect();
    assert_eq!(listed, found);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
