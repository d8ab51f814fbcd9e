//! What flows when: the gate, the backlog, what is on record, and that it is the same every time.

mod common;

use std::time::Duration;

use common::{
    Run, START,
    payloads::{audio_packets, subscription, timestamps},
};
use rtms_sim::{
    config::ZoomConfig,
    findings::Mistake,
    meeting::{MeetingOptions, options::MediaDetail},
    sent::What,
};
use serde_json::json;

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
    assert_eq!(run.mistakes(), [Mistake::NoReady { after_ms: 5_000 }]);
}

#[test]
fn a_ready_message_before_any_data_handshake_opens_nothing() {
    let mut run = Run::of_seconds(20);
    let signaling = run.join();
    run.ready(signaling);
    let media = run.open_media(1, json!({}));

    run.live_until(9_000);

    assert!(run.heard_types(media).is_empty());
    assert!(matches!(run.mistakes()[..], [Mistake::ReadyTooEarly]));
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
    let wire = |options: MeetingOptions| {
        let mut run = Run::new(ZoomConfig { meeting: options, ..ZoomConfig::default() });
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

    let options =
        |seed| MeetingOptions { seed, participants: 4, duration: Duration::from_secs(8), ..MeetingOptions::default() };
    for seed in 1..4 {
        assert_eq!(wire(options(seed)), wire(options(seed)));
    }
    assert_ne!(wire(options(1)), wire(options(2)));

    let everything = || options(1).with_everything();
    assert_eq!(wire(everything()), wire(everything()));
    let markers = |seed| MeetingOptions { detail: MediaDetail::Markers, ..options(seed) };
    assert_eq!(wire(markers(1)), wire(markers(1)));
    assert_ne!(wire(markers(1)), wire(markers(2)));
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
