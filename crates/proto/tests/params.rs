//! What is asked for is checked against Zoom's matrix, and what is granted counts.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use common::{Did, Pair, Zoom, media, seconds, start, unified, wanting, with_urls};
use rtms_proto::{
    config::StreamConfig,
    error::{Misuse, StreamError},
    event::{Ending, Event},
    role::Role,
    stream::Stream,
    time::Moment,
};
use rtms_wire::{
    codes::{
        media::{MediaDataOption, MediaPayloadType},
        product::Product,
        status_code::StatusCode,
    },
    media::{
        medium::{MediaTypes, Medium},
        params::MediaParams,
    },
};
use serde_json::json;

// --- Zoom's matrix ---

#[test]
fn what_zoom_would_refuse_is_refused_before_anything_is_dialed() {
    // Medium, parameters, the key at fault, the status that Zoom would answer.
    let rows = [
        (Medium::Audio, json!({"content_type": 3}), "content_type", 19),
        (Medium::Audio, json!({"content_type": 1, "codec": 1}), "content_type", 19),
        (Medium::Audio, json!({"sample_rate": 4}), "sample_rate", 20),
        (Medium::Audio, json!({"codec": 4, "sample_rate": 1}), "sample_rate", 20),
        (Medium::Audio, json!({"codec": 2, "sample_rate": 1}), "sample_rate", 20),
        (Medium::Audio, json!({"codec": 3, "sample_rate": 0}), "sample_rate", 20),
        (Medium::Audio, json!({"channel": 0}), "channel", 21),
        (Medium::Audio, json!({"channel": 3}), "channel", 21),
        (Medium::Audio, json!({"codec": 2, "sample_rate": 0, "channel": 2}), "channel", 21),
        (Medium::Audio, json!({"codec": 3, "sample_rate": 1, "channel": 2}), "channel", 21),
        (Medium::Audio, json!({"codec": 5}), "codec", 22),
        (Medium::Audio, json!({"codec": 99}), "codec", 22),
        (Medium::Audio, json!({"data_opt": 0}), "data_opt", 23),
        (Medium::Audio, json!({"data_opt": 3}), "data_opt", 23),
        (Medium::Audio, json!({"send_rate": 0}), "send_rate", 24),
        (Medium::Audio, json!({"send_rate": 30}), "send_rate", 24),
        (Medium::Audio, json!({"codec": 4, "sample_rate": 3, "send_rate": 40}), "send_rate", 24),
        (Medium::Video, json!({"content_type": 2}), "content_type", 26),
        (Medium::Video, json!({"codec": 1}), "codec", 27),
        (Medium::Video, json!({"codec": 5, "fps": 25}), "codec", 27),
        (Medium::Video, json!({"codec": 6, "fps": 6}), "codec", 27),
        (Medium::Video, json!({"codec": 7, "fps": 5}), "codec", 27),
        (Medium::Video, json!({"resolution": 5}), "resolution", 28),
        (Medium::Video, json!({"data_opt": 1}), "data_opt", 29),
        (Medium::Video, json!({"data_opt": 5}), "data_opt", 29),
        (Medium::Video, json!({"codec": 7, "fps": 31}), "fps", 30),
        (Medium::Video, json!({"codec": 7, "fps": 0}), "fps", 30),
        (Medium::Deskshare, json!({"content_type": 2}), "content_type", 32),
        (Medium::Deskshare, json!({"codec": 5, "fps": 6}), "codec", 33),
        (Medium::Deskshare, json!({"codec": 7, "fps": 1}), "codec", 33),
        (Medium::Deskshare, json!({"resolution": 0}), "resolution", 34),
        (Medium::Deskshare, json!({"codec": 7, "fps": 31}), "fps", 35),
        (Medium::Transcript, json!({"content_type": 2}), "content_type", 37),
        (Medium::Chat, json!({"content_type": 2}), "content_type", 39),
        (Medium::Transcript, json!({"src_language": 37}), "src_language", 43),
        (Medium::Transcript, json!({"src_language": -2}), "src_language", 43),
    ];
    for (medium, params, field, status) in rows {
        let params: MediaParams = serde_json::from_value(json!({medium.as_str(): params})).unwrap();
        for layout in [StreamConfig::default().layout, unified().layout] {
            let config = StreamConfig { params: params.clone(), layout, ..wanting([medium]) };

            let refused = Stream::new(start(Product::Meeting), config, Moment::default()).err();

            let Some(Misuse::Params(refused)) = refused else { panic!("{params:?}: {refused:?}") };
            assert_eq!((refused.medium, refused.field), (medium, field), "{params:?}");
            assert_eq!(refused.status, StatusCode::from_code(status), "{params:?}");
        }
    }
}

#[test]
fn the_audio_matrix_is_zooms_row_by_row() {
    for content_type in 0..=6 {
        for (codec, sample_rate, channel) in
            (0..=8).flat_map(|c| (0..=4).flat_map(move |r| (0..=3).map(move |h| (c, r, h))))
        {
            for send_rate in [0, 10, 20, 30, 40, 100, 990, 1000] {
                let row = (content_type, codec, sample_rate, channel);
                let allowed = match row {
                    (2, 1, 0..=3, 1 | 2) => send_rate != 0 && send_rate % 20 == 0,
                    (1 | 2, 4, 3, 1 | 2) | (1 | 2, 2, 0, 1) | (1 | 2, 3, 1, 1) => send_rate == 20,
                    _ => false,
                };
                let params = json!({"audio": {"content_type": content_type, "codec": codec, "sample_rate": sample_rate,
                    "channel": channel, "send_rate": send_rate}});
                let config =
                    StreamConfig { params: serde_json::from_value(params).unwrap(), ..wanting([Medium::Audio]) };
                assert_eq!(config.check().is_ok(), allowed, "{row:?} every {send_rate} ms");
            }
        }
    }
}

#[test]
fn parameters_of_media_that_are_not_wanted_do_not_matter() {
    let params: MediaParams = serde_json::from_value(json!({"audio": {"codec": 99}, "video": {"fps": 99}})).unwrap();
    let config = StreamConfig { params, ..wanting([Medium::Chat]) };

    let pair = Pair::new(start(Product::Meeting), config, Zoom::default());

    assert_eq!(pair.open(), [MediaTypes::of([Medium::Chat])]);
}

#[test]
fn wanting_nothing_is_a_misuse() {
    assert_eq!(Stream::new(start(Product::Meeting), wanting([]), Moment::default()).err(), Some(Misuse::NoMedia));
}

#[test]
fn every_default_is_allowed_for_every_product() {
    for product in Product::ALL {
        assert_eq!(Pair::new(start(product), StreamConfig::default(), Zoom::default()).open().len(), 5, "{product}");
        let bare = StreamConfig { params: MediaParams::default(), ..StreamConfig::default() };
        assert_eq!(Pair::new(start(product), bare, Zoom::default()).open().len(), 5, "{product}");
    }
}

// --- What is granted ---

#[test]
fn a_medium_without_its_scope_is_told_and_the_others_run() {
    for (medium, status) in Medium::ALL.into_iter().zip(9..) {
        let zoom = Zoom { media_status: [(medium, status)].into(), ..Zoom::default() };

        let pair = Pair::new(start(Product::Meeting), StreamConfig::default(), zoom);

        assert_eq!(pair.unavailable(), [medium]);
        assert!(pair.events.iter().any(|event| matches!(event, Event::MediumUnavailable {
            error: StreamError::Refused { status: code, role, reason }, ..
        } if code.code() == status && *role == media(medium) && reason == "no")));
        assert!(pair.did.contains(&Did::HangUp(media(medium))), "its connection is closed");
        assert_eq!(pair.open().len(), 4);
        assert_eq!(pair.said(Role::Signaling), [1, 7, 5, 7, 7, 7], "no ready for what was refused");
        assert!(!pair.stream.is_ended());
    }
}

#[test]
fn a_stream_of_which_nothing_is_granted_fails() {
    let zoom = Zoom { media_status: Medium::ALL.into_iter().zip(9..).collect(), ..Zoom::default() };

    let pair = Pair::new(start(Product::Meeting), StreamConfig::default(), zoom);

    assert_eq!(pair.unavailable(), Medium::ALL);
    assert_eq!(pair.ending(), Some(&Ending::Failed(StreamError::NothingGranted)));
}

#[test]
fn a_stream_with_no_url_for_what_is_wanted_fails() {
    let pair = Pair::new(start(Product::Meeting), wanting([Medium::Chat]), with_urls(json!({"audio": "wss://m/a"})));

    assert_eq!(pair.unavailable(), [Medium::Chat]);
    assert_eq!(pair.ending(), Some(&Ending::Failed(StreamError::NothingGranted)));
}

#[test]
fn a_media_server_out_of_reach_costs_its_medium_only_and_not_before_its_window_closes() {
    let zoom = Zoom { refusing: vec!["wss://m/video"], unreachable: vec!["wss://m/chat"], ..Zoom::default() };
    let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), zoom);

    pair.live(seconds(60));
    assert_eq!(pair.unavailable(), []);
    pair.live(seconds(5));

    assert_eq!(pair.unavailable(), [Medium::Video, Medium::Chat]);
    assert_eq!(pair.open().len(), 3);
    assert!(!pair.stream.is_ended());
}

#[test]
fn what_is_granted_instead_of_what_was_asked_is_told() {
    let mixed = json!({"audio": {"content_type": 2, "sample_rate": 1, "channel": 1, "codec": 1, "data_opt": 1, "send_rate": 20}});
    let zoom = Zoom { grants: Some(mixed), ..Zoom::default() };

    let pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio]), zoom);

    assert!(pair.events.contains(&Event::GrantDiffers { medium: Medium::Audio }));
    let granted = pair.granted().remove(0).audio.unwrap().format();
    assert_eq!(granted.data_opt, MediaDataOption::AudioMixedStream);
    assert_eq!(granted.codec, MediaPayloadType::L16);
}

#[test]
fn an_answer_without_parameters_grants_what_was_asked() {
    for grants in [json!(null), json!({})] {
        let zoom = Zoom { grants: Some(grants), ..Zoom::default() };
        let config = wanting([Medium::Audio]);
        let asked = config.params.audio.clone().unwrap().format();

        let pair = Pair::new(start(Product::Meeting), config, zoom);

        assert_eq!(pair.granted().remove(0).audio.unwrap().format(), asked);
        assert!(!pair.events.iter().any(|event| matches!(event, Event::GrantDiffers { .. })));
    }
}

#[test]
fn nothing_is_said_to_differ_of_media_that_the_answer_does_not_speak_of() {
    // On one connection for all, message 4 lists granted media only.
    let config = unified();
    let audio_only = json!({"audio": config.params.audio});
    let zoom = Zoom { grants: Some(audio_only), ..Zoom::default() };

    let pair = Pair::new(start(Product::Meeting), config, zoom);

    assert!(!pair.events.iter().any(|event| matches!(event, Event::GrantDiffers { .. })), "{:?}", pair.events);
}
