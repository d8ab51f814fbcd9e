//! Whatever bytes come, the machine neither panics nor forgets its manners.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use common::Run;
use rtms_sim::{
    findings::Mistake,
    seed::Seed,
    zoom::{ConnectionId, Ending, Endpoint, Input},
};
use serde_json::json;

#[test]
fn what_is_no_message_is_noted_and_ignored() {
    let mut run = Run::of_seconds(20);
    let signaling = run.join();
    for payload in [&b""[..], b"hello", b"{", b"[]", b"{}", b"\xff\xfe", b"{\"msg_type\":\"x\"}", b"{\"msg_type\":5}"] {
        run.say_bytes(signaling, payload);
    }
    run.say(signaling, &json!({"msg_type": 777}));
    run.say(signaling, &json!({"msg_type": 2, "status_code": 0}));

    assert!(run.heard_types(signaling).is_empty());
    assert!(run.closed.is_empty());
    assert_eq!(run.mistakes().len(), 10);
}

#[test]
fn random_bytes_and_twisted_messages_never_panic() {
    for seed in 0..20 {
        let mut chance = Seed::new(seed);
        let mut run = Run::of_seconds(30);
        let mut connections = vec![run.connect(Endpoint::Signaling), run.connect(Endpoint::Media)];
        if chance.one_in(2) {
            let signaling = run.join();
            let media = run.open_media(32, json!({}));
            run.ready(signaling);
            connections.extend([signaling, media]);
        }
        for step in 0..200 {
            let connection = *chance.pick(&connections).unwrap_or(&ConnectionId(99));
            let payload = twisted(&mut chance, &run);
            run.say_bytes(connection, &payload);
            match chance.below(40) {
                0 => {
                    connections.push(run.connect(if chance.one_in(2) { Endpoint::Signaling } else { Endpoint::Media }))
                }
                1 => run.input(Input::Closed { connection, ending: Ending::Cut }),
                2 => run.until(step * 150),
                _ => {}
            }
        }
        run.until(300_000);
        assert_eq!(run.last_webhook()["event"], "meeting.rtms_stopped", "seed {seed}");
    }
}

#[test]
fn findings_are_bounded() {
    let mut run = Run::of_seconds(20);
    let signaling = run.join();
    for _ in 0..3_000 {
        run.say_bytes(signaling, b"nonsense");
    }

    assert_eq!(run.zoom.findings().iter().count(), 1_000);
    assert_eq!(run.zoom.findings().dropped(), 2_000);
}

#[test]
fn a_cut_connection_is_a_finding_and_so_is_a_slow_reader() {
    let mut run = Run::of_seconds(60);
    let signaling = run.join();
    run.input(Input::Closed { connection: signaling, ending: Ending::Cut });
    let signaling = run.join();
    run.input(Input::Closed { connection: signaling, ending: Ending::TooSlow { waiting_bytes: 7 } });

    assert_eq!(run.mistakes(), [Mistake::AbruptClose, Mistake::ReadTooSlowly { waiting_bytes: 7 }]);
}

/// Something between a right message and noise.
fn twisted(chance: &mut Seed, run: &Run) -> Vec<u8> {
    let stream = run.zoom.stream().as_str();
    let messages = [
        run.signaling_request(),
        run.data_request(
            u32::try_from(chance.below(40)).unwrap(),
            json!({"audio": {"send_rate": chance.number(), "codec": chance.below(9)}}),
        ),
        run.data_request(
            2,
            json!({"video": {"fps": chance.below(100), "codec": chance.below(9), "data_opt": chance.below(6)}}),
        ),
        json!({"msg_type": 5, "events": [{"event_type": chance.number(), "subscribe": true}, {"event_type": 3, "subscribe": true}]}),
        json!({"msg_type": 7, "rtms_stream_id": stream}),
        json!({"msg_type": 10, "rtms_session_id": null}),
        json!({"msg_type": 13, "timestamp": -1, "sequence": {"a": []}}),
        json!({"msg_type": 19, "rtms_stream_id": stream}),
        json!({"msg_type": 28, "user_id": chance.number(), "subscribe": true, "timestamp": chance.number()}),
        json!({"msg_type": chance.below(40), "content": {"data": "AAAA", "length": 7}}),
    ];
    let mut bytes = chance.pick(&messages).unwrap().to_string().into_bytes();
    for _ in 0..chance.below(4) {
        let at = usize::try_from(chance.below(bytes.len() as u64)).unwrap();
        match chance.below(3) {
            0 => bytes[at] = chance.number().to_le_bytes()[0],
            1 => bytes.truncate(at.max(1)),
            _ => {
                bytes.remove(at.min(bytes.len() - 1));
                bytes.push(b'}');
            }
        }
    }
    bytes
}
