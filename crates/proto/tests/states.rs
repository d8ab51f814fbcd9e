//! States that Zoom told while signaling was away: they are asked for, and told if they are news.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;
mod world;

use std::time::Duration;

use common::{Pair, SIGNALING_URL, Zoom, media, said, seconds, start};
use rtms_proto::{config::StreamConfig, event::Event, input::Input, reconnect::EXPLANATION_LIMIT, role::Role};
use rtms_sim::{
    config::ZoomConfig,
    fault::{Incident, Target, Trouble},
    meeting::options::{MediaDetail, MeetingOptions},
    world::Network,
};
use rtms_wire::{
    codes::{
        product::Product,
        state::{SessionState, StreamState},
    },
    media::medium::Medium,
    time::UnixMillis,
};
use serde_json::{Value, json};
use world::{Options, run};

/// When Zoom is asked.
const AT: u64 = 1_795_420_810_000;

#[test]
fn once_all_is_back_the_stream_and_each_running_session_are_asked_for() {
    let mut pair = with_sessions();
    assert_eq!(asked(&pair), Vec::<Value>::new(), "nothing was missed yet");

    lose_signaling(&mut pair);

    assert_eq!(asked(&pair), [of_stream(), of_session("one")]);
    pair.live(seconds(60));
    assert_eq!(asked(&pair).len(), 2, "once");
}

#[test]
fn nothing_is_asked_while_a_medium_is_on_its_way_back() {
    let mut pair = with_sessions();
    pair.zoom.unanswered = vec![3];
    lose_signaling(&mut pair);
    assert_eq!(asked(&pair), Vec::<Value>::new());

    pair.zoom.unanswered.clear();
    pair.live(seconds(20));

    assert_eq!(asked(&pair), [of_stream(), of_session("one")]);
}

#[test]
fn one_medium_that_is_lost_asks_for_nothing() {
    let mut pair = with_sessions();
    pair.lose(media(Medium::Audio));
    pair.pass(seconds(3));
    assert_eq!(asked(&pair), Vec::<Value>::new());
}

#[test]
fn what_had_no_answer_when_signaling_was_lost_is_asked_again() {
    let mut pair = with_sessions();
    lose_signaling(&mut pair);
    let doubts = pair.said(Role::Signaling).len();
    pair.input(Input::Interrupted { server_urls: vec![] });
    assert_eq!(pair.said(Role::Signaling)[doubts..], [19]);
    pair.did.clear();

    lose_signaling(&mut pair);

    assert_eq!(asked(&pair), [of_stream(), of_session("one")]);
    pair.live(seconds(60));
    assert_eq!(pair.signaling_urls().len(), 1, "the old question puts no new connection in doubt");
}

#[test]
fn an_answer_is_told_if_it_is_news() {
    let mut pair = with_sessions();
    lose_signaling(&mut pair);
    pair.events.clear();

    pair.hear(Role::Signaling, json!({"msg_type": 20, "state": 1, "rtms_stream_id": "s", "timestamp": AT}));
    pair.hear(Role::Signaling, json!({"msg_type": 11, "state": 2, "rtms_session_id": "one", "timestamp": AT}));
    assert_eq!(pair.events, [], "that was known");

    pair.hear(Role::Signaling, json!({"msg_type": 20, "state": 5, "rtms_stream_id": "s", "timestamp": AT}));
    pair.hear(Role::Signaling, json!({"msg_type": 11, "state": 5, "rtms_session_id": "one", "timestamp": AT}));
    let timestamp = Some(UnixMillis(AT));
    assert_eq!(
        pair.events,
        [
            Event::StreamState { state: StreamState::Paused, reason: None, timestamp },
            Event::SessionState { session: Some("one".into()), state: SessionState::Stopped, reason: None, timestamp },
        ]
    );
    assert_eq!(pair.stream.sessions().find(|(id, _)| id.as_str() == "one").unwrap().1, SessionState::Stopped);
}

#[test]
fn a_pause_that_began_while_signaling_was_away_is_told() {
    let at = |ms, what| Incident { at: Duration::from_millis(ms), what };
    let incidents = vec![
        at(10_000, Trouble::Cut { target: Target::Signaling }),
        at(10_500, Trouble::Pause),
        at(30_000, Trouble::Resume),
    ];
    let meeting = MeetingOptions {
        seed: 5,
        duration: Duration::from_secs(60),
        detail: MediaDetail::Markers,
        ..MeetingOptions::default()
    };
    let config = ZoomConfig { meeting, incidents, ..ZoomConfig::default() };
    let outcome = run::run(config, Network::default(), 5, Options::default());

    assert_eq!(outcome.findings().len(), 0, "{:?}", outcome.findings());
    let paused = outcome.log.events.iter().find_map(|(at, event)| match event {
        Event::StreamState { state: StreamState::Paused, .. } => Some(at.since(run::START)),
        _ => None,
    });
    assert!(paused.is_some_and(|at| at < Duration::from_secs(14)), "{paused:?}");
}

/// A stream that runs, with a session that runs and one that has stopped.
fn with_sessions() -> Pair {
    let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), Zoom::default());
    pair.hear(Role::Signaling, json!({"msg_type": 8, "state": 1, "timestamp": 1}));
    for (session, state) in [("one", 2), ("two", 2), ("two", 5)] {
        pair.hear(Role::Signaling, json!({"msg_type": 9, "state": state, "rtms_session_id": session, "timestamp": 1}));
    }
    pair
}

/// Signaling is lost, and dialed anew when nothing explains it.
fn lose_signaling(pair: &mut Pair) {
    assert_eq!(pair.signaling_urls().last().map(String::as_str).unwrap_or(SIGNALING_URL), SIGNALING_URL);
    pair.lose(Role::Signaling);
    pair.pass(EXPLANATION_LIMIT);
}

/// The questions for states, in order.
fn asked(pair: &Pair) -> Vec<Value> {
    let messages = pair.messages(Role::Signaling).iter().map(said).collect::<Vec<_>>();
    messages.into_iter().filter(|message| matches!(message["msg_type"].as_i64(), Some(10 | 19))).collect()
}

fn of_stream() -> Value {
    json!({"msg_type": 19, "rtms_stream_id": start(Product::Meeting).stream_id})
}

fn of_session(session: &str) -> Value {
    json!({"msg_type": 10, "rtms_session_id": session})
}
