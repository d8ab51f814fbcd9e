//! One person's camera: wished for once, asked for whenever Zoom can grant it.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use common::{Pair, Zoom, media, said, seconds, silent, start, wanting};
use rtms_proto::{event::Event, input::Input, role::Role};
use rtms_wire::{
    codes::{product::Product, status_code::StatusCode},
    ids::UserId,
    media::medium::Medium,
    time::UnixMillis,
};
use serde_json::{Value, json};

const ANN: u64 = 16_785_408;
const BOB: u64 = 16_786_432;

#[test]
fn one_persons_camera_is_asked_for_on_signaling() {
    let mut pair = Pair::running();

    pair.input(wish(ANN));
    let request = said(pair.messages(Role::Signaling).last().unwrap());
    assert_eq!(request, json!({"msg_type": 28, "user_id": ANN, "subscribe": true, "timestamp": 9}));
    assert_eq!(pair.events.last(), Some(&Event::VideoAsked { user_id: UserId::from(ANN) }));

    pair.hear(Role::Signaling, json!({"msg_type": 29, "user_id": ANN, "status_code": 44, "timestamp": 9}));
    let status = StatusCode::DuplicateVideoSubscription;
    assert_eq!(pair.events.last(), Some(&Event::VideoSubscription { user_id: UserId::from(ANN), status }));
}

#[test]
fn a_wish_that_comes_early_waits_for_signaling_and_for_a_connection_that_carries_video() {
    let mut pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio, Medium::Video]), silent(1));
    pair.input(wish(ANN));
    pair.pass(seconds(3));
    assert_eq!(asked(&pair), []);

    pair.zoom.unanswered = vec![3];
    pair.hear(Role::Signaling, two());
    pair.hear(media(Medium::Audio), json!({"msg_type": 4, "status_code": 0}));
    assert_eq!(asked(&pair), []);
    pair.hear(media(Medium::Video), json!({"msg_type": 4, "status_code": 0}));

    assert_eq!(asked(&pair), [(ANN, true, 3_009)], "with the time that it is now");
    assert_eq!(pair.said(Role::Signaling), [1, 7, 5, 7, 28], "after ready");
}

#[test]
fn a_wish_is_asked_again_after_every_reconnection() {
    let mut pair = Pair::running();
    pair.live(seconds(20));
    pair.input(wish(ANN));

    pair.lose(media(Medium::Audio));
    assert_eq!(asked(&pair).len(), 1, "sound is another matter");
    pair.lose(media(Medium::Video));
    assert_eq!(asked(&pair).len(), 2);
    pair.live(seconds(20));
    pair.lose(Role::Signaling);
    pair.pass(seconds(2));
    assert_eq!(asked(&pair).len(), 3);
    pair.input(Input::Restarted { server_urls: vec![] });
    assert_eq!(asked(&pair).len(), 4);
}

#[test]
fn a_camera_that_went_off_is_asked_for_when_it_is_on_again() {
    for gone in [9, 4] {
        let mut pair = Pair::running();
        pair.input(wish(ANN));

        pair.hear(Role::Signaling, event(gone, BOB));
        pair.hear(Role::Signaling, event(8, ANN));
        assert_eq!(asked(&pair).len(), 1, "it is on");
        pair.hear(Role::Signaling, event(gone, ANN));
        assert_eq!(pair.events.last(), Some(&Event::VideoVoid { user_id: UserId::from(ANN) }));
        pair.hear(Role::Signaling, event(gone, ANN));
        pair.hear(Role::Signaling, event(8, BOB));
        assert_eq!(asked(&pair).len(), 1);
        pair.hear(Role::Signaling, event(8, ANN));

        assert_eq!(asked(&pair).len(), 2);
        assert_eq!(pair.events.iter().filter(|event| matches!(event, Event::VideoVoid { .. })).count(), 1);
    }
}

#[test]
fn a_wish_that_zoom_refuses_waits_for_the_camera_too() {
    let mut pair = Pair::running();
    pair.input(wish(ANN));
    pair.hear(Role::Signaling, json!({"msg_type": 29, "user_id": ANN, "status_code": 4, "timestamp": 9}));
    pair.lose(media(Medium::Video));
    assert_eq!(asked(&pair).len(), 1);

    pair.hear(Role::Signaling, event(8, ANN));

    assert_eq!(asked(&pair).len(), 2);
}

#[test]
fn a_camera_that_went_on_while_signaling_was_away_is_not_missed() {
    let mut pair = Pair::running();
    pair.input(wish(ANN));
    pair.hear(Role::Signaling, event(9, ANN));

    pair.lose(Role::Signaling);
    pair.pass(seconds(2));

    assert_eq!(asked(&pair).len(), 2);
}

#[test]
fn another_wish_replaces_the_last_and_its_end_ends_it() {
    let mut pair = Pair::running();
    pair.input(wish(ANN));
    pair.input(wish(BOB));
    pair.input(no_wish(ANN));
    assert_eq!(asked(&pair), [(ANN, true, 9), (BOB, true, 9)], "what was replaced is over already");
    pair.lose(media(Medium::Video));
    assert_eq!(asked(&pair).last(), Some(&(BOB, true, 9)), "the wish that stands");

    pair.input(no_wish(BOB));
    pair.lose(media(Medium::Video));
    pair.pass(seconds(5));

    assert_eq!(asked(&pair).last(), Some(&(BOB, false, 9)), "nothing is wished for");
}

#[test]
fn a_call_has_no_cameras_whatever_its_events_are_numbered() {
    let zoom = Zoom::default();
    let mut pair = Pair::new(start(Product::ContactCenter), wanting([Medium::Audio, Medium::Video]), zoom);
    pair.input(wish(ANN));

    pair.hear(Role::Signaling, event(9, ANN));
    pair.hear(Role::Signaling, event(8, ANN));

    assert_eq!(asked(&pair).len(), 1);
    assert!(!pair.events.iter().any(|event| matches!(event, Event::VideoVoid { .. })));
}

#[test]
fn nothing_is_asked_for_at_the_end() {
    let mut pair = Pair::running();
    pair.input(Input::Stopped(None));

    pair.input(wish(ANN));

    assert_eq!(asked(&pair), []);
}

// --- Helpers ---

fn wish(user_id: u64) -> Input {
    Input::SubscribeVideo { user_id: UserId::from(user_id), subscribe: true, timestamp: UnixMillis(9) }
}

fn no_wish(user_id: u64) -> Input {
    Input::SubscribeVideo { user_id: UserId::from(user_id), subscribe: false, timestamp: UnixMillis(9) }
}

fn two() -> Value {
    json!({"msg_type": 2, "status_code": 0, "media_server": {"server_urls": common::all_urls()}})
}

fn event(event_type: i64, user_id: u64) -> Value {
    let participants = json!([{ "user_id": user_id }]);
    json!({"msg_type": 6, "event": {"event_type": event_type, "timestamp": 1, "participants": participants}})
}

/// Messages 28, in order: whose camera, on or off, and the time.
fn asked(pair: &Pair) -> Vec<(u64, bool, u64)> {
    let messages = pair.messages(Role::Signaling);
    let requests = messages.iter().map(said).filter(|message| message["msg_type"] == 28);
    let number = |value: &Value| value.as_u64().unwrap();
    requests.map(|it| (number(&it["user_id"]), it["subscribe"] == true, number(&it["timestamp"]))).collect()
}
