//! One bad field costs that field, not the message: what Zoom sends is read as far as it can be read, and counted by kind.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

use rtms_wire::{
    flaws::{Flaw, Flaws},
    message::{Message, media_data::MediaData},
    webhook::{Webhook, WebhookBody},
};
use serde_json::{Value, json};

/// What is read of each of these, and what is wrong with it.
fn read(payload: &[u8]) -> (Message, Vec<Flaw>) {
    let (message, flaws) = Message::decode_leniently(payload)
        .unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(payload)));
    (message, flaws.iter().collect())
}

fn media(payload: &[u8]) -> (MediaData, Vec<Flaw>) {
    let (Message::MediaDataAudio(data) | Message::MediaDataVideo(data) | Message::MediaDataShare(data), flaws) =
        read(payload)
    else {
        panic!("media data");
    };
    (data, flaws)
}

fn value(message: &Message) -> Value {
    serde_json::from_str(&message.encode()).unwrap()
}

#[test]
fn an_ordinary_message_has_no_flaw() {
    for text in [
        json!({"msg_type": 14, "content": {"user_id": 7, "user_name": "Zoë", "data": "AAAA", "length": 3, "timestamp": 1795420800005_u64}}),
        json!({"msg_type": 15, "content": {"user_id": "7", "data": "AAAA", "length": "3", "timestamp": 1795420800005_u64, "new": {"a": [1]}}}),
        json!({"msg_type": 16, "content": "AAAA", "user_id": 7, "length": 3, "timestamp": 1795420800005_u64}),
        json!({"msg_type": 14, "content": {"channel_id": "c", "user_name": null, "data": "AAAA", "length": null, "timestamp": 1795420800005_u64}}),
        json!({"msg_type": 17, "content": {"user_id": 7, "data": "Hi", "language": 9, "sentence_id": 1, "x": null}}),
        json!({"msg_type": 18, "content": {"data": {"message_id": "m", "data": "Hi"}, "sender": {"user_id": 7}, "files": []}}),
        json!({"msg_type": 6, "event": {"event_type": 3, "participants": [{"user_id": 1, "role": 2}], "more": [1]}}),
        json!({"msg_type": 6, "event": {"event_type": 8, "paticipant_info": {"channel_id": 5}}}),
        json!({"msg_type": 9, "state": 5, "reason": 6, "rmts_session_id": "a", "timestamp": 1795420800001_u64}),
        json!({"msg_type": 8, "state": 4, "reason": "STOP_BC_SOMETHING_NEW", "why": true}),
        json!({"msg_type": 12, "timestamp": 1795420800005_u64}),
        json!({"msg_type": 40, "what": {"a": 1}}),
    ] {
        let text = text.to_string();
        let (message, flaws) = read(text.as_bytes());
        assert_eq!(flaws, [], "{text}");
        assert_eq!(message, Message::decode(text.as_bytes()).unwrap(), "{text}");
    }
}

#[test]
fn half_an_emoji_in_a_name_costs_no_medium_and_no_event() {
    for name in [r"Ines \udc4d", r"\ud83d", r"\ud83d\ud83d", r"a\ud83dz", r"\uD8"] {
        for number in 14..=18 {
            let text = format!(
                r#"{{"msg_type":{number},"content":{{"user_id":9,"user_name":"{name}","data":"AQID","length":3,"timestamp":1795420800005}}}}"#
            );
            let (message, flaws) = read(text.as_bytes());
            assert_eq!(flaws, [Flaw::BrokenText], "{text}");
            let written = value(&message);
            assert_eq!((&written["content"]["user_id"], &written["content"]["data"]), (&json!(9), &json!("AQID")));
            assert!(written["content"]["user_name"].as_str().unwrap().contains('\u{fffd}'));
        }
        let event = format!(
            r#"{{"msg_type":6,"event":{{"event_type":3,"participants":[{{"user_id":1,"user_name":"{name}"}},{{"user_id":2,"user_name":"Bea"}}]}}}}"#
        );
        let (Message::EventUpdate(update), flaws) = read(event.as_bytes()) else { panic!("an event") };
        assert_eq!((update.event.people().len(), flaws), (2, vec![Flaw::BrokenText]));
    }
}

#[test]
fn a_torn_byte_in_any_string_costs_no_packet() {
    let whole =
        br#"{"msg_type":14,"content":{"user_id":9,"user_name":"Ines","note":"abc","data":"AQID","timestamp":1795420800005}}"#;
    for word in ["Ines", "abc"] {
        let at = whole.windows(word.len()).position(|it| it == word.as_bytes()).unwrap() + 1;
        for byte in [0, 7, b'\n', 0x1b, 0x80, 0xc3, 0xff] {
            let mut torn = whole.to_vec();
            torn[at] = byte;
            let (data, flaws) = media(&torn);
            assert_eq!((data.data.as_ref(), data.timestamp.0), (&[1, 2, 3][..], 1795420800005), "{byte}");
            assert_eq!(flaws, [Flaw::BrokenText], "{byte}");
        }
    }
}

#[test]
fn a_time_that_is_null_is_as_one_that_is_absent() {
    for number in [14, 15, 16] {
        let text =
            json!({"msg_type": number, "content": {"user_id": 9, "data": "AQID", "timestamp": null}}).to_string();
        let (data, _) = media(text.as_bytes());
        assert_eq!((data.data.as_ref(), data.timestamp.0), (&[1, 2, 3][..], 0), "{text}");
        assert!(data.extra.is_empty(), "{:?}", data.extra);
    }
}

#[test]
fn a_wrong_length_is_only_a_wrong_length() {
    for (length, is_wrong) in [
        ("3", false),
        ("\"3\"", false),
        ("3.0", false),
        ("null", false),
        ("0", true),
        ("-7", true),
        ("4", true),
        ("1", true),
        ("1e9", true),
        ("\"many\"", true),
        ("true", true),
        ("[3]", true),
        ("1e999", true),
    ] {
        for number in 14..=16 {
            let text = format!(
                r#"{{"msg_type":{number},"content":{{"data":"AQID","length":{length},"timestamp":1795420800005}}}}"#
            );
            let (data, flaws) = media(text.as_bytes());
            assert_eq!(data.data.as_ref(), [1, 2, 3], "{length}");
            assert_eq!(flaws.contains(&Flaw::WrongLength), is_wrong, "{length}: {flaws:?}");
        }
    }
}

#[test]
fn every_form_of_base64_gives_the_same_bytes() {
    for data in
        ["-_v7-w", "+/v7+w", "+/v7+w==", "-_v7\\r\\n-w==", " +/v7+w== ", "data:audio/l16;base64,+/v7+w==", "+/s=+/s="]
    {
        let text = format!(r#"{{"msg_type":15,"content":{{"data":"{data}","length":4,"timestamp":1795420800005}}}}"#);
        let (read, flaws) = media(text.as_bytes());
        assert_eq!(read.data.as_ref(), [0xfb, 0xfb, 0xfb, 0xfb], "{data}");
        assert_eq!(flaws.contains(&Flaw::OddBase64), data != "+/v7+w==", "{data}");
        assert!(!flaws.contains(&Flaw::WrongLength), "{data}");
    }
    for data in ["A!BC", "ä", "\\ud83d"] {
        let text = format!(r#"{{"msg_type":15,"content":{{"data":"{data}","timestamp":1795420800005}}}}"#);
        assert!(Message::decode_leniently(text.as_bytes()).is_err(), "{data}: payload is not guessed");
    }
}

#[test]
fn a_field_of_another_type_is_read_where_it_means_something_and_left_out_where_not() {
    for (sent, read_as, is_odd) in [
        (
            json!({"msg_type": 14, "content": {"data": "AQID", "timestamp": "1795420800005", "user_name": 7}}),
            json!({"data": "AQID", "timestamp": 1795420800005_u64, "user_name": "7", "length": 3}),
            false,
        ),
        (
            json!({"msg_type": 14, "content": {"data": "AQID", "timestamp": 1795420800005_u64, "user_id": {}, "attribute": []}}),
            json!({"data": "AQID", "timestamp": 1795420800005_u64, "length": 3}),
            true,
        ),
        (json!({"msg_type": 17, "content": {"data": 42, "user_id": "9"}}), json!({"data": "42", "user_id": 9}), true),
        (
            json!({"msg_type": 17, "content": {"data": null, "sentence_id": "4", "attribute": 3}}),
            json!({"data": "", "sentence_id": 4, "attribute": 3}),
            false,
        ),
        (
            json!({"msg_type": 17, "content": {"data": "Hi", "sentence_id": "x", "user_id": 9}}),
            json!({"data": "Hi", "user_id": 9}),
            true,
        ),
        (
            json!({"msg_type": 18, "content": {"data": "Hi", "message_id": 7, "chat_session": "all"}}),
            json!({"data": "Hi", "message_id": "7"}),
            true,
        ),
    ] {
        let (message, flaws) = read(sent.to_string().as_bytes());
        assert_eq!(value(&message)["content"], read_as, "{sent}");
        assert_eq!(flaws.contains(&Flaw::OddField), is_odd, "{sent}: {flaws:?}");
    }

    let event = json!({"msg_type": 6, "event": {"event_type": "3", "participants": {"user_id": 1, "user_name": 12}}});
    let (message, flaws) = read(event.to_string().as_bytes());
    assert_eq!(value(&message)["event"], json!({"event_type": 3, "participants": [{"user_id": 1, "user_name": "12"}]}));
    assert_eq!(flaws, []);
    let event = json!({"msg_type": 6, "event": {"event_type": 3, "participants": [{"user_id": []}, {"user_id": 2}]}});
    let (message, flaws) = read(event.to_string().as_bytes());
    assert_eq!(value(&message)["event"]["participants"], json!([{"user_id": 2}]));
    assert_eq!(flaws, [Flaw::OddField]);
}

#[test]
fn a_broken_field_that_nobody_knows_costs_nothing() {
    let deep = format!("{}1{}", "[".repeat(3_000), "]".repeat(3_000));
    for broken in ["NaN", "-Infinity", "1e999", "007", "\"\\ud800\"", "\"\\x\"", deep.as_str()] {
        for text in [
            format!(r#"{{"msg_type":14,"content":{{"new":{broken},"data":"AQID","timestamp":1795420800005}}}}"#),
            format!(r#"{{"msg_type":14,"content":{{"data":"AQID","timestamp":1795420800005}},"new":{broken}}}"#),
        ] {
            assert_eq!(media(text.as_bytes()).0.data.as_ref(), [1, 2, 3], "{}", &text[..text.len().min(90)]);
        }
        let (state, _) = read(format!(r#"{{"msg_type":8,"state":4,"new":{broken}}}"#).as_bytes());
        assert_eq!(value(&state)["state"], 4);
    }
}

#[test]
fn a_signed_start_with_a_bad_string_still_starts_the_stream() {
    let start = |topic: &[u8]| {
        let (before, after) = (
            &br#"{"event":"meeting.rtms_started","event_ts":1795420800000,"payload":{"meeting_uuid":"u==","rtms_stream_id":"s1","operator":{"name":""#[..],
            &br#""},"topic":""#[..],
        );
        let end = &br#"","server_urls":"wss://a.zoom.us"}}"#[..];
        [before, topic, after, topic, end].concat()
    };
    for topic in [&b"\\ud83d"[..], b"x\\udc00y", b"\xff\xfe", b"a\x00b", b"line\nline", b"C:\\x"] {
        let webhook = Webhook::decode(&start(topic)).unwrap();
        let WebhookBody::RtmsStarted(started) = &webhook.body else { panic!("a start") };
        assert_eq!(started.server_urls, ["wss://a.zoom.us"], "{topic:?}");
        assert_eq!(webhook.stream_id.unwrap().as_str(), "s1");
        assert_eq!(webhook.instance.unwrap().value, "u==");
    }
    let doubled = br#"{"event":"a","event":"meeting.rtms_started","event_ts":1,"event_ts":2,"payload":{"rtms_stream_id":"s1","x":NaN}}"#;
    let webhook = Webhook::decode(doubled).unwrap();
    assert_eq!((webhook.event.as_str(), webhook.stream_id.unwrap().as_str()), ("meeting.rtms_started", "s1"));
    assert!(Webhook::decode(b"{\"event\":\"meeting.rtms_started\"").is_err());
}

#[test]
fn flaws_have_a_word_each() {
    let mut flaws = Flaws::default();
    assert_eq!((flaws.is_empty(), flaws.to_string().as_str()), (true, ""));
    flaws.insert(Flaw::OddBase64);
    flaws.insert(Flaw::BrokenText);
    assert_eq!(flaws.to_string(), "broken_text, odd_base64");
    for flaw in Flaw::ALL {
        assert_eq!(serde_json::to_value(flaw).unwrap(), flaw.as_str());
    }
}

#[test]
fn a_field_of_zooms_is_not_taken_for_one_that_is_kept_as_it_was_sent() {
    for (number, time) in [(17, "start_time"), (17, "end_time"), (18, "timestamp")] {
        let (ours, theirs) = (format!("{time}_as_sent"), format!("zoom_{time}_as_sent"));
        let mut content = json!({"data": "Hi", time: 1_795_420_800_005_u64, &ours: 3});
        let text = json!({"msg_type": number, "content": content}).to_string();
        let (message, flaws) = read(text.as_bytes());
        let read_content = &value(&message)["content"];
        assert_eq!((&read_content[&theirs], read_content.get(&ours)), (&json!(3), None), "{text}");
        assert_eq!(flaws, [], "{text}");

        content[time] = json!("1795420800005000");
        content[&theirs] = json!(4);
        let text = json!({"msg_type": number, "content": content}).to_string();
        let read_content = &value(&read(text.as_bytes()).0)["content"];
        assert_eq!(read_content[time], json!(1_795_420_800_005_u64), "{text}");
        assert_eq!(read_content[&ours], json!("1795420800005000"), "{text}");
        assert_eq!((&read_content[&theirs], &read_content[format!("zoom_{theirs}")]), (&json!(4), &json!(3)), "{text}");
    }
}

#[test]
fn the_text_of_a_chat_message_is_there_once() {
    for content in [
        json!({"data": "Hi", "text": "theirs"}),
        json!({"data": {"message_id": "m", "data": "Hi", "text": "theirs"}}),
        json!({"data": r#"{"message_id":"m","data":"Hi","text":"theirs"}"#}),
    ] {
        let text = json!({"msg_type": 18, "content": content}).to_string();
        let Message::MediaDataChat(chat) = read(text.as_bytes()).0 else { panic!("a chat message") };
        let told = serde_json::to_string(&chat.message()).unwrap();
        assert_eq!(told.matches("\"text\":").count(), 1, "{told}");
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!((&told["text"], &told["zoom_text"]), (&json!("Hi"), &json!("theirs")));
    }
}

#[test]
fn a_payload_in_hexadecimal_is_unreadable_and_not_noise() {
    let digits: String = (0..160_u32).map(|byte| format!("{:02x}", byte * 37 % 256)).collect();
    for data in [format!("0x{digits}"), format!("0x{digits}00"), digits] {
        for number in 14..=16 {
            let text = format!(
                r#"{{"msg_type":{number},"content":{{"user_id":9,"data":"{data}","timestamp":1795420800005}}}}"#
            );
            assert!(Message::decode_leniently(text.as_bytes()).is_err(), "{text}");
        }
    }
}
