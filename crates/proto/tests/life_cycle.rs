//! The life of a stream from the start webhook to its end, as Zoom's documents tell it.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::time::Duration;

use common::{Did, Pair, SIGNALING_URL, Zoom, all_urls, audio, media, message, seconds, start, unified, wanting};
use rtms_proto::{
    config::StreamConfig,
    error::{Misuse, StreamError},
    event::{Ending, Event},
    input::Input,
    output::{ConnectionId, Role},
    stream::Stream,
    time::Moment,
};
use rtms_wire::{
    codes::{
        media::{MediaDataOption, MediaPayloadType},
        product::Product,
        state::{SessionState, StreamState},
        status_code::StatusCode,
        stop_reason::StopReason,
    },
    ids::{RtmsSessionId, UserId},
    media::{
        medium::{MediaTypes, Medium},
        params::MediaParams,
    },
    message::Message,
    time::UnixMillis,
};
use serde_json::{Value, json};

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
    assert_eq!(asked(&pair, Role::Media(MediaTypes::ALL))["media_type"], 32);
    assert_eq!(pair.said(Role::Signaling), [1, 7, 5]);
    assert_eq!(pair.open(), [MediaTypes::ALL]);
}

#[test]
fn a_unified_stream_of_some_media_asks_for_their_mask() {
    let wanted = [Medium::Audio, Medium::Transcript];
    let config = StreamConfig { media: MediaTypes::of(wanted), ..unified() };

    let pair = Pair::new(start(Product::Meeting), config, Zoom::default());

    let asked = asked(&pair, Role::Media(MediaTypes::of(wanted)));
    assert_eq!(asked["media_type"], 9);
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
        let third = asked(&pair, media(Medium::Audio));
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
    assert_eq!(signaling_urls(&pair), ["wss://a", "wss://b"]);
    pair.pass(seconds(11));

    assert_eq!(signaling_urls(&pair), ["wss://a", "wss://b", "wss://c"]);
    assert_eq!(pair.open().len(), 5);
}

#[test]
fn when_no_server_url_answers_the_stream_fails_with_the_last_reason() {
    let mut start = start(Product::Meeting);
    start.server_urls = ["wss://a", "wss://b"].map(String::from).into();
    let zoom = Zoom { refusing: vec!["wss://b"], unreachable: vec!["wss://a"], ..Zoom::default() };

    let mut pair = Pair::new(start, StreamConfig::default(), zoom);
    pair.pass(seconds(11));

    let error = StreamError::Unreachable { role: Role::Signaling, why: "connection refused".into() };
    assert_eq!(pair.events, [Event::Ended(Ending::Failed(error))]);
}

#[test]
fn without_a_server_url_nothing_begins() {
    let mut start = start(Product::Meeting);
    start.server_urls.clear();

    assert_eq!(Pair::try_new(start, StreamConfig::default(), Zoom::default()).err(), Some(Misuse::NoServerUrl));
}

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
fn a_media_server_out_of_reach_costs_its_medium_only() {
    let zoom = Zoom { refusing: vec!["wss://m/video"], unreachable: vec!["wss://m/chat"], ..Zoom::default() };
    let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), zoom);
    assert_eq!(pair.unavailable(), [Medium::Video]);

    pair.pass(seconds(11));

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
    let granted = granted(&pair).remove(0).audio.unwrap().format();
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

        assert_eq!(granted(&pair).remove(0).audio.unwrap().format(), asked);
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

// --- Events and states ---

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

    pair.hear(Role::Signaling, json!({"msg_type": 6, "event": {"event_type": 1, "timestamp": 5}}));
    pair.hear(media(Medium::Audio), audio(6));
    pair.hear(
        media(Medium::Transcript),
        json!({"msg_type": 17, "content": {"user_id": 7, "data": "ja", "timestamp": 7}}),
    );
    pair.hear(media(Medium::Chat), json!({"msg_type": 18, "content": {"user_id": 7, "data": "hm", "timestamp": 8}}));
    pair.hear(media(Medium::Video), json!({"msg_type": 15, "content": {"user_id": 7, "data": "AAAA", "timestamp": 9}}));
    pair.hear(
        media(Medium::Deskshare),
        json!({"msg_type": 16, "content": {"user_id": 7, "data": "AAAA", "timestamp": 10}}),
    );

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
    assert_eq!(times, [5, 6, 7, 8, 9, 10]);
}

#[test]
fn one_session_that_stops_does_not_end_the_stream() {
    let mut pair = Pair::running();
    for session in ["one", "two"] {
        pair.hear(Role::Signaling, json!({"msg_type": 9, "state": 2, "rtms_session_id": session, "timestamp": 1}));
    }

    pair.hear(
        Role::Signaling,
        json!({"msg_type": 9, "state": 5, "stop_reason": 3, "rtms_session_id": "one", "timestamp": 2}),
    );
    pair.pass(seconds(60));

    assert!(pair.events.contains(&Event::SessionState {
        session: Some(RtmsSessionId::new("one")),
        state: SessionState::Stopped,
        reason: Some(StopReason::UserLeft),
        timestamp: Some(UnixMillis(2)),
    }));
    assert!(!pair.stream.is_ended());
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

#[test]
fn one_persons_camera_is_asked_for_on_signaling() {
    let mut pair = Pair::running();

    pair.input(Input::SubscribeVideo { user_id: UserId::from(16_785_408), subscribe: true, timestamp: UnixMillis(9) });
    let request = said(pair.messages(Role::Signaling).last().unwrap());
    assert_eq!(request, json!({"msg_type": 28, "user_id": 16_785_408, "subscribe": true, "timestamp": 9}));

    pair.hear(Role::Signaling, json!({"msg_type": 29, "user_id": 16_785_408, "status_code": 44, "timestamp": 9}));
    let status = StatusCode::DuplicateVideoSubscription;
    assert_eq!(pair.events.last(), Some(&Event::VideoSubscription { user_id: UserId::from(16_785_408), status }));
}

// --- A move to another server ---

#[test]
fn a_newer_start_dials_anew_at_its_urls_and_repeats_everything() {
    let mut pair = Pair::running();
    let first = pair.line(Role::Signaling);
    pair.did.clear();

    pair.input(Input::Restarted { server_urls: vec!["wss://new".into()] });

    assert!(
        pair.did[..6].iter().all(|did| matches!(did, Did::HangUp(_))),
        "the old connections go before the new come"
    );
    assert_eq!(pair.dialed()[0], (Role::Signaling, "wss://new".to_owned()));
    assert_eq!(pair.said(Role::Signaling), [1, 7, 5, 7, 7, 7, 7]);
    assert!(pair.events.contains(&Event::Reconnecting));
    pair.input(Input::Lost(first, "of the old connection".into()));
    assert!(!pair.stream.is_ended());
}

#[test]
fn an_interruption_without_urls_dials_where_it_was() {
    let mut pair = Pair::running();
    pair.lose(Role::Signaling);

    pair.input(Input::Interrupted { server_urls: vec![] });
    pair.pass(seconds(5));

    assert_eq!(signaling_urls(&pair), [SIGNALING_URL, SIGNALING_URL]);
    assert!(!pair.stream.is_ended(), "the loss is explained");
}

#[test]
fn an_interruption_of_a_connection_that_answers_is_left_alone() {
    // INTERRUPTED, 2, is the true state while a stream comes back on a new connection.
    for state in [1, 2] {
        let mut pair = Pair::running();
        pair.input(Input::Interrupted { server_urls: vec![] });
        let id = pair.line(Role::Signaling);
        assert!(pair.said(Role::Signaling).contains(&19), "the connection is asked first");

        pair.hear(Role::Signaling, json!({"msg_type": 20, "state": state, "rtms_stream_id": "s"}));
        pair.pass(seconds(5));

        assert_eq!(pair.line(Role::Signaling), id);
        assert_eq!(signaling_urls(&pair), [SIGNALING_URL]);
    }
}

#[test]
fn an_interruption_of_a_connection_that_does_not_answer_dials_anew() {
    let mut pair = Pair::running();
    pair.input(Input::Interrupted { server_urls: vec![] });

    pair.pass(seconds(2));

    assert_eq!(signaling_urls(&pair), [SIGNALING_URL, SIGNALING_URL]);
    assert!(!pair.stream.is_ended());
}

#[test]
fn a_doubted_connection_that_is_lost_is_dialed_anew_at_once() {
    let mut pair = Pair::running();
    pair.input(Input::Interrupted { server_urls: vec![] });

    pair.lose(Role::Signaling);

    assert_eq!(signaling_urls(&pair), [SIGNALING_URL, SIGNALING_URL]);
}

#[test]
fn an_interruption_with_new_urls_dials_there_at_once() {
    let mut pair = Pair::running();

    pair.input(Input::Interrupted { server_urls: vec!["wss://elsewhere.zoom.us".into()] });

    assert_eq!(signaling_urls(&pair), [SIGNALING_URL, "wss://elsewhere.zoom.us"]);
}

#[test]
fn a_loss_that_nothing_explains_ends_the_stream_as_lost() {
    for role in [Role::Signaling, media(Medium::Audio)] {
        let mut pair = Pair::running();

        pair.lose(role);
        assert!(!pair.stream.is_ended());
        pair.pass(seconds(2));

        assert!(pair.events.contains(&Event::Interrupted { role, why: "closed by the other side".into() }));
        let why = "closed by the other side".into();
        assert_eq!(pair.ending(), Some(&Ending::Failed(StreamError::Lost { role, why })));
    }
}

#[test]
fn a_loss_that_a_stop_explains_is_a_stop() {
    let mut pair = Pair::running();
    pair.lose(Role::Signaling);

    pair.input(Input::Stopped(Some(StopReason::MeetingEnded)));
    pair.pass(seconds(2));

    assert_eq!(pair.ending(), Some(&Ending::Stopped { reason: Some(StopReason::MeetingEnded) }));
    assert!(!pair.events.iter().any(|event| matches!(event, Event::Interrupted { .. })), "nothing was wrong");
}

// --- Ends ---

#[test]
fn a_stop_webhook_ends_the_stream() {
    let mut pair = Pair::running();

    pair.input(Input::Stopped(Some(StopReason::MeetingEnded)));
    pair.pass(seconds(2));

    assert_eq!(pair.ending(), Some(&Ending::Stopped { reason: Some(StopReason::MeetingEnded) }));
    assert!(!pair.said(Role::Signaling).contains(&21), "what is over is not asked to close");
}

#[test]
fn state_4_ends_the_stream_with_its_reason() {
    let mut pair = Pair::running();

    pair.hear(Role::Signaling, json!({"msg_type": 8, "state": 3, "timestamp": 1}));
    assert_eq!(pair.ending(), None);
    pair.hear(Role::Signaling, json!({"msg_type": 8, "state": 4, "reason": 8, "timestamp": 2}));
    pair.pass(seconds(2));

    assert_eq!(pair.ending(), Some(&Ending::Stopped { reason: Some(StopReason::StreamRevoked) }));
}

#[test]
fn a_stop_during_the_handshake_ends_the_stream_at_once() {
    for unanswered in [1, 3] {
        let zoom = Zoom { unanswered: vec![unanswered], ..Zoom::default() };
        let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), zoom);

        pair.input(Input::Stopped(None));
        pair.pass(seconds(2));

        assert_eq!(pair.ending(), Some(&Ending::Stopped { reason: None }));
    }
}

#[test]
fn the_reason_is_told_whichever_word_of_the_end_carries_it() {
    let reason = Some(StopReason::StreamRevoked);
    let state_4 = |reason: Value| json!({"msg_type": 8, "state": 4, "reason": reason, "timestamp": 2});

    // The nested form of the stop webhook has no reason; state 4 may still be on its way.
    let mut pair = Pair::running();
    pair.input(Input::Stopped(None));
    pair.hear(Role::Signaling, state_4(json!(8)));
    pair.pass(seconds(2));
    assert_eq!(pair.ending(), Some(&Ending::Stopped { reason }));

    let mut pair = Pair::running();
    pair.hear(Role::Signaling, state_4(Value::Null));
    pair.input(Input::Stopped(reason));
    pair.pass(seconds(2));
    assert_eq!(pair.ending(), Some(&Ending::Stopped { reason }));
}

#[test]
fn our_wish_to_close_is_asked_and_granted() {
    let mut pair = Pair::running();

    pair.input(Input::Close);

    assert_eq!(
        said(pair.messages(Role::Signaling).last().unwrap()),
        json!({"msg_type": 21, "rtms_stream_id": "3f6a0c9e"})
    );
    pair.pass(seconds(2));
    assert_eq!(pair.ending(), Some(&Ending::Closed));
}

#[test]
fn our_wish_to_close_needs_no_order_of_answers() {
    let zoom = Zoom { unanswered: vec![21], ..Zoom::default() };
    let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), zoom);
    pair.input(Input::Close);

    pair.hear(Role::Signaling, json!({"msg_type": 8, "state": 4, "reason": 20, "timestamp": 2}));
    pair.hear(Role::Signaling, json!({"msg_type": 22, "rtms_stream_id": "3f6a0c9e", "status_code": 0}));
    pair.pass(seconds(2));

    assert_eq!(pair.ending(), Some(&Ending::Closed));
}

#[test]
fn a_close_that_stays_unanswered_ends_after_five_seconds() {
    let zoom = Zoom { unanswered: vec![21], ..Zoom::default() };
    let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), zoom);

    pair.input(Input::Close);
    pair.pass(Duration::from_millis(4_999));
    assert_eq!(pair.ending(), None);
    pair.input(Input::Close);
    pair.pass(Duration::from_millis(1));

    assert_eq!(pair.ending(), Some(&Ending::Closed));
    assert_eq!(pair.said(Role::Signaling).iter().filter(|number| **number == 21).count(), 1, "asked once");
}

#[test]
fn a_close_that_is_refused_or_answered_by_hanging_up_ends_too() {
    let unanswered = || Zoom { unanswered: vec![21], ..Zoom::default() };
    let mut refused = Pair::new(start(Product::Meeting), StreamConfig::default(), unanswered());
    refused.input(Input::Close);
    refused.hear(Role::Signaling, json!({"msg_type": 22, "rtms_stream_id": "3f6a0c9e", "status_code": 2}));
    refused.pass(seconds(2));
    assert_eq!(refused.ending(), Some(&Ending::Closed));

    let mut hung_up = Pair::new(start(Product::Meeting), StreamConfig::default(), unanswered());
    hung_up.input(Input::Close);
    for role in Medium::ALL.map(media).into_iter().chain([Role::Signaling]) {
        assert_eq!(hung_up.ending(), None);
        hung_up.lose(role);
    }
    assert_eq!(hung_up.ending(), Some(&Ending::Closed));
}

#[test]
fn a_close_before_signaling_stands_is_ours_alone() {
    let zoom = Zoom { unanswered: vec![1], ..Zoom::default() };
    let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), zoom);

    pair.input(Input::Close);

    assert_eq!(pair.ending(), Some(&Ending::Closed));
    assert_eq!(pair.said(Role::Signaling), [1]);
}

#[test]
fn who_abandons_a_stream_leaves_without_a_word() {
    let mut pair = Pair::running();
    pair.did.clear();

    pair.input(Input::Abandon);

    assert!(pair.did.iter().all(|did| matches!(did, Did::HangUp(_))), "{:?}", pair.did);
    assert_eq!(pair.did.len(), 6);
    assert_eq!(pair.ending(), Some(&Ending::Abandoned));
}

#[test]
fn media_sent_before_the_end_and_read_after_it_is_delivered() {
    let ends: [(&str, Happening); 3] = [
        ("state 4", |pair| pair.hear(Role::Signaling, json!({"msg_type": 8, "state": 4, "reason": 6, "timestamp": 1}))),
        ("webhook", |pair| pair.input(Input::Stopped(None))),
        ("our wish", |pair| pair.input(Input::Close)),
    ];
    for (name, end) in ends {
        let mut pair = Pair::running();
        end(&mut pair);

        pair.hear(media(Medium::Audio), audio(41));
        pair.pass(Duration::from_millis(900));
        pair.hear(media(Medium::Audio), audio(42));
        assert_eq!(pair.ending(), None, "{name}: still reading");
        for role in Medium::ALL.map(media).into_iter().chain([Role::Signaling]) {
            pair.lose(role);
        }

        let heard: Vec<_> = pair
            .events
            .iter()
            .filter_map(|event| if let Event::Audio(data) = event { Some(data.timestamp.0) } else { None })
            .collect();
        assert_eq!(heard, [41, 42], "{name}");
        assert!(matches!(pair.events.last(), Some(Event::Ended(_))), "{name}: the last connection is the end");
    }
}

#[test]
fn reading_what_is_left_takes_no_longer_than_a_second() {
    let mut pair = Pair::running();
    pair.input(Input::Stopped(None));

    for _ in 0..9 {
        pair.pass(Duration::from_millis(100));
        pair.hear(media(Medium::Audio), audio(1));
        assert_eq!(pair.ending(), None);
    }
    pair.pass(Duration::from_millis(100));

    assert_eq!(pair.ending(), Some(&Ending::Stopped { reason: None }));
}

#[test]
fn there_is_one_end_and_nothing_after_it() {
    let endings: [Happening; 4] = [
        |pair| pair.input(Input::Abandon),
        |pair| pair.input(Input::Stopped(None)),
        |pair| pair.input(Input::Close),
        |pair| pair.lose(Role::Signaling),
    ];
    for end in endings {
        let mut pair = Pair::running();
        let signaling = pair.line(Role::Signaling);
        let sound = pair.line(media(Medium::Audio));
        end(&mut pair);
        pair.pass(seconds(10));
        assert!(pair.stream.is_ended());
        pair.did.clear();
        let told = pair.events.len();

        for input in [
            Input::Connected(signaling),
            Input::ConnectFailed(ConnectionId(99), "late".into()),
            Input::Received(signaling, message(json!({"msg_type": 12, "timestamp": 1}))),
            Input::Received(signaling, message(json!({"msg_type": 8, "state": 4, "timestamp": 1}))),
            Input::Received(sound, message(audio(1))),
            Input::Undecodable(sound, Message::decode(b"?").unwrap_err()),
            Input::Lost(sound, "late".into()),
            Input::Stopped(Some(StopReason::MeetingEnded)),
            Input::Restarted { server_urls: vec!["wss://late".into()] },
            Input::Interrupted { server_urls: vec![] },
            Input::Close,
            Input::Abandon,
            Input::SubscribeVideo { user_id: UserId::from(1), subscribe: true, timestamp: UnixMillis(1) },
            Input::TimePassed,
        ] {
            pair.input(input);
        }
        pair.pass(seconds(1_000));

        assert_eq!(pair.did, []);
        assert_eq!(pair.events.len(), told);
        assert_eq!(pair.events.iter().filter(|event| matches!(event, Event::Ended(_))).count(), 1);
    }
}

#[test]
fn a_stop_wins_over_a_restart_that_comes_late() {
    let mut pair = Pair::running();
    pair.input(Input::Stopped(Some(StopReason::MeetingEnded)));
    pair.did.clear();

    pair.input(Input::Restarted { server_urls: vec!["wss://late".into()] });
    pair.input(Input::Interrupted { server_urls: vec![] });

    assert_eq!(pair.dialed(), []);
    pair.pass(seconds(2));
    assert_eq!(pair.ending(), Some(&Ending::Stopped { reason: Some(StopReason::MeetingEnded) }));
}

// --- Helpers ---

/// Something that is done to a running stream.
type Happening = fn(&mut Pair);

fn with_urls(urls: Value) -> Zoom {
    Zoom { urls, ..Zoom::default() }
}

/// What stands on the wire.
fn said(message: &Message) -> Value {
    serde_json::from_str(&message.encode()).unwrap()
}

/// Message 3 of the connection.
fn asked(pair: &Pair, role: Role) -> Value {
    said(&pair.messages(role)[0])
}

fn url_of(pair: &Pair, medium: Medium) -> String {
    pair.dialed().into_iter().find(|(role, _)| *role == media(medium)).unwrap().1
}

fn signaling_urls(pair: &Pair) -> Vec<String> {
    pair.dialed().into_iter().filter(|(role, _)| *role == Role::Signaling).map(|(_, url)| url).collect()
}

fn granted(pair: &Pair) -> Vec<MediaParams> {
    let granted = |event: &Event| match event {
        Event::MediaOpen { granted, .. } => Some(granted.clone()),
        _ => None,
    };
    pair.events.iter().filter_map(granted).collect()
}
