//! Zoom's sessions inside a stream: several, each with its state. The stream ends with its own end.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use common::{Pair, seconds};
use rtms_proto::{
    event::{Ending, Event},
    role::Role,
    sessions::MAX_SESSIONS,
};
use rtms_wire::{
    codes::{state::SessionState, stop_reason::StopReason},
    ids::RtmsSessionId,
    time::UnixMillis,
};
use serde_json::json;

#[test]
fn every_session_has_a_state_of_its_own() {
    let mut pair = Pair::running();
    for (session, state) in [("one", 1), ("one", 2), ("two", 2), ("two", 3), ("three", 5)] {
        pair.hear(Role::Signaling, json!({"msg_type": 9, "state": state, "rtms_session_id": session, "timestamp": 1}));
    }
    pair.hear(Role::Signaling, json!({"msg_type": 11, "state": 4, "rtms_session_id": "two", "timestamp": 1}));

    let states: Vec<_> = pair.stream.sessions().map(|(session, state)| (session.as_str().to_owned(), state)).collect();
    assert_eq!(
        states,
        [("one", SessionState::Started), ("three", SessionState::Stopped), ("two", SessionState::Resumed)]
            .map(|(session, state)| (session.to_owned(), state))
    );
    assert_eq!(pair.events.iter().filter(|event| matches!(event, Event::SessionState { .. })).count(), 6);
}

#[test]
fn neither_one_session_that_stops_nor_the_last_ends_the_stream() {
    let mut pair = Pair::running();
    for session in ["one", "two"] {
        pair.hear(Role::Signaling, json!({"msg_type": 9, "state": 2, "rtms_session_id": session, "timestamp": 1}));
    }

    for session in ["one", "two"] {
        let stopped = json!({"msg_type": 9, "state": 5, "stop_reason": 3, "rtms_session_id": session,
            "timestamp": 1_795_420_802_000_u64});
        pair.hear(Role::Signaling, stopped);
        pair.live(seconds(60));

        assert!(pair.events.contains(&Event::SessionState {
            session: Some(RtmsSessionId::new(session)),
            state: SessionState::Stopped,
            reason: Some(StopReason::UserLeft),
            timestamp: Some(UnixMillis(1_795_420_802_000)),
        }));
        assert!(!pair.stream.is_ended());
    }
    pair.hear(Role::Signaling, json!({"msg_type": 8, "state": 4, "reason": 6, "timestamp": 3}));
    pair.pass(seconds(2));
    assert_eq!(pair.ending(), Some(&Ending::Stopped { reason: Some(StopReason::MeetingEnded) }));
}

#[test]
fn a_reconnection_forgets_no_session() {
    let mut pair = Pair::running();
    pair.hear(Role::Signaling, json!({"msg_type": 9, "state": 3, "rtms_session_id": "one", "timestamp": 1}));

    pair.lose(Role::Signaling);
    pair.pass(seconds(2));

    assert_eq!(pair.stream.sessions().map(|(_, state)| state).collect::<Vec<_>>(), [SessionState::Paused]);
}

#[test]
fn sessions_without_end_take_no_room_without_end() {
    let mut pair = Pair::running();
    pair.hear(Role::Signaling, json!({"msg_type": 9, "state": 2, "rtms_session_id": "live", "timestamp": 1}));
    for number in 0..2 * MAX_SESSIONS {
        let session = format!("{number:05}");
        pair.hear(Role::Signaling, json!({"msg_type": 9, "state": 5, "rtms_session_id": session, "timestamp": 1}));
    }

    assert_eq!(pair.stream.sessions().count(), MAX_SESSIONS);
    assert!(pair.stream.sessions().any(|(session, _)| session.as_str() == "live"), "those that stopped go first");
}
