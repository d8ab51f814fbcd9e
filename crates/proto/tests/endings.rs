//! How a stream ends: by Zoom's word, by our wish, and with what is still to be read.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::time::Duration;

use common::{Did, Pair, Zoom, audio, media, message, said, seconds, start};
use rtms_proto::{
    config::StreamConfig,
    error::StreamError,
    event::{CloseAnswer, Ending, Event},
    input::Input,
    next_step::NextStep,
    output::ConnectionId,
    role::Role,
};
use rtms_wire::{
    codes::{product::Product, status_code::StatusCode, stop_reason::StopReason},
    ids::UserId,
    media::medium::Medium,
    message::Message,
    time::UnixMillis,
};
use serde_json::{Value, json};

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
fn no_other_reason_outdoes_that_consent_was_withdrawn() {
    let (ended, revoked) = (Some(StopReason::MeetingEnded), Some(StopReason::StreamRevoked));
    for (webhook, state_4) in [(ended, revoked), (revoked, ended)] {
        let mut pair = Pair::running();
        pair.input(Input::Stopped(webhook));
        pair.hear(Role::Signaling, json!({"msg_type": 8, "state": 4, "reason": state_4, "timestamp": 2}));
        pair.pass(seconds(2));
        assert_eq!(pair.ending(), Some(&Ending::Stopped { reason: revoked }));
    }
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
    assert_eq!(pair.ending(), Some(&Ending::Closed { answer: CloseAnswer::Agreed }));
}

#[test]
fn our_wish_to_close_needs_no_order_of_answers() {
    let zoom = Zoom { unanswered: vec![21], ..Zoom::default() };
    let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), zoom);
    pair.input(Input::Close);

    pair.hear(Role::Signaling, json!({"msg_type": 8, "state": 4, "reason": 20, "timestamp": 2}));
    pair.hear(Role::Signaling, json!({"msg_type": 22, "rtms_stream_id": "3f6a0c9e", "status_code": 0}));
    pair.pass(seconds(2));

    assert_eq!(pair.ending(), Some(&Ending::Closed { answer: CloseAnswer::Agreed }));
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

    assert_eq!(pair.ending(), Some(&Ending::Closed { answer: CloseAnswer::None }));
    assert_eq!(pair.said(Role::Signaling).iter().filter(|number| **number == 21).count(), 1, "asked once");
}

#[test]
fn a_close_that_is_refused_or_answered_by_hanging_up_ends_too() {
    let unanswered = || Zoom { unanswered: vec![21], ..Zoom::default() };
    let mut refused = Pair::new(start(Product::Meeting), StreamConfig::default(), unanswered());
    refused.input(Input::Close);
    refused.hear(Role::Signaling, json!({"msg_type": 22, "rtms_stream_id": "3f6a0c9e", "status_code": 2}));
    refused.pass(seconds(2));
    assert_eq!(
        refused.ending(),
        Some(&Ending::Closed { answer: CloseAnswer::Refused(StatusCode::InvalidRtmsStreamId) })
    );

    let mut hung_up = Pair::new(start(Product::Meeting), StreamConfig::default(), unanswered());
    hung_up.input(Input::Close);
    for role in Medium::ALL.map(media).into_iter().chain([Role::Signaling]) {
        assert_eq!(hung_up.ending(), None);
        hung_up.lose(role);
    }
    assert_eq!(hung_up.ending(), Some(&Ending::Closed { answer: CloseAnswer::None }));
}

#[test]
fn a_close_before_signaling_stands_is_ours_alone() {
    let zoom = Zoom { unanswered: vec![1], ..Zoom::default() };
    let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), zoom);

    pair.input(Input::Close);

    assert_eq!(pair.ending(), Some(&Ending::Closed { answer: CloseAnswer::NotAsked }));
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
        pair.zoom.refusing = vec![common::SIGNALING_URL];
        pair.pass(seconds(60));
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

#[test]
fn state_4_in_an_answer_is_the_end_too() {
    let mut pair = Pair::running();
    pair.input(Input::Interrupted { server_urls: vec![] });

    pair.hear(Role::Signaling, json!({"msg_type": 20, "state": 4, "rtms_stream_id": "s"}));
    pair.pass(seconds(2));

    assert_eq!(pair.ending(), Some(&Ending::Stopped { reason: None }));
}

#[test]
fn the_end_may_give_its_reason_when_it_is_announced() {
    let mut pair = Pair::running();
    pair.hear(Role::Signaling, json!({"msg_type": 8, "state": 3, "reason": 8, "timestamp": 1}));
    pair.hear(Role::Signaling, json!({"msg_type": 8, "state": 4, "timestamp": 2}));
    pair.pass(seconds(2));

    assert_eq!(pair.ending(), Some(&Ending::Stopped { reason: Some(StopReason::StreamRevoked) }));
}

#[test]
fn an_end_says_whether_a_new_stream_is_to_be_asked_for() {
    let of = |reason| Ending::Stopped { reason }.next_step();
    for code in 0..=26 {
        let expected = match code {
            0 | 10..=17 | 19 | 24 => NextStep::AskForNewStream,
            18 | 23 | 26 => NextStep::OperatorFirst,
            _ => NextStep::Over,
        };
        assert_eq!(of(Some(StopReason::from_code(code))), expected, "{code}");
    }
    assert_eq!(of(Some(StopReason::Unknown(99))), NextStep::OperatorFirst, "it may withdraw consent");
    assert_eq!(of(None), NextStep::Over);
    assert_eq!(Ending::Closed { answer: CloseAnswer::None }.next_step(), NextStep::Over);
    assert_eq!(Ending::Abandoned.next_step(), NextStep::Over);
    let role = Role::Signaling;
    let refused = |status| Ending::Failed(StreamError::Refused { role, status, reason: String::new() }).next_step();
    assert_eq!(refused(StatusCode::InvalidSignature), NextStep::OperatorFirst);
    assert_eq!(refused(StatusCode::InvalidRtmsStreamId), NextStep::AskForNewStream);
    assert_eq!(refused(StatusCode::DuplicateSignalRequest), NextStep::AskForNewStream);
    assert_eq!(Ending::Failed(StreamError::TimedOut { role }).next_step(), NextStep::AskForNewStream);
}

// --- Helpers ---

/// Something that is done to a running stream.
type Happening = fn(&mut Pair);
