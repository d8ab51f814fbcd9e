//! What Zoom tells while it streams: events, states, sessions.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use common::{Pair, Zoom, audio, media, said, start, wanting};
use rtms_proto::{event::Event, role::Role};
use rtms_wire::{
    codes::{product::Product, state::StreamState},
    media::medium::Medium,
};
use serde_json::json;

#[test]
fn the_product_decides_what_is_subscribed_to() {
    for (product, config, expected) in [
        (Product::Meeting, wanting([Medium::Audio]), (2..=6).chain(8..=9).collect::<Vec<_>>()),
        (Product::Webinar, wanting([Medium::Audio, Medium::Chat]), (2..=6).chain(8..=14).collect()),
        (Product::Session, wanting([Medium::Audio]), (2..=6).chain(8..=9).collect()),
        (Product::ContactCenter, wanting([Medium::Audio]), (8..=29).collect()),
    ] {
        let pair = Pair::new(start(product), config, Zoom::default());

        let five = said(&pair.messages(Role::Signaling)[2]);
        let events = five["events"].as_array().unwrap();
        assert_eq!(five["msg_type"], 5);
        assert!(events.iter().all(|event| event["subscribe"] == true));
        let numbers: Vec<_> = events.iter().map(|event| event["event_type"].as_i64().unwrap()).collect();
        assert_eq!(numbers, expected, "{product}: never 1 or 7, which come by themselves");
    }
}

#[test]
fn events_and_media_are_handed_on_in_the_order_in_which_they_come() {
    let mut pair = Pair::running();
    pair.events.clear();
    const BASE: u64 = 1_795_420_800_000;
    let content = |data: &str, ms: u64| json!({"user_id": 7, "data": data, "timestamp": BASE + ms});

    pair.hear(Role::Signaling, json!({"msg_type": 6, "event": {"event_type": 1, "timestamp": BASE + 5}}));
    pair.hear(media(Medium::Audio), audio(BASE + 6));
    pair.hear(media(Medium::Transcript), json!({"msg_type": 17, "content": content("ja", 7)}));
    pair.hear(media(Medium::Chat), json!({"msg_type": 18, "content": content("hm", 8)}));
    pair.hear(media(Medium::Video), json!({"msg_type": 15, "content": content("AAAA", 9)}));
    pair.hear(media(Medium::Deskshare), json!({"msg_type": 16, "content": content("AAAA", 10)}));

    let times: Vec<_> = pair
        .events
        .iter()
        .map(|event| match event {
            Event::Update(body) => body.time().unwrap().0,
            Event::Audio(data) | Event::Video(data) | Event::Deskshare(data) => data.timestamp.0,
            Event::Transcript(line) => line.timestamp.unwrap().0,
            Event::Chat(chat) => chat.timestamp.unwrap().0,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(times, [5, 6, 7, 8, 9, 10].map(|ms| BASE + ms));
}

#[test]
fn a_pause_and_a_resume_change_nothing_but_are_told() {
    let mut pair = Pair::running();
    pair.did.clear();

    for state in [5, 6] {
        pair.hear(Role::Signaling, json!({"msg_type": 8, "state": state, "timestamp": 1}));
    }

    assert_eq!(pair.did, []);
    let told: Vec<_> = pair
        .events
        .iter()
        .filter_map(|event| if let Event::StreamState { state, .. } = event { Some(*state) } else { None })
        .collect();
    assert_eq!(told, [StreamState::Paused, StreamState::Resumed]);
}
