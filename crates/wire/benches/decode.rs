//! What it costs to read media data, beside the obvious way in the same run: a JSON tree, then base64 of its string.
//!
//! `cargo bench -p rtms-wire`; throughput is counted in bytes on the wire.

#![allow(missing_docs, reason = "a benchmark has no interface; criterion's macro makes a public function")]

use std::{hint::black_box, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rtms_wire::{Bytes, codes::message_type::MessageType, ids::UserId, media::medium::Medium, message::Message};
use serde_json::Value;

/// 20 ms of L16 at 16 kHz, the default; one picture of 720p video.
const MESSAGES: [(&str, Medium, usize); 2] =
    [("audio 640 B", Medium::Audio, 640), ("video 40 kB", Medium::Video, 40_000)];

fn decode(criterion: &mut Criterion) {
    for (name, medium, size) in MESSAGES {
        let text = message(medium, size);
        assert_eq!(through_a_tree(&text), as_message(&text), "both read the same");

        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function("Message::decode", |bencher| {
            bencher.iter(|| Message::decode(black_box(text.as_bytes())).expect("a message"));
        });
        group.bench_function("Message::decode_leniently", |bencher| {
            bencher.iter(|| Message::decode_leniently(black_box(text.as_bytes())).expect("a message"));
        });
        group.bench_function("serde_json::Value + base64", |bencher| {
            bencher.iter(|| through_a_tree(black_box(&text)));
        });
        group.finish();
    }
}

/// As Zoom writes it: the number first, the payload before its length and time.
fn message(medium: Medium, size: usize) -> String {
    let msg_type = if medium == Medium::Audio { 14 } else { 15 };
    let data: Vec<u8> = (0..size).map(|at| (at * 31 % 251) as u8).collect();
    let data = STANDARD.encode(&data);
    format!(
        r#"{{"msg_type":{msg_type},"content":{{"user_id":16785408,"user_name":"Ines Okafor","data":"{data}","length":{size},"timestamp":1795420800040}}}}"#
    )
}

type Read = (MessageType, UserId, String, Bytes, u64);

/// The peer: what a client does that knows nothing of the messages beforehand.
fn through_a_tree(text: &str) -> Read {
    let tree: Value = serde_json::from_str(text).expect("JSON");
    let content = &tree["content"];
    (
        MessageType::from_code(tree["msg_type"].as_i64().expect("a number")),
        UserId::from(content["user_id"].as_u64().expect("a number")),
        content["user_name"].as_str().expect("text").to_owned(),
        STANDARD.decode(content["data"].as_str().expect("text")).expect("base64").into(),
        content["timestamp"].as_u64().expect("a number"),
    )
}

fn as_message(text: &str) -> Read {
    let message = Message::decode(text.as_bytes()).expect("a message");
    let msg_type = message.msg_type();
    let (Message::MediaDataAudio(data) | Message::MediaDataVideo(data)) = message else {
        unreachable!("media data was asked for");
    };
    let name = data.user_name.expect("a name").to_string();
    (msg_type, data.user_id.expect("a user"), name, data.data, data.timestamp.0)
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    targets = decode
}
criterion_main!(benches);
