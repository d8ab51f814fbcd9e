//! What may come of version 2 of the protocol, and of Phone, to a program that speaks version 1: every fixture, judged by
//! its index, and the rules that they stand for.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

use std::{fs, path::PathBuf};

use rtms_wire::{
    codes::{
        event_type::{EventType, VoiceEventType},
        product::Product,
        status_code::StatusCode,
    },
    error::DecodeError,
    media::medium::{MediaTypes, Medium},
    message::{
        Message,
        event_update::EventBody,
        signaling_handshake::{MediaUrls, SignalingHandShakeResp},
    },
    wire_log::{Frame, without_secrets},
};
use serde_json::{Value, json};

const WSS: &str = "wss://rtms-media-sim17.example.test:443";

// --- The fixtures ---

#[test]
fn every_fixture_is_read_and_comes_back_without_its_secrets() {
    let index = json_of("websocket-v2-index.json");
    let files = index["files"].as_array().unwrap();
    assert_eq!(files.len(), fs::read_dir(fixtures().join("websocket-v2")).unwrap().count(), "the index names each");

    for entry in files {
        let name = entry["file"].as_str().unwrap();
        let original = json_of(&format!("websocket-v2/{name}"));
        let Some(number) = entry["msg_type"].as_i64() else { continue };

        let message = Message::decode(original.to_string().as_bytes()).expect(name);

        assert_eq!(message.msg_type().code(), number, "{name}");
        let expected = if entry["direction"] == "client_to_server" {
            original
        } else {
            let mut expected: Value = serde_json::from_str(&without_secrets(&original.to_string())).unwrap();
            if name.contains("channel-number") {
                expected["content"]["channel_id"] = "2".into();
            }
            expected
        };
        assert_eq!(serde_json::from_str::<Value>(&message.encode()).unwrap(), expected, "{name}: comes back");
        assert!(!format!("{message:?}").contains("fx-Ob6kP2wZr9-Ls"), "{name}: nobody can print the passphrase");
    }
}

#[test]
fn the_passphrase_of_srt_is_read_nowhere_and_the_urls_beside_it_are() {
    for name in ["02-srt-fields-at-top-level", "02-srt-fields-in-media-server", "02-version-2-without-srt"] {
        let answer = signaling_answer(&json_of(&format!("websocket-v2/{name}.json")));

        assert_eq!(answer.protocol_version, Some(2));
        let server = answer.media_server.unwrap();
        assert_eq!(server.server_urls.all(), Some(WSS), "{name}");
        let beside: Vec<_> =
            answer.extra.get("srt_passphrase").into_iter().chain(server.extra.get("srt_passphrase")).collect();
        assert!(beside.iter().all(|passphrase| **passphrase == ""), "{name}");
        assert_eq!(beside.is_empty(), name.contains("without"), "{name}: that it was there is still seen");
    }
}

#[test]
fn phone_asks_for_one_medium_a_connection_and_a_combination_is_refused() {
    let asked = |name: &str| match Message::decode(json_of(name).to_string().as_bytes()).unwrap() {
        Message::DataHandShakeReq(request) => request.media_type,
        other => panic!("{other:?}"),
    };
    assert_eq!(asked("websocket-v2/03-phone-audio.json"), MediaTypes::of([Medium::Audio]));
    assert_eq!(asked("websocket-v2/03-phone-transcript.json"), MediaTypes::of([Medium::Transcript]));
    let combined = asked("websocket-v2/03-phone-or-mask.json");
    assert!(combined.is_valid() && !combined.is_single_or_all());

    let answer = |name: &str| match Message::decode(json_of(name).to_string().as_bytes()).unwrap() {
        Message::DataHandShakeResp(answer) => (answer.status_code, answer.payload_encrypted),
        other => panic!("{other:?}"),
    };
    assert_eq!(answer("websocket-v2/04-phone-media-type-refused.json").0, StatusCode::MediaTypeInvalidValue);
    assert_eq!(answer("websocket-v2/04-phone-audio-codec-refused.json").0, StatusCode::InvalidMediaAudioCodec);
    assert_eq!(answer("websocket-v2/04-payload-encrypted-unasked.json"), (StatusCode::Ok, Some(true)));
}

#[test]
fn a_channel_is_the_same_as_number_and_as_text() {
    let channel = |name: &str| match Message::decode(json_of(name).to_string().as_bytes()).unwrap() {
        Message::MediaDataAudio(audio) => (audio.channel_id, audio.data.len()),
        other => panic!("{other:?}"),
    };
    let (as_text, length) = channel("websocket-v2/14-phone-channel.json");
    assert_eq!((as_text, length), channel("websocket-v2/14-phone-channel-number.json"));
    assert_eq!(length, 640);
}

#[test]
fn json_in_a_binary_frame_is_json_and_other_bytes_are_only_not() {
    let bytes = |name: &str| {
        let fixture = json_of(name);
        let hex = fixture["hex"].as_str().unwrap().as_bytes().to_owned();
        let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        hex.chunks(2).map(digits).collect::<Vec<_>>()
    };
    let read = Message::decode(&bytes("websocket-v2/binary-json.json")).unwrap();
    assert!(matches!(read, Message::KeepAliveReq(_)));

    let not_json = bytes("websocket-v2/binary-not-json.json");
    assert!(matches!(Message::decode(&not_json).unwrap_err(), DecodeError::NotJson(_)));
    assert_eq!(
        Frame::binary(&not_json).without_secrets().payload().unwrap(),
        not_json,
        "the wire log has it as it came"
    );
}

// --- event_type and event_code ---

#[test]
fn a_code_is_never_looked_up_among_numbers_of_events() {
    for fields in [
        json!({"event_code": 8}),
        json!({"event_code": 3, "participants": [{"user_id": 1}]}),
        json!({"event_code": "12"}),
        json!({"event_code": 7, "event_type": null}),
    ] {
        let event = event(&fields);
        for product in Product::ALL {
            assert_eq!((event.meeting(product), event.voice(product)), (None, None), "{fields} on {product}");
            assert_eq!(event.name(product), "UNKNOWN");
        }
        assert_eq!(event.event_code.as_ref(), Some(&fields["event_code"]), "as it came");
    }
}

#[test]
fn the_number_decides_and_the_code_beside_it_is_kept() {
    let event = event(&json!({"event_type": 9, "event_code": 14, "timestamp": 1795420800001_u64}));

    assert_eq!(event.meeting(Product::Webinar), Some(EventType::ParticipantVideoOff));
    assert_eq!(event.voice(Product::ContactCenter), Some(VoiceEventType::ConsumerEnd));
    assert_eq!(event.event_code, Some(json!(14)));
}

#[test]
fn a_number_has_the_meaning_of_its_product_and_none_on_phone() {
    for number in (0..=40).chain([-1, 900_001]) {
        let event = event(&json!({"event_type": number, "event_ts": 5}));

        assert_eq!((event.meeting(Product::Phone), event.voice(Product::Phone)), (None, None));
        assert_eq!(event.name(Product::Phone), "UNKNOWN");
        assert_eq!(event.voice(Product::Meeting), None);
        assert_eq!(event.meeting(Product::ContactCenter), None);
        assert_eq!(event.meeting(Product::Session), Some(EventType::from_code(number)));
        assert_eq!(event.event_type, Some(number), "kept all the same");
    }
}

#[test]
fn a_number_that_cannot_be_read_costs_its_meaning_and_not_the_event() {
    for odd in [json!("join"), json!(3.5), json!([3]), json!(true)] {
        let fields = json!({"event_type": odd, "timestamp": 1795420800009_u64, "place": {"a": [1]}});

        let event = event(&fields);

        assert_eq!(event.meeting(Product::Meeting), None);
        assert_eq!(serde_json::to_value(&event).unwrap(), fields, "all of it is passed on");
    }
    assert_eq!(event(&json!({"event_type": "3"})).meeting(Product::Meeting), Some(EventType::ParticipantJoin));
    let neither = r#"{"msg_type":6,"event":{"timestamp":1795420800001,"event_code":null}}"#;
    assert!(matches!(Message::decode(neither.as_bytes()), Err(DecodeError::BadField { .. })));
}

#[test]
fn an_event_that_stands_flat_beside_its_name_or_its_code_is_read() {
    for (text, code, meeting) in [
        (
            r#"{"msg_type":6,"event":"SHARING_START","event_code":4711,"user_id":5}"#,
            "4711",
            Some(EventType::SharingStart),
        ),
        (r#"{"msg_type":6,"event":"no such event","event_code":4711}"#, "4711", None),
        (r#"{"msg_type":6,"event":"SHARING_STOP"}"#, "null", Some(EventType::SharingStop)),
        (
            r#"{"msg_type":6,"event_code":90000000000000000000001,"call":{"id":7}}"#,
            r#""90000000000000000000001""#,
            None,
        ),
        (r#"{"msg_type":6,"event_code":77,"event":{"event_type":4}}"#, "77", Some(EventType::ParticipantLeave)),
    ] {
        let (Message::EventUpdate(update), flaws) = Message::decode_leniently(text.as_bytes()).unwrap() else {
            panic!("{text}")
        };
        let event = update.united();

        assert!(flaws.is_empty(), "{text}: {flaws}");
        assert_eq!(event.meeting(Product::Session), meeting, "{text}");
        assert_eq!(event.meeting(Product::Phone), None, "{text}");
        assert_eq!(event.voice(Product::ContactCenter).filter(|_| event.event_type.is_none()), None, "{text}");
        assert_eq!(serde_json::to_value(&event).unwrap()["event_code"].to_string(), code, "{text}");
    }
    let nothing = r#"{"msg_type":6,"timestamp":1795420800001}"#;
    assert!(Message::decode_leniently(nothing.as_bytes()).is_err());
}

#[test]
fn what_an_event_has_itself_counts_before_what_stands_beside_it() {
    let text = r#"{"msg_type":6,"event_code":1,"timestamp":1,"place":2,"event":{"event_type":2,"event_code":3,"timestamp":1795420800001}}"#;
    let (Message::EventUpdate(update), _) = Message::decode_leniently(text.as_bytes()).unwrap() else { panic!() };

    let expected = json!({
        "event_type": 2, "event_code": 3, "timestamp": 1795420800001_u64, "place": 2,
        "zoom_event_code": 1, "zoom_timestamp": 1,
    });
    assert_eq!(serde_json::to_value(update.united()).unwrap(), expected);
}

#[test]
fn numbers_beyond_what_a_float_holds_exactly_keep_their_digits() {
    for digits in ["9007199254740993", "18446744073709551615", "18446744073709551617", "123456789012345678901234567890"]
    {
        let text =
            format!(r#"{{"msg_type":6,"event":{{"event_code":{digits},"timestamp":1795420800001,"x":[{digits}]}}}}"#);
        let (message, _) = Message::decode_leniently(text.as_bytes()).unwrap();
        let Message::EventUpdate(update) = message else { panic!("{text}") };

        let plain = |value: &Value| value.to_string().trim_matches('"').to_owned();
        assert_eq!(plain(update.event.event_code.as_ref().unwrap()), digits);
        assert_eq!(plain(&update.event.extra["x"][0]), digits);

        let text = format!(r#"{{"msg_type":{digits},"seat":{digits}}}"#);
        let (Message::Other(other), _) = Message::decode_leniently(text.as_bytes()).unwrap() else { panic!("{text}") };
        let number = other.fields.get("zoom_msg_type").map_or_else(|| other.msg_type.code().to_string(), plain);
        assert_eq!((number.as_str(), plain(&other.fields["seat"]).as_str()), (digits, digits));

        let text = format!(
            r#"{{"msg_type":14,"content":{{"user_id":{digits},"data":"AAAA","timestamp":1795420800001,"level":{digits}}}}}"#
        );
        let (Message::MediaDataAudio(data), _) = Message::decode_leniently(text.as_bytes()).unwrap() else {
            panic!("{text}")
        };
        assert_eq!(data.user_id.unwrap().to_string(), digits);
        assert_eq!(plain(&data.extra["level"]), digits);
    }
}

#[test]
fn a_language_that_no_list_has_is_passed_on_as_it_was_sent() {
    for (sent, kept) in [
        (r#""tlh""#, json!("tlh")),
        ("99999999999999999999", json!("99999999999999999999")),
        ("9", Value::Null),
        (r#""UNKNOWN""#, Value::Null),
        ("4711", Value::Null),
    ] {
        let text = format!(
            r#"{{"msg_type":17,"content":{{"user_id":5,"data":"x","language":{sent},"timestamp":1795420800001}}}}"#
        );
        let (Message::MediaDataTranscript(line), flaws) = Message::decode_leniently(text.as_bytes()).unwrap() else {
            panic!("{text}")
        };
        assert_eq!(line.extra.get("language_as_sent").cloned().unwrap_or_default(), kept, "{text}");
        assert!(flaws.is_empty(), "{text}: {flaws}");
    }
}

// --- Fields that nobody knows ---

#[test]
fn fields_of_people_and_packets_that_nobody_knows_are_kept() {
    for number in [3, 4, 8, 9] {
        let fields = json!({"event_type": number, "timestamp": 1795420800001_u64, "site": "B", "participants": [
            {"user_id": 5, "user_name": "Ines", "pronouns": ["she"], "seat": {"row": 2}},
        ]});
        assert_eq!(serde_json::to_value(event(&fields)).unwrap(), fields);
    }
    for number in 14..=18 {
        let inside = json!({"msg_type": number, "content": {"user_id": 5, "data": "AAAA", "timestamp": 1795420800001_u64, "gain": -3}});
        let beside = json!({"msg_type": number, "content": {"user_id": 5, "data": "AAAA", "timestamp": 1795420800001_u64}, "gain": -3});
        for message in [inside, beside] {
            let decoded = Message::decode(message.to_string().as_bytes()).unwrap();
            let again: Value = serde_json::from_str(&decoded.encode()).unwrap();
            assert_eq!(again["content"]["gain"], -3, "{message}");
        }
    }
}

// --- URLs of other transports ---

#[test]
fn a_url_that_is_no_websockets_is_skipped_for_the_one_that_is() {
    for urls in [
        json!({"audio": "wss://a/1"}),
        json!({"audio": "srt://a:9,wss://a/1"}),
        json!({"audio": "wss://a/1, srt://a:9"}),
        json!({"audio": " SRT://a:9?passphrase=x ,, WSS://a/1".replace("WSS", "wss")}),
        json!({"audio": ["srt://a:9", "wss://a/1", 7]}),
        json!({"audio": ["srt://a:9, wss://a/1"]}),
        json!({"audio": {"srt": "srt://a:9", "srt_pbkey_length": 16, "wss": "wss://a/1"}}),
        json!({"audio": {"srt": {"url": "srt://a:9", "mode": "caller"}, "wss": {"url": "wss://a/1"}}}),
        json!({"audio": [{"type": "srt", "url": "srt://a:9"}, {"type": "wss", "url": "wss://a/1"}]}),
        json!({"audio": {"srt": ["srt://a:9"]}, "all": {"wss": "wss://a/1", "region": "sjc"}}),
        json!({"audio": "srt://a:9", "all": "wss://a/1"}),
        json!({"audio": "srt://a:9", "all": ["quic://a:9", "wss://a/1"]}),
        json!("srt://a:9,wss://a/1"),
        json!(["srt://a:9", "wss://a/1"]),
    ] {
        let read = media_urls(&urls);

        assert_eq!(read.for_medium(Medium::Audio, Product::Phone), Some("wss://a/1"), "{urls}");
        assert!(read.skipped().all(|(_, url)| !url.starts_with("wss")), "{urls}");
        assert_eq!(read.skipped().count() > 0, urls.to_string().to_lowercase().contains("srt"), "{urls}");
    }
}

#[test]
fn a_medium_with_no_url_of_a_websocket_has_none() {
    for urls in [
        json!({"video": "srt://a:9"}),
        json!({"video": ["srt://a:9", "srt://b:9"], "all": "srt://c:9"}),
        json!("srt://a:9"),
        json!({"video": "srt+udp://a:9"}),
    ] {
        let read = media_urls(&urls);

        assert_eq!(read.for_medium(Medium::Video, Product::Meeting), None, "{urls}");
        assert!(read.skipped().next().is_some());
    }
    assert!(media_urls(&json!({"video": "srt://a:9"})).lists(Medium::Video), "it is granted all the same");
    let with_comma = media_urls(&json!({"all": "wss://a/x,y?z=1,2"}));
    assert_eq!(with_comma.all(), Some("wss://a/x,y?z=1,2"), "a comma alone parts nothing");
}

fn event(fields: &Value) -> EventBody {
    match Message::decode(json!({"msg_type": 6, "event": fields}).to_string().as_bytes()).unwrap() {
        Message::EventUpdate(update) => update.event,
        other => panic!("{other:?}"),
    }
}

fn media_urls(urls: &Value) -> MediaUrls {
    let answer = json!({"msg_type": 2, "status_code": 0, "media_server": {"server_urls": urls}});
    signaling_answer(&answer).media_server.unwrap().server_urls
}

fn signaling_answer(message: &Value) -> SignalingHandShakeResp {
    match Message::decode(message.to_string().as_bytes()).unwrap() {
        Message::SignalingHandShakeResp(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn json_of(name: &str) -> Value {
    serde_json::from_slice(&fs::read(fixtures().join(name)).expect(name)).expect(name)
}

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}
