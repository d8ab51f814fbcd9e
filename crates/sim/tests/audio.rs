//! Sound in every format that Zoom has: who is heard when, and that what was encoded is what is said.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use audio_codec::Decoder as _;
use common::{Run, START, config, payloads::audio_packets};
use rtms_sim::{
    config::ZoomConfig,
    meeting::{MeetingOptions, options::MediaDetail},
    source::marker::Marker,
};
use rtms_wire::{Bytes, codes::product::Product, ids::UserId, time::UnixMillis};
use serde_json::{Value, json};

const PER_SPEAKER: &str = r#"{"audio":{"data_opt":2}}"#;

#[test]
fn per_speaker_sound_is_exactly_what_was_said_and_silence_has_no_packets() {
    let mut run = Run::of_seconds(20);
    let signaling = run.join();
    let audio = run.open_media(1, serde_json::from_str(PER_SPEAKER).unwrap());
    run.ready(signaling);
    run.live_until(20_000);

    let mut heard: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for packet in audio_packets(&run, audio) {
        assert_eq!(packet.data.len(), 640);
        heard.entry(packet.user_id.unwrap().as_u64().unwrap()).or_default().push(packet.timestamp.0 - START.0);
    }
    let mut said: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let meeting = run.zoom.meeting();
    for utterance in &meeting.utterances {
        let user_id = meeting.participants[utterance.speaker].user_id.as_u64().unwrap();
        said.entry(user_id).or_default().extend((utterance.start_ms..utterance.end_ms).step_by(20));
    }
    assert_eq!(heard, said);
}

#[test]
fn sound_of_a_call_names_its_channel_beside_a_user_id_of_zero_in_either_form() {
    for (data_opt, channels) in [(1, 1..=1), (2, 2..=3)] {
        let mut run = Run::new(ZoomConfig { product: Product::ContactCenter, ..config(30) });
        let signaling = run.join();
        let audio = run.open_media(1, json!({"audio": {"data_opt": data_opt}}));
        run.ready(signaling);
        run.live_until(30_000);

        let packets = audio_packets(&run, audio);

        assert!(packets.iter().all(|packet| packet.user_id.as_ref().is_some_and(UserId::is_mixed)));
        assert!(packets.iter().all(|packet| packet.user_name.is_none()));
        let named: BTreeSet<_> = packets.iter().map(|packet| packet.channel_id.clone().unwrap()).collect();
        assert!(channels.contains(&named.len()), "{data_opt}: {named:?}");
    }
}

#[test]
fn sound_of_a_phone_call_has_the_two_channels_of_its_parties_in_either_form() {
    for data_opt in [1, 2] {
        let mut run = Run::new(ZoomConfig { product: Product::Phone, ..config(30) });
        let signaling = run.join();
        let params = json!({"audio": {"content_type": 2, "data_opt": data_opt}});
        let audio = run.open_media(1, params);
        run.ready(signaling);
        run.live_until(30_000);

        let packets = audio_packets(&run, audio);

        assert!(packets.iter().all(|packet| packet.user_id.as_ref().is_some_and(UserId::is_mixed)));
        assert!(packets.iter().all(|packet| packet.user_name.is_none()));
        let named: BTreeSet<_> = packets.iter().map(|packet| packet.channel_id.clone().unwrap().to_string()).collect();
        assert_eq!(named, BTreeSet::from(["0".to_owned(), "1".to_owned()]), "{data_opt}");
        let moments: BTreeSet<_> = packets.iter().map(|packet| (packet.channel_id.clone(), packet.timestamp)).collect();
        assert_eq!(moments.len(), packets.len(), "one packet a channel and moment");
    }
}

#[test]
fn sound_of_other_products_names_no_channel() {
    for product in [Product::Meeting, Product::Webinar, Product::Session] {
        let mut run = Run::new(ZoomConfig { product, ..config(10) });
        let signaling = run.join();
        let audio = run.open_media(1, json!({"audio": {"data_opt": 2}}));
        run.ready(signaling);
        run.live_until(10_000);

        assert!(audio_packets(&run, audio).iter().all(|packet| packet.channel_id.is_none()), "{product}");
    }
}

#[test]
fn mixed_sound_belongs_to_nobody_and_adds_up_the_speakers() {
    let record = |data_opt: u32| {
        let mut run = Run::of_seconds(30);
        let signaling = run.join();
        let audio = run.open_media(1, json!({"audio": {"data_opt": data_opt}}));
        run.ready(signaling);
        run.live_until(30_000);
        let mut sum: BTreeMap<UnixMillis, Vec<i16>> = BTreeMap::new();
        for packet in audio_packets(&run, audio) {
            if data_opt == 1 {
                assert!(packet.user_id.unwrap().is_mixed());
                assert_eq!(packet.user_name, None);
            }
            let samples = packet.data.chunks(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
            let total = sum.entry(packet.timestamp).or_insert_with(|| vec![0; packet.data.len() / 2]);
            total.iter_mut().zip(samples).for_each(|(total, sample)| *total = total.saturating_add(sample));
        }
        sum
    };

    assert_eq!(record(1), record(2));
}

#[test]
fn every_audio_format_has_packets_of_its_exact_size() {
    let cases = [
        (json!({"sample_rate": 0}), 320),
        (json!({"sample_rate": 1, "send_rate": 100}), 3_200),
        (json!({"sample_rate": 2}), 1_280),
        (json!({"sample_rate": 3, "channel": 2}), 3_840),
        (json!({"sample_rate": 3, "channel": 2, "send_rate": 1000}), 192_000),
        (json!({"sample_rate": 0, "codec": 2}), 160),
    ];
    for (params, bytes) in cases {
        let mut run = Run::of_seconds(6);
        let signaling = run.join();
        let audio = run.open_media(1, json!({"audio": params}));
        run.ready(signaling);
        run.live_until(6_000);

        let packets = audio_packets(&run, audio);
        assert!(!packets.is_empty());
        assert!(packets.iter().all(|packet| packet.data.len() == bytes), "{params}");
        assert!(packets.iter().any(|packet| packet.data.iter().any(|byte| *byte != packet.data[0])));
    }
}

#[test]
fn opus_packets_come_at_zooms_sdks_default_format() {
    let mut run = Run::of_seconds(6);
    let signaling = run.join();
    let params = json!({"content_type": 2, "codec": 4, "sample_rate": 3, "channel": 2, "data_opt": 2, "send_rate": 20});
    let audio = run.open_media(1, json!({"audio": params}));
    run.ready(signaling);
    run.live_until(6_000);

    let packets = audio_packets(&run, audio);
    assert!(packets.len() > 50);
    assert!(packets.iter().all(|packet| (3..1_276).contains(&packet.data.len())));
}

#[test]
fn packets_hold_as_much_sound_as_was_asked_for() {
    for send_rate in (20..=1000).step_by(140) {
        let packets = packets(config(6), json!({"sample_rate": 0, "send_rate": send_rate}));

        assert!(!packets.is_empty());
        for (_, timestamp, data) in packets {
            assert_eq!(data.len() as u64, send_rate * 16);
            assert!((timestamp.0 - START.0).is_multiple_of(send_rate));
        }
    }
}

#[test]
fn g711_decodes_to_what_is_said() {
    let said = samples(&packets(config(6), json!({"data_opt": 2, "sample_rate": 0})));
    let coded = packets(config(6), json!({"data_opt": 2, "sample_rate": 0, "codec": 2}));

    for (whose, said) in said {
        let mut decoder = audio_codec::pcma::PcmaDecoder::new();
        let decoded: Vec<i16> = of(&coded, &whose).flat_map(|data| decoder.decode(data)).collect();
        assert!(signal_to_noise(&said, &decoded, 0) > 30.0);
    }
}

#[test]
fn g722_decodes_to_what_is_said() {
    let said = samples(&packets(config(6), json!({"data_opt": 2})));
    let coded = packets(config(6), json!({"data_opt": 2, "codec": 3}));

    assert!(coded.iter().all(|(.., data)| data.len() == 160));
    for (whose, said) in said {
        let mut decoder = audio_codec::g722::G722Decoder::new();
        let decoded: Vec<i16> = of(&coded, &whose).flat_map(|data| decoder.decode(data)).collect();
        // The two filters of the codec take 22 samples together.
        assert!(signal_to_noise(&said, &decoded, 22) > 12.0, "{}", signal_to_noise(&said, &decoded, 22));
    }
}

#[test]
fn ffprobe_hears_what_is_said_as_loud_as_it_is() {
    let Ok(ffprobe) = std::env::var("RTMS_FFPROBE") else {
        eprintln!("ffprobe was NOT run: set RTMS_FFPROBE=ffprobe to have sound judged by it");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    for (name, rate, codec) in [("s16le", 1, 1), ("alaw", 0, 2), ("g722", 1, 3)] {
        let said = packets(config(6), json!({"sample_rate": rate}));
        let coded = packets(config(6), json!({"sample_rate": rate, "codec": codec}));
        let path = directory.path().join(name);
        std::fs::write(&path, coded.iter().flat_map(|(.., data)| data.to_vec()).collect::<Vec<u8>>()).unwrap();

        let graph = format!("amovie={}:f={name},astats=metadata=1", path.display());
        let output = Command::new(&ffprobe)
            .args(["-v", "error", "-f", "lavfi", "-i", &graph, "-of", "csv=p=0"])
            .args(["-show_entries", "frame_tags=lavfi.astats.Overall.RMS_level"])
            .output()
            .unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let heard: f64 = String::from_utf8(output.stdout).unwrap().lines().last().unwrap().trim().parse().unwrap();
        let samples: Vec<i16> = samples(&said).into_values().flatten().collect();
        let power = samples.iter().map(|&x| (f64::from(x) / 32_768.0).powi(2)).sum::<f64>() / samples.len() as f64;
        assert!((heard - 10.0 * power.log10()).abs() < 0.5, "{name}: {heard} dB, not {}", 10.0 * power.log10());
    }
}

#[test]
fn opus_decodes_to_as_much_as_is_said_in_mono_and_stereo() {
    for channel in [1_usize, 2] {
        let params = json!({"data_opt": 2, "sample_rate": 3, "channel": channel});
        let said = samples(&packets(config(6), params.clone()));
        let mut opus = params;
        opus["codec"] = 4.into();
        let coded = packets(config(6), opus);

        for (whose, said) in said {
            let mut decoder = opus_pure::OpusDecoder::new(48_000, channel).unwrap();
            let mut decoded = Vec::new();
            for data in of(&coded, &whose) {
                let mut frame = vec![0_i16; 960 * channel];
                assert_eq!(decoder.decode_s16(data, 960, &mut frame).unwrap(), 960);
                decoded.extend(frame);
            }
            assert_eq!(decoded.len(), said.len());
            // Opus keeps no wave shape at this rate, but loudness: the ups and downs of speech are the same.
            let likeness = correlation(&loudness(&said, 960 * channel), &loudness(&decoded, 960 * channel));
            assert!(likeness > 0.8, "{channel} channels: {likeness}");
        }
    }
}

#[test]
fn rtp_rows_give_bare_packets() {
    for codec in [json!({"sample_rate": 3, "codec": 4}), json!({"sample_rate": 0, "codec": 2}), json!({"codec": 3})] {
        let mut rtp = codec.clone();
        rtp["content_type"] = 1.into();

        assert_eq!(packets(config(4), rtp), packets(config(4), codec));
    }
}

#[test]
fn markers_stand_where_the_sound_was() {
    let meeting = MeetingOptions { detail: MediaDetail::Markers, ..config(20).meeting };
    for data_opt in [1, 2] {
        let params = json!({"data_opt": data_opt, "sample_rate": 3, "channel": 2});
        let real = packets(config(20), params.clone());
        let markers = packets(ZoomConfig { meeting: meeting.clone(), ..ZoomConfig::default() }, params);

        assert_eq!(real.len(), markers.len());
        for (real, (whose, timestamp, data)) in real.iter().zip(&markers) {
            assert_eq!((&real.0, &real.1), (whose, timestamp));
            let marker = Marker::from_bytes(data).unwrap();
            assert_eq!((marker.medium, marker.seed), (b'A', meeting.seed));
            assert_eq!(u64::from(marker.slot) * 20, timestamp.0 - START.0);
            assert_eq!(marker.participant == Marker::MIXED, data_opt == 1);
        }
    }
}

/// A packet: whose, when, what.
type Packet = (UserId, UnixMillis, Bytes);

/// Every packet of a meeting in some format.
fn packets(config: ZoomConfig, params: Value) -> Vec<Packet> {
    let until = u64::try_from(config.meeting.duration.as_millis()).unwrap();
    let mut run = Run::new(config);
    let signaling = run.join();
    let audio = run.open_media(1, json!({"audio": params}));
    run.ready(signaling);
    run.live_until(until);
    audio_packets(&run, audio)
        .into_iter()
        .map(|packet| (packet.user_id.unwrap(), packet.timestamp, packet.data))
        .collect()
}

fn of<'a>(packets: &'a [Packet], whose: &UserId) -> impl Iterator<Item = &'a Bytes> {
    let whose = whose.clone();
    packets.iter().filter(move |packet| packet.0 == whose).map(|packet| &packet.2)
}

/// L16 as samples, by whose they are.
fn samples(packets: &[Packet]) -> BTreeMap<UserId, Vec<i16>> {
    let mut by_user: BTreeMap<UserId, Vec<i16>> = BTreeMap::new();
    for (whose, _, data) in packets {
        let samples = data.chunks(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
        by_user.entry(whose.clone()).or_default().extend(samples);
    }
    by_user
}

/// In decibels, what is decoded being so many samples late.
fn signal_to_noise(said: &[i16], decoded: &[i16], delay: usize) -> f64 {
    let energy = |samples: &mut dyn Iterator<Item = f64>| samples.map(|x| x * x).sum::<f64>();
    let signal = energy(&mut said.iter().map(|&x| f64::from(x)));
    let noise = energy(&mut said.iter().zip(&decoded[delay..]).map(|(&a, &b)| f64::from(a) - f64::from(b)));
    10.0 * (signal / noise.max(1.0)).log10()
}

fn loudness(samples: &[i16], frame: usize) -> Vec<f64> {
    let of = |frame: &[i16]| frame.iter().map(|&x| f64::from(x).abs()).sum::<f64>();
    samples.chunks(frame).map(of).collect()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let dot = |x: &[f64], mx: f64, y: &[f64], my: f64| x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>();
    dot(a, ma, b, mb) / (dot(a, ma, a, ma) * dot(b, mb, b, mb)).sqrt()
}
