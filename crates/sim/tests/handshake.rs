//! What Zoom refuses, with which status, and what it answers when all is right.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use common::{Run, config};
use rtms_sim::{
    config::ZoomConfig,
    fault::Temper,
    findings::{KeepAliveFault, Mistake, Severity},
    meeting::MeetingOptions,
    zoom::Endpoint,
};
use rtms_wire::{
    codes::{product::Product, status_code::StatusCode},
    media::medium::{MediaTypes, Medium},
    secret::SecretToken,
    signature::webhook_signature_matches,
};
use serde_json::{Value, json};

#[test]
fn a_start_webhook_is_signed_over_its_exact_bytes_with_zooms_headers() {
    let run = Run::of_seconds(20);

    let post = &run.webhooks[0];
    let header =
        |name: &str| post.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str()).unwrap();
    let secret = SecretToken::new("sim-secret-token").unwrap();
    assert!(webhook_signature_matches(&secret, header("x-zm-request-timestamp"), &post.body, header("x-zm-signature")));
    assert_eq!(header("x-zm-request-timestamp"), "1795420800");
    assert_eq!(header("content-type"), "application/json; charset=utf-8");
    assert_eq!(header("user-agent"), "Zoom Marketplace/1.0a");
    let body = run.last_webhook();
    assert_eq!(body["event"], "meeting.rtms_started");
    assert_eq!(body["event_ts"], 1_795_420_800_000_u64);
    assert_eq!(body["payload"]["server_urls"], "ws://127.0.0.1:1/signaling");
}

#[test]
fn every_product_has_its_event_name_and_id_field() {
    let expected = [
        (Product::Meeting, "meeting.rtms_started", "meeting_uuid"),
        (Product::Webinar, "webinar.rtms_started", "webinar_uuid"),
        (Product::Session, "session.rtms_started", "session_id"),
        (Product::ContactCenter, "contact_center.voice_rtms_started", "engagement_id"),
        (Product::Phone, "phone.rtms_started", "call_id"),
    ];
    for (product, event, field) in expected {
        let mut run = Run::new(ZoomConfig { product, ..config(20) });
        let body = run.last_webhook();
        assert_eq!(body["event"], event);
        assert!(body["payload"][field].is_string(), "{body}");

        run.join();
        assert_eq!(run.mistakes(), []);
    }
}

#[test]
fn engagement_ids_are_padded_base64_or_unpadded_base64url() {
    let mut forms = [0; 2];
    for seed in 0..40 {
        let meeting = MeetingOptions { seed, ..config(20).meeting };
        let run = Run::new(ZoomConfig { product: Product::ContactCenter, meeting, ..config(20) });
        let id = run.zoom.instance().value.to_string();
        let has = |signs: &[char]| id.contains(signs);
        match id.len() {
            24 => assert!(id.ends_with("==") && !has(&['-', '_']), "{id}"),
            22 => assert!(!has(&['+', '/', '=']), "{id}"),
            _ => panic!("{id} is of another length"),
        }
        forms[usize::from(id.len() == 22)] += 1;
    }
    assert!(forms.iter().all(|times| *times > 5), "{forms:?}");
}

#[test]
fn the_answer_to_a_right_message_1_has_urls_for_what_was_granted_and_for_all() {
    let granted = MediaTypes::of([Medium::Audio, Medium::Deskshare]);
    let mut run = Run::new(ZoomConfig { granted, media_url: "ws://media.example".into(), ..config(20) });
    let signaling = run.connect(Endpoint::Signaling);
    let request = run.signaling_request();

    run.say(signaling, &request);

    let urls = run.heard(signaling)[0]["media_server"]["server_urls"].clone();
    assert_eq!(
        urls,
        json!({"all": "ws://media.example/all", "audio": "ws://media.example/audio", "deskshare": "ws://media.example/deskshare"})
    );
}

#[test]
fn a_wrong_signature_is_refused_with_3() {
    let signature = |request: &mut Value| request["signature"] = "00".repeat(32).into();

    assert_eq!(signaling_status(signature), 3);
    assert_eq!(media_status(signature), 3);
}

#[test]
fn an_unknown_stream_is_refused_with_2() {
    let stream = |request: &mut Value| request["rtms_stream_id"] = "somebody-elses".into();

    assert_eq!(signaling_status(stream), 2);
    assert_eq!(media_status(stream), 2);
}

#[test]
fn two_ids_no_id_and_missing_fields_are_refused_with_4() {
    assert_eq!(signaling_status(|request| request["session_id"] = "x".into()), 4);
    assert_eq!(signaling_status(|request| remove(request, "meeting_uuid")), 4);
    assert_eq!(signaling_status(|request| remove(request, "signature")), 4);
    assert_eq!(signaling_status(|request| request["rtms_stream_id"] = json!({})), 4);
    assert_eq!(signaling_status(|request| request["meeting_uuid"] = "another".into()), 4);
}

#[test]
fn the_meeting_uuid_key_is_taken_on_every_product_because_zooms_sdk_sends_no_other() {
    for product in Product::ALL {
        let mut run = Run::new(ZoomConfig { product, ..config(20) });
        let signaling = run.connect(Endpoint::Signaling);
        let mut request = run.signaling_request();
        remove(&mut request, run.zoom.instance().field.as_str());
        request["meeting_uuid"] = run.zoom.instance().value.as_str().into();

        run.say(signaling, &request);

        assert_eq!(run.heard(signaling)[0]["status_code"], 0, "{product}");
    }
}

#[test]
fn a_second_signaling_connection_is_refused_with_8_and_the_first_lives() {
    let mut run = Run::of_seconds(20);
    let first = run.join();
    let second = run.connect(Endpoint::Signaling);
    let request = run.signaling_request();

    run.say(second, &request);

    assert_eq!(run.heard(second)[0]["status_code"], 8);
    assert!(run.closed.is_empty());
    run.ask_stream_state(first);
    assert_eq!(run.heard_types(first), [20]);
}

#[test]
fn a_refused_client_may_try_again_on_the_same_connection() {
    let mut run = Run::of_seconds(20);
    let signaling = run.connect(Endpoint::Signaling);
    let mut request = run.signaling_request();
    let right = request.clone();
    request["signature"] = "wrong".into();

    run.say(signaling, &request);
    run.say(signaling, &right);

    assert_eq!(run.heard_types(signaling), [2, 2, 6]);
}

#[test]
fn a_connection_that_says_nothing_is_closed_after_ten_seconds() {
    let mut run = Run::of_seconds(20);
    let idle = run.connect(Endpoint::Media);

    run.until(9_999);
    assert!(run.closed.is_empty());
    run.until(10_000);

    assert_eq!(run.closed[&idle], 1000);
    assert_eq!(run.mistakes(), [Mistake::HandshakeTooLate]);
}

#[test]
fn message_3_on_signaling_is_answered_with_1() {
    let mut run = Run::of_seconds(20);
    let signaling = run.join();
    let request = run.data_request(1, json!({}));

    run.say(signaling, &request);

    let answer = &run.heard(signaling)[0];
    assert_eq!((&answer["msg_type"], &answer["status_code"]), (&json!(4), &json!(1)));
}

#[test]
fn media_without_a_signaling_connection_is_refused() {
    let mut run = Run::of_seconds(20);
    let media = run.connect(Endpoint::Media);

    assert_eq!(run.ask_media(media, 1, json!({})), StatusCode::InvalidRtmsStreamId);
}

#[test]
fn media_that_the_app_was_not_granted_are_refused_with_9_to_13() {
    for (medium, status) in Medium::ALL.into_iter().zip(9..) {
        let others = MediaTypes::of(Medium::ALL.into_iter().filter(|other| *other != medium));
        let mut run = Run::new(ZoomConfig { granted: others, ..config(20) });
        run.join();
        let media = run.connect(Endpoint::Media);

        assert_eq!(run.ask_media(media, medium.bit(), json!({})).code(), status);
        assert_eq!(run.ask_media(media, 31, json!({})).code(), status);
        // ALL means all that was granted.
        assert_eq!(run.ask_media(media, 32, json!({})).code(), 0);
    }
}

#[test]
fn a_media_type_outside_the_mask_is_refused_with_14_and_one_that_is_no_number_with_7() {
    let mut run = Run::of_seconds(20);
    run.join();
    let media = run.connect(Endpoint::Media);

    for media_type in [0, 33, 64, u32::MAX] {
        assert_eq!(run.ask_media(media, media_type, json!({})), StatusCode::MediaTypeInvalidValue);
    }
    let mut request = run.data_request(1, json!({}));
    request["media_type"] = "audio".into();
    run.say(media, &request);
    assert_eq!(run.heard(media)[0]["status_code"], 7);
}

#[test]
fn a_second_connection_for_one_medium_is_refused_with_16_and_beside_a_unified_one_with_15() {
    let mut run = Run::of_seconds(20);
    run.join();
    run.open_media(1, json!({}));
    let second = run.connect(Endpoint::Media);
    assert_eq!(run.ask_media(second, 1, json!({})), StatusCode::DuplicateMediaDataConnection);
    assert_eq!(run.ask_media(second, 9, json!({})), StatusCode::DuplicateMediaDataConnection);
    assert_eq!(run.ask_media(second, 8, json!({})), StatusCode::Ok);

    let mut run = Run::of_seconds(20);
    run.join();
    run.open_media(32, json!({}));
    let second = run.connect(Endpoint::Media);
    assert_eq!(run.ask_media(second, 8, json!({})), StatusCode::MediaDataAllConnectionExist);
    assert_eq!(run.ask_media(second, 32, json!({})), StatusCode::MediaDataAllConnectionExist);
}

#[test]
fn each_wrong_media_parameter_has_its_own_status() {
    let cases = [
        (1, json!({"audio": {"content_type": 5}}), 19),
        (1, json!({"audio": {"content_type": 1, "codec": 1}}), 19),
        (1, json!({"audio": {"sample_rate": 9}}), 20),
        (1, json!({"audio": {"codec": 4, "sample_rate": 1}}), 20),
        (1, json!({"audio": {"channel": 3}}), 21),
        (1, json!({"audio": {"codec": 2, "sample_rate": 0, "channel": 2}}), 21),
        (1, json!({"audio": {"codec": 9}}), 22),
        (1, json!({"audio": {"data_opt": 4}}), 23),
        (1, json!({"audio": {"send_rate": 30}}), 24),
        (1, json!({"audio": {"codec": 4, "sample_rate": 3, "send_rate": 40}}), 24),
        (1, json!({"audio": "loud"}), 18),
        (2, json!({"video": []}), 25),
        (2, json!({"video": {"content_type": 2}}), 26),
        (2, json!({"video": {"codec": 5, "fps": 25}}), 27),
        (2, json!({"video": {"codec": 7, "fps": 5}}), 27),
        (2, json!({"video": {"resolution": 7}}), 28),
        (2, json!({"video": {"data_opt": 5}}), 29),
        (2, json!({"video": {"codec": 7, "fps": 60}}), 30),
        (4, json!({"deskshare": 1}), 31),
        (4, json!({"deskshare": {"content_type": 2}}), 32),
        (4, json!({"deskshare": {"codec": 1}}), 33),
        (4, json!({"deskshare": {"resolution": 0}}), 34),
        (4, json!({"deskshare": {"codec": 7, "fps": 31}}), 35),
        (8, json!({"transcript": 1}), 36),
        (8, json!({"transcript": {"enable_lid": 1}}), 36),
        (8, json!({"transcript": {"content_type": 2}}), 37),
        (16, json!({"chat": true}), 38),
        (16, json!({"chat": {"content_type": 1}}), 39),
        (8, json!({"transcript": {"src_language": 99}}), 43),
        (1, json!([]), 17),
    ];
    // By the letter: L16 as RTP is granted otherwise.
    let temper = Temper { strict: true, ..Temper::default() };
    let mut run = Run::new(ZoomConfig { temper, ..config(20) });
    run.join();
    let media = run.connect(Endpoint::Media);
    for (media_type, params, status) in cases {
        assert_eq!(run.ask_media(media, media_type, params.clone()).code(), status, "{params}");
    }
}

#[test]
fn a_parameter_that_is_no_whole_number_has_the_status_of_its_field() {
    let cases = [
        ("audio", "content_type", json!("RAW_AUDIO"), 19),
        ("audio", "sample_rate", json!("1"), 20),
        ("audio", "channel", json!(1.0), 21),
        ("audio", "codec", json!("L16"), 22),
        ("audio", "codec", json!(u64::MAX), 22),
        ("audio", "data_opt", json!(true), 23),
        ("audio", "send_rate", json!("20"), 24),
        ("audio", "send_rate", json!(-20), 24),
        ("video", "content_type", json!([3]), 26),
        ("video", "codec", json!("JPG"), 27),
        ("video", "resolution", json!("HD"), 28),
        ("video", "data_opt", json!({}), 29),
        ("video", "fps", json!(25.0), 30),
        ("video", "fps", json!(-5), 30),
        ("deskshare", "content_type", json!("3"), 32),
        ("deskshare", "codec", json!("JPG"), 33),
        ("deskshare", "resolution", json!(3.0), 34),
        ("deskshare", "fps", json!("1"), 35),
        ("transcript", "content_type", json!("TEXT"), 37),
        ("transcript", "src_language", json!("LANGUAGE_ID_ENGLISH"), 43),
        ("transcript", "language", json!("9"), 43),
        ("transcript", "enable_lid", json!("true"), 36),
        ("chat", "content_type", json!("5"), 39),
    ];
    let mut run = Run::of_seconds(20);
    run.join();
    let media = run.connect(Endpoint::Media);
    for (medium, field, value, status) in cases {
        let media_type = medium.parse::<Medium>().unwrap().bit();
        let request = run.data_request(media_type, json!({medium: {field: value}}));
        run.say(media, &request);
        let answer = run.heard(media).remove(0);
        assert_eq!(answer["status_code"], status, "{medium}.{field} {value}");
        let reason = answer["reason"].as_str().unwrap();
        assert!(reason.starts_with(&format!("media_params.{medium}.{field} is ")), "{reason}");
    }
    let positional = json!({"audio": [2, 1, 1, 1, 1, 20]});
    assert_eq!(run.ask_media(media, 1, positional), StatusCode::InvalidMediaAudioParams);
}

#[test]
fn parameters_that_zooms_sdk_and_library_send_are_taken() {
    for params in [
        json!({"transcript": null}),
        json!({"transcript": {"content_type": 5, "src_language": 9, "language": "en", "enable_lid": true}}),
        json!({"transcript": {"language": 9}, "audio": "all", "sharescreen": {"codec": 5}}),
        json!({"transcript": {"src_language": -1, "target": ["de"]}}),
    ] {
        let mut run = Run::of_seconds(20);
        run.join();
        run.open_media(8, params);
        assert_eq!(run.mistakes(), []);
    }
}

#[test]
fn ill_typed_fields_of_both_handshakes_are_refused_with_4_and_media_type_has_its_own() {
    let wrong = [
        ("protocol_version", json!("1")),
        ("protocol_version", json!(1.0)),
        ("protocol_version", json!(-1)),
        ("sequence", json!("1")),
        ("meeting_uuid", json!(81234)),
        ("rtms_stream_id", json!(4711)),
        ("signature", json!(0)),
    ];
    for (field, value) in wrong {
        assert_eq!(signaling_status(|request| request[field] = value.clone()), 4, "{field} {value}");
        assert_eq!(media_status(|request| request[field] = value.clone()), 4, "{field} {value}");
    }
    assert_eq!(signaling_status(|request| request["buffer_data"] = "false".into()), 4);
    assert_eq!(media_status(|request| request["payload_encryption"] = 0.into()), 4);
    for (media_type, status) in
        [(json!("1"), 7), (json!(1.0), 7), (json!(null), 7), (json!(-1), 14), (json!(1_u64 << 33), 14)]
    {
        assert_eq!(media_status(|request| request["media_type"] = media_type.clone()), status, "{media_type}");
    }
}

#[test]
fn a_msg_type_that_is_no_whole_number_is_no_message_and_on_a_new_connection_is_answered_with_1() {
    for (endpoint, answer) in [(Endpoint::Signaling, 2), (Endpoint::Media, 4)] {
        for msg_type in [json!("1"), json!("SIGNALING_HAND_SHAKE_REQ"), json!(3.0), json!(null)] {
            let mut run = Run::of_seconds(20);
            let connection = run.connect(endpoint);
            let mut request = run.data_request(1, json!({}));
            request["msg_type"] = msg_type.clone();

            run.say(connection, &request);

            let heard = run.heard(connection);
            assert_eq!((&heard[0]["msg_type"], &heard[0]["status_code"]), (&json!(answer), &json!(1)), "{msg_type}");
            assert!(matches!(run.mistakes()[..], [Mistake::NotAMessage { .. }]), "{:?}", run.mistakes());
        }
    }
}

#[test]
fn requests_after_the_handshake_are_read_by_the_letter() {
    let cases = [
        json!({"msg_type": 5, "events": {"event_type": 2, "subscribe": true}}),
        json!({"msg_type": 5, "events": [{"event_type": "2", "subscribe": true}]}),
        json!({"msg_type": 5, "events": [[2, true]]}),
        json!({"msg_type": 7, "rtms_stream_id": 1}),
        json!({"msg_type": 10, "rtms_session_id": 1}),
        json!({"msg_type": 19, "rtms_stream_id": 1}),
    ];
    for message in cases {
        let mut run = Run::of_seconds(20);
        let signaling = run.join();
        run.say(signaling, &message);

        assert!(run.heard(signaling).is_empty(), "{message}");
        assert!(matches!(run.mistakes()[..], [Mistake::NotAMessage { .. }]), "{message}: {:?}", run.mistakes());
    }
    let answered = [
        (json!({"msg_type": 21, "rtms_stream_id": 1}), 22),
        (json!({"msg_type": 28, "user_id": "16785408", "subscribe": true, "timestamp": 1}), 29),
        (json!({"msg_type": 28, "user_id": 16785408, "subscribe": true, "timestamp": "1"}), 29),
    ];
    for (message, answer) in answered {
        let mut run = Run::of_seconds(20);
        let signaling = run.join();
        run.say(signaling, &message);

        let heard = run.heard(signaling);
        // Where nothing can be made of a request at all, it has no answer.
        let is_answered = heard.first().is_some_and(|it| it["msg_type"] == answer && it["status_code"] == 4);
        assert!(is_answered || heard.is_empty() && message["timestamp"].is_string(), "{message}: {heard:?}");
        assert_eq!(run.mistakes().len(), 1, "{message}");
    }
}

#[test]
fn a_keep_alive_answer_in_quotes_repeats_nothing() {
    let mut run = Run::of_seconds(60);
    let signaling = run.join();
    run.until(10_000);
    let asked = run.heard(signaling).remove(0);

    run.say(signaling, &json!({"msg_type": 13, "timestamp": asked["timestamp"].to_string(), "sequence": 1}));

    assert_eq!(run.mistakes(), [Mistake::KeepAliveMismatch { how: KeepAliveFault::Timestamp }]);
}

#[test]
fn another_version_is_answered_in_version_1_and_told_once() {
    for (version, expected) in [(json!(null), None), (json!(1), None), (json!(2), Some(2)), (json!(0), Some(0))] {
        let mut run = Run::of_seconds(20);
        let signaling = run.connect(Endpoint::Signaling);
        let mut request = run.signaling_request();
        request["protocol_version"] = version.clone();
        run.say(signaling, &request);
        let media = run.connect(Endpoint::Media);
        let mut request = run.data_request(1, json!({}));
        request["protocol_version"] = version;
        run.say(media, &request);

        assert_eq!(run.heard(signaling)[0]["status_code"], 0);
        assert_eq!(run.heard(media)[0]["protocol_version"], 1);
        let expected: Vec<_> = expected.map(|version| Mistake::OtherVersion { version }).into_iter().collect();
        assert_eq!(run.mistakes(), expected);
        assert!(expected.iter().all(|mistake| mistake.severity() == Severity::Warning));
    }
}

#[test]
fn wrong_parameters_of_media_that_are_not_wanted_are_ignored() {
    let mut run = Run::of_seconds(20);
    run.join();

    run.open_media(1, json!({"audio": {}, "video": {"codec": 99}}));
    run.open_media(8, json!({"transcript": {"src_language": 9, "language": 9}, "video": {"fps": 25.5}, "chat": "all"}));

    let media = run.connect(Endpoint::Media);
    assert_eq!(run.ask_media(media, 16, json!({"audio": 1, "chat": "all"})), StatusCode::InvalidMediaChatParams);
}

#[test]
fn message_4_shows_every_default_and_clamps_the_send_rate() {
    let mut run = Run::of_seconds(20);
    run.join();
    let media = run.connect(Endpoint::Media);
    let request = run.data_request(32, json!({"audio": {"send_rate": 2000}, "video": {"fps": 25}}));

    run.say(media, &request);

    assert_eq!(
        run.heard(media)[0]["media_params"],
        json!({
            "audio": {"content_type": 2, "sample_rate": 1, "channel": 1, "codec": 1, "data_opt": 1, "send_rate": 1000},
            "video": {"content_type": 3, "codec": 5, "resolution": 2, "data_opt": 3, "fps": 5},
            "deskshare": {"content_type": 3, "codec": 5, "resolution": 3, "fps": 1},
            "transcript": {"content_type": 5, "src_language": 9, "enable_lid": true},
            "chat": {"content_type": 5},
        })
    );
}

#[test]
fn after_a_minute_without_anybody_the_stream_is_gone() {
    let mut run = Run::of_seconds(100);

    run.until(60_000);

    assert_eq!(run.last_webhook()["event"], "meeting.rtms_stopped");
    assert_eq!(run.last_webhook()["payload"]["stop_reason"], 11);
    assert_eq!(run.mistakes(), [Mistake::NeverJoined]);
    let late = run.connect(Endpoint::Signaling);
    let request = run.signaling_request();
    run.say(late, &request);
    assert_eq!(run.heard(late)[0]["status_code"], 2);
}

impl Run {
    fn ask_stream_state(&mut self, signaling: rtms_sim::zoom::ConnectionId) {
        let question = json!({"msg_type": 19, "rtms_stream_id": self.zoom.stream().as_str()});
        self.say(signaling, &question);
    }
}

fn signaling_status(spoil: impl Fn(&mut Value)) -> i64 {
    let mut run = Run::of_seconds(20);
    let signaling = run.connect(Endpoint::Signaling);
    let mut request = run.signaling_request();
    spoil(&mut request);
    run.say(signaling, &request);
    let answers = run.heard(signaling);
    assert_eq!((answers.len(), &answers[0]["msg_type"]), (1, &json!(2)));
    assert!(answers[0].get("media_server").is_none());
    assert_eq!(run.mistakes().len(), 1);
    answers[0]["status_code"].as_i64().unwrap()
}

fn media_status(spoil: impl Fn(&mut Value)) -> i64 {
    let mut run = Run::of_seconds(20);
    run.join();
    let media = run.connect(Endpoint::Media);
    let mut request = run.data_request(1, json!({}));
    spoil(&mut request);
    run.say(media, &request);
    run.heard(media)[0]["status_code"].as_i64().unwrap()
}

fn remove(request: &mut Value, key: &str) {
    request.as_object_mut().unwrap().remove(key);
}
