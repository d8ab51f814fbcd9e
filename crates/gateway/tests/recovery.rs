//! What is lost comes back: on real sockets, with a simulator that cuts, refuses and fails over. Nothing that Zoom would
//! have given is missing, and the ledger names who took the rest.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{collections::BTreeMap, time::Duration};

use common::{
    Gateway, config,
    recording::{Truth, wavs},
    simulator,
    told::{Told, total, written},
};
use rtms_record::{Manifest, check::check};
use rtms_sim::{
    fault::{Answer, Incident, Refused, Request, Target, Temper, Trouble},
    serve::{Simulator, SimulatorConfig},
};
use rtms_sink::envelope::{Body, Next};
use rtms_wire::{
    codes::{status_code::StatusCode, stop_reason::StopReason},
    media::medium::Medium,
};

/// When the trouble comes.
const AT: Duration = Duration::from_millis(2_500);

#[tokio::test]
async fn a_cut_signaling_connection_comes_back_and_no_sound_is_missing() {
    let run = Run::with(Trouble::Cut { target: Target::Signaling }).await;

    assert_eq!(run.simulator.counts().joins, 2);
    run.assert_all_sound();
    run.assert_interrupted_at_most(Medium::Chat, Duration::from_secs(4));
}

#[tokio::test]
async fn one_cut_media_connection_comes_back_alone() {
    let run = Run::with(Trouble::Cut { target: Target::Medium(Medium::Audio) }).await;

    assert_eq!(run.simulator.counts().joins, 1, "signaling stood");
    assert_eq!(run.simulator.counts().media_connections, 6);
    run.assert_all_sound();
    assert_eq!(total(&run.ledger()[&Medium::Video], "interrupted"), 0, "its connection stood");
}

#[tokio::test]
async fn everything_cut_at_once_comes_back() {
    let run = Run::with(Trouble::Cut { target: Target::Everything }).await;

    assert_eq!(run.simulator.counts().joins, 2);
    run.assert_all_sound();
}

#[tokio::test]
async fn everything_closed_with_1000_comes_back() {
    let run = Run::with(Trouble::Close { target: Target::Everything, code: 1000 }).await;

    assert_eq!(run.simulator.counts().joins, 2);
    run.assert_all_sound();
}

#[tokio::test]
async fn a_failover_is_obeyed_and_the_ledger_says_whose_doing_the_gap_is() {
    let run = Run::with(Trouble::Failover { overlap: Duration::from_secs(1) }).await;

    assert_eq!(run.simulator.counts().joins, 2);
    run.assert_all_sound();
    let chat = &run.ledger()[&Medium::Chat];
    let interruptions: Vec<_> = chat.iter().filter(|(.., word)| word.starts_with("interrupted")).collect();
    assert!(!interruptions.is_empty(), "{chat:?}");
    assert!(interruptions.iter().all(|(.., word)| word == "interrupted failover"), "{chat:?}");
}

#[tokio::test]
async fn a_refusal_with_status_8_is_waited_out() {
    let refusals = vec![Refused {
        request: Request::Signaling,
        answer: Answer::StatusAndClose(StatusCode::DuplicateSignalRequest),
        times: 2,
        after: Duration::from_secs(1),
    }];
    let temper = Temper { refusals, ..Temper::default() };
    let run = Run::under(temper, Trouble::Cut { target: Target::Signaling }, Duration::from_secs(14)).await;

    run.assert_all_sound();
}

#[tokio::test]
async fn an_end_says_what_is_to_be_done() {
    for (reason, next) in [
        (StopReason::MeetingEnded, Next::Nothing),
        (StopReason::KeepAliveTimeout, Next::AskForNewStream),
        (StopReason::AuthenticationFailure, Next::OperatorFirst),
    ] {
        let run = Run::ending(Trouble::Stop { reason, told: Default::default() }, reason).await;

        let ends = run.told.envelopes().into_iter().filter_map(|envelope| match envelope.body {
            Body::Ended { stop_reason, next, .. } => Some((stop_reason, next)),
            _ => None,
        });
        let ends: Vec<_> = ends.collect();
        assert_eq!(ends, [(Some(reason), next)]);
    }
}

/// A meeting that something happened to.
struct Run {
    simulator: Simulator,
    told: Told,
    manifest: Manifest,
    folder: std::path::PathBuf,
    _data_dir: tempfile::TempDir,
}

impl Run {
    async fn with(trouble: Trouble) -> Self {
        Self::under(Temper::default(), trouble, Duration::from_secs(8)).await
    }

    async fn under(temper: Temper, trouble: Trouble, duration: Duration) -> Self {
        Self::play(temper, trouble, duration, StopReason::MeetingEnded).await
    }

    async fn ending(trouble: Trouble, reason: StopReason) -> Self {
        Self::play(Temper::default(), trouble, Duration::from_secs(8), reason).await
    }

    async fn play(temper: Temper, what: Trouble, duration: Duration, reason: StopReason) -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let told = Told::default();
        let gateway = Gateway::start_telling(config(data_dir.path()), vec![told.delivery()]).await;
        let simulator = Simulator::start(SimulatorConfig {
            webhook_url: Some(gateway.webhook_url().parse().unwrap()),
            servers: 2,
            incidents: vec![Incident { at: AT, what }],
            temper,
            ..simulator(23, duration)
        })
        .await
        .unwrap();
        simulator.finished().await;
        let ended = gateway.ended(simulator.stream()).await;
        let (folder, manifest) = (gateway.folder_of(simulator.stream()), gateway.manifest_of(simulator.stream()));
        gateway.stop().await;

        assert_eq!(ended.stop_reason, Some(reason));
        let findings = simulator.findings();
        assert!(findings.is_empty(), "{findings:?}");
        let report = check(&folder);
        assert!(report.is_fine(), "{report:?}");
        let ledger = manifest.ledger.as_ref().unwrap();
        assert_eq!(ledger.flaw(), None);
        assert_eq!(told.ledger(), written(ledger), "what was told live adds up to the same");
        Self { simulator, told, manifest, folder, _data_dir: data_dir }
    }

    fn ledger(&self) -> BTreeMap<Medium, Vec<(u64, u64, String)>> {
        written(self.manifest.ledger.as_ref().unwrap())
    }

    /// Every sample that the simulator sent is in its place, and the ledger has all of it.
    fn assert_all_sound(&self) {
        let truth = Truth::of(self.simulator.sent());
        let expected = truth.as_samples(self.simulator.start_time(), 16_000, 1);
        let found = wavs(&self.folder);
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (name, (_, samples)) in &found {
            let different = samples.iter().zip(&expected[name]).position(|(found, sent)| found != sent);
            assert_eq!((different, samples.len()), (None, expected[name].len()), "{name}");
        }
        let line = &self.ledger()[&Medium::Audio];
        for packet in &truth.audio {
            let at = packet.timestamp.0;
            let word = line.iter().find(|(from, to, _)| (*from..*to).contains(&at)).map(|(.., word)| word.as_str());
            assert_eq!(word, Some("received"), "at {} ms", at - self.simulator.start_time().0);
        }
    }

    /// Zoom interrupts media with signaling; which socket is seen to close first decides the word.
    fn assert_interrupted_at_most(&self, medium: Medium, most: Duration) {
        let line = &self.ledger()[&medium];
        let lasted = total(line, "interrupted");
        let named = total(line, "interrupted zoom_signaling") + total(line, "interrupted media_connection");
        assert_eq!(lasted, named, "{line:?}");
        assert!(lasted > 0 && u128::from(lasted) <= most.as_millis(), "{line:?}");
    }
}
