//! Plans made by hand: what only many seeds would show.

use std::time::Duration;

use rtms_sim::{
    fault::{Answer, EndNotice, Incident, Refused, Request, Target, Temper, Trouble},
    plan::{Plan, Post},
    world::Network,
};
use rtms_wire::{
    codes::{product::Product, status_code::StatusCode, stop_reason::StopReason},
    media::medium::{MediaTypes, Medium},
};

use crate::run::{self, Verdict};

/// When the stream ends, by state 4 alone.
const STOP_AT: Duration = Duration::from_secs(20);

/// For how long a killed process is away.
const AWAY: Duration = Duration::from_secs(5);

#[test]
fn whoever_reads_an_outdated_start_first_may_follow_the_newer_one() {
    let mut plan = calm();
    plan.zoom.incidents = vec![Incident { at: Duration::from_millis(782), what: Trouble::StartOutdated }];
    plan.post.late = vec![Duration::from_millis(1_354)];

    let verdict = run::play(&plan, None, false);

    assert_eq!((verdict.faults, verdict.findings), (Vec::new(), Vec::new()));
}

#[test]
fn a_process_killed_before_the_end_is_written_down_asks_zoom_once_more() {
    // State 4 is read, and what was sent before it may still come.
    let verdict = killed_at(STOP_AT + Duration::from_millis(800));

    assert_eq!(verdict.faults, Vec::<String>::new());
    assert_eq!(verdict.findings.iter().filter(|name| **name == "came_back_after_the_end").count(), 1);
}

#[test]
fn a_process_killed_after_the_end_is_written_down_does_not_ask() {
    let verdict = killed_at(STOP_AT + Duration::from_millis(2_500));

    assert_eq!((verdict.faults, verdict.findings), (Vec::new(), Vec::new()));
}

#[test]
fn what_message_2_leaves_out_is_not_asked_for_by_name_when_asking_for_everything_failed() {
    let mut plan = calm();
    plan.zoom.product = Product::ContactCenter;
    plan.zoom.granted = MediaTypes::of([Medium::Audio, Medium::Transcript]);
    plan.zoom.temper.refusals = vec![Refused {
        request: Request::AnyData,
        answer: Answer::StatusAndClose(StatusCode::InvalidMediaAudioSendRate),
        times: 2,
        after: Duration::ZERO,
    }];
    plan.conduct.media = MediaTypes::of(Medium::ALL);
    plan.conduct.unified = true;

    let verdict = run::play(&plan, None, false);

    assert_eq!((verdict.faults, verdict.findings), (Vec::new(), Vec::new()));
}

#[test]
fn leaving_a_server_that_hangs_is_not_acting_on_a_repeat() {
    let mut plan = calm();
    plan.zoom.incidents = vec![
        incident(5, Trouble::Freeze { target: Target::Signaling, lasts: Duration::from_secs(20) }),
        incident(7, Trouble::StartRepeated),
        incident(8, Trouble::Interrupted { with_urls: true, breaks: false }),
    ];

    let verdict = run::play(&plan, None, false);

    assert_eq!((verdict.faults, verdict.findings), (Vec::new(), Vec::new()));
}

/// A stream that ends by state 4 alone, and whose first start webhook comes again when the killed process is there again.
fn killed_at(at: Duration) -> Verdict {
    let mut plan = calm();
    let stop = Trouble::Stop { reason: StopReason::HostDisabledApp, notice: EndNotice::StateOnly };
    plan.zoom.incidents = vec![
        Incident { at: STOP_AT, what: stop },
        Incident { at: STOP_AT + AWAY * 2, what: Trouble::StartRepeatedLate },
    ];
    plan.conduct.kills = vec![(at, AWAY)];
    run::play(&plan, None, false)
}

fn incident(second: u64, what: Trouble) -> Incident {
    Incident { at: Duration::from_secs(second), what }
}

/// A meeting of a minute in which nothing goes wrong.
fn calm() -> Plan {
    let mut plan = Plan::draw(1);
    plan.zoom.meeting.duration = Duration::from_secs(60);
    plan.zoom.incidents.clear();
    plan.zoom.temper = Temper::default();
    plan.zoom.webhooks.deliver_twice = false;
    plan.network = Network::default();
    plan.post = Post::default();
    plan.conduct.camera = None;
    plan.conduct.close_at = None;
    plan.conduct.kills.clear();
    plan
}
