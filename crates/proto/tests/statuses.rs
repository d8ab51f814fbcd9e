//! A refusal decides by its number: try again, ask for something else, do without, or stop.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{collections::VecDeque, time::Duration};

use common::{Pair, SIGNALING_URL, Zoom, all_urls, media, said, seconds, start, unified, wanting, with_urls};
use rtms_proto::{
    config::StreamConfig,
    credentials::Credentials,
    error::StreamError,
    event::{Ending, Event},
    join_options::JoinOptions,
    next_step::NextStep,
    role::Role,
};
use rtms_wire::{
    codes::{
        media::{MediaDataOption, MediaPayloadType},
        product::Product,
        status_code::StatusCode,
    },
    ids::{InstanceId, InstanceIdField, StreamId},
    media::{
        audio::AudioParams,
        medium::{MediaTypes, Medium},
        text::TranscriptParams,
        video::VideoParams,
    },
    secret::ClientSecret,
    signature::HandshakeSignature,
};
use serde_json::json;

// --- On signaling ---

#[test]
fn every_refusal_of_signaling_ends_the_stream_with_its_code_unless_it_may_pass() {
    for code in (1..=47).chain([75, 960, -1]) {
        let zoom = Zoom { signaling_status: code, ..Zoom::default() };

        let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), zoom);

        let status = StatusCode::from_code(code);
        let error = StreamError::Refused { role: Role::Signaling, status, reason: "no".into() };
        let may_pass = matches!(code, 8 | 45 | 75 | 960 | -1);
        assert_eq!(error.is_retryable(), may_pass, "{status}");
        if may_pass {
            assert_eq!(pair.ending(), None, "{status}");
            pair.pass(seconds(60));
            assert!(pair.dialed().len() > 8, "{status}: {:?}", pair.dials);
        } else {
            assert_eq!(pair.dialed().len(), 1, "{status}");
        }
        assert_eq!(pair.ending(), Some(&Ending::Failed(error)), "{status}");
        assert!(pair.dialed().iter().all(|(role, _)| *role == Role::Signaling), "no media is dialed");
    }
}

#[test]
fn a_duplicate_is_tried_again_as_zooms_libraries_do_until_zoom_lets_go() {
    let zoom = Zoom { signaling_next: [8; 7].into(), ..Zoom::default() };

    let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), zoom);
    pair.live(seconds(50));

    let about = [1.5, 3.0, 6.0, 6.0, 6.0, 6.0, 6.0];
    for (wait, about) in pair.waits().into_iter().zip(about) {
        let share = wait.unwrap().as_secs_f64() / about;
        assert!((0.8..=1.2).contains(&share), "{wait:?} is not about {about} s");
    }
    assert_eq!(pair.waits().len(), 7);
    assert_eq!(pair.open().len(), 5, "a takeover takes longer than three tries");
}

#[test]
fn a_fault_of_zooms_is_tried_again_soon() {
    let zoom = Zoom { signaling_next: [45, 45].into(), ..Zoom::default() };

    let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), zoom);
    pair.pass(Duration::from_millis(2_000));

    assert_eq!(pair.said(Role::Signaling)[..3], [1, 1, 1]);
    assert_eq!(pair.open().len(), 5);
}

#[test]
fn a_webinar_is_tried_once_under_each_of_its_names() {
    for code in [2, 3] {
        let options = || JoinOptions { alternatives: vec![as_meeting()], ..JoinOptions::default() };
        let zoom = Zoom { signaling_next: [code].into(), ..Zoom::default() };
        let pair = Pair::with_options(options(), start(Product::Webinar), StreamConfig::default(), zoom).unwrap();
        let ones: Vec<_> = pair.messages(Role::Signaling).iter().map(said).filter(|it| it["msg_type"] == 1).collect();
        assert_eq!(ones[0]["webinar_uuid"], "gPkqeuK3m0UGeK+QdgAH/Q==");
        assert_eq!(
            (&ones[1]["meeting_uuid"], &ones[1]["signature"]),
            (&json!("other"), &json!(as_meeting().signature.as_str()))
        );
        let three = pair.asked(media(Medium::Audio));
        assert_eq!((&three["meeting_uuid"], &three["signature"]), (&ones[1]["meeting_uuid"], &ones[1]["signature"]));
        assert_eq!(pair.open().len(), 5);

        let zoom = Zoom { signaling_status: code, ..Zoom::default() };
        let pair = Pair::with_options(options(), start(Product::Webinar), StreamConfig::default(), zoom).unwrap();
        assert_eq!(pair.said(Role::Signaling), [1, 1]);
        assert!(matches!(pair.ending(), Some(Ending::Failed(StreamError::Refused { .. }))));
    }
}

#[test]
fn a_name_that_zoom_took_before_is_not_doubted() {
    let options = JoinOptions { alternatives: vec![as_meeting()], ..JoinOptions::default() };
    let zoom = Zoom { signaling_next: [0, 2].into(), ..Zoom::default() };
    let mut pair = Pair::with_options(options, start(Product::Webinar), StreamConfig::default(), zoom).unwrap();

    pair.lose(Role::Signaling);
    pair.pass(seconds(2));

    let Some(ending) = pair.ending() else { panic!("the stream is gone") };
    assert!(matches!(ending, Ending::Failed(StreamError::Refused { status: StatusCode::InvalidRtmsStreamId, .. })));
    assert_eq!(ending.next_step(), NextStep::AskForNewStream);
}

// --- On media ---

#[test]
fn every_refusal_of_a_medium_costs_that_medium_at_most() {
    for code in (1..=47).chain([75, -1]) {
        let zoom = Zoom { media_status: [(Medium::Video, code)].into(), ..Zoom::default() };

        let mut pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio, Medium::Video]), zoom);
        let at_once = pair.unavailable();
        pair.live(seconds(65));

        let may_pass = matches!(code, 2 | 8 | 15 | 16 | 45 | 75 | -1);
        assert_eq!(at_once.is_empty(), may_pass, "{code}");
        assert_eq!(pair.unavailable(), [Medium::Video], "{code}");
        assert_eq!(pair.open(), [MediaTypes::of([Medium::Audio])], "{code}");
        let tries = pair.said(media(Medium::Video)).len();
        let fallen_back = matches!(code, 17 | 25..=30);
        assert!(if may_pass { tries > 8 } else { tries == 1 + usize::from(fallen_back) }, "{code}: {tries} tries");
        assert!(!pair.stream.is_ended());
    }
}

#[test]
fn a_medium_that_zoom_still_holds_is_tried_again_until_it_lets_go() {
    for code in [15, 16] {
        let zoom = Zoom { media_next: [(Medium::Audio, [code; 3].into())].into(), ..Zoom::default() };

        let mut pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio]), zoom);
        pair.live(seconds(15));

        assert_eq!(pair.said(media(Medium::Audio)).iter().filter(|number| **number == 3).count(), 4);
        assert_eq!(pair.open().len(), 1);
    }
}

#[test]
fn parameters_that_are_refused_become_zooms_defaults_once() {
    let once = |medium, code| Zoom { media_next: [(medium, VecDeque::from([code]))].into(), ..Zoom::default() };
    let config = |medium| wanting([medium]);

    for code in 17..=24 {
        let pair = Pair::new(start(Product::Meeting), config(Medium::Audio), once(Medium::Audio, code));
        assert_eq!(pair.granted()[0].audio.as_ref().unwrap().format(), AudioParams::default().format(), "{code}");
        assert!(pair.events.contains(&Event::GrantDiffers { medium: Medium::Audio }), "{code}: it is told");
        assert_eq!(pair.unavailable(), []);
    }
    for code in 25..=30 {
        let pair = Pair::new(start(Product::Meeting), config(Medium::Video), once(Medium::Video, code));
        let granted = pair.granted()[0].video.clone().unwrap();
        assert_eq!(granted.format(Medium::Video), VideoParams::default().format(Medium::Video), "{code}");
    }
    for code in 31..=35 {
        let mut config = config(Medium::Deskshare);
        config.params.deskshare = serde_json::from_value(json!({"codec": 7, "fps": 20})).unwrap();
        let pair = Pair::new(start(Product::Meeting), config, once(Medium::Deskshare, code));
        let granted = pair.granted()[0].deskshare.clone().unwrap().format(Medium::Deskshare);
        assert_eq!((granted.codec, granted.fps), (MediaPayloadType::Jpg, 1), "{code}");
    }
    for code in [36, 37, 43, 46] {
        let mut config = config(Medium::Transcript);
        config.params.transcript = serde_json::from_value(json!({"src_language": 14, "enable_lid": false})).unwrap();
        let pair = Pair::new(start(Product::Meeting), config, once(Medium::Transcript, code));
        assert_eq!(pair.granted()[0].transcript, Some(TranscriptParams::default().with_defaults()), "{code}");
    }
}

#[test]
fn parameters_that_are_the_defaults_already_are_not_asked_for_again() {
    let zoom = Zoom { media_status: [(Medium::Chat, 38)].into(), ..Zoom::default() };
    let pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio, Medium::Chat]), zoom);

    assert_eq!(pair.dialed().iter().filter(|(role, _)| *role == media(Medium::Chat)).count(), 1);
    assert_eq!(pair.unavailable(), [Medium::Chat]);
}

#[test]
fn one_persons_camera_stays_wanted_when_only_the_codec_is_refused() {
    for (code, kept) in
        [(27, MediaDataOption::VideoSingleIndividualStream), (29, MediaDataOption::VideoSingleActiveStream)]
    {
        let zoom = Zoom { media_next: [(Medium::Video, [code].into())].into(), ..Zoom::default() };
        let mut config = wanting([Medium::Video]);
        config.params.video = serde_json::from_value(json!({"codec": 7, "fps": 25, "data_opt": 4})).unwrap();

        let pair = Pair::new(start(Product::Meeting), config, zoom);

        assert_eq!(pair.granted()[0].video.clone().unwrap().data_opt, Some(kept), "{code}");
    }
}

#[test]
fn what_was_refused_is_not_asked_for_again_after_a_reconnection() {
    let zoom = Zoom { media_status: [(Medium::Chat, 13)].into(), ..Zoom::default() };
    let mut pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio, Medium::Chat]), zoom);

    pair.lose(Role::Signaling);
    pair.pass(seconds(2));

    assert_eq!(pair.said(media(Medium::Chat)), [3]);
    assert_eq!(pair.said(media(Medium::Audio)), [3, 3]);
    assert_eq!(pair.unavailable(), [Medium::Chat], "told once");
}

// --- One connection for several media ---

#[test]
fn what_a_grant_for_all_leaves_out_is_told() {
    let config = unified();
    let zoom =
        Zoom { grants: Some(json!({"audio": config.params.audio, "chat": config.params.chat})), ..Zoom::default() };

    let pair = Pair::new(start(Product::Meeting), config, zoom);

    assert_eq!(pair.open(), [MediaTypes::of([Medium::Audio, Medium::Chat])]);
    assert_eq!(pair.unavailable(), [Medium::Video, Medium::Deskshare, Medium::Transcript]);
    assert!(!pair.stream.is_ended());
}

#[test]
fn when_one_medium_is_refused_on_a_connection_for_all_the_others_are_asked_for_one_by_one() {
    let zoom = Zoom { media_status: [(Medium::Video, 10)].into(), ..Zoom::default() };

    let pair = Pair::new(start(Product::Meeting), unified(), zoom);

    let others = [Medium::Audio, Medium::Deskshare, Medium::Transcript, Medium::Chat];
    assert_eq!(pair.unavailable(), [Medium::Video]);
    assert_eq!(pair.open(), others.map(|medium| MediaTypes::of([medium])), "never by a mask of several");
}

#[test]
fn one_connection_for_all_that_is_refused_becomes_one_for_each() {
    for code in [7, 14] {
        let zoom = Zoom { media_next: [(Medium::Audio, [code].into())].into(), ..Zoom::default() };

        let mut pair = Pair::new(start(Product::Meeting), unified(), zoom);
        let each = Medium::ALL.map(|medium| MediaTypes::of([medium]));
        assert_eq!(pair.open(), each);
        assert_eq!(pair.dialed()[2].1, "wss://m/audio", "at their own URLs");
        pair.lose(Role::Signaling);
        pair.pass(seconds(2));

        assert_eq!(pair.open()[5..], each, "what was refused is remembered");
    }
}

#[test]
fn a_connection_for_all_that_zoom_refuses_altogether_costs_everything() {
    let zoom = Zoom { media_status: [(Medium::Audio, 4)].into(), ..Zoom::default() };

    let pair = Pair::new(start(Product::Meeting), unified(), zoom);

    assert_eq!(pair.unavailable(), Medium::ALL);
    assert_eq!(pair.ending(), Some(&Ending::Failed(StreamError::NothingGranted)));
    assert_eq!(pair.ending().unwrap().next_step(), NextStep::OperatorFirst);
}

#[test]
fn the_url_for_all_may_be_the_only_one_for_media_of_their_own() {
    let mut urls = all_urls();
    urls.as_object_mut().unwrap().retain(|key, _| key == "all");
    let zoom = Zoom { media_next: [(Medium::Audio, [14].into())].into(), ..with_urls(urls) };

    let pair = Pair::new(start(Product::Meeting), unified(), zoom);

    assert_eq!(pair.dialed()[0].1, SIGNALING_URL);
    assert!(pair.dialed()[1..].iter().all(|(_, url)| url == "wss://m/all"));
    assert_eq!(pair.open().len(), 5);
}

// --- Helpers ---

/// The webinar by its other name.
fn as_meeting() -> Credentials {
    let instance = InstanceId::new(InstanceIdField::MeetingUuid, "other");
    let secret = ClientSecret::new("not a secret").unwrap();
    let signature = HandshakeSignature::sign("client", &secret, &instance, &StreamId::from("3f6a0c9e"));
    Credentials { instance, signature }
}
