//! Keep-alive, windows, and the ways in which a stream ends.

mod common;

use std::time::Duration;

use common::{Run, config};
use rtms_sim::{
    config::ZoomConfig,
    fault::{Incident, Target, Trouble},
    findings::{KeepAliveFault, Mistake, Severity},
    webhook::{WebhookAnswer, WebhookId},
    zoom::{Endpoint, Input},
};
use rtms_wire::{
    codes::{status_code::StatusCode, stop_reason::StopReason},
    media::medium::{MediaTypes, Medium},
};
use serde_json::{Value, json};

#[test]
fn every_connection_is_asked_every_ten_seconds_with_sequence_and_timestamp() {
    let mut run = Run::of_seconds(60);
    let signaling = run.join();
    let media = run.open_media(8, json!({}));
    run.ready(signaling);

    run.live_until(35_000);

    for connection in [signaling, media] {
        let asked: Vec<_> = run.heard(connection).into_iter().filter(|message| message["msg_type"] == 12).collect();
        let numbers: Vec<_> = asked.iter().map(|message| message["sequence"].as_u64().unwrap()).collect();
        assert_eq!(numbers, [1, 2, 3]);
        assert!(asked.iter().all(|message| message["timestamp"].is_u64()));
    }
    assert_eq!(run.mistakes(), []);
}

#[test]
fn three_misses_on_signaling_drop_everything_and_after_the_window_the_stream_ends_with_24() {
    let mut run = Run::of_seconds(200);
    let signaling = run.join();
    let media = run.open_media(1, json!({}));
    run.ready(signaling);

    run.until(39_999);
    assert!(run.closed.is_empty());
    run.until(40_000);
    assert_eq!(run.closed.keys().copied().collect::<Vec<_>>(), [signaling, media]);
    assert_eq!(run.last_webhook()["event"], "meeting.rtms_interrupted");
    run.until(100_000);

    assert_eq!(run.last_webhook()["event"], "meeting.rtms_stopped");
    assert_eq!(run.last_webhook()["payload"]["stop_reason"], 24);
    assert_eq!(run.mistakes()[0], Mistake::KeepAliveMissed { missed: 3 });
}

#[test]
fn an_answer_that_comes_twice_is_a_warning_and_does_not_hide_silence_after_it() {
    let mut run = Run::of_seconds(200);
    let signaling = run.join();
    run.live_until(15_000);
    let asked = run.heard(signaling).into_iter().find(|message| message["msg_type"] == 12).unwrap();
    let answer = json!({"msg_type": 13, "timestamp": asked["timestamp"], "sequence": asked["sequence"]});
    run.say(signaling, &answer);

    assert_eq!(run.mistakes(), [Mistake::KeepAliveTwice]);
    assert_eq!(run.mistakes()[0].severity(), Severity::Warning);
    run.until(70_000);
    assert_eq!(run.mistakes()[1], Mistake::KeepAliveMissed { missed: 3 });
}

#[test]
fn an_answer_that_is_missing_at_the_end_is_a_warning_if_there_was_time_for_it() {
    let cases =
        [(20, 0, vec![1, 1]), (16, 0, vec![1, 1]), (14, 0, vec![]), (27, 15_000, vec![1, 1]), (24, 15_000, vec![])];
    for (seconds, answers_until, missing) in cases {
        let mut run = Run::of_seconds(seconds);
        let signaling = run.join();
        run.open_media(1, json!({}));
        run.ready(signaling);
        run.live_until(answers_until);
        run.until(seconds * 1_000 + 5_000);

        let expected: Vec<_> =
            missing.iter().map(|missing| Mistake::KeepAliveUnanswered { missing: *missing }).collect();
        assert_eq!(run.mistakes(), expected, "{seconds} s, answered until {answers_until} ms");
        let report = run.zoom.report().to_string();
        let has_time = report.contains("answered after");
        assert_eq!(has_time, answers_until > 0, "{report}");
    }
}

#[test]
fn an_answer_that_a_hanging_server_or_a_lost_connection_took_is_not_missing() {
    let second = Duration::from_secs(1);
    let freeze = Trouble::Freeze { target: Target::Everything, lasts: 30 * second };
    for what in [freeze, Trouble::Vanish { target: Target::Everything }] {
        let incidents = vec![Incident { at: 12 * second, what }];
        let mut run = Run::new(ZoomConfig { incidents, ..config(28) });
        let signaling = run.join();
        run.open_media(1, json!({}));
        run.ready(signaling);
        run.live_until(9_000);
        run.until(40_000);

        assert!(
            run.mistakes().iter().all(|it| !matches!(it, Mistake::KeepAliveUnanswered { .. })),
            "{:?}",
            run.mistakes()
        );
    }
}

#[test]
fn a_short_meeting_without_media_is_a_fault_if_none_was_asked_for_or_all_was_refused() {
    for (asks, refused) in [(false, None), (true, Some(StatusCode::MediaTypeVideoNotSupport))] {
        let granted = MediaTypes::of([Medium::Audio]);
        let mut run = Run::new(ZoomConfig { granted, ..config(4) });
        run.join();
        if asks {
            let media = run.connect(Endpoint::Media);
            assert_eq!(run.ask_media(media, 2, json!({})), StatusCode::MediaTypeVideoNotSupport);
            run.hang_up(media);
        }
        run.live_until(8_000);

        let found = run.mistakes();
        assert!(found.contains(&Mistake::NoMedia { after_ms: 4_000, refused }), "{found:?}");
        assert!(run.zoom.report().to_string().contains("no media was received"));
    }
}

#[test]
fn a_meeting_that_ends_at_once_leaves_no_time_for_media() {
    let mut run = Run::of_seconds(1);
    run.join();
    run.live_until(5_000);

    assert_eq!(run.mistakes(), []);
    assert!(run.zoom.report().to_string().contains("no media was received"));
}

#[test]
fn three_misses_on_media_drop_that_connection_and_tell_signaling() {
    let mut run = Run::of_seconds(200);
    let signaling = run.join();
    let deaf = run.open_media(8, json!({}));
    run.ready(signaling);
    run.heard(signaling);
    for at_ms in (10_000..=40_000).step_by(10_000) {
        run.until(at_ms);
        run.answer_keep_alives(signaling);
    }

    assert_eq!(run.closed.keys().copied().collect::<Vec<_>>(), [deaf]);
    run.heard(deaf);
    let told = run.kept.iter().filter(|message| message["msg_type"] != 12).cloned().collect::<Vec<_>>();
    assert_eq!(told[0]["event"]["event_type"], 7);
    assert_eq!((&told[1]["state"], &told[1]["reason"]), (&json!(2), &json!(14)));
}

#[test]
fn an_answer_that_repeats_nothing_is_a_mistake_and_does_not_count() {
    let mut run = Run::of_seconds(200);
    let signaling = run.join();
    for at_ms in (10_000..=40_000).step_by(10_000) {
        run.until(at_ms);
        run.say(signaling, &json!({"msg_type": 13, "timestamp": 1}));
    }

    assert_eq!(run.mistakes()[0], Mistake::KeepAliveMismatch { how: KeepAliveFault::Timestamp });
    assert_eq!(run.closed[&signaling], 1000);
}

#[test]
fn a_meeting_ends_with_state_3_then_9_then_state_4_then_closed_connections_and_the_webhook() {
    let mut run = Run::of_seconds(5);
    let signaling = run.join();
    let media = run.open_media(32, json!({}));
    run.ready(signaling);
    run.live_until(4_900);
    run.heard(signaling);
    run.live_until(5_000);
    let told = run.heard(signaling);
    assert_eq!((&told[0]["msg_type"], &told[0]["state"], &told[0]["reason"]), (&json!(8), &json!(3), &json!(6)));
    assert_eq!(told.len(), 1);
    assert_eq!(run.closed.len(), 0, "what was sent last has time to be read");
    run.heard(media);
    run.live_until(5_300);

    assert_eq!(run.heard(media), Vec::<serde_json::Value>::new(), "no media after the end was announced");
    let told = run.heard(signaling);
    assert_eq!((&told[0]["msg_type"], &told[0]["state"], &told[0]["stop_reason"]), (&json!(9), &json!(5), &json!(6)));
    assert_eq!((&told[1]["msg_type"], &told[1]["state"], &told[1]["reason"]), (&json!(8), &json!(4), &json!(6)));
    assert_eq!(told.len(), 2);
    assert_eq!(run.closed.len(), 0, "a close frame must not overtake the word on another socket");
    run.live_until(6_300);

    assert_eq!(run.closed.values().copied().collect::<Vec<_>>(), [1000, 1000]);
    assert!(run.closed.contains_key(&media));
    assert_eq!(run.last_webhook()["event"], "meeting.rtms_stopped");
    assert_eq!(run.last_webhook()["payload"]["stop_reason"], 6);
    assert_eq!(run.mistakes(), []);

    assert!(!run.zoom.is_finished(), "two webhooks wait for their answers");
    for webhook in [WebhookId(1), WebhookId(2)] {
        run.input(Input::WebhookAnswered { webhook, answer: WebhookAnswer::Status(200) });
    }
    assert!(run.zoom.is_finished());
    assert_eq!(run.zoom.next_deadline(), None);
}

#[test]
fn clients_that_close_by_themselves_are_not_waited_for() {
    let mut run = Run::of_seconds(5);
    let signaling = run.join();
    let media = run.open_media(1, json!({}));
    run.ready(signaling);
    run.live_until(5_300);
    assert_eq!(run.webhooks.len(), 1);

    run.hang_up(media);
    assert_eq!(run.webhooks.len(), 1);
    run.hang_up(signaling);

    assert_eq!(run.last_webhook()["event"], "meeting.rtms_stopped");
    assert_eq!(run.closed.len(), 0);
    assert_eq!(run.mistakes(), []);
}

#[test]
fn a_client_that_asks_to_close_is_answered_before_the_stream_ends_with_20() {
    let mut run = Run::of_seconds(60);
    let signaling = run.join();
    run.open_media(1, json!({}));
    run.ready(signaling);
    run.live_until(3_000);
    run.heard(signaling);
    let stream = run.zoom.stream().as_str().to_owned();

    run.say(signaling, &json!({"msg_type": 21, "rtms_stream_id": stream}));
    run.live_until(3_300);

    let told = run.heard(signaling);
    let numbers: Vec<_> = told.iter().map(|message| message["msg_type"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [22, 8, 8, 9]);
    assert_eq!((&told[0]["status_code"], &told[0]["reason"]), (&json!(0), &json!("OK")));
    assert_eq!((&told[1]["state"], &told[2]["state"], &told[2]["reason"]), (&json!(3), &json!(4), &json!(20)));
    run.live_until(4_300);
    assert_eq!(run.closed.len(), 2);
    assert_eq!(run.last_webhook()["payload"]["stop_reason"], 20);
}

#[test]
fn somebody_can_end_the_stream_for_any_reason() {
    let mut run = Run::of_seconds(60);
    let signaling = run.join();
    run.heard(signaling);
    run.input(Input::Stop { reason: StopReason::StreamRevoked });

    let told = run.heard(signaling);
    assert_eq!((&told[0]["state"], &told[0]["reason"]), (&json!(3), &json!(8)));
    run.live_until(300);
    let told = run.heard(signaling);
    assert_eq!((&told[0]["state"], &told[0]["reason"]), (&json!(4), &json!(8)));
    run.live_until(1_300);
    assert_eq!(run.last_webhook()["payload"]["stop_reason"], 8);
}

#[test]
fn a_lost_signaling_connection_may_come_back_within_its_window() {
    let mut run = Run::of_seconds(200);
    let signaling = run.join();
    let media = run.open_media(1, json!({}));
    run.ready(signaling);
    run.live_until(5_000);

    run.hang_up(signaling);
    assert!(run.closed.contains_key(&media), "media is interrupted with signaling");
    assert_eq!(run.last_webhook()["event"], "meeting.rtms_interrupted");
    run.live_until(60_000);
    let signaling = run.join();
    run.open_media(1, json!({}));
    run.ready(signaling);

    let told = run.heard(signaling);
    assert_eq!((&told[0]["msg_type"], &told[0]["state"]), (&json!(8), &json!(1)));
    run.live_until(100_000);
    assert_eq!(run.mistakes(), []);
}

#[test]
fn a_signaling_connection_that_stays_away_ends_the_stream_with_19() {
    let mut run = Run::of_seconds(200);
    let signaling = run.join();
    run.live_until(5_000);
    run.hang_up(signaling);

    run.live_until(64_999);
    assert_eq!(run.last_webhook()["event"], "meeting.rtms_interrupted");
    run.live_until(65_000);

    assert_eq!(run.last_webhook()["payload"]["stop_reason"], 19);
    assert_eq!(run.mistakes(), [Mistake::WindowMissed { medium: None }]);
}

#[test]
fn a_media_connection_that_stays_away_ends_the_stream_with_19() {
    let mut run = Run::of_seconds(200);
    let signaling = run.join();
    let media = run.open_media(8, json!({}));
    run.ready(signaling);
    run.live_until(5_000);
    run.hang_up(media);
    run.live_until(70_000);

    let told = run.heard(signaling);
    let last = told.iter().rfind(|message| message["msg_type"] != 12).unwrap();
    assert_eq!((&last["msg_type"], &last["state"], &last["reason"]), (&json!(8), &json!(4), &json!(19)));
    assert_eq!(run.mistakes(), [Mistake::WindowMissed { medium: Some(Medium::Transcript) }]);
}

#[test]
fn a_media_connection_that_is_given_up_for_its_silence_and_stays_away_ends_the_stream_with_24() {
    let mut run = Run::of_seconds(200);
    let signaling = run.join();
    run.open_media(8, json!({}));
    run.ready(signaling);
    for at_ms in (10_000..=110_000).step_by(10_000) {
        run.until(at_ms);
        run.answer_keep_alives(signaling);
    }

    assert_eq!(run.last_webhook()["event"], "meeting.rtms_stopped");
    assert_eq!(run.last_webhook()["payload"]["stop_reason"], 24);
}

#[test]
fn whoever_reads_state_4_and_comes_back_is_found_at_once() {
    let mut run = Run::of_seconds(5);
    let signaling = run.join();
    run.open_media(8, json!({}));
    run.ready(signaling);
    run.live_until(5_801);
    run.connect(Endpoint::Signaling);

    assert_eq!(run.mistakes(), [Mistake::CameBackAfterTheEnd { after_ms: 501 }]);
}

#[test]
fn a_connection_that_was_being_opened_when_state_4_came_is_no_mistake() {
    let mut run = Run::of_seconds(5);
    let signaling = run.join();
    run.open_media(8, json!({}));
    run.ready(signaling);
    run.live_until(5_800);
    run.connect(Endpoint::Media);

    assert_eq!(run.mistakes(), []);
}

#[test]
fn whoever_learns_of_the_end_by_the_webhook_alone_has_two_seconds() {
    for is_posted in [true, false] {
        let mut run = Run::new(ZoomConfig { webhooks_are_posted: is_posted, ..common::config(200) });
        let signaling = run.join();
        run.live_until(5_000);
        run.hang_up(signaling);
        run.live_until(65_000);
        let webhook = run.webhooks.last().unwrap().id;
        run.input(Input::WebhookAnswered { webhook, answer: WebhookAnswer::Status(200) });
        let came_back = |run: &Run| run.mistakes().iter().any(|it| it.name() == "came_back_after_the_end");

        run.live_until(67_000);
        run.connect(Endpoint::Signaling);
        assert!(!came_back(&run));
        run.live_until(67_001);
        run.connect(Endpoint::Signaling);

        assert_eq!(came_back(&run), is_posted, "what nobody is told, nobody can know");
    }
}

#[test]
fn a_first_join_that_comes_too_late_is_no_coming_back() {
    let mut run = Run::of_seconds(100);
    run.until(60_000);
    let webhook = run.webhooks.last().unwrap().id;
    run.input(Input::WebhookAnswered { webhook, answer: WebhookAnswer::Status(200) });
    run.until(90_000);
    run.connect(Endpoint::Signaling);

    assert_eq!(run.mistakes(), [Mistake::NeverJoined]);
}

#[test]
fn a_connection_that_the_network_loses_hears_no_goodbye() {
    let target = Target::Medium(Medium::Audio);
    let vanish = Incident { at: Duration::from_secs(1), what: Trouble::Vanish { target } };
    let mut run = Run::new(ZoomConfig { incidents: vec![vanish], ..common::config(200) });
    let signaling = run.join();
    run.open_media(1, json!({}));
    run.ready(signaling);
    run.live_until(60_000);

    let told = run.heard(signaling);
    assert!(told.iter().any(|message| message["event"]["event_type"] == 7), "Zoom has noticed");
    assert_eq!(run.closed.len(), 0, "the network loses a close frame like everything else");
}

#[test]
fn a_webhook_that_fails_is_tried_again_after_5_20_and_60_minutes() {
    let mut run = Run::of_seconds(3 * 60 * 60);
    run.join();
    let mut attempts = Vec::new();
    let body = run.webhooks[0].body.clone();
    for _ in 0..5 {
        let before = run.webhooks.len();
        let answer = WebhookAnswer::Failed("refused".into());
        run.input(Input::WebhookAnswered { webhook: WebhookId(1), answer });
        run.live_until((run.now.0 - common::START.0) + 61 * 60 * 1000);
        let again = run.webhooks[before..].iter().filter(|post| post.body == body);
        attempts.extend(again.map(|post| post.attempt));
    }

    assert_eq!(attempts, [2, 3, 4]);
}

#[test]
fn a_webhook_refused_with_4xx_is_never_tried_again() {
    let mut run = Run::of_seconds(60 * 60);
    run.join();
    run.input(Input::WebhookAnswered { webhook: WebhookId(1), answer: WebhookAnswer::Status(401) });
    run.live_until(50 * 60 * 1000);

    assert_eq!(run.webhooks.len(), 1);
    assert!(matches!(run.mistakes()[..], [Mistake::WebhookNotAccepted { .. }]));
}

#[test]
fn a_late_client_can_still_connect_and_is_told_that_the_stream_is_over() {
    let mut run = Run::of_seconds(5);
    run.join();
    run.live_until(6_300);
    let late = run.connect(Endpoint::Media);

    let request = run.data_request(1, json!({}));
    run.say(late, &request);

    assert_eq!(run.heard(late)[0]["status_code"], 2);
}

trait AnswersKeepAlives {
    fn answer_keep_alives(&mut self, connection: rtms_sim::zoom::ConnectionId);
}

impl AnswersKeepAlives for Run {
    fn answer_keep_alives(&mut self, connection: rtms_sim::zoom::ConnectionId) {
        let heard = self.heard(connection);
        for message in heard {
            if message["msg_type"] == 12 {
                let mut answer: Value = message.clone();
                answer["msg_type"] = 13.into();
                self.say(connection, &answer);
            }
            self.kept.push(message);
        }
    }
}
