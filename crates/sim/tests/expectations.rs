//! What scenarios expect, asked of small clients of another make: a good one passes, a bad one is told what did not
//! hold.

#[allow(dead_code, reason = "not every fault is of interest here")]
mod little;

use std::time::Duration;

use little::{Fault, Little};
use rtms_sim::{
    config::ZoomConfig,
    judge::{Report, StreamReport, Verdict},
    meeting::{MeetingOptions, options::MediaDetail},
    scenario::Scenario,
    seed::Seed,
    world::{Client, FromClient, Step, ToClient, World},
};
use rtms_wire::time::UnixMillis;

const START: UnixMillis = UnixMillis(1_795_420_800_000);

#[test]
fn the_scenario_that_the_manual_shows_is_the_file_of_that_name() {
    let manual = include_str!("../../../docs/simulator.md");

    let shown = manual.split_once("```toml\n").and_then(|(_, rest)| rest.split_once("```")).map(|(shown, _)| shown);

    assert_eq!(shown, Some(include_str!("../scenarios/cut-signaling.toml")));
}

#[test]
fn a_good_client_of_another_make_passes_and_is_not_asked_for_media_that_it_does_not_want() {
    let names = [
        "plain-meeting",
        "plain-session",
        "webhooks-posted-twice",
        "cut-signaling",
        "cut-audio",
        "close-everything-1011",
        "failover",
        "failover-with-overlap",
        "refused-internal-four-times",
        "late-join-with-backlog",
        "pause-and-resume",
        "stop-revoked",
        "start-repeated-after-the-stop",
        "start-after-a-stop",
        "start-after-a-stop-and-the-old-one-again",
    ];
    for name in names {
        let report = play(&scenario(name), Some(Little::new(None)));

        assert_eq!(report.verdict, Verdict::Pass, "{name}\n{report}");
    }
    let report = play(&scenario("plain-meeting"), Some(Little::new(None)));
    let unchecked = ["video", "deskshare", "chat"].map(|medium| format!("{medium}: the client never asked for it"));
    assert_eq!(report.scenario.unwrap().unchecked, unchecked);
}

#[test]
fn a_client_that_never_comes_back_is_told_all_that_was_expected() {
    let report = play(&scenario("cut-signaling"), Some(Little::new(Some(Fault::NeverComesBack))));

    assert_eq!(report.verdict, Verdict::Fail);
    let unmet = report.unmet();
    assert!(unmet.contains(&"signaling was joined 1 times, not 2".to_owned()), "{unmet:?}");
    assert!(unmet.iter().any(|it| it.ends_with(" of speech were never sent, the first at 14s")), "{unmet:?}");
    assert!(unmet.contains(&"not back 5s after what happened at 15s".to_owned()), "{unmet:?}");
    let report = Report::new(vec![report]);
    let line = "  not as cut-signaling expects: signaling was joined 1 times, not 2";
    assert!(report.to_string().contains(line), "{report}");
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(json["streams"][0]["scenario"]["unmet"].as_array().unwrap().len(), 3, "{json:#}");
}

#[test]
fn a_client_that_knows_starts_by_their_urls_is_found_out() {
    // The little client takes the start that leads back to the first server for the first one come again.
    let report = play(&scenario("failover-there-and-back"), Some(Little::new(None)));

    assert!(report.findings.is_empty(), "nothing is against the protocol\n{report}");
    assert_eq!(report.unmet()[0], "signaling was joined 2 times, not 3");
    assert_eq!(report.verdict, Verdict::Fail);
}

#[test]
fn a_client_that_opens_a_stopped_stream_again_is_found_out() {
    let story = scenario("start-repeated-after-the-stop");
    let report = play(&story, Some(Little::new(Some(Fault::JoinsBesideOnRepeat))));

    let names: Vec<_> = report.findings.iter().map(|it| it.mistake.name()).collect();
    assert_eq!(names, ["came_back_after_the_end"; 2], "for each of the two repeats\n{report}");
    assert_eq!(report.verdict, Verdict::Fail);
}

#[test]
fn where_nobody_can_join_a_client_passes_without_but_has_to_be_there() {
    for name in ["refused-unknown-stream", "first-window-missed"] {
        let there = play(&scenario(name), Some(Little::new(None)));
        let nobody = play(&scenario(name), None::<Little>);

        assert_eq!(there.verdict, Verdict::Pass, "{name}\n{there}");
        assert_eq!(nobody.verdict, Verdict::Fail, "{name}");
        assert!(nobody.unmet()[0].starts_with("nobody came"), "{name}: {:?}", nobody.unmet());
    }
}

#[test]
fn findings_that_the_scenario_brings_about_do_not_count_and_need_not_be_there() {
    let mut story = scenario("plain-meeting");
    story.expect.findings = vec!["no_ready".to_owned()];
    // Without message 7 there is no media.
    story.expect.media_complete.clear();
    story.expect.media.clear();

    let careless = play(&story, Some(Little::new(Some(Fault::NoReady))));
    let better = play(&story, Some(Little::new(None)));

    assert!(careless.findings.iter().all(|it| it.excused) && !careless.findings.is_empty(), "{careless}");
    assert_eq!((careless.verdict, better.verdict), (Verdict::Pass, Verdict::Pass), "{careless}\n{better}");
    let other = play(&story, Some(Little::new(Some(Fault::SendsMedia))));
    assert_eq!(other.verdict, Verdict::Fail, "another finding counts as ever\n{other}");
}

fn scenario(name: &str) -> Scenario {
    Scenario::named(name).expect("it is in the catalogue")
}

/// Nobody hears of the stream without a client.
fn play(scenario: &Scenario, client: Option<impl Client>) -> StreamReport {
    let config = scenario.config();
    let meeting = MeetingOptions { detail: MediaDetail::Markers, ..config.meeting.clone() };
    let mut world =
        World::new(ZoomConfig { meeting, ..config }, scenario.network(), &Seed::new(scenario.meeting.seed), START);
    let mut sent = Vec::new();
    let mut look = |_: UnixMillis, step: Step| {
        if let Step::Sent(one) = step {
            sent.push(one);
        }
    };
    let (after, until) = (Duration::from_secs(30), START + Duration::from_secs(3_600));
    let has_ended = match client {
        Some(mut client) => world.run(&mut client, after, until, &mut look),
        None => world.run(&mut Nobody, after, until, &mut look),
    };
    assert!(has_ended, "{} does not end", scenario.name);
    scenario.judge(world.zoom(), &sent)
}

/// No client at all: no webhook is answered, nothing is dialed.
struct Nobody;

impl Client for Nobody {
    fn handle(&mut self, _event: ToClient, _now: UnixMillis) {}

    fn poll(&mut self) -> Option<FromClient> {
        None
    }

    fn next_deadline(&self) -> Option<UnixMillis> {
        None
    }
}
