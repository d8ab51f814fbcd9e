//! Every message fixture, judged by its index: decodes to the number it names and comes back as it was.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

use std::{collections::BTreeMap, fs, path::PathBuf};

use rtms_wire::{
    codes::{
        chat::{ChatGroupMemberStatus, ChatGroupType, ChatOperation, ChatSessionType},
        event_type::{EventType, VoiceEventType},
        language::TranscriptLanguage,
        media::{
            AudioChannel, AudioSampleRate, DataMessageAttribute, MediaContentType, MediaDataOption, MediaPayloadType,
            MediaResolution,
        },
        message_type::MessageType,
        state::{SessionState, StreamState},
        status_code::StatusCode,
        stop_reason::StopReason,
    },
    ids::{InstanceId, InstanceIdField, StreamId},
    media::medium::{MediaTypes, Medium},
    message::Message,
    secret::ClientSecret,
    signature::HandshakeSignature,
};
use serde_json::Value;

#[test]
fn every_fixture_decodes_to_its_number_and_comes_back() {
    let index = json("websocket-index.json");
    let files = index["files"].as_array().unwrap();
    let on_disk = fs::read_dir(fixtures().join("websocket")).unwrap().count();
    assert_eq!(files.len(), on_disk, "the index names every fixture");

    for entry in files {
        let name = entry["file"].as_str().unwrap();
        let original = json(&format!("websocket/{name}"));

        let message = Message::decode(original.to_string().as_bytes()).expect(name);
        assert_eq!(message.msg_type().code(), entry["msg_type"].as_i64().unwrap(), "{name}");

        let again: Value = serde_json::from_str(&message.encode()).unwrap();
        let odd_spelling = name.starts_with("tolerance-") || name.starts_with("legacy-") || name.contains("beta-typo");
        let added_length = name.contains("without-length") || name.contains("flattened");
        let other_key = name.contains("reason-key") || name.contains("resp-seconds");
        if !odd_spelling && !added_length && !other_key {
            assert_eq!(again, original, "{name}: comes back as it was");
        }
        assert_eq!(Message::decode(message.encode().as_bytes()).unwrap(), message, "{name}: means the same again");
    }
}

#[test]
fn the_enumerations_are_complete_and_spelled_as_zoom_spells_them() {
    let enums = json("websocket-enums.json");
    let check = |name: &str, ours: BTreeMap<String, i64>| {
        let theirs: BTreeMap<String, i64> = enums[name]
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, code)| (key.split("__").next().unwrap().to_string(), code.as_i64().unwrap()))
            .collect();
        assert_eq!(ours, theirs, "{name}");
    };
    macro_rules! all {
        ($($name:literal => $type:ty),+ $(,)?) => {$(
            check($name, <$type>::ALL.iter().map(|it| (it.name().to_string(), it.code())).collect());
        )+};
    }
    all! {
        "RTMS_MESSAGE_TYPE" => MessageType,
        "RTMS_EVENT_TYPE" => EventType,
        "RTMS_ZCC_VOICE_EVENT_TYPE" => VoiceEventType,
        "RTMS_STATUS_CODE" => StatusCode,
        "RTMS_STOP_REASON" => StopReason,
        "RTMS_SESSION_STATE" => SessionState,
        "RTMS_STREAM_STATE" => StreamState,
        "MEDIA_CONTENT_TYPE" => MediaContentType,
        "MEDIA_PAYLOAD_TYPE" => MediaPayloadType,
        "MEDIA_DATA_OPTION" => MediaDataOption,
        "MEDIA_RESOLUTION" => MediaResolution,
        "AUDIO_SAMPLE_RATE" => AudioSampleRate,
        "AUDIO_CHANNEL" => AudioChannel,
        "RTMS_DATA_MESSAGE_ATTRIBUTE" => DataMessageAttribute,
        "RTMS_TRANSCRIPT_LANGUAGE" => TranscriptLanguage,
        "CHAT_GROUP_TYPE" => ChatGroupType,
        "CHAT_GROUP_MEMBER_STATUS" => ChatGroupMemberStatus,
        "CHAT_OPERATION_TYPE" => ChatOperation,
        "CHAT_SESSION_TYPE" => ChatSessionType,
    }
    for medium in Medium::ALL {
        assert_eq!(enums["MEDIA_DATA_TYPE"][medium.as_str().to_uppercase()], medium.bit(), "{medium}");
    }
    assert_eq!(enums["MEDIA_DATA_TYPE"]["ALL"], MediaTypes::ALL.code());
}

#[test]
fn signatures_equal_the_vectors() {
    for vector in json("websocket-signature-vectors.json")["vectors"].as_array().unwrap() {
        let text = |key: &str| vector[key].as_str().unwrap();
        let secret = ClientSecret::new(text("client_secret")).unwrap();
        // The field does not enter the signature.
        let instance = InstanceId::new(InstanceIdField::MeetingUuid, text("id"));

        let signature =
            HandshakeSignature::sign(text("client_id"), &secret, &instance, &StreamId::from(text("rtms_stream_id")));

        assert_eq!(signature.as_str(), text("signature_hex"), "{}", text("product"));
        assert!(!format!("{signature:?}").contains(&text("signature_hex")[..8]), "it does not show in logs");
    }
}

#[test]
fn unknown_numbers_names_and_fields_survive() {
    let text = r#"{"msg_type":8,"state":9,"reason":40,"timestamp":1795420800000,"extra":{"a":1}}"#;
    assert_eq!(Message::decode(text.as_bytes()).unwrap().encode(), text);

    let text = r#"{"msg_type":61,"content":{"note":"future"}}"#;
    assert_eq!(Message::decode(text.as_bytes()).unwrap().encode(), text);

    let text = r#"{"msg_type":8,"state":4,"reason":"STOP_BC_USER_LEFT"}"#;
    let Message::StreamStateUpdate(update) = Message::decode(text.as_bytes()).unwrap() else { unreachable!() };
    assert_eq!(update.reason, Some(StopReason::UserLeft));

    let text = r#"{"msg_type":8,"state":4,"reason":"STOP_BC_SOMETHING_NEW"}"#;
    let Message::StreamStateUpdate(update) = Message::decode(text.as_bytes()).unwrap() else { unreachable!() };
    assert_eq!(update.state, StreamState::Terminated, "an unlisted name does not hide the end of a stream");
}

#[test]
fn a_keep_alive_is_answered_with_what_it_carried() {
    for (request, answer) in [
        (r#"{"msg_type":12,"timestamp":5}"#, r#"{"msg_type":13,"timestamp":5}"#),
        (r#"{"msg_type":12,"timestamp":5,"sequence":7}"#, r#"{"msg_type":13,"timestamp":5,"sequence":7}"#),
        (r#"{"msg_type":12,"sequence":"x"}"#, r#"{"msg_type":13,"sequence":"x"}"#),
        (r#"{"msg_type":12,"protocol_version":1,"status_code":0}"#, r#"{"msg_type":13}"#),
    ] {
        let Message::KeepAliveReq(request) = Message::decode(request.as_bytes()).unwrap() else { unreachable!() };
        assert_eq!(Message::KeepAliveResp(request.answer()).encode(), answer);
    }
}

#[test]
fn a_payload_of_another_size_than_announced_is_refused() {
    let text = br#"{"msg_type":14,"content":{"user_id":0,"data":"AAAA","length":4,"timestamp":1}}"#;

    let error = Message::decode(text).unwrap_err();

    assert_eq!(error.to_string(), "message MEDIA_DATA_AUDIO (14) announces 4 bytes but carries 3");
}

#[test]
fn chat_in_its_three_forms_is_one() {
    let text = |name: &str| match Message::decode(json(name).to_string().as_bytes()).unwrap() {
        Message::MediaDataChat(chat) => chat.message(),
        other => panic!("{other:?}"),
    };

    let plain = text("websocket/18-chat-plain-text.json");
    assert_eq!((plain.text.as_str(), plain.fields.message_id), ("link is in the invite", None));
    let in_json = text("websocket/18-chat-structured-json-string.json");
    assert_eq!((in_json.text.as_str(), in_json.fields.message_id.as_deref()), ("Agenda attached", Some("msg-0001-7f")));
    let direct = text("websocket/18-chat-structured-direct.json");
    assert_eq!((direct.text.as_str(), direct.fields.operation_type), ("ok for me", Some(ChatOperation::New)));
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&fs::read(fixtures().join(name)).expect(name)).expect(name)
}

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}
