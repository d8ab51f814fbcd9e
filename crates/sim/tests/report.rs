//! The judge's report as it is written down: its JSON is a promise, its advice leads somewhere.

mod common;

use common::{Run, config};
use rtms_sim::{
    config::ZoomConfig,
    judge::{REPORT_VERSION, Report, Verdict},
    meeting::{MeetingOptions, options::MediaDetail},
    webhook::{WebhookAnswer, WebhookId},
    zoom::{Ending, Input},
};
use serde_json::{Value, json};

/// Every mistake's advice is in this file.
const ADVICE: &str = include_str!("../src/findings/advice.rs");
const PROTOCOL: &str = include_str!("../../../docs/protocol.md");
const FIXTURE: &str = include_str!("fixtures/report-1.json");

#[test]
fn the_json_is_that_of_the_fixture() {
    let report = Report::new(vec![a_run_with_findings().zoom.report()]);

    assert_eq!(report.version, REPORT_VERSION);
    let mut written: Value = serde_json::from_str(&report.to_json()).unwrap();
    for finding in written["streams"][0]["findings"].as_array_mut().unwrap() {
        // What is for people may be put better at any time.
        for key in ["seen", "advice"] {
            assert!(finding[key].take().as_str().is_some_and(|text| !text.is_empty()), "{key}");
        }
    }
    let fixture: Value = serde_json::from_str(FIXTURE).unwrap();
    assert_eq!(written, fixture, "a changed report needs a new version, unless a field was added:\n{written:#}");
}

#[test]
fn the_text_says_what_was_seen_and_what_is_right() {
    let report = Report::new(vec![a_run_with_findings().zoom.report()]).to_string();

    let lines = [
        "  1 joined, 1 media connections, 1 refused for what the client did",
        "  keep-alives: 4 asked, 1 answered after 0 ms on average and 0 ms at most",
        "  webhook meeting.rtms_started at 0.000 s, attempt 1: 500 after 0 ms",
        "fault at 0.000 s: the client answered the webhook meeting.rtms_started badly: status 500.",
        "    Answer a webhook with a 2xx status: docs/protocol.md#answers",
        "  warning at 25.000 s on connection 1: the client cut the connection without a close frame.",
        "verdict: fail",
    ];
    for line in lines {
        assert!(report.contains(line), "{line}\nis not in\n{report}");
    }
}

#[test]
fn a_stream_that_nobody_joined_is_not_passed() {
    let mut run = Run::of_seconds(5);
    run.until(6_000);

    let report = run.zoom.report();

    assert!(report.findings.is_empty(), "{report}");
    assert!(!report.joined);
    assert_eq!(report.verdict, Verdict::Fail);
    assert_eq!(Report::new(Vec::new()).verdict, Verdict::Fail);
}

#[test]
fn warnings_alone_pass() {
    let mut run = Run::of_seconds(5);
    let signaling = run.join();
    run.input(Input::Closed { connection: signaling, ending: Ending::Cut });

    let report = run.zoom.report();

    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.verdict, Verdict::Pass);
}

#[test]
fn every_advice_leads_to_a_section_of_the_protocol_document() {
    let headings: Vec<String> = PROTOCOL
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"))
        .collect();
    let links: Vec<&str> = ADVICE
        .split("docs/protocol.md#")
        .skip(1)
        .filter_map(|rest| rest.split(|it: char| !it.is_ascii_alphanumeric() && it != '-').next())
        .collect();

    assert!(links.len() > 30, "{links:?}");
    for link in links {
        let is_there =
            headings.iter().any(|heading| heading == link) || PROTOCOL.contains(&format!("<a id=\"{link}\">"));
        assert!(is_there, "docs/protocol.md has no section {link}");
    }
}

/// A client that makes some mistakes of each kind and does not come back.
fn a_run_with_findings() -> Run {
    let ZoomConfig { meeting, .. } = config(60);
    let meeting = MeetingOptions { detail: MediaDetail::Markers, ..meeting };
    let mut run = Run::new(ZoomConfig { meeting, ..config(60) });
    run.input(Input::WebhookAnswered { webhook: WebhookId(1), answer: WebhookAnswer::Status(500) });
    let signaling = run.join();
    let media = run.open_media(8, json!({}));
    run.ready(signaling);
    let request = run.data_request(8, json!({"transcript": {"src_language": 99}}));
    let refused = run.connect(rtms_sim::zoom::Endpoint::Media);
    run.say(refused, &request);
    run.hang_up(refused);
    let audio = run.connect(rtms_sim::zoom::Endpoint::Media);
    let mut wrong = run.data_request(1, json!({}));
    wrong["signature"] = "no".into();
    run.say(audio, &wrong);
    run.hang_up(audio);
    run.until(10_000);
    run.say(media, &json!({"msg_type": 13, "timestamp": run.now.0, "sequence": 1}));
    run.say(signaling, &json!({"msg_type": 13, "timestamp": 1, "sequence": 1}));
    run.until(25_000);
    run.input(Input::Closed { connection: signaling, ending: Ending::Cut });
    run.until(90_000);
    run
}
