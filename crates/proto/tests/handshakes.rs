//! The handshakes: on signaling, then on each medium, at whichever URLs Zoom names.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::time::Duration;

use common::{Pair, SIGNALING_URL, Zoom, all_urls, media, said, seconds, start, unified, wanting, with_urls};
use rtms_proto::{
    config::{MediaLayout, StreamConfig},
    error::{Misuse, StreamError},
    event::{Ending, Event},
    role::Role,
};
use rtms_wire::{
    codes::product::Product,
    media::medium::{MediaTypes, Medium},
};
use serde_json::json;

// --- Handshakes ---

#[test]
fn a_split_stream_shakes_hands_on_signaling_then_on_each_medium() {
    let pair = Pair::running();

    let expected: Vec<_> = [(Role::Signaling, SIGNALING_URL.to_owned())]
        .into_iter()
        .chain(Medium::ALL.map(|medium| (media(medium), format!("wss://m/{medium}"))))
        .collect();
    assert_eq!(pair.dialed(), expected);
    for medium in Medium::ALL {
        assert_eq!(pair.said(media(medium)), [3], "{medium}: one handshake");
    }
    assert_eq!(pair.said(Role::Signaling), [1, 7, 5, 7, 7, 7, 7], "ready after each, one subscription");
    assert_eq!(pair.open(), Medium::ALL.map(|medium| MediaTypes::of([medium])));
    assert!(!pair.stream.is_ended());
}

#[test]
fn ready_is_said_after_a_media_handshake_and_never_before() {
    let zoom = Zoom { unanswered: vec![3], ..Zoom::default() };
    let mut pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio, Medium::Video]), zoom);
    assert_eq!(pair.said(Role::Signaling), [1]);

    pair.hear(media(Medium::Video), json!({"msg_type": 4, "status_code": 0}));
    assert_eq!(pair.said(Role::Signaling), [1, 7, 5]);

    pair.hear(media(Medium::Audio), json!({"msg_type": 4, "status_code": 0}));
    assert_eq!(pair.said(Role::Signaling), [1, 7, 5, 7]);
}

#[test]
fn a_unified_stream_has_one_media_connection_with_the_flag_for_all() {
    let pair = Pair::new(start(Product::Meeting), unified(), Zoom::default());

    assert_eq!(pair.dialed()[1..], [(Role::Media(MediaTypes::ALL), "wss://m/all".to_owned())]);
    assert_eq!(pair.asked(Role::Media(MediaTypes::ALL))["media_type"], 32);
    assert_eq!(pair.said(Role::Signaling), [1, 7, 5]);
    assert_eq!(pair.open(), [MediaTypes::ALL]);
}

#[test]
fn a_unified_stream_of_all_that_is_granted_asks_for_it_by_the_flag_and_says_how_for_what_is_wanted() {
    let wanted = [Medium::Audio, Medium::Transcript];
    let config = StreamConfig { media: MediaTypes::of(wanted), ..unified() };
    let urls = json!({"audio": "wss://m/audio", "transcript": "wss://m/transcript", "all": "wss://m/all"});

    let pair = Pair::new(start(Product::Meeting), config, with_urls(urls));

    let asked = pair.asked(Role::Media(MediaTypes::ALL));
    assert_eq!(asked["media_type"], 32);
    let params: Vec<_> = asked["media_params"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(params, ["audio", "transcript"]);
}

#[test]
fn the_handshakes_say_who_we_are_as_the_document_writes_it() {
    for (product, key) in [
        (Product::Meeting, "meeting_uuid"),
        (Product::Webinar, "webinar_uuid"),
        (Product::Session, "session_id"),
        (Product::ContactCenter, "engagement_id"),
        (Product::Phone, "call_id"),
    ] {
        let start = start(product);
        let signature = start.signature.as_str().to_owned();
        let pair = Pair::new(start, wanting([Medium::Audio]), Zoom::default());

        let first = said(&pair.messages(Role::Signaling)[0]);
        assert_eq!(
            first,
            json!({"msg_type": 1, "protocol_version": 1, "sequence": 1, key: "gPkqeuK3m0UGeK+QdgAH/Q==",
                "rtms_stream_id": "3f6a0c9e", "signature": signature, "buffer_data": true})
        );
        let third = pair.asked(media(Medium::Audio));
        for field in ["protocol_version", key, "rtms_stream_id", "signature"] {
            assert_eq!(third[field], first[field], "{product}: {field} is the same in message 3");
        }
        assert_eq!(third["media_type"], 1);
        assert_eq!(third["media_params"].as_object().unwrap().keys().collect::<Vec<_>>(), ["audio"]);
    }
}

#[test]
fn the_backlog_can_be_declined() {
    let config = StreamConfig { buffer_data: false, ..StreamConfig::default() };

    let pair = Pair::new(start(Product::Meeting), config, Zoom::default());

    assert_eq!(said(&pair.messages(Role::Signaling)[0])["buffer_data"], false);
}

// --- Where the media is ---

#[test]
fn a_server_that_names_only_one_url_gets_one_connection() {
    for urls in [json!({"all": "wss://m/all"}), json!("wss://m/all")] {
        let pair = Pair::new(start(Product::Meeting), StreamConfig::default(), with_urls(urls));

        assert_eq!(pair.dialed()[1..], [(Role::Media(MediaTypes::ALL), "wss://m/all".to_owned())]);
    }
}

#[test]
fn media_whose_key_is_missing_are_asked_for_at_all() {
    let mut urls = all_urls();
    for key in ["deskshare", "chat"] {
        urls.as_object_mut().unwrap().remove(key);
    }

    let pair = Pair::new(start(Product::Meeting), StreamConfig::default(), with_urls(urls));

    assert_eq!(url_of(&pair, Medium::Video), "wss://m/video");
    assert_eq!(url_of(&pair, Medium::Deskshare), "wss://m/all");
    assert_eq!(url_of(&pair, Medium::Chat), "wss://m/all");
}

#[test]
fn a_medium_without_any_url_is_told_as_unavailable_and_the_others_run() {
    let mut urls = all_urls();
    for key in ["chat", "all"] {
        urls.as_object_mut().unwrap().remove(key);
    }

    let pair = Pair::new(start(Product::Meeting), StreamConfig::default(), with_urls(urls));

    assert_eq!(pair.unavailable(), [Medium::Chat]);
    assert_eq!(pair.open().len(), 4);
    assert!(!pair.stream.is_ended());
}

#[test]
fn one_url_under_every_key_still_means_a_connection_per_medium() {
    // The official example: all keys hold the same URL, and `media_type` selects what flows.
    let url = "wss://rtms-media-sim17.example.test:443";
    let urls = json!({"audio": url, "video": url, "transcript": url, "all": url});
    let wanted = [Medium::Audio, Medium::Video, Medium::Transcript];

    let pair = Pair::new(start(Product::Meeting), wanting(wanted), with_urls(urls));

    assert_eq!(pair.dialed()[1..], wanted.map(|medium| (media(medium), url.to_owned())));
}

#[test]
fn the_contact_center_has_its_transcript_at_the_audio_url() {
    let urls = json!({"audio": "wss://m/audio", "all": "wss://m/all"});

    let pair = Pair::new(start(Product::ContactCenter), wanting([Medium::Audio, Medium::Transcript]), with_urls(urls));

    assert_eq!(url_of(&pair, Medium::Audio), "wss://m/audio");
    assert_eq!(url_of(&pair, Medium::Transcript), "wss://m/audio");
}

#[test]
fn what_message_2_leaves_out_is_not_asked_for() {
    let urls = json!({"audio": "wss://m/audio", "transcript": "wss://m/transcript", "all": "wss://m/all"});
    let all_but_video = [Medium::Audio, Medium::Deskshare, Medium::Transcript, Medium::Chat];

    let pair = Pair::new(start(Product::Session), StreamConfig::default(), with_urls(urls.clone()));

    assert_eq!(pair.open(), all_but_video.map(|medium| MediaTypes::of([medium])));
    let left_out =
        Event::MediumUnavailable { medium: Medium::Video, error: StreamError::LeftOut { role: Role::Signaling } };
    assert!(pair.events.contains(&left_out), "{:?}", pair.events);
    assert_eq!(url_of(&pair, Medium::Chat), "wss://m/all", "documents name no key for it");

    let some = StreamConfig { layout: MediaLayout::Unified, ..wanting([Medium::Audio, Medium::Video]) };
    let pair = Pair::new(start(Product::Session), some, with_urls(urls.clone()));
    assert_eq!(pair.open(), [MediaTypes::of([Medium::Audio])]);
    assert!(pair.events.contains(&left_out), "{:?}", pair.events);

    // One connection for all is refused with 7, and split.
    let zoom = Zoom { media_next: [(Medium::Audio, [7].into())].into(), ..with_urls(urls) };
    let pair = Pair::new(start(Product::Session), unified(), zoom);
    assert_eq!(pair.open(), all_but_video.map(|medium| MediaTypes::of([medium])));
    assert!(pair.events.contains(&left_out), "{:?}", pair.events);
}

#[test]
fn a_unified_wish_without_the_url_for_all_becomes_split() {
    let mut urls = all_urls();
    urls.as_object_mut().unwrap().remove("all");

    let pair = Pair::new(start(Product::Meeting), unified(), with_urls(urls));

    assert_eq!(pair.open(), Medium::ALL.map(|medium| MediaTypes::of([medium])));
}

#[test]
fn server_urls_are_tried_in_their_order_until_one_answers() {
    let mut start = start(Product::Meeting);
    start.server_urls = ["wss://a", "wss://b", "wss://c"].map(String::from).into();
    let zoom = Zoom { refusing: vec!["wss://a"], unreachable: vec!["wss://b"], ..Zoom::default() };

    let mut pair = Pair::new(start, StreamConfig::default(), zoom);
    assert_eq!(pair.signaling_urls(), ["wss://a", "wss://b"]);
    pair.pass(seconds(11));

    assert_eq!(pair.signaling_urls(), ["wss://a", "wss://b", "wss://c"]);
    assert_eq!(pair.open().len(), 5);
}

#[test]
fn when_no_server_url_answers_the_stream_fails_with_the_last_reason_when_the_window_closes() {
    let mut start = start(Product::Meeting);
    start.server_urls = ["wss://a", "wss://b"].map(String::from).into();
    let zoom = Zoom { refusing: vec!["wss://b"], unreachable: vec!["wss://a"], ..Zoom::default() };

    let mut pair = Pair::new(start, StreamConfig::default(), zoom);
    pair.pass(seconds(60) - Duration::from_millis(1));
    assert_eq!(pair.ending(), None);
    pair.pass(Duration::from_millis(1));

    assert_eq!(pair.signaling_urls()[..5], ["wss://a", "wss://b", "wss://a", "wss://b", "wss://a"]);
    let last = match pair.signaling_urls().last().unwrap().as_str() {
        "wss://a" => StreamError::TimedOut { role: Role::Signaling },
        _ => StreamError::Unreachable { role: Role::Signaling, why: "connection refused".into() },
    };
    assert_eq!(pair.ending(), Some(&Ending::Failed(last)));
}

#[test]
fn without_a_server_url_nothing_begins() {
    let mut start = start(Product::Meeting);
    start.server_urls.clear();

    assert_eq!(Pair::try_new(start, StreamConfig::default(), Zoom::default()).err(), Some(Misuse::NoServerUrl));
}

// --- Helpers ---

fn url_of(pair: &Pair, medium: Medium) -> String {
    pair.dialed().into_iter().find(|(role, _)| *role == media(medium)).unwrap().1
}
