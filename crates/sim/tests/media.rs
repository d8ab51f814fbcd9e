//! What flows when: the gate, the backlog, who is heard and seen, what the words say.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use std::{collections::BTreeMap, time::Duration};

use common::{Run, START, config};
use rtms_sim::{config::ZoomConfig, findings::Mistake, meeting::MeetingOptions, sent::What, zoom::ConnectionId};
use rtms_wire::{codes::product::Product, message::Message, time::UnixMillis};
use serde_json::{Value, json};

const PER_SPEAKER: &str = r#"{"audio":{"data_opt":2}}"#;

#[test]
fn nothing_flows_before_the_ready_message() {
    let mut run = Run::of_seconds(20);
    let signaling = run.join();
    let media = run.open_media(32, json!({}));

    run.live_until(9_000);
    assert!(run.heard_types(media).is_empty());
    run.ready(signaling);

    assert_eq!(run.heard_types(signaling), [9, 9, 8]);
    assert!(run.heard_types(media).contains(&14));
    assert_eq!(run.mistakes(), []);
}

#[test]
fn a_ready_message_before_any_data_handshake_opens_nothing() {
    let mut run = Run::of_seconds(20);
    let signaling = run.join();
    run.ready(signaling);
    let media = run.open_media(1, json!({}));

    run.live_until(9_000);

    assert!(run.heard_types(media).is_empty());
    assert!(matches!(run.mistakes()[..], [Mistake::ReadyTooEarlyOrWrong { .. }]));
}

#[test]
fn each_medium_waits_for_a_ready_message_after_its_own_handshake() {
    let mut run = Run::of_seconds(20);
    let signaling = run.join();
    let audio = run.open_media(1, json!({}));
    run.ready(signaling);
    let video = run.open_media(2, json!({}));
    run.live_until(5_000);
    assert!(!run.heard_types(audio).is_empty());
    assert!(run.heard_types(video).is_empty());

    run.ready(signaling);
    run.live_until(6_000);

    assert!(!run.heard_types(video).is_empty());
    // The session starts once, however often the client is ready.
    assert_eq!(run.heard_types(signaling), [9, 9, 8]);
}

#[test]
fn session_state_comes_with_its_session_and_starts_as_1_then_2() {
    let mut run = Run::of_seconds(20);
    let signaling = run.join();
    run.open_media(1, json!({}));
    run.ready(signaling);

    let told = run.heard(signaling);
    let session = told[0]["rtms_session_id"].as_str().unwrap().to_owned();
    assert_eq!((&told[0]["state"], &told[1]["state"], &told[2]["state"]), (&json!(1), &json!(2), &json!(1)));

    run.say(signaling, &json!({"msg_type": 10, "rtms_session_id": session}));
    let stream = run.zoom.stream().as_str().to_owned();
    run.say(signaling, &json!({"msg_type": 19, "rtms_stream_id": stream}));
    let told = run.heard(signaling);
    assert_eq!((&told[0]["msg_type"], &told[0]["state"]), (&json!(11), &json!(2)));
    assert_eq!((&told[1]["msg_type"], &told[1]["state"]), (&json!(20), &json!(1)));
}

#[test]
fn sound_from_before_the_client_came_arrives_in_a_burst_oldest_first() {
    let mut run = Run::of_seconds(60);
    run.until(20_000);
    let signaling = run.join();
    let audio = run.open_media(1, json!({}));
    run.ready(signaling);

    run.live_until(21_000);

    let times = timestamps(&run.heard(audio), 14);
    let first_said = run.zoom.meeting().utterances[0].start_ms;
    assert_eq!(times[0], START.0 + first_said);
    assert!(times.is_sorted());
    assert!(*times.last().unwrap() > START.0 + 19_000, "the burst is faster than the meeting");
}

#[test]
fn at_most_a_minute_of_sound_is_kept() {
    let mut run = Run::of_seconds(200);
    run.until(1_000);
    let signaling = run.join();
    run.live_until(100_000);
    let audio = run.open_media(1, json!({}));
    run.ready(signaling);

    run.live_until(105_000);

    let times = timestamps(&run.heard(audio), 14);
    assert!(times[0] >= START.0 + 40_000);
    assert!(times[0] < START.0 + 45_000);
}

#[test]
fn buffer_data_false_drops_the_backlog() {
    let mut run = Run::of_seconds(60);
    run.until(20_000);
    let signaling = run.connect(rtms_sim::zoom::Endpoint::Signaling);
    let mut request = run.signaling_request();
    request["buffer_data"] = false.into();
    run.say(signaling, &request);
    let audio = run.open_media(1, json!({}));
    run.ready(signaling);

    run.live_until(25_000);

    assert!(timestamps(&run.heard(audio), 14)[0] >= START.0 + 20_000);
}

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
fn transcript_lines_are_the_utterances_word_for_word() {
    let mut run = Run::of_seconds(30);
    let signaling = run.join();
    let transcript = run.open_media(8, Value::Null);
    run.ready(signaling);
    run.live_until(30_000);

    let lines: Vec<_> = run.heard(transcript).into_iter().filter(|message| message["msg_type"] == 17).collect();
    let meeting = run.zoom.meeting();
    assert_eq!(lines.len(), meeting.utterances.len());
    for line in &lines {
        let content = &line["content"];
        let said = meeting.utterances.iter().find(|said| content["start_time"] == START.0 + said.start_ms).unwrap();
        assert_eq!(content["data"], said.text.as_str());
        assert_eq!(content["end_time"], START.0 + said.end_ms);
        assert_eq!(content["timestamp"], content["start_time"]);
        assert_eq!(content["language"], said.language.code());
        assert_eq!(content["user_name"], meeting.participants[said.speaker].name.as_str());
    }
}

#[test]
fn without_language_detection_every_line_claims_the_language_that_was_asked_for() {
    let mut run = Run::of_seconds(20);
    let signaling = run.join();
    let transcript = run.open_media(8, json!({"transcript": {"src_language": 14, "enable_lid": false}}));
    run.ready(signaling);
    run.live_until(20_000);

    let lines: Vec<_> = run.heard(transcript).into_iter().filter(|message| message["msg_type"] == 17).collect();
    assert!(!lines.is_empty() && lines.iter().all(|line| line["content"]["language"] == 14));
}

#[test]
fn chat_comes_as_words_and_as_structured_text() {
    let mut run = Run::of_seconds(60);
    let signaling = run.join();
    let chat = run.open_media(16, json!({}));
    run.ready(signaling);
    run.live_until(60_000);

    let lines: Vec<_> = run.wire.iter().filter(|(connection, ..)| *connection == chat).collect();
    let lines: Vec<_> = lines
        .iter()
        .filter_map(|(_, _, text)| {
            let Message::MediaDataChat(chat) = Message::decode(text.as_bytes()).unwrap() else { return None };
            Some(chat.message())
        })
        .collect();
    let written: Vec<_> = run.zoom.meeting().chat.iter().map(|line| line.text.clone()).collect();
    assert_eq!(lines.iter().map(|line| line.text.clone()).collect::<Vec<_>>(), written);
    assert!(lines.iter().any(|line| line.fields.message_id.is_some()));
    assert!(lines.iter().any(|line| line.fields.message_id.is_none()));
}

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
fn the_first_join_event_lists_everybody_and_later_ones_who_comes() {
    let mut run = Run::of_seconds(20);
    let signaling = run.join();
    run.say(signaling, &subscription(&[(3, true), (4, true), (2, true)]));

    let roster = run.heard(signaling);
    assert_eq!(roster.len(), 1);
    assert_eq!(roster[0]["event"]["participants"].as_array().unwrap().len(), 2);
    run.live_until(20_000);
    let events: Vec<_> = run.heard(signaling).into_iter().filter(|message| message["msg_type"] == 6).collect();
    let kinds: Vec<_> = events.iter().map(|message| message["event"]["event_type"].as_i64().unwrap()).collect();
    assert!(kinds.contains(&2) && kinds.contains(&3) && kinds.contains(&4));
    assert!(!kinds.contains(&5), "nobody asked for sharing");
    // All who were ever there have left when the meeting is over.
    assert_eq!(kinds.iter().filter(|kind| **kind == 4).count(), 3);
}

#[test]
fn subscriptions_add_up_and_can_be_taken_back_one_by_one() {
    let mut run = Run::of_seconds(20);
    let signaling = run.join();
    run.say(signaling, &subscription(&[(5, true)]));
    run.say(signaling, &subscription(&[(6, true)]));
    run.say(signaling, &subscription(&[(5, false)]));
    run.live_until(20_000);

    let kinds: Vec<_> =
        run.heard(signaling).iter().filter_map(|message| message["event"]["event_type"].as_i64()).collect();
    assert_eq!(kinds, [6]);
}

#[test]
fn subscribing_to_what_comes_by_itself_is_a_mistake() {
    let mut run = Run::of_seconds(20);
    let signaling = run.join();
    run.say(signaling, &subscription(&[(1, true), (7, true), (99, true)]));

    assert_eq!(run.mistakes().len(), 3);
}

#[test]
fn a_call_names_its_parties_by_channel() {
    let mut run = Run::new(ZoomConfig { product: Product::ContactCenter, ..config(20) });
    let signaling = run.join();
    let media = run.open_media(9, serde_json::from_str(PER_SPEAKER).unwrap());
    run.ready(signaling);
    run.say(signaling, &subscription(&[(8, true), (10, true)]));
    run.live_until(20_000);

    let events: Vec<_> = run.heard(signaling).into_iter().filter(|message| message["msg_type"] == 6).collect();
    assert_eq!(events[0]["event"]["participant_info"]["channel_id"], "ch-0");
    assert!(events[0]["event"]["event_ts"].is_number());
    let words: Vec<_> = run.heard(media).into_iter().filter(|message| message["msg_type"] != 12).collect();
    assert!(words.iter().all(|message| message["content"]["channel_id"].is_string()));
    assert!(words.iter().all(|message| message["content"].get("user_id").is_none()));
}

#[test]
fn sound_of_an_interruption_is_sent_when_the_client_is_back() {
    let mut run = Run::of_seconds(40);
    let signaling = run.join();
    let audio = run.open_media(1, json!({}));
    run.ready(signaling);
    run.live_until(10_000);
    let before = timestamps(&run.heard(audio), 14);
    run.hang_up(audio);
    run.live_until(20_000);

    let audio = run.open_media(1, json!({}));
    run.ready(signaling);
    run.live_until(40_000);

    let after = timestamps(&run.heard(audio), 14);
    let mut all = before;
    all.extend(after);
    let mut said: Vec<u64> = Vec::new();
    for utterance in &run.zoom.meeting().utterances {
        said.extend((START.0 + utterance.start_ms..START.0 + utterance.end_ms).step_by(20));
    }
    said.sort_unstable();
    said.dedup();
    assert_eq!(all, said);
}

#[test]
fn the_same_seed_twice_gives_the_same_bytes() {
    let wire = |seed: u64| {
        let meeting = MeetingOptions { seed, participants: 4, duration: Duration::from_secs(8) };
        let mut run = Run::new(ZoomConfig { meeting, ..ZoomConfig::default() });
        let signaling = run.join();
        run.open_media(32, json!({"audio": {"data_opt": 2}}));
        run.ready(signaling);
        run.say(
            signaling,
            &subscription(&[(2, true), (3, true), (4, true), (5, true), (6, true), (8, true), (9, true)]),
        );
        run.live_until(8_000);
        let webhooks: Vec<_> = run.webhooks.iter().map(|post| (post.body.clone(), post.headers.clone())).collect();
        (run.wire, webhooks)
    };

    for seed in 1..4 {
        assert_eq!(wire(seed), wire(seed));
    }
    assert_ne!(wire(1), wire(2));
}

#[test]
fn the_record_says_what_went_over_the_wire() {
    let mut run = Run::of_seconds(20);
    let signaling = run.join();
    let media = run.open_media(32, json!({}));
    run.ready(signaling);
    run.live_until(20_000);

    let recorded: Vec<_> = run
        .sent
        .iter()
        .filter_map(|sent| {
            let What::Audio(payload) = &sent.what else { return None };
            Some((payload.timestamp, payload.length, payload.bytes.clone()))
        })
        .collect();
    let heard: Vec<_> = audio_packets(&run, media)
        .into_iter()
        .map(|packet| (packet.timestamp, packet.data.len(), packet.data))
        .collect();
    assert_eq!(recorded, heard);
    let line = serde_json::to_value(run.sent.iter().find(|sent| matches!(sent.what, What::Audio(_))).unwrap()).unwrap();
    assert_eq!(
        (&line["kind"], &line["medium"], &line["user_id"], &line["length"]),
        (&json!("audio"), &json!("all"), &json!(0), &json!(640))
    );
    assert_eq!(line["sha256"].as_str().unwrap().len(), 64);
    // The first record is of the webhook, every message has one.
    assert_eq!(run.sent.len(), run.wire.len() + run.webhooks.len());
}

fn subscription(events: &[(i64, bool)]) -> Value {
    let events: Vec<_> = events
        .iter()
        .map(|(event_type, subscribe)| json!({"event_type": event_type, "subscribe": subscribe}))
        .collect();
    json!({"msg_type": 5, "events": events})
}

fn timestamps(messages: &[Value], msg_type: i64) -> Vec<u64> {
    messages
        .iter()
        .filter(|message| message["msg_type"] == msg_type)
        .map(|message| message["content"]["timestamp"].as_u64().unwrap())
        .collect()
}

fn audio_packets(run: &Run, connection: ConnectionId) -> Vec<rtms_wire::message::media_data::MediaData> {
    let on_it = run.wire.iter().filter(|(on, ..)| *on == connection);
    on_it
        .filter_map(|(_, _, text)| {
            let Message::MediaDataAudio(data) = Message::decode(text.as_bytes()).unwrap() else { return None };
            Some(data)
        })
        .collect()
}

fn pictures(run: &Run, connection: ConnectionId) -> Vec<rtms_wire::message::media_data::MediaData> {
    let on_it = run.wire.iter().filter(|(on, ..)| *on == connection);
    on_it
        .filter_map(|(_, _, text)| {
            let (Message::MediaDataVideo(data) | Message::MediaDataShare(data)) =
                Message::decode(text.as_bytes()).unwrap()
            else {
                return None;
            };
            Some(data)
        })
        .collect()
}
