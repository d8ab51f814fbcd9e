//! The switches for what may come of version 2: each does what it is for, and none does anything unless it is asked
//! for.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use common::{Run, config};
use rtms_sim::{
    config::ZoomConfig,
    fault::{EventCode, OrMask, Temper},
    zoom::Endpoint,
};
use rtms_wire::{
    codes::{product::Product, status_code::StatusCode},
    media::medium::Medium,
};
use serde_json::{Value, json};

const AUDIO: u32 = 1;
const TRANSCRIPT: u32 = 8;

fn run(product: Product, temper: Temper) -> Run {
    Run::new(ZoomConfig { product, temper, ..config(20) })
}

#[test]
fn phone_refuses_a_mask_of_several_media_and_other_products_take_it_unless_told_otherwise() {
    for (product, or_mask, expected) in [
        (Product::Phone, OrMask::ByProduct, StatusCode::MediaTypeInvalidValue),
        (Product::Meeting, OrMask::ByProduct, StatusCode::Ok),
        (Product::ContactCenter, OrMask::ByProduct, StatusCode::Ok),
        (Product::Meeting, OrMask::Refused, StatusCode::MediaTypeInvalidValue),
        (Product::Phone, OrMask::Accepted, StatusCode::Ok),
    ] {
        let mut run = run(product, Temper { or_mask, ..Temper::default() });
        run.join();
        let media = run.connect(Endpoint::Media);
        assert_eq!(run.ask_media(media, AUDIO | TRANSCRIPT, json!({})), expected, "{product}");
    }
    for media_type in [AUDIO, TRANSCRIPT, 32] {
        let mut run = run(Product::Phone, Temper::default());
        run.join();
        run.open_media(media_type, json!({}));
    }
}

#[test]
fn events_have_a_code_in_place_of_their_number_or_beside_it() {
    let first = |event_code| {
        let mut run = run(Product::Meeting, Temper { event_code, ..Temper::default() });
        let signaling = run.connect(Endpoint::Signaling);
        let request = run.signaling_request();
        run.say(signaling, &request);
        let event = run.heard(signaling)[1]["event"].clone();
        (event["event_type"].clone(), event["event_code"].clone())
    };

    assert_eq!(first(EventCode::Off), (json!(1), Value::Null));
    assert_eq!(first(EventCode::CodeOnly), (Value::Null, json!(900_001)));
    assert_eq!(first(EventCode::Both), (json!(1), json!(900_001)));
}

#[test]
fn phone_tells_of_its_call_by_codes_alone_and_only_when_asked_for() {
    let codes = |event_code| {
        let mut run = run(Product::Phone, Temper { event_code, ..Temper::default() });
        let signaling = run.join();
        run.live_until(20_000);
        let events = run.heard(signaling).into_iter().filter(|message| message["msg_type"] == 6);
        events
            .map(|message| (message["event"]["event_type"].clone(), message["event"]["event_code"].clone()))
            .collect::<Vec<_>>()
    };

    assert_eq!(codes(EventCode::Off), []);
    let told = codes(EventCode::Both);
    assert!(!told.is_empty() && told.iter().all(|(number, code)| number.is_null() && code.is_i64()), "{told:?}");
}

#[test]
fn answers_name_version_2_and_stray_frames_come_before_them() {
    let temper = Temper { answers_version_2: true, stray_binary: true, extra_fields: true, ..Temper::default() };
    let mut run = run(Product::Meeting, temper);
    let signaling = run.connect(Endpoint::Signaling);
    let request = run.signaling_request();
    run.say(signaling, &request);
    let heard = run.heard(signaling);
    assert_eq!(heard[0], Value::Null, "no JSON");
    assert_eq!(heard[1]["protocol_version"], 2);
    assert_eq!(heard[1]["media_server"]["srt_pbkey_length"], 16);
    let media = run.connect(Endpoint::Media);
    let request = run.data_request(AUDIO, json!({}));
    run.say(media, &request);

    let heard = run.heard(media);
    assert_eq!((&heard[0], &heard[1]["protocol_version"]), (&Value::Null, &json!(2)));
}

#[test]
fn what_is_encrypted_unasked_is_noise_and_need_not_come_back() {
    let sound = |encrypted_unasked: Vec<Medium>| {
        let mut run = run(Product::Meeting, Temper { encrypted_unasked, ..Temper::default() });
        let signaling = run.join();
        let media = run.connect(Endpoint::Media);
        let request = run.data_request(AUDIO, json!({}));
        run.say(media, &request);
        let answer = run.heard(media).remove(0);
        run.ready(signaling);
        run.live_until(5_000);
        let heard: Vec<_> = run.heard(media).into_iter().filter(|message| message["msg_type"] == 14).collect();
        run.heard(signaling);
        run.hang_up(media);
        let is_missed = run.heard(signaling).iter().any(|message| message["event"]["event_type"] == 7);
        (answer["payload_encrypted"].clone(), heard, is_missed)
    };

    let (says, noise, noise_is_missed) = sound(vec![Medium::Audio]);
    let (says_not, plain, sound_is_missed) = sound(vec![Medium::Video]);

    assert_eq!((says, says_not), (json!(true), json!(false)));
    assert_eq!(noise.len(), plain.len());
    let differs = noise.iter().zip(&plain).filter(|(one, other)| one["content"]["data"] != other["content"]["data"]);
    assert_eq!(differs.count(), plain.len());
    assert_eq!(noise[0]["content"]["length"], plain[0]["content"]["length"]);
    assert_eq!((noise_is_missed, sound_is_missed), (false, true), "nobody waits for who leaves noise alone");
}

#[test]
fn an_srt_url_stands_under_its_medium_and_a_websocket_under_all() {
    let mut run = run(Product::Meeting, Temper { srt_url: vec![Medium::Audio], ..Temper::default() });
    let signaling = run.connect(Endpoint::Signaling);
    let request = run.signaling_request();
    run.say(signaling, &request);

    let urls = run.heard(signaling)[0]["media_server"]["server_urls"].clone();

    assert!(urls["audio"].as_str().unwrap().starts_with("srt://"), "{urls}");
    assert!(urls["all"].as_str().unwrap().starts_with("ws"), "{urls}");
}
