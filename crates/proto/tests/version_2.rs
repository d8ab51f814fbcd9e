//! What version 2 of the protocol and Phone may bring: combined media, encrypted payloads, URLs of other transports, codes of
//! events, frames and fields that nobody knows. A client of version 1 goes on with all that it can have.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use common::{Did, Pair, Zoom, all_urls, audio, media, said, seconds, start, unified, wanting, with_urls};
use rtms_proto::{
    config::{MediaLayout, StreamConfig},
    error::StreamError,
    event::{Ending, Event, Odd},
    input::Input,
    role::Role,
};
use rtms_wire::{
    codes::product::Product,
    media::medium::{MediaTypes, Medium},
    message::Message,
};
use serde_json::{Value, json};

// --- One medium or all ---

#[test]
fn no_product_and_no_setting_sends_a_mask_of_several_media() {
    let url_forms = [
        all_urls(),
        json!({"all": "wss://m/all"}),
        json!("wss://m/all"),
        json!({"audio": "wss://m/a", "transcript": "wss://m/t", "all": "wss://m/all"}),
        json!({"audio": "wss://m/a", "video": "wss://m/v", "transcript": "wss://m/t"}),
        json!({"video": "srt://m:9", "all": "wss://m/all"}),
    ];
    let refusals = [None, Some((Medium::Video, 10)), Some((Medium::Audio, 14)), Some((Medium::Chat, 13))];
    for product in Product::ALL {
        for mask in 1..=31_u32 {
            let wanted: Vec<_> = Medium::ALL.into_iter().filter(|medium| mask & medium.bit() != 0).collect();
            for layout in [MediaLayout::Split, MediaLayout::Unified] {
                let config = StreamConfig { layout, media: MediaTypes::of(wanted.clone()), ..StreamConfig::default() };
                for urls in &url_forms {
                    let media_next = refusals[mask as usize % 4].map(|(medium, status)| (medium, [status].into()));
                    let zoom = Zoom { media_next: media_next.into_iter().collect(), ..with_urls(urls.clone()) };

                    let mut pair = Pair::new(start(product), config.clone(), zoom);
                    if !pair.stream.is_ended() {
                        pair.lose(Role::Signaling);
                        pair.pass(seconds(3));
                    }

                    for types in asked(&pair) {
                        assert!(types.is_single_or_all(), "{product}, {wanted:?}, {urls}: {}", types.code());
                        assert!(types.is_all() || types.iter().all(|it| wanted.contains(&it)), "only what is wanted");
                    }
                }
            }
        }
    }
}

#[test]
fn a_part_of_what_is_granted_is_asked_for_one_by_one_and_the_whole_of_it_by_the_flag() {
    let unified = |media: &[Medium]| StreamConfig { layout: MediaLayout::Unified, ..wanting(media.to_vec()) };
    let phone = json!({"audio": "wss://m/a", "transcript": "wss://m/t", "all": "wss://m/all"});

    let whole =
        Pair::new(start(Product::Phone), unified(&[Medium::Audio, Medium::Transcript]), with_urls(phone.clone()));
    assert_eq!(asked(&whole), [MediaTypes::ALL]);
    assert_eq!(whole.dialed()[1].1, "wss://m/all");

    let part = Pair::new(start(Product::Meeting), unified(&[Medium::Audio, Medium::Transcript]), with_urls(all_urls()));
    assert_eq!(asked(&part), [MediaTypes::of([Medium::Audio]), MediaTypes::of([Medium::Transcript])]);

    let one = Pair::new(start(Product::Phone), unified(&[Medium::Audio]), with_urls(phone));
    assert_eq!(asked(&one), [MediaTypes::of([Medium::Audio])]);
}

#[test]
fn what_a_connection_for_all_carries_beyond_what_is_wanted_is_not_delivered() {
    let config = StreamConfig { layout: MediaLayout::Unified, ..wanting([Medium::Audio, Medium::Transcript]) };
    let urls = json!({"audio": "wss://m/a", "transcript": "wss://m/t", "all": "wss://m/all"});
    let mut pair = Pair::new(start(Product::Phone), config, with_urls(urls));
    let all = Role::Media(MediaTypes::ALL);
    let wanted = MediaTypes::of([Medium::Audio, Medium::Transcript]);
    assert!(pair.events.iter().any(|event| matches!(event, Event::MediaOpen { media, .. } if *media == wanted)));
    pair.events.clear();

    pair.hear(all, json!({"msg_type": 15, "content": {"user_id": 7, "data": "AAAA", "timestamp": 1795420800009_u64}}));
    pair.hear(all, json!({"msg_type": 18, "content": {"user_id": 7, "data": "hm", "timestamp": 1795420800008_u64}}));
    pair.hear(all, audio(6));

    assert!(matches!(pair.events[..], [Event::Audio(_)]), "{:?}", pair.events);
}

#[test]
fn phone_is_asked_for_no_event_of_a_meeting() {
    let pair = Pair::new(start(Product::Phone), wanting([Medium::Audio]), Zoom::default());

    let sent: Vec<_> = pair.messages(Role::Signaling).iter().map(|message| said(message)["msg_type"].clone()).collect();
    assert_eq!(sent, [1, 7], "what subscribes to its events is not published");
}

// --- Encrypted payloads ---

#[test]
fn a_medium_that_zoom_encrypts_is_refused_and_the_others_go_on() {
    for yes in [json!(true), json!(1), json!("true")] {
        for key in ["payload_encrypted", "payload_encryption"] {
            let zoom = Zoom { unanswered: vec![3], ..Zoom::default() };
            let mut pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio, Medium::Video]), zoom);
            pair.did.clear();

            pair.hear(media(Medium::Audio), json!({"msg_type": 4, "status_code": 0, key: yes}));
            pair.hear(media(Medium::Video), json!({"msg_type": 4, "status_code": 0, key: false}));

            let error = StreamError::Encrypted { role: media(Medium::Audio) };
            assert!(error.to_string().contains("encrypts"), "{error}");
            let refused = Event::MediumUnavailable { medium: Medium::Audio, error };
            assert!(pair.events.contains(&refused), "{:?}", pair.events);
            assert_eq!(pair.did[0], Did::HangUp(media(Medium::Audio)));
            assert_eq!(pair.open(), [MediaTypes::of([Medium::Video])]);

            pair.lose(Role::Signaling);
            pair.pass(seconds(3));
            let again = pair.dialed().iter().filter(|(role, _)| *role == media(Medium::Audio)).count();
            assert_eq!(again, 0, "it is not asked for again");
        }
    }
}

#[test]
fn a_stream_of_which_everything_is_encrypted_ends_and_says_so() {
    let zoom = Zoom { unanswered: vec![3], ..Zoom::default() };
    let mut pair = Pair::new(start(Product::Meeting), unified(), zoom);
    let all = Role::Media(MediaTypes::ALL);

    pair.hear(all, json!({"msg_type": 4, "status_code": 0, "payload_encrypted": true}));

    assert_eq!(pair.unavailable(), Medium::ALL);
    assert_eq!(pair.ending(), Some(&Ending::Failed(StreamError::Encrypted { role: all })));
}

// --- URLs of other transports ---

#[test]
fn a_url_of_another_transport_is_skipped_told_and_never_dialed() {
    let urls = json!({"audio": ["srt://m:9?passphrase=hush&streamid=x", "wss://m/a"], "video": "srt://m:9", "all": "wss://m/all"});

    let mut pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio, Medium::Video]), with_urls(urls));
    pair.lose(Role::Signaling);
    pair.pass(seconds(3));

    assert!(pair.dialed().iter().all(|(_, url)| url.starts_with("wss://")), "{:?}", pair.dialed());
    assert_eq!(
        pair.dialed()[1..3],
        [(media(Medium::Audio), "wss://m/a".into()), (media(Medium::Video), "wss://m/all".into())]
    );
    let skipped: Vec<_> = pair.events.iter().filter(|event| matches!(event, Event::Odd(_))).collect();
    let odd = |key: &str, url: &str| Event::Odd(Odd::SkippedUrl { key: key.into(), url: url.into() });
    assert_eq!(
        skipped,
        [&odd("audio", "srt://m:9?passphrase=&streamid="), &odd("video", "srt://m:9")],
        "each once, and the same URLs after a reconnection are no news"
    );
}

#[test]
fn a_medium_with_no_other_url_is_unavailable_for_that_reason_and_the_others_go_on() {
    let urls = json!({"audio": "srt://m:9", "transcript": "wss://m/t"});

    let pair = Pair::new(start(Product::Phone), wanting([Medium::Audio, Medium::Transcript]), with_urls(urls));

    let error = StreamError::OtherTransport { role: Role::Signaling, scheme: "srt".into() };
    assert!(pair.events.contains(&Event::MediumUnavailable { medium: Medium::Audio, error }), "{:?}", pair.events);
    assert_eq!(pair.open(), [MediaTypes::of([Medium::Transcript])]);

    let nothing_else =
        Pair::new(start(Product::Meeting), StreamConfig::default(), with_urls(json!({"all": "SRT://m:9"})));
    assert_eq!(nothing_else.unavailable(), Medium::ALL);
    assert!(nothing_else.stream.is_ended());
    assert_eq!(nothing_else.dialed().len(), 1, "signaling alone");
}

// --- The version ---

#[test]
fn another_version_in_an_answer_is_told_once_and_the_stream_goes_on() {
    let zoom = Zoom { unanswered: vec![1, 3], ..Zoom::default() };
    let mut pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio]), zoom);

    let welcome = json!({"msg_type": 2, "status_code": 0, "protocol_version": 2, "srt_pbkey_length": 16,
        "media_server": {"server_urls": {"all": "wss://m/all"}, "srt_passphrase": "hush"}});
    pair.hear(Role::Signaling, welcome);
    pair.hear(media(Medium::Audio), json!({"msg_type": 4, "status_code": 0, "protocol_version": 2}));
    pair.hear(media(Medium::Audio), audio(6));

    let told: Vec<_> = pair.events.iter().filter(|event| matches!(event, Event::Odd(_))).collect();
    assert_eq!(told, [&Event::Odd(Odd::OtherVersion { role: Role::Signaling, version: 2 })]);
    assert!(pair.events.iter().any(|event| matches!(event, Event::Audio(_))));
    assert!(!format!("{:?}", pair.events).contains("hush"));
}

// --- Events, frames and messages that nobody knows ---

#[test]
fn an_event_with_a_code_alone_is_handed_on_and_nothing_follows_from_it() {
    for product in Product::ALL {
        let mut pair = Pair::new(start(product), wanting([Medium::Audio]), Zoom::default());
        pair.did.clear();
        pair.events.clear();

        for code in [7, 8, 4, 900_001] {
            pair.hear(
                Role::Signaling,
                json!({"msg_type": 6, "place": "lobby", "event": {"event_code": code, "timestamp": 1795420800001_u64}}),
            );
        }
        pair.pass(seconds(30));

        let told: Vec<Value> = pair.events.iter().filter_map(updates).collect();
        assert_eq!(
            told[0],
            json!({"event_code": 7, "timestamp": 1795420800001_u64, "place": "lobby"}),
            "with its body, and what stood beside it"
        );
        assert_eq!(told.len(), 4);
        assert_eq!(pair.did, [], "7 is no interruption, and 8 no camera");
    }
}

#[test]
fn phones_numbers_are_no_meetings_numbers() {
    let mut pair = Pair::new(start(Product::Phone), wanting([Medium::Audio]), Zoom::default());
    pair.did.clear();

    pair.hear(Role::Signaling, json!({"msg_type": 6, "event": {"event_type": 7, "timestamp": 1795420800001_u64}}));
    pair.pass(seconds(30));

    assert_eq!(pair.did, []);
    assert!(
        pair.events
            .iter()
            .any(|event| updates(event) == Some(json!({"event_type": 7, "timestamp": 1795420800001_u64})))
    );
}

#[test]
fn frames_that_are_no_json_never_cost_the_connection_not_even_before_the_answer() {
    let zoom = Zoom { unanswered: vec![1, 3], ..Zoom::default() };
    let mut pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio]), zoom);
    let frames: [&[u8]; 6] = [b"", b"\x0a\x03abc", b"\x0a{", b"\xff\xfe", b"hello", b"{\x0a\x02\x08\x01"];
    let throw = |pair: &mut Pair, role| {
        for frame in frames {
            let connection = pair.line(role);
            pair.input(Input::Undecodable(connection, Message::decode(frame).unwrap_err()));
        }
    };
    pair.did.clear();

    throw(&mut pair, Role::Signaling);
    pair.hear(
        Role::Signaling,
        json!({"msg_type": 2, "status_code": 0, "media_server": {"server_urls": "wss://m/all"}}),
    );
    throw(&mut pair, media(Medium::Audio));
    pair.hear(media(Medium::Audio), json!({"msg_type": 4, "status_code": 0}));
    throw(&mut pair, Role::Signaling);
    throw(&mut pair, media(Medium::Audio));

    assert!(!pair.did.iter().any(|did| matches!(did, Did::HangUp(_))), "{:?}", pair.did);
    assert_eq!(pair.open(), [MediaTypes::of([Medium::Audio])]);
    let kinds = pair.events.iter().filter(|event| matches!(event, Event::Odd(odd) if odd.kind() == "not_json")).count();
    assert_eq!(kinds, 4 * frames.len());
}

#[test]
fn a_handshake_that_gets_only_such_frames_ends_by_its_usual_deadline() {
    let zoom = Zoom { unanswered: vec![1], ..Zoom::default() };
    let mut pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio]), zoom);

    for _ in 0..9 {
        let connection = pair.line(Role::Signaling);
        pair.input(Input::Undecodable(connection, Message::decode(b"\x0a\x00").unwrap_err()));
        pair.pass(seconds(1));
    }
    assert!(!pair.did.iter().any(|did| matches!(did, Did::HangUp(_))), "not before");
    pair.pass(seconds(2));

    assert!(pair.did.contains(&Did::HangUp(Role::Signaling)), "ten seconds after it was dialed");
}

#[test]
fn messages_that_nobody_knows_are_told_whole_unless_they_are_long() {
    let mut pair = Pair::running();
    pair.events.clear();

    for number in 30..230 {
        pair.hear(Role::Signaling, json!({"msg_type": number, "seat": {"row": number}, "srt_passphrase": "hush"}));
    }
    pair.hear(Role::Signaling, json!({"msg_type": 31, "long": "x".repeat(100_000)}));

    let told = pair.events.iter().filter_map(|event| match event {
        Event::Odd(Odd::UnknownMessage(message)) => Some(message.fields.clone()),
        _ => None,
    });
    let fields: Vec<_> = told.collect();
    assert_eq!(fields.len(), 201);
    assert_eq!(Value::from(fields[0].clone()), json!({"seat": {"row": 30}, "srt_passphrase": ""}));
    assert_eq!(Value::from(fields[199].clone()), json!({"seat": {"row": 229}, "srt_passphrase": ""}));
    assert!(fields[200].is_empty(), "a long one is counted only");
}

// --- Helpers ---

/// What was asked for on each media connection.
fn asked(pair: &Pair) -> Vec<MediaTypes> {
    pair.did
        .iter()
        .filter_map(|did| match did {
            Did::Say(_, Message::DataHandShakeReq(request)) => Some(request.media_type),
            _ => None,
        })
        .collect()
}

fn updates(event: &Event) -> Option<Value> {
    match event {
        Event::Update(body) => Some(serde_json::to_value(body).unwrap()),
        _ => None,
    }
}
