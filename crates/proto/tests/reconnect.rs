//! What is lost comes back: the four recoveries, each inside a window that closes at a fixed moment.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::time::Duration;

use common::{Did, Pair, SIGNALING_URL, Zoom, media, seconds, silent, start, unified, wanting};
use rtms_proto::{
    config::StreamConfig,
    error::StreamError,
    event::{Ending, Event, Interruption},
    input::Input,
    join_options::JoinOptions,
    next_step::NextStep,
    reconnect::{EXPLANATION_LIMIT, FIRST_CONNECT_WINDOW, MEDIA_WINDOW, SIGNALING_WINDOW},
    role::Role,
};
use rtms_wire::{
    codes::{product::Product, stop_reason::StopReason},
    media::medium::{MediaTypes, Medium},
};
use serde_json::json;

const INSTANT: Duration = Duration::from_millis(1);

// --- The first connect ---

#[test]
fn the_first_connect_is_tried_at_once_then_with_growing_waits_until_its_window_closes() {
    let zoom = Zoom { refusing: vec![SIGNALING_URL], ..Zoom::default() };
    let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), zoom);

    pair.pass(FIRST_CONNECT_WINDOW - INSTANT);
    assert_eq!(pair.ending(), None);
    pair.pass(INSTANT);

    let tries = pair.dialed_at(Role::Signaling);
    assert_eq!(tries[0], seconds(0));
    let waits: Vec<_> = tries.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    for (wait, about) in waits[..waits.len() - 1].iter().zip([0.5, 1.0, 2.0, 4.0].into_iter().chain([5.0; 20])) {
        assert!((0.8..=1.2).contains(&(wait / about)), "{waits:?}");
    }
    assert!((14..=18).contains(&tries.len()), "{tries:?}");
    assert_eq!(tries.last(), Some(&seconds(57)), "the last one has time to succeed");
    let Some(ending) = pair.ending() else { panic!("it is over") };
    assert!(matches!(ending, Ending::Failed(StreamError::Unreachable { .. })));
    assert_eq!(ending.next_step(), NextStep::AskForNewStream);
}

#[test]
fn a_start_that_is_old_has_less_time() {
    for (age, window) in [(0, 60), (45, 15), (49, 11), (50, 10), (60, 10), (3_600, 10)] {
        let options = JoinOptions { age: seconds(age), ..JoinOptions::default() };
        let zoom = Zoom { refusing: vec![SIGNALING_URL], ..Zoom::default() };
        let start = start(Product::Meeting);
        let mut pair = Pair::with_options(options, start, StreamConfig::default(), zoom).unwrap();

        pair.pass(seconds(window) - INSTANT);
        assert_eq!(pair.ending(), None, "{age} s old");
        pair.pass(INSTANT);
        assert!(pair.stream.is_ended(), "{age} s old");
    }
}

#[test]
fn the_seed_decides_the_waits() {
    let waits = |seed| {
        let options = JoinOptions { seed, ..JoinOptions::default() };
        let zoom = Zoom { refusing: vec![SIGNALING_URL], ..Zoom::default() };
        let start = start(Product::Meeting);
        let mut pair = Pair::with_options(options, start, StreamConfig::default(), zoom).unwrap();
        pair.pass(seconds(60));
        pair.dials
    };
    assert_eq!(waits(1), waits(1));
    assert_ne!(waits(1), waits(2));
}

#[test]
fn a_server_that_comes_up_late_is_joined() {
    let zoom = Zoom { refusing: vec![SIGNALING_URL], ..Zoom::default() };
    let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), zoom);
    pair.pass(seconds(56));
    pair.zoom.refusing.clear();

    pair.pass(seconds(2));

    assert_eq!(pair.open().len(), 5);
    pair.live(seconds(100));
    assert!(!pair.stream.is_ended(), "a window that was met is closed for good");
}

// --- Failover ---

#[test]
fn a_newer_start_dials_anew_at_its_urls_and_repeats_everything() {
    let mut pair = Pair::running();
    let first = pair.line(Role::Signaling);
    pair.live(seconds(30));
    pair.did.clear();
    pair.dials.clear();

    pair.input(Input::Restarted { server_urls: vec!["wss://new".into()] });

    assert!(
        pair.did[..6].iter().all(|did| matches!(did, Did::HangUp(_))),
        "the old connections go before the new come"
    );
    assert_eq!(pair.dialed()[0], (Role::Signaling, "wss://new".to_owned()));
    assert!(pair.dials.iter().all(|(at, _)| *at == seconds(30)), "without a pause");
    assert_eq!(pair.said(Role::Signaling), [1, 7, 5, 7, 7, 7, 7, 19]);
    assert!(pair.events.contains(&Event::Reconnecting));
    let mut interrupted = pair.interrupted();
    interrupted.sort();
    assert_eq!(interrupted, every_role().map(|role| (role, Interruption::Failover)));
    pair.input(Input::Lost(first, "of the old connection".into()));
    assert!(!pair.stream.is_ended());
}

#[test]
fn a_newer_start_explains_a_loss_that_was_not_told_yet() {
    let mut pair = Pair::running();
    pair.live(seconds(30));
    pair.lose(Role::Signaling);
    pair.lose(media(Medium::Audio));
    pair.pass(EXPLANATION_LIMIT - INSTANT);
    assert_eq!(pair.interrupted(), []);

    pair.input(Input::Restarted { server_urls: vec!["wss://new".into()] });

    let mut interrupted = pair.interrupted();
    interrupted.sort();
    assert_eq!(interrupted, every_role().map(|role| (role, Interruption::Failover)));
}

#[test]
fn a_newer_start_explains_a_loss_that_was_told_already() {
    let mut pair = Pair::running();
    pair.live(seconds(30));
    pair.zoom.refusing = vec![SIGNALING_URL];
    pair.lose(Role::Signaling);
    pair.pass(seconds(20));
    assert_eq!(pair.interrupted()[0], (Role::Signaling, Interruption::ConnectionLost));
    pair.events.clear();

    pair.input(Input::Restarted { server_urls: vec!["wss://new".into()] });

    assert!(pair.interrupted().contains(&(Role::Signaling, Interruption::Failover)), "{:?}", pair.events);
    let since = |event: &Event| match event {
        Event::Interrupted { role: Role::Signaling, unheard, .. } => Some(*unheard),
        _ => None,
    };
    assert_eq!(pair.events.iter().find_map(since), Some(seconds(20)));
}

#[test]
fn a_newer_start_before_the_first_connection_explains_nothing() {
    let zoom = Zoom { refusing: vec![SIGNALING_URL], ..Zoom::default() };
    let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), zoom);
    pair.pass(seconds(5));

    pair.input(Input::Restarted { server_urls: vec!["wss://new".into()] });

    assert_eq!(pair.interrupted(), [], "nothing stood");
    assert_eq!(pair.open().len(), 5);
}

#[test]
fn a_failover_has_a_window_of_its_own() {
    let mut pair = Pair::running();
    pair.zoom.refusing = vec![SIGNALING_URL, "wss://new"];
    pair.lose(Role::Signaling);
    pair.pass(seconds(40));

    pair.input(Input::Restarted { server_urls: vec!["wss://new".into()] });
    pair.pass(SIGNALING_WINDOW - INSTANT);
    assert_eq!(pair.ending(), None);
    pair.pass(INSTANT);

    assert!(pair.stream.is_ended());
}

#[test]
fn a_failover_revives_what_was_about_to_end() {
    let mut pair = Pair::running();
    pair.hear(Role::Signaling, json!({"msg_type": 8, "state": 3, "timestamp": 1}));

    pair.input(Input::Restarted { server_urls: vec!["wss://new".into()] });
    pair.lose(media(Medium::Audio));

    assert_eq!(pair.said(media(Medium::Audio)), [3, 3, 3]);
}

// --- Signaling lost ---

#[test]
fn a_loss_without_a_word_is_dialed_anew_after_two_seconds() {
    let mut pair = Pair::running();
    pair.live(seconds(20));
    pair.lose(Role::Signaling);
    pair.did.clear();

    pair.pass(EXPLANATION_LIMIT - INSTANT);
    assert_eq!(pair.did, []);
    assert_eq!(pair.interrupted(), [], "it may be the end of the stream");
    pair.pass(INSTANT);

    assert_eq!(pair.interrupted()[0], (Role::Signaling, Interruption::ConnectionLost));
    assert_eq!(pair.signaling_urls(), [SIGNALING_URL]);
    assert_eq!(pair.said(Role::Signaling), [1, 7, 5, 7, 7, 7, 7, 19], "all of it again, and what was missed");
    assert_eq!(pair.open().len(), 10);
}

#[test]
fn media_that_survived_is_read_until_signaling_is_back_and_then_made_anew() {
    let mut pair = Pair::running();
    pair.live(seconds(20));
    pair.lose(Role::Signaling);
    pair.pass(seconds(1));
    pair.hear(media(Medium::Audio), common::audio(41));
    assert!(matches!(pair.events.last(), Some(Event::Audio(_))), "nothing is given away");

    pair.pass(seconds(1));

    let lost: Vec<_> = pair.interrupted().into_iter().skip(1).collect();
    assert_eq!(lost, Medium::ALL.map(|medium| (media(medium), Interruption::SignalingLost)));
    for medium in Medium::ALL {
        let on_it = |did: &&Did| matches!(did, Did::Dial(role, _) | Did::HangUp(role) if *role == media(medium));
        let did: Vec<_> = pair.did.iter().filter(on_it).skip(1).collect();
        assert!(matches!(did[..], [Did::HangUp(_), Did::Dial(..)]), "{medium}: closed, then dialed: {did:?}");
    }
}

#[test]
fn media_that_is_lost_with_signaling_waits_for_it() {
    let mut pair = Pair::running();
    pair.live(seconds(20));
    pair.did.clear();
    pair.lose(Role::Signaling);
    for medium in Medium::ALL {
        pair.lose(media(medium));
    }
    assert_eq!(pair.did, []);

    pair.pass(seconds(2));

    assert_eq!(pair.dialed()[0].0, Role::Signaling);
    assert_eq!(pair.dialed().len(), 6);
    let lost: Vec<_> = pair.interrupted().into_iter().skip(1).collect();
    assert_eq!(lost, Medium::ALL.map(|medium| (media(medium), Interruption::SignalingLost)));
}

#[test]
fn media_on_its_way_when_signaling_is_lost_is_dialed_after_it() {
    let mut pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio]), silent(3));
    pair.lose(Role::Signaling);
    assert_eq!(pair.did.last(), Some(&Did::HangUp(media(Medium::Audio))));
    pair.zoom.unanswered.clear();

    pair.pass(seconds(2));

    assert_eq!(pair.open().len(), 1);
}

#[test]
fn the_window_of_signaling_is_fixed_whatever_happens_in_it() {
    let mut pair = Pair::running();
    pair.live(seconds(20));
    pair.zoom.refusing = vec![SIGNALING_URL, "wss://elsewhere.zoom.us"];
    pair.lose(Role::Signaling);

    for _ in 0..4 {
        pair.pass(seconds(7));
        pair.input(Input::Interrupted { server_urls: vec![] });
        pair.pass(seconds(7));
        pair.input(Input::Interrupted { server_urls: vec!["wss://elsewhere.zoom.us".into()] });
    }
    pair.pass(seconds(4) - INSTANT);
    assert_eq!(pair.ending(), None);
    pair.pass(INSTANT);

    assert!(matches!(pair.ending(), Some(Ending::Failed(StreamError::Unreachable { role: Role::Signaling, .. }))));
}

#[test]
fn a_connection_that_flickers_is_not_dialed_without_pauses() {
    for webhooks in [false, true] {
        let mut pair = Pair::running();
        pair.live(seconds(20));
        pair.dials.clear();
        let from = pair.elapsed();
        while pair.elapsed() < from + seconds(60) {
            if pair.ledger.line(Role::Signaling).is_some() {
                pair.lose(Role::Signaling);
            }
            if webhooks {
                pair.input(Input::Interrupted { server_urls: vec![] });
            }
            pair.pass(Duration::from_millis(100));
        }
        let dials = pair.dialed_at(Role::Signaling).len();
        assert!((8..=20).contains(&dials), "webhooks {webhooks}: {dials} in a minute");
        assert!(!pair.stream.is_ended(), "every time it came back");
    }
}

#[test]
fn a_loss_that_a_stop_explains_is_a_stop() {
    let mut pair = Pair::running();
    pair.lose(Role::Signaling);
    pair.lose(media(Medium::Audio));

    pair.input(Input::Stopped(Some(StopReason::MeetingEnded)));
    pair.pass(seconds(2));

    assert_eq!(pair.ending(), Some(&Ending::Stopped { reason: Some(StopReason::MeetingEnded) }));
    assert_eq!(pair.interrupted(), [], "nothing was wrong");
}

#[test]
fn a_stop_ends_every_wait_for_the_next_try() {
    let mut pair = Pair::running();
    pair.zoom.refusing = vec![SIGNALING_URL];
    pair.lose(Role::Signaling);
    pair.pass(seconds(20));
    for medium in Medium::ALL {
        pair.lose(media(medium));
    }
    pair.did.clear();

    pair.input(Input::Stopped(Some(StopReason::AwaitReconnectionTimeout)));
    pair.pass(seconds(100));

    assert_eq!(pair.did, []);
    let ending = Ending::Stopped { reason: Some(StopReason::AwaitReconnectionTimeout) };
    assert_eq!(pair.ending(), Some(&ending));
    assert_eq!(ending.next_step(), NextStep::AskForNewStream);
}

#[test]
fn a_stop_ends_the_wait_for_it_while_media_is_still_read() {
    let mut pair = Pair::running();
    pair.lose(Role::Signaling);
    pair.pass(EXPLANATION_LIMIT - Duration::from_millis(500));
    pair.did.clear();

    pair.input(Input::Stopped(None));
    pair.pass(Duration::from_millis(900));
    assert_eq!(pair.ending(), None, "still reading");
    pair.pass(seconds(100));

    assert_eq!(pair.dialed(), []);
    assert_eq!(pair.ending(), Some(&Ending::Stopped { reason: None }));
}

// --- Interrupted, by webhook ---

#[test]
fn an_interruption_explains_a_loss_and_is_dialed_at_once_where_it_was() {
    let mut pair = Pair::running();
    pair.live(seconds(20));
    pair.lose(Role::Signaling);

    pair.input(Input::Interrupted { server_urls: vec![] });

    assert_eq!(pair.dialed_at(Role::Signaling), [seconds(0), seconds(20)]);
    assert_eq!(pair.signaling_urls(), [SIGNALING_URL, SIGNALING_URL]);
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
        assert_eq!(pair.signaling_urls(), [SIGNALING_URL]);
    }
}

#[test]
fn an_interruption_that_a_connection_of_long_standing_confirms_dials_anew() {
    let mut pair = Pair::running();
    pair.live(seconds(20));
    pair.input(Input::Interrupted { server_urls: vec![] });

    pair.hear(Role::Signaling, json!({"msg_type": 20, "state": 2, "rtms_stream_id": "s"}));

    assert_eq!(pair.dialed_at(Role::Signaling), [seconds(0), seconds(20)]);
    assert_eq!(pair.interrupted()[0], (Role::Signaling, Interruption::ToldByZoom));
}

#[test]
fn an_interruption_of_media_is_not_taken_for_one_of_signaling() {
    let mut pair = Pair::running();
    pair.live(seconds(20));
    pair.hear(Role::Signaling, json!({"msg_type": 6, "event": {"event_type": 7, "timestamp": 1}}));
    pair.input(Input::Interrupted { server_urls: vec![] });

    pair.hear(Role::Signaling, json!({"msg_type": 20, "state": 2, "rtms_stream_id": "s"}));

    assert_eq!(pair.signaling_urls(), [SIGNALING_URL]);
}

#[test]
fn an_interruption_of_a_connection_that_does_not_answer_dials_anew() {
    let mut pair = Pair::running();
    pair.live(seconds(20));
    pair.input(Input::Interrupted { server_urls: vec![] });

    pair.pass(seconds(2));

    assert_eq!(pair.signaling_urls(), [SIGNALING_URL, SIGNALING_URL]);
    assert_eq!(pair.interrupted()[0], (Role::Signaling, Interruption::ToldByZoom));
    assert_eq!(pair.open().len(), 10, "media too");
}

#[test]
fn the_window_of_a_doubted_connection_opens_with_the_doubt() {
    let mut pair = Pair::running();
    pair.live(seconds(20));
    pair.zoom.refusing = vec![SIGNALING_URL];
    pair.input(Input::Interrupted { server_urls: vec![] });

    pair.pass(SIGNALING_WINDOW - INSTANT);
    assert_eq!(pair.ending(), None);
    pair.pass(INSTANT);

    assert!(pair.stream.is_ended());
}

#[test]
fn a_doubted_connection_that_is_lost_is_dialed_anew_at_once() {
    let mut pair = Pair::running();
    pair.live(seconds(20));
    pair.input(Input::Interrupted { server_urls: vec![] });

    pair.lose(Role::Signaling);

    assert_eq!(pair.signaling_urls(), [SIGNALING_URL, SIGNALING_URL]);
}

#[test]
fn an_interruption_with_new_urls_dials_there_at_once() {
    let mut pair = Pair::running();

    pair.input(Input::Interrupted { server_urls: vec!["wss://elsewhere.zoom.us".into()] });

    assert_eq!(pair.signaling_urls(), [SIGNALING_URL, "wss://elsewhere.zoom.us"]);
    assert_eq!(pair.open().len(), 10);
}

// --- One media connection ---

#[test]
fn a_media_connection_that_is_lost_alone_comes_back_at_once_and_alone() {
    let mut pair = Pair::running();
    pair.live(seconds(20));
    pair.did.clear();

    pair.lose(media(Medium::Video));

    assert_eq!(pair.dialed(), [(media(Medium::Video), "wss://m/video".to_owned())]);
    assert_eq!(pair.said(media(Medium::Video)), [3]);
    assert_eq!(pair.said(Role::Signaling), [7], "ready again, and nothing else");
    assert_eq!(pair.interrupted(), [(media(Medium::Video), Interruption::ConnectionLost)]);
    assert_eq!(pair.open().last(), Some(&MediaTypes::of([Medium::Video])));
}

#[test]
fn the_window_of_a_medium_is_fixed_and_costs_that_medium_only() {
    let mut pair = Pair::running();
    pair.live(seconds(20));
    pair.zoom.refusing = vec!["wss://m/audio"];
    pair.lose(media(Medium::Audio));

    pair.live(seconds(30));
    pair.hear(Role::Signaling, json!({"msg_type": 6, "event": {"event_type": 7, "timestamp": 1}}));
    pair.hear(Role::Signaling, json!({"msg_type": 8, "state": 2, "reason": 14, "timestamp": 1}));
    pair.live(MEDIA_WINDOW - seconds(30) - INSTANT);
    assert_eq!(pair.unavailable(), []);
    pair.live(INSTANT);

    assert_eq!(pair.unavailable(), [Medium::Audio]);
    let tries: Vec<_> = pair.dialed_at(media(Medium::Audio)).into_iter().skip(1).collect();
    assert_eq!((tries[0], tries.last()), (seconds(20), Some(&seconds(82))));
    assert!(tries.len() >= 14, "{tries:?}");
    assert!(!pair.stream.is_ended());
}

#[test]
fn a_medium_whose_window_closed_may_come_back_with_signaling() {
    let mut pair = Pair::running();
    pair.zoom.refusing = vec!["wss://m/audio"];
    pair.lose(media(Medium::Audio));
    pair.live(seconds(70));
    assert_eq!(pair.unavailable(), [Medium::Audio]);
    pair.zoom.refusing.clear();

    pair.lose(Role::Signaling);
    pair.pass(seconds(2));

    assert_eq!(pair.open().iter().filter(|types| types.contains(Medium::Audio)).count(), 2);
}

#[test]
fn the_window_of_a_medium_outlives_a_loss_of_signaling_unmoved() {
    let mut pair = Pair::running();
    pair.zoom.refusing = vec!["wss://m/audio"];
    pair.live(seconds(20));
    pair.lose(media(Medium::Audio));
    pair.live(seconds(30));

    pair.lose(Role::Signaling);
    pair.live(seconds(35) - INSTANT);
    assert_eq!(pair.unavailable(), []);
    pair.live(INSTANT);

    assert_eq!(pair.unavailable(), [Medium::Audio]);
}

#[test]
fn when_every_window_closed_the_stream_is_over() {
    let mut pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio]), Zoom::default());
    pair.zoom.refusing = vec!["wss://m/audio"];
    pair.lose(media(Medium::Audio));

    pair.live(MEDIA_WINDOW);

    assert_eq!(pair.unavailable(), [Medium::Audio]);
    let Some(ending) = pair.ending() else { panic!("nothing is left") };
    assert!(matches!(ending, Ending::Failed(StreamError::Unreachable { .. })));
    assert_eq!(ending.next_step(), NextStep::AskForNewStream);
}

#[test]
fn event_7_and_state_2_and_the_close_of_the_socket_are_one_interruption() {
    let event_7 = || json!({"msg_type": 6, "event": {"event_type": 7, "timestamp": 1}});
    let state_2 = || json!({"msg_type": 8, "state": 2, "reason": 14, "timestamp": 1});
    for close_first in [true, false] {
        for config in [StreamConfig::default(), unified()] {
            let mut pair = Pair::new(start(Product::Meeting), config, Zoom::default());
            pair.live(seconds(5));
            let role = *pair.ledger.up().last().unwrap();
            let dials = pair.dialed().len();

            if close_first {
                pair.lose(role);
            }
            pair.hear(Role::Signaling, event_7());
            pair.hear(Role::Signaling, state_2());
            if !close_first {
                pair.lose(role);
            }
            pair.live(seconds(60));

            assert_eq!(pair.dialed().len(), dials + 1, "close first {close_first}: {:?}", pair.dials);
            assert_eq!(pair.interrupted().len(), 1);
        }
    }
}

#[test]
fn of_several_connections_the_one_that_stays_silent_is_the_interrupted_one() {
    let mut pair = Pair::running();
    pair.live(seconds(20));
    let dials = pair.dialed().len();

    pair.hear(Role::Signaling, json!({"msg_type": 6, "event": {"event_type": 7, "timestamp": 1}}));
    for _ in 0..2 {
        pair.pass(seconds(6));
        for role in pair.ledger.up().into_iter().filter(|role| *role != media(Medium::Chat)) {
            pair.hear(role, json!({"msg_type": 12, "timestamp": 1}));
        }
    }

    assert_eq!(pair.interrupted(), [(media(Medium::Chat), Interruption::ToldByZoom)]);
    assert_eq!(pair.dialed()[dials..], [(media(Medium::Chat), "wss://m/chat".to_owned())]);
}

#[test]
fn the_only_media_connection_is_the_interrupted_one() {
    let mut pair = Pair::new(start(Product::Meeting), unified(), Zoom::default());
    pair.live(seconds(20));

    pair.hear(Role::Signaling, json!({"msg_type": 8, "state": 2, "reason": 14, "timestamp": 1}));
    pair.hear(Role::Media(MediaTypes::ALL), common::audio(1));
    assert!(matches!(pair.events.last(), Some(Event::Audio(_))), "what was on its way is read");
    pair.pass(seconds(2));

    assert_eq!(pair.interrupted(), [(Role::Media(MediaTypes::ALL), Interruption::ToldByZoom)]);
    assert_eq!(pair.open().len(), 2);
    pair.hear(Role::Signaling, json!({"msg_type": 6, "event": {"event_type": 7, "timestamp": 1}}));
    pair.live(seconds(30));
    assert_eq!(pair.open().len(), 2, "the word about the one that was left is not about the new one");
}

#[test]
fn a_call_is_told_of_its_interrupted_connection_by_the_same_event() {
    let mut pair = Pair::new(start(Product::ContactCenter), wanting([Medium::Audio]), Zoom::default());
    pair.live(seconds(20));

    pair.hear(Role::Signaling, json!({"msg_type": 6, "event": {"event_type": 7, "event_ts": 1}}));
    pair.pass(seconds(2));

    assert_eq!(pair.interrupted(), [(media(Medium::Audio), Interruption::ToldByZoom)]);
    assert_eq!(pair.open().len(), 2);
}

#[test]
fn signaling_that_tells_of_its_own_interruption_is_asked_and_left_only_if_it_says_so_again() {
    for (answer, dials) in [(Some(1), 1), (Some(2), 2), (None, 2)] {
        let mut pair = Pair::running();
        pair.live(seconds(20));

        pair.hear(Role::Signaling, json!({"msg_type": 8, "state": 2, "reason": 13, "timestamp": 1}));
        assert_eq!(pair.said(Role::Signaling).last(), Some(&19));
        if let Some(state) = answer {
            pair.hear(Role::Signaling, json!({"msg_type": 20, "state": state, "rtms_stream_id": "s"}));
        }
        pair.pass(seconds(2));

        assert_eq!(pair.signaling_urls().len(), dials, "{answer:?}");
    }
}

// --- The end is near ---

#[test]
fn nothing_is_dialed_once_the_end_is_announced() {
    let mut pair = Pair::running();
    pair.hear(Role::Signaling, json!({"msg_type": 8, "state": 3, "reason": 6, "timestamp": 1}));
    pair.did.clear();

    pair.hear(media(Medium::Audio), common::audio(1));
    assert!(matches!(pair.events.last(), Some(Event::Audio(_))), "what comes is read");
    for medium in Medium::ALL {
        pair.lose(media(medium));
    }
    pair.input(Input::Interrupted { server_urls: vec!["wss://elsewhere.zoom.us".into()] });
    pair.live(seconds(70));
    pair.lose(Role::Signaling);
    pair.pass(seconds(2));

    assert_eq!(pair.dialed(), []);
    assert_eq!(pair.interrupted(), []);
    assert_eq!(pair.ending(), Some(&Ending::Stopped { reason: Some(StopReason::MeetingEnded) }));
}

#[test]
fn the_end_announced_while_something_comes_back_ends_that_too() {
    let mut pair = Pair::running();
    pair.zoom.refusing = vec!["wss://m/audio"];
    pair.lose(media(Medium::Audio));
    pair.did.clear();

    pair.hear(Role::Signaling, json!({"msg_type": 8, "state": 3, "timestamp": 1}));
    pair.live(seconds(100));

    assert_eq!(pair.dialed(), []);
    assert!(!pair.stream.is_ended(), "signaling still stands");
}

// --- Helpers ---

fn every_role() -> [Role; 6] {
    let mut roles = [Role::Signaling; 6];
    for (role, medium) in roles[1..].iter_mut().zip(Medium::ALL) {
        *role = media(medium);
    }
    roles
}
