//! Small clients, each with one fault, and the finding that names it; and one without a fault, which gets none.

mod little;

use std::time::Duration;

use little::{Fault, Little};
use rtms_sim::{
    config::{Server, ZoomConfig},
    fault::{Answer, Incident, Refused, Request, Target, Temper, Trouble},
    findings::{KeepAliveFault, Mistake, Severity, Suspect},
    judge::{StreamReport, Verdict},
    meeting::{MeetingOptions, options::MediaDetail},
    seed::Seed,
    world::{Network, World},
};
use rtms_wire::{
    codes::status_code::StatusCode,
    media::medium::{MediaTypes, Medium},
    time::UnixMillis,
};

const START: UnixMillis = UnixMillis(1_795_420_800_000);

#[test]
fn a_client_without_a_fault_has_no_findings() {
    let second = Duration::from_secs(1);
    let cut = |target| vec![at(20, Trouble::Cut { target })];
    let close = |target| vec![at(20, Trouble::Close { target, code: 1000 })];
    let cases = [
        ("a plain meeting", vec![]),
        ("signaling is cut", cut(Target::Signaling)),
        ("media is cut", cut(Target::Media)),
        ("all is cut", cut(Target::Everything)),
        ("signaling is closed", close(Target::Signaling)),
        ("audio is closed", close(Target::Medium(Medium::Audio))),
        ("a failover", vec![at(20, Trouble::Failover { overlap: Duration::ZERO })]),
        ("a failover with overlap", vec![at(20, Trouble::Failover { overlap: 5 * second })]),
        ("two failovers", [20, 40].map(|time| at(time, Trouble::Failover { overlap: Duration::ZERO })).into()),
        ("the start webhook comes again", vec![at(20, Trouble::StartRepeated)]),
        ("a server hangs", vec![at(12, Trouble::Freeze { target: Target::Everything, lasts: 15 * second })]),
        ("a pause", vec![at(20, Trouble::Pause), at(40, Trouble::Resume)]),
    ];
    for (name, incidents) in cases {
        for seed in 0..3 {
            let report = run(None, Scene { incidents: incidents.clone(), ..Scene::default() }, seed);
            assert_eq!(seen(&report), Vec::<String>::new(), "{name}, seed {seed}");
            assert_eq!(report.verdict, Verdict::Pass, "{name}, seed {seed}");
        }
    }
}

#[test]
fn what_zoom_refuses_on_purpose_is_not_the_clients_mistake() {
    for request in [Request::SignalingUpgrade, Request::MediaUpgrade] {
        for answer in [Answer::Http(503), Answer::Cut] {
            let report = run(None, Scene { refused: vec![refused(request, answer, 3, 0)], ..Scene::default() }, 1);
            assert_eq!(seen(&report), Vec::<String>::new(), "{request:?} {answer:?}");
        }
    }
    for answer in [Answer::Status(StatusCode::InternalException), Answer::Close, Answer::Cut] {
        for request in [Request::Signaling, Request::AnyData] {
            let report = run(None, Scene { refused: vec![refused(request, answer, 1, 0)], ..Scene::default() }, 1);
            assert_eq!(seen(&report), Vec::<String>::new(), "{request:?} {answer:?}");
        }
    }
}

#[test]
fn each_fault_has_exactly_the_finding_that_names_it() {
    let cut = || Scene { incidents: vec![at(20, Trouble::Cut { target: Target::Signaling })], ..Scene::default() };
    let repeated = || Scene { incidents: vec![at(20, Trouble::StartRepeated)], ..Scene::default() };
    let shut = || Scene { refused: vec![refused(Request::SignalingUpgrade, Answer::Http(503), 30, 20)], ..cut() };
    let audio_alone = || Scene { granted: vec![Medium::Audio], ..Scene::default() };
    let cases: Vec<(Fault, Scene, &[&str])> = vec![
        (Fault::NoKeepAlive, Scene::default(), &["fault keep_alive_missed"]),
        (Fault::KeepAliveWithWrongTimestamp, Scene::default(), &["fault keep_alive_mismatch"]),
        (Fault::KeepAliveWithWrongSequence, Scene::default(), &["fault keep_alive_mismatch"]),
        (Fault::KeepAliveOnSignalingAlone, Scene::default(), &["fault keep_alive_mismatch"]),
        (Fault::KeepAliveTwice, Scene::default(), &["warning keep_alive_twice"]),
        (Fault::KeepAliveLate, Scene::default(), &["warning keep_alive_late"]),
        (Fault::SignsInAnotherOrder, Scene::default(), &["fault wrong_signature"]),
        (Fault::SignsWithTheSecretToken, Scene::default(), &["fault wrong_signature"]),
        (Fault::SignsAsBase64, Scene::default(), &["fault wrong_signature"]),
        (Fault::SignsInUpperCase, Scene::default(), &["fault wrong_signature"]),
        (Fault::SignsWithoutStream, Scene::default(), &["fault wrong_signature"]),
        (Fault::SignsForAnotherApp, Scene::default(), &["fault wrong_signature"]),
        (Fault::WrongStreamId, Scene::default(), &["fault wrong_stream_id"]),
        (Fault::TwoIds, Scene::default(), &["warning odd_instance_id"]),
        (Fault::AnotherId, Scene::default(), &["fault wrong_instance_id"]),
        (Fault::TwoSignalingConnections, Scene::default(), &["fault second_signaling"]),
        (Fault::TwoConnectionsForAudio, Scene::default(), &["fault second_media"]),
        (Fault::NoReady, Scene::default(), &["fault no_ready"]),
        (Fault::ReadyBeforeMessage4, Scene::default(), &["fault ready_too_early"]),
        (Fault::ReadyForAnotherStream, Scene::default(), &["fault ready_for_another_stream"]),
        (Fault::IgnoresRefusal, Scene::default(), &["warning refused", "fault refusal_ignored"]),
        (Fault::IgnoresRefusal, audio_alone(), &["warning refused", "fault refusal_ignored"]),
        (Fault::AsksTheSameAgain, Scene::default(), &["warning refused", "fault asked_again"]),
        (Fault::MeetsRefusalRightly, Scene::default(), &["warning refused"]),
        (Fault::DataHandshakeOnSignaling, Scene::default(), &["fault handshake_misplaced"]),
        (Fault::SubscribesBeforeTheHandshake, Scene::default(), &["fault out_of_place"]),
        (Fault::SubscribesToAutomaticEvents, Scene::default(), &["warning subscribed_to_automatic"]),
        (Fault::SubscribesToUnknownEvents, Scene::default(), &["warning bad_subscription"]),
        (Fault::SendsMedia, Scene::default(), &["fault sent_media"]),
        (Fault::SendsUnknownMessages, Scene::default(), &["fault unknown_message"]),
        (Fault::SendsNoJson, Scene::default(), &["fault not_a_message"]),
        (Fault::AsksForAnUnknownState, Scene::default(), &["warning unknown_state_asked_for"]),
        (Fault::OpensMediaAndSaysNothing, Scene::default(), &["fault handshake_too_late"]),
        (Fault::NeverJoins, Scene::default(), &["fault never_joined"]),
        (Fault::JoinsLate, Scene::default(), &["warning joined_late"]),
        (Fault::NeverComesBack, cut(), &["fault window_missed"]),
        (Fault::LeavesWithoutGoodbye, Scene::default(), &["fault window_missed"]),
        (Fault::ReconnectsInATightLoop, shut(), &["fault retried_too_fast"]),
        (Fault::ReconnectsAfterTheEnd, Scene::default(), &["fault came_back_after_the_end"]),
        (Fault::AnswersWebhooksLate, Scene::default(), &["fault webhook_answered_too_late"]),
        (Fault::AnswersWebhooksWith(500), Scene::default(), &["fault webhook_not_accepted"]),
        (Fault::AnswersWebhooksWith(404), Scene::default(), &["fault webhook_not_accepted"]),
        (Fault::AnswersWebhooksWith(302), Scene::default(), &["fault webhook_redirected"]),
        (Fault::JoinsBesideOnRepeat, repeated(), &["fault acted_on_repeat"]),
        (Fault::JoinsAnewOnRepeat, repeated(), &["fault acted_on_repeat"]),
        (Fault::LeavesSocketsOpen, Scene::default(), &["fault left_open"]),
        (Fault::EndsWithoutACloseFrame, Scene::default(), &["warning abrupt_close"]),
    ];
    for (fault, scene, expected) in cases {
        for seed in 0..2 {
            let report = run(Some(fault), scene.clone(), seed);
            assert_eq!(names(&report), expected, "{fault:?}, seed {seed}:\n{report}");
            let fails = expected.iter().any(|name| name.starts_with("fault"));
            assert_eq!(report.verdict == Verdict::Fail, fails, "{fault:?}");
        }
    }
}

#[test]
fn a_wrong_signature_is_explained() {
    let cases = [
        (Fault::SignsInAnotherOrder, vec![Suspect::Order]),
        (Fault::SignsWithTheSecretToken, vec![Suspect::SecretToken]),
        (Fault::SignsAsBase64, vec![Suspect::Base64]),
        (Fault::SignsInUpperCase, vec![Suspect::UpperCase]),
        (Fault::SignsWithoutStream, vec![Suspect::StreamMissing]),
        (Fault::SignsForAnotherApp, vec![]),
    ];
    for (fault, expected) in cases {
        let report = run(Some(fault), Scene::default(), 1);
        let [found] = &report.findings[..] else { panic!("{report}") };
        let Mistake::WrongSignature { suspects, .. } = &found.mistake else { panic!("{report}") };
        assert_eq!(*suspects, expected, "{fault:?}");
        assert!(!report.joined);
    }
}

#[test]
fn a_wrong_keep_alive_is_explained() {
    let cases = [
        (Fault::KeepAliveWithWrongTimestamp, KeepAliveFault::Timestamp),
        (Fault::KeepAliveWithWrongSequence, KeepAliveFault::Sequence),
        (Fault::KeepAliveOnSignalingAlone, KeepAliveFault::OtherConnection),
    ];
    for (fault, expected) in cases {
        let report = run(Some(fault), Scene::default(), 1);
        let expected = Mistake::KeepAliveMismatch { how: expected };
        assert!(report.findings.iter().all(|found| found.mistake == expected), "{fault:?}: {report}");
    }
}

#[test]
fn the_summary_counts_what_was_asked_and_answered() {
    let report = run(None, Scene::default(), 1);

    let keep_alives = report.summary.keep_alives;
    assert_eq!(keep_alives.asked, keep_alives.answered);
    assert_eq!(keep_alives.asked, 3 * 9, "three connections, 90 seconds");
    assert!((2..=60).contains(&keep_alives.longest_ms), "{keep_alives:?}");
    assert!(keep_alives.mean_ms <= keep_alives.longest_ms);
    assert_eq!((report.summary.sent.joins, report.summary.sent.media_connections), (1, 2));
    let webhooks: Vec<_> = report.summary.webhooks.iter().map(|it| (it.event.as_str(), it.answer.as_str())).collect();
    assert_eq!(webhooks, [("meeting.rtms_started", "200"), ("meeting.rtms_stopped", "200")]);
}

/// What happens around the client.
#[derive(Clone, Default)]
struct Scene {
    incidents: Vec<Incident>,
    refused: Vec<Refused>,
    /// All that the product has if empty.
    granted: Vec<Medium>,
}

fn run(fault: Option<Fault>, scene: Scene, seed: u64) -> StreamReport {
    let meeting = MeetingOptions {
        seed,
        duration: Duration::from_secs(90),
        detail: MediaDetail::Markers,
        ..MeetingOptions::default()
    };
    let server = |name: &str| Server {
        signaling_url: format!("ws://{name}/signaling"),
        media_url: format!("ws://{name}/media"),
    };
    let Server { signaling_url, media_url } = server("first");
    let defaults = ZoomConfig::default();
    let granted = if scene.granted.is_empty() { defaults.granted } else { MediaTypes::of(scene.granted) };
    let config = ZoomConfig {
        meeting,
        signaling_url,
        media_url,
        granted,
        standby: vec![server("second"), server("third")],
        incidents: scene.incidents,
        temper: Temper { refusals: scene.refused, ..Temper::default() },
        ..defaults
    };
    let mut world = World::new(config, Network::default(), &Seed::new(seed), START);
    let mut client = Little::new(fault);
    let until = START + Duration::from_secs(300);
    world.run(&mut client, Duration::from_secs(15), until, &mut |_, _| {});
    world.zoom().report()
}

fn at(seconds: u64, what: Trouble) -> Incident {
    Incident { at: Duration::from_secs(seconds), what }
}

fn refused(request: Request, answer: Answer, times: u32, after_seconds: u64) -> Refused {
    Refused { request, answer, times, after: Duration::from_secs(after_seconds) }
}

/// Each kind of finding once, in the order in which they came first.
fn names(report: &StreamReport) -> Vec<String> {
    let mut names = Vec::new();
    for found in &report.findings {
        assert_ne!(found.severity, Severity::Note);
        let name = format!("{} {}", found.severity.as_str(), found.mistake.name());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn seen(report: &StreamReport) -> Vec<String> {
    report.findings.iter().map(ToString::to_string).collect()
}
