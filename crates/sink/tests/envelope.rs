//! The form of an envelope is promised: every kind is in the fixture, byte for byte, and comes back from it.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

use rtms_sink::envelope::{Body, Envelope, LedgerSpan, Next, Speaker, VERSION};
use rtms_wire::{
    codes::{
        language::TranscriptLanguage,
        media::DataMessageAttribute,
        message_type::MessageType,
        product::Product,
        state::{SessionState, StreamState},
        stop_reason::StopReason,
    },
    extra::Extra,
    ids::{InstanceId, InstanceIdField, RtmsSessionId, StreamId, UserId},
    media::{medium::Medium, params::MediaParams},
    message::text_data::{ChatFields, ChatMessage},
    sequence::SequenceNumber,
    time::UnixMillis,
    utterance::{Utterance, UtteranceChange},
};
use serde_json::{Value, json};

#[test]
fn every_kind_is_written_as_it_was_promised() {
    let written: Vec<_> = every_kind()
        .into_iter()
        .zip(1..)
        .map(|(body, sequence)| serde_json::to_string(&envelope(body, sequence)).unwrap())
        .collect();
    let promised: Vec<_> = include_str!("fixtures/envelope-v1.jsonl").lines().collect();
    for (written, promised) in written.iter().zip(&promised) {
        assert_eq!(written, promised);
    }
    assert_eq!(written.len(), promised.len());
}

#[test]
fn every_kind_comes_back_from_what_was_written() {
    for (body, sequence) in every_kind().into_iter().chain(with_fields_of_zooms()).zip(1..) {
        let given = envelope(body, sequence);
        let written = serde_json::to_string(&given).unwrap();
        assert_eq!(serde_json::from_str::<Envelope>(&written).unwrap(), given, "{written}");
    }
}

#[test]
fn a_next_step_has_the_same_word_in_json_as_in_metrics() {
    for next in Next::ALL {
        assert_eq!(json!(next), next.as_str());
    }
}

#[test]
fn what_was_written_before_envelopes_had_an_id_is_read() {
    let lines = include_str!("fixtures/envelope-v1-without-id.jsonl").lines();
    let read: Vec<Envelope> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();

    let expected = every_kind().into_iter().zip(1..);
    let expected: Vec<_> = expected
        .map(|(body, sequence)| Envelope { id: SequenceNumber::default(), ..envelope(body, sequence) })
        .collect();
    assert_eq!(read, expected);
}

#[test]
fn a_kind_that_nobody_here_knows_costs_no_other_line() {
    let mut line = serde_json::to_value(envelope(Body::Started, 1)).unwrap();
    line["kind"] = "utterance".into();
    line["words"] = json!(["a", { "b": 1.5 }]);
    let Body::Other(other) = read(&line).body else { panic!("{line}") };
    assert_eq!((&*other.kind, &other.fields["words"]), ("utterance", &line["words"]));
    assert_eq!(serde_json::to_value(read(&line)).unwrap(), line);

    let mut line = serde_json::to_value(envelope(Body::Interrupted { why: "x".into() }, 1)).unwrap();
    line["why"] = json!({ "code": 3 });
    assert!(
        matches!(read(&line).body, Body::Other(other) if other.kind == "interrupted"),
        "another form of a known kind"
    );

    let mut line = serde_json::to_value(envelope(Body::Started, 1)).unwrap();
    line["added_later"] = true.into();
    assert_eq!(read(&line), envelope(Body::Started, 1));
}

fn read(line: &Value) -> Envelope {
    serde_json::from_str(&line.to_string()).unwrap()
}

/// Kinds with fields that no document names.
fn with_fields_of_zooms() -> Vec<Body> {
    let odd: Extra = serde_json::from_value(json!({
        "seat": null, "deep": { "list": [1, -2, 2.5, "x", { "y": true }] }, "large": u64::MAX, "kind": "theirs",
    }))
    .unwrap();
    let mut apart = odd.clone();
    apart.remove("kind");
    vec![
        Body::Transcript {
            speaker: Speaker::default(),
            text: String::new(),
            language: None,
            start_time: None,
            end_time: None,
            attribute: Some(DataMessageAttribute::Unknown(77)),
            sentence_id: Some(-1),
            timestamp: Some(UnixMillis(5)),
            utterance: Some(Utterance {
                id: SequenceNumber { token: u64::MAX, count: 1 },
                revision: u64::MAX,
                connection: 0,
                change: UtteranceChange::Deletes { deletes: vec![SequenceNumber { token: 7, count: 1 }] },
            }),
            extra: odd.clone(),
        },
        Body::Chat {
            author: Speaker { user_id: Some(UserId::new("abc")), user_name: None, channel_id: Some("c".into()) },
            timestamp: None,
            message: ChatMessage {
                text: "\n".into(),
                fields: ChatFields { message_id: Some("m".into()), extra: apart, ..ChatFields::default() },
            },
        },
        Body::EventUpdate { event: "UNKNOWN".into(), update: odd.clone() },
        Body::MediumOpen { medium: Medium::Video, granted: serde_json::from_value(json!({ "codec": 99 })).unwrap() },
        Body::StreamState { state: StreamState::Unknown(41), reason: Some(StopReason::Unknown(990)) },
        Body::UnknownMessage { msg_type: MessageType::Unknown(-5), message: odd },
    ]
}

/// One of each. A new kind does not compile without a line in the list below.
fn every_kind() -> Vec<Body> {
    let at = |ms: u64| UnixMillis(1_795_420_800_000 + ms);
    let speaker =
        Speaker { user_id: Some(UserId::from(16_778_240)), user_name: Some("Ines Okafor".into()), channel_id: None };
    let span = LedgerSpan {
        medium: Medium::Audio,
        from: at(4_000),
        to: at(6_500),
        is: "interrupted".into(),
        by: Some("failover".into()),
        why: None,
        detail: None,
        open: false,
    };
    let off = LedgerSpan {
        medium: Medium::Video,
        is: "off".into(),
        by: None,
        why: Some("not_granted".into()),
        detail: Some("no scope".into()),
        open: true,
        ..span.clone()
    };
    let known = speaker.clone();
    let fields = |name: &str| Extra::from_iter([(name.into(), (-3).into())]);
    let ended = |next| Body::Ended { stop_reason: None, why: "left".into(), next };
    let kinds = vec![
        Body::Started,
        Body::MediumOpen { medium: Medium::Audio, granted: MediaParams::default() },
        Body::MediumUnavailable { medium: Medium::Video, why: "refused".into() },
        Body::Transcript {
            speaker: speaker.clone(),
            text: "Good morning.".into(),
            language: Some(TranscriptLanguage::English),
            start_time: Some(at(1_000)),
            end_time: Some(at(2_200)),
            attribute: Some(DataMessageAttribute::New),
            sentence_id: Some(7),
            timestamp: None,
            utterance: None,
            extra: Extra::new(),
        },
        Body::Chat {
            author: speaker,
            timestamp: Some(at(3_000)),
            message: ChatMessage { text: "hello".into(), ..ChatMessage::default() },
        },
        Body::EventUpdate { event: "PARTICIPANT_JOIN".into(), update: Extra::new() },
        Body::StreamState { state: StreamState::Active, reason: None },
        Body::SessionState {
            session: Some(RtmsSessionId::from("s1")),
            state: SessionState::Started,
            reason: Some(StopReason::MeetingEnded),
        },
        Body::Interrupted { why: "signaling: the connection was lost".into() },
        Body::LedgerSpan(span),
        Body::LedgerSpan(off),
        Body::Ended { stop_reason: Some(StopReason::StreamRevoked), why: "revoked".into(), next: Next::Delete },
        ended(Next::Nothing),
        ended(Next::HandedOver),
        ended(Next::AskForNewStream),
        ended(Next::OperatorFirst),
        Body::PacketFields { medium: Medium::Audio, speaker: known, timestamp: at(5_000), extra: fields("gain") },
        Body::UnknownMessage { msg_type: MessageType::Unknown(31), message: fields("seat") },
        Body::UnknownMessage { msg_type: MessageType::Unknown(32), message: Extra::new() },
    ];
    for kind in &kinds {
        match kind {
            Body::Started
            | Body::MediumOpen { .. }
            | Body::MediumUnavailable { .. }
            | Body::Transcript { .. }
            | Body::Chat { .. }
            | Body::EventUpdate { .. }
            | Body::PacketFields { .. }
            | Body::UnknownMessage { .. }
            | Body::StreamState { .. }
            | Body::SessionState { .. }
            | Body::Interrupted { .. }
            | Body::LedgerSpan(_)
            | Body::Other(_)
            | Body::Ended { .. } => {}
        }
    }
    kinds
}

fn envelope(body: Body, sequence: u64) -> Envelope {
    Envelope {
        version: VERSION,
        rtms_stream_id: StreamId::from("7f3a/stream=="),
        product: Product::Meeting,
        instance: InstanceId::new(InstanceIdField::MeetingUuid, "4444AAAiAAAAAiAiAiiAii=="),
        sequence,
        id: SequenceNumber { token: 4_294_967_297, count: sequence },
        received_at: UnixMillis(1_795_420_800_250),
        body,
    }
}
