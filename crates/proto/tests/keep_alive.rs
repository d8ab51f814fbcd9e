//! Zoom asks every ten seconds on every connection whether we live, and we judge by the same sign whether it does.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::time::Duration;

use common::{Pair, Zoom, audio, media, seconds, start, unified};
use rtms_proto::{
    config::StreamConfig,
    error::StreamError,
    event::{Event, Interruption},
    input::Input,
    keep_alive::DEAD_AFTER,
    output::ConnectionId,
    role::Role,
};
use rtms_wire::{
    codes::product::Product,
    media::medium::{MediaTypes, Medium},
    message::Message,
};
use serde_json::{Value, json};

#[test]
fn a_request_is_answered_on_its_own_connection_with_what_it_carried() {
    let mut pair = Pair::running();
    for role in every_role() {
        for (fields, answer) in [
            (json!({"timestamp": 1_795_420_810_000_u64}), json!({"msg_type": 13, "timestamp": 1_795_420_810_000_u64})),
            (json!({"timestamp": 5, "sequence": 17}), json!({"msg_type": 13, "sequence": 17, "timestamp": 5})),
            (json!({"sequence": 0}), json!({"msg_type": 13, "sequence": 0})),
            (json!({}), json!({"msg_type": 13})),
            (json!({"timestamp": "5", "sequence": -1}), json!({"msg_type": 13, "sequence": -1, "timestamp": "5"})),
            (
                json!({"timestamp": u64::MAX, "status_code": 0, "protocol_version": 1}),
                json!({"msg_type": 13, "timestamp": u64::MAX}),
            ),
        ] {
            pair.did.clear();

            pair.hear(role, request(fields));

            assert_eq!(pair.did.len(), 1, "nothing else is said: {:?}", pair.did);
            assert_eq!(answers(&pair, role), [answer], "{role}");
        }
    }
    assert_eq!(pair.events.iter().filter(|event| matches!(event, Event::Odd(_))).count(), 0);
}

#[test]
fn a_request_is_answered_before_the_handshake_is() {
    let zoom = Zoom { unanswered: vec![1, 3], ..Zoom::default() };
    let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), zoom);

    pair.hear(Role::Signaling, request(json!({"timestamp": 1})));
    assert_eq!(answers(&pair, Role::Signaling), [json!({"msg_type": 13, "timestamp": 1})]);

    pair.hear(
        Role::Signaling,
        json!({"msg_type": 2, "status_code": 0, "media_server": {"server_urls": common::all_urls()}}),
    );
    pair.hear(media(Medium::Chat), request(json!({"timestamp": 2})));
    assert_eq!(answers(&pair, media(Medium::Chat)), [json!({"msg_type": 13, "timestamp": 2})]);
}

#[test]
fn a_request_is_answered_while_the_end_is_near() {
    let ends: [(&str, Happening); 3] = [
        ("draining", |pair| pair.input(Input::Stopped(None))),
        ("closing", |pair| pair.input(Input::Close)),
        ("unexplained", |pair| pair.lose(media(Medium::Video))),
    ];
    for (name, end) in ends {
        let zoom = Zoom { unanswered: vec![21], ..Zoom::default() };
        let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), zoom);
        end(&mut pair);
        for role in [Role::Signaling, media(Medium::Audio)] {
            pair.hear(role, request(json!({"timestamp": 3})));

            assert_eq!(answers(&pair, role), [json!({"msg_type": 13, "timestamp": 3})], "{name}: {role}");
        }
        assert!(!pair.stream.is_ended());
    }
}

#[test]
fn a_minute_of_requests_keeps_every_connection() {
    let mut pair = Pair::running();

    for round in 0..60 {
        pair.pass(seconds(10));
        for role in every_role() {
            pair.hear(role, request(json!({"timestamp": round})));
        }
    }

    assert!(!pair.stream.is_ended());
    assert_eq!(answers(&pair, media(Medium::Audio)).len(), 60);
}

#[test]
fn whatever_is_heard_counts_as_a_sign_of_life() {
    let signs: [(&str, Role, Sign); 5] = [
        ("media", media(Medium::Audio), |pair, role| pair.hear(role, audio(1))),
        ("an event", Role::Signaling, |pair, role| {
            pair.hear(role, json!({"msg_type": 6, "event": {"event_type": 4, "timestamp": 1}}));
        }),
        ("an unknown number", Role::Signaling, |pair, role| pair.hear(role, json!({"msg_type": 12_345}))),
        ("a second answer", media(Medium::Audio), |pair, role| {
            pair.hear(role, json!({"msg_type": 4, "status_code": 0}))
        }),
        ("no message at all", media(Medium::Audio), |pair, role| {
            let connection = pair.line(role);
            pair.input(Input::Undecodable(connection, Message::decode(b"\xff").unwrap_err()));
        }),
    ];
    for (name, alive, sign) in signs {
        let mut pair = Pair::running();
        for _ in 0..4 {
            pair.pass(seconds(50));
            sign(&mut pair, alive);
            for role in every_role().into_iter().filter(|role| *role != alive) {
                pair.hear(role, request(json!({"timestamp": 1})));
            }
        }
        assert!(!pair.stream.is_ended(), "{name}");
    }
}

#[test]
fn what_is_heard_on_one_connection_says_nothing_of_another() {
    let mut pair = Pair::running();

    for _ in 0..7 {
        pair.pass(seconds(10));
        for role in every_role().into_iter().filter(|role| *role != media(Medium::Video)) {
            if pair.ledger.line(role).is_some() {
                pair.hear(role, request(json!({"timestamp": 1})));
            }
        }
    }

    assert_eq!(pair.interrupted(), [(media(Medium::Video), Interruption::Frozen)]);
    assert_eq!(pair.said(media(Medium::Video)).last(), Some(&3), "it is dialed anew");
    assert_eq!(pair.dialed_at(Role::Signaling).len(), 1);
}

#[test]
fn a_connection_is_dead_after_65_seconds_of_silence_and_not_before() {
    for config in [StreamConfig::default(), unified()] {
        let mut pair = Pair::new(start(Product::Meeting), config, Zoom::default());
        assert_eq!(DEAD_AFTER, seconds(65));

        pair.pass(DEAD_AFTER - Duration::from_millis(1));
        assert_eq!(pair.interrupted(), []);
        pair.pass(Duration::from_millis(1) + seconds(2));

        assert_eq!(pair.interrupted()[0], (Role::Signaling, Interruption::Frozen));
        let unheard = |event: &Event| matches!(event, Event::Interrupted { unheard, .. } if *unheard == seconds(67));
        assert!(pair.events.iter().any(unheard), "two seconds were left to explain it");
        assert_eq!(pair.dialed_at(Role::Signaling), [seconds(0), seconds(67)]);
        assert_eq!(pair.ending(), None);
    }
}

#[test]
fn requests_without_an_answer_to_the_handshake_do_not_prolong_it() {
    let zoom = Zoom { unanswered: vec![1], ..Zoom::default() };
    let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), zoom);

    for _ in 0..4 {
        pair.pass(Duration::from_millis(2_400));
        pair.hear(Role::Signaling, request(json!({"timestamp": 1})));
    }
    assert_eq!(pair.waits(), []);
    pair.pass(Duration::from_millis(400));

    let error = StreamError::TimedOut { role: Role::Signaling };
    assert!(matches!(pair.events.last(), Some(Event::AttemptFailed { error: it, .. }) if *it == error));
}

#[test]
fn requests_on_connections_that_are_gone_stay_unanswered() {
    let mut pair = Pair::running();
    let lost = pair.line(media(Medium::Audio));
    pair.lose(media(Medium::Audio));
    pair.did.clear();

    for connection in [lost, ConnectionId(4_711)] {
        pair.input(Input::Received(connection, common::message(request(json!({"timestamp": 1})))));
    }

    assert_eq!(pair.did, []);
}

// --- Helpers ---

/// Something that is done to a running stream.
type Happening = fn(&mut Pair);

/// Something that is heard on one connection.
type Sign = fn(&mut Pair, Role);

fn request(mut fields: Value) -> Value {
    fields["msg_type"] = json!(12);
    fields
}

fn every_role() -> Vec<Role> {
    [Role::Signaling].into_iter().chain(Medium::ALL.map(|medium| Role::Media(MediaTypes::of([medium])))).collect()
}

fn answers(pair: &Pair, role: Role) -> Vec<Value> {
    let answers = pair.messages(role).into_iter().filter(|message| matches!(message, Message::KeepAliveResp(_)));
    answers.map(|message| serde_json::from_str(&message.encode()).unwrap()).collect()
}
