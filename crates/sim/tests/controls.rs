//! Streams that are started, paused and stopped on request, and the meeting that they are of.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod common;

use std::time::Duration;

use common::{Run, START, config};
use rtms_sim::{
    config::ZoomConfig,
    zoom::{Control, NotNow, StreamStage},
};
use rtms_wire::codes::stop_reason::StopReason;
use serde_json::{Value, json};

const USER: Control = Control::Stop { reason: StopReason::UserTriggered };

#[test]
fn a_paused_stream_says_so_keeps_its_connections_asks_whether_they_live_and_sends_no_media() {
    let mut run = lasting(60);
    let (signaling, media) = stream(&mut run);
    run.live_until(5_000);
    run.heard(signaling);
    run.heard(media);

    assert_eq!(control(&mut run, Control::Pause), Ok(()));
    assert_eq!(states(&run.heard(signaling)), [(9, 3, None), (8, 5, None)]);
    run.live_until(35_000);
    let heard = run.heard_types(media);
    assert!(heard.len() >= 2 && heard.iter().all(|it| *it == 12), "{heard:?}");
    assert_eq!(run.zoom.stage(), Some(StreamStage::Paused));
    run.heard(signaling);

    assert_eq!(control(&mut run, Control::Resume), Ok(()));
    assert_eq!(states(&run.heard(signaling)), [(9, 4, None), (8, 6, None)]);
    run.live_until(45_000);
    let heard = run.heard(media);
    let first = heard.iter().find(|it| it["msg_type"] == 14).expect("media goes on");
    let timestamp = first["content"]["timestamp"].as_u64().unwrap();
    assert!(timestamp >= START.0 + 35_000, "what was said in the pause is not sent later");
    assert_eq!(run.mistakes(), []);
}

#[test]
fn a_client_that_joins_a_paused_stream_is_told_so() {
    let mut run = lasting(60);
    assert_eq!(control(&mut run, Control::Pause), Ok(()));

    let (signaling, media) = stream(&mut run);
    assert_eq!(states(&run.heard(signaling)), [(9, 1, None), (9, 2, None), (8, 1, None), (9, 3, None), (8, 5, None)]);
    run.live_until(9_000);

    assert_eq!(run.heard(media), Vec::<Value>::new());
    assert_eq!(control(&mut run, Control::Resume), Ok(()));
}

#[test]
fn a_stream_that_was_interrupted_while_paused_comes_back_paused() {
    let mut run = lasting(60);
    let (signaling, media) = stream(&mut run);
    assert_eq!(control(&mut run, Control::Pause), Ok(()));
    run.hang_up(media);
    run.heard(signaling);

    run.open_media(1, json!({"audio": {"data_opt": 2}}));
    run.ready(signaling);

    assert_eq!(states(&run.heard(signaling)), [(8, 5, None)]);
}

#[test]
fn another_stream_of_the_meeting_has_an_id_of_its_own_and_the_meetings_time_goes_on() {
    let mut run = lasting(60);
    let (first, instance) = (run.zoom.stream().clone(), run.zoom.instance().clone());
    let (signaling, _) = stream(&mut run);
    run.live_until(10_000);
    run.heard(signaling);

    assert_eq!(control(&mut run, USER), Ok(()));
    run.live_until(15_000);
    assert_eq!(states(&run.heard(signaling)), [(8, 3, Some(2)), (9, 5, Some(2)), (8, 4, Some(2))]);
    assert_eq!(run.last_webhook()["payload"]["stop_reason"], 2);
    assert_eq!((run.zoom.stage(), run.zoom.is_finished()), (Some(StreamStage::Ended), false));
    assert!(run.zoom.next_deadline().is_some(), "the meeting is not over");

    assert_eq!(control(&mut run, Control::Start), Ok(()));
    let webhook = run.last_webhook();
    assert_eq!(webhook["event"], "meeting.rtms_started");
    assert_eq!(webhook["payload"]["meeting_uuid"], instance.value.as_str());
    assert_eq!(webhook["payload"]["meeting_id"], run.zoom.meeting_number().unwrap());
    assert_ne!(run.zoom.stream(), &first);
    let (_, media) = stream(&mut run);
    run.live_until(25_000);
    let heard = run.heard(media);
    let timestamps: Vec<_> = heard.iter().filter_map(|it| it["content"]["timestamp"].as_u64()).collect();
    assert!(timestamps.len() > 10 && timestamps.iter().all(|it| *it >= START.0 + 15_000), "{timestamps:?}");

    run.live_until(70_000);
    assert_eq!(run.last_webhook()["payload"]["stop_reason"], 6);
    assert_eq!((run.zoom.stage(), run.zoom.is_meeting_over()), (Some(StreamStage::Ended), true));
    assert_eq!((run.zoom.streams(), run.zoom.next_deadline()), (2, None));
    assert_eq!(run.mistakes(), []);
}

#[test]
fn streams_that_start_in_one_millisecond_have_ids_of_their_own() {
    let mut run = lasting(60);
    let mut ids = std::collections::BTreeSet::from([run.zoom.stream().as_str().to_owned()]);
    for _ in 0..5 {
        assert_eq!(control(&mut run, USER), Ok(()));
        assert_eq!(control(&mut run, Control::Start), Ok(()));
        ids.insert(run.zoom.stream().as_str().to_owned());
    }

    assert_eq!(ids.len(), 6);
}

#[test]
fn a_meeting_may_begin_without_a_stream_and_announces_the_first_when_it_is_asked_for() {
    let mut run = Run::new(ZoomConfig { starts_with_stream: false, outlives_streams: true, ..config(60) });
    assert_eq!((run.webhooks.len(), run.zoom.stage(), run.zoom.is_finished()), (0, None, false));
    run.until(10_000);
    assert_eq!(control(&mut run, Control::Pause), Err(NotNow::NotRunning));

    assert_eq!(control(&mut run, Control::Start), Ok(()));
    assert_eq!((run.webhooks.len(), run.zoom.streams()), (1, 1));
    let (_, media) = stream(&mut run);
    run.live_until(20_000);

    let heard = run.heard(media);
    let timestamps: Vec<_> = heard.iter().filter_map(|it| it["content"]["timestamp"].as_u64()).collect();
    assert!(timestamps.len() > 10 && timestamps.iter().all(|it| *it >= START.0 + 10_000), "{timestamps:?}");
    assert_eq!(run.mistakes(), []);
}

#[test]
fn what_cannot_be_done_now_is_refused_and_changes_nothing() {
    let mut run = lasting(20);
    assert_eq!(control(&mut run, Control::Start), Err(NotNow::Running));
    assert_eq!(control(&mut run, Control::Resume), Err(NotNow::NotPaused));
    assert_eq!(control(&mut run, Control::Pause), Ok(()));
    assert_eq!(control(&mut run, Control::Pause), Err(NotNow::Paused));
    assert_eq!(control(&mut run, USER), Ok(()));
    for now_idle in [Control::Pause, Control::Resume, USER] {
        assert_eq!(control(&mut run, now_idle), Err(NotNow::NotRunning));
    }
    assert_eq!(run.webhooks.len(), 2);
    run.until(20_000);

    assert_eq!((run.zoom.stage(), run.zoom.is_meeting_over()), (Some(StreamStage::Ended), true));
    assert_eq!(control(&mut run, Control::Start), Err(NotNow::MeetingOver));
    assert_eq!(control(&mut run, Control::EndMeeting), Err(NotNow::MeetingOver));
    assert_eq!(run.webhooks.len(), 2);
}

#[test]
fn the_end_of_the_meeting_ends_the_stream_and_no_other_one_can_start() {
    let mut run = lasting(60);
    stream(&mut run);
    run.live_until(3_000);

    assert_eq!(control(&mut run, Control::EndMeeting), Ok(()));
    assert_eq!(control(&mut run, Control::Start), Err(NotNow::MeetingOver));
    run.live_until(6_000);

    assert_eq!(run.last_webhook()["payload"]["stop_reason"], 6);
    assert_eq!((run.zoom.stage(), run.zoom.is_meeting_over()), (Some(StreamStage::Ended), true));
}

/// A meeting that outlives its streams.
fn lasting(seconds: u64) -> Run {
    let mut config = ZoomConfig { outlives_streams: true, ..config(seconds) };
    config.timing.keep_alive = Duration::from_secs(10);
    Run::new(config)
}

/// Joins the present stream, with a media connection for sound.
fn stream(run: &mut Run) -> (rtms_sim::zoom::ConnectionId, rtms_sim::zoom::ConnectionId) {
    let signaling = run.join();
    let media = run.open_media(1, json!({"audio": {"data_opt": 2}}));
    run.ready(signaling);
    (signaling, media)
}

/// Asks for something, and takes in what comes of it.
fn control(run: &mut Run, control: Control) -> Result<(), NotNow> {
    let done = run.zoom.control(control, run.now);
    run.until(u64::try_from(run.now.since(START).as_millis()).unwrap());
    done
}

/// Number, state and reason of every message with a state.
fn states(heard: &[Value]) -> Vec<(i64, i64, Option<i64>)> {
    let of_states = heard.iter().filter(|it| it["msg_type"] == 8 || it["msg_type"] == 9);
    of_states
        .map(|it| {
            let reason = it["reason"].as_i64().or_else(|| it["stop_reason"].as_i64());
            (it["msg_type"].as_i64().unwrap(), it["state"].as_i64().unwrap(), reason)
        })
        .collect()
}
