//! What is lost comes back: on real sockets, with a simulator that cuts, hangs, refuses and fails over. Nothing that Zoom
//! would have given is missing, the ledger names who took the rest, and the recording plays.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use common::{
    Gateway, config,
    fast::forward,
    player,
    recording::Truth,
    simulator,
    told::{Told, total, written},
    until,
};
use rtms_gateway::config::Config;
use rtms_proto::keep_alive::DEAD_AFTER;
use rtms_record::{Manifest, check::check};
use rtms_sim::{
    fault::{Answer, Incident, Refused, Request, Target, Temper, Trouble},
    meeting::options::Scene,
    sent::{SentCounts, What},
};
use rtms_sim_server::{Simulator, SimulatorConfig};
use rtms_sink::envelope::{Body, Next};
use rtms_wire::{
    codes::{status_code::StatusCode, stop_reason::StopReason},
    media::medium::Medium,
};
use tokio::time::sleep;

/// When the trouble comes.
const AT: Duration = Duration::from_millis(2_500);
/// How long servers hang.
const FROZEN_FOR: Duration = Duration::from_secs(70);
/// How late somebody comes whom Zoom keeps nearly all the sound for that it keeps.
const LATE: Duration = Duration::from_secs(58);

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
async fn everything_closed_with_1000_and_no_word_of_it_comes_back() {
    let run =
        Play { is_told: false, ..Play::of(Trouble::Close { target: Target::Everything, code: 1000 }) }.run().await;

    assert_eq!(run.simulator.counts().joins, 2);
    run.assert_all_sound();
}

#[tokio::test]
async fn a_failover_is_obeyed_and_the_ledger_says_whose_doing_the_gap_is() {
    let run = Run::with(Trouble::Failover { overlap: Duration::from_secs(1) }).await;

    assert_eq!(run.simulator.counts().joins, 2);
    // Both servers have ports of their own.
    assert_eq!(run.simulator.counts().media_connections, 10);
    run.assert_all_sound();
    let chat = &run.ledger()[&Medium::Chat];
    let interruptions: Vec<_> = chat.iter().filter(|(.., word)| word.starts_with("interrupted")).collect();
    assert!(!interruptions.is_empty(), "{chat:?}");
    assert!(interruptions.iter().all(|(.., word)| word == "interrupted failover"), "{chat:?}");
}

#[tokio::test]
async fn three_refusals_with_status_8_are_waited_out() {
    let is_duplicate = StatusCode::DuplicateSignalRequest;
    let refusals = vec![Refused {
        request: Request::Signaling,
        answer: Answer::StatusAndClose(is_duplicate),
        times: 3,
        after: Duration::from_secs(1),
    }];
    let temper = Temper { refusals, ..Temper::default() };
    // The word that explains the loss is waited for, 2 s at most; the waits after it are 1.5, 3 and 6 s, and a fifth longer
    // at most. So it is back 15 s after the cut, and a busy machine has time left.
    let duration = Duration::from_secs(28);
    let run = Play { temper, duration, ..Play::of(Trouble::Cut { target: Target::Signaling }) }.run().await;

    let answers = run.simulator.sent().into_iter().filter_map(|sent| match sent.what {
        What::SignalingHandshake { status } => Some(status),
        _ => None,
    });
    let answers: Vec<_> = answers.collect();
    assert_eq!(answers, [StatusCode::Ok, is_duplicate, is_duplicate, is_duplicate, StatusCode::Ok]);
    run.assert_all_sound();
}

#[tokio::test]
async fn servers_that_hang_for_70_s_are_left_after_65_and_what_zoom_kept_comes_back() {
    let run = Play::frozen(Target::Everything).run().await;

    assert_eq!(run.simulator.counts().joins, 2);
    run.assert_all_sound();
    run.assert_frozen(&[Medium::Audio, Medium::Chat]);
}

#[tokio::test]
async fn a_media_server_that_hangs_for_70_s_is_left_alone_and_what_zoom_kept_comes_back() {
    let run = Play::frozen(Target::Medium(Medium::Audio)).run().await;

    assert_eq!((run.simulator.counts().joins, run.simulator.counts().media_connections), (1, 6));
    run.assert_all_sound();
    run.assert_frozen(&[Medium::Audio]);
    let chat = &run.ledger()[&Medium::Chat];
    assert!(total(chat, "interrupted") < 1_000, "its connection stood: {chat:?}");
}

#[tokio::test]
async fn a_minute_of_three_voices_at_48_khz_stereo_comes_with_the_join() {
    let play = Play { is_told: false, starts_late: LATE, duration: LATE + Duration::from_secs(12), ..Play::quiet() };
    let run = Play { scene: Scene::AllTalkAtOnce, audio: (48_000, 2), ..play }.run().await;

    run.assert_all_sound();
    let truth = Truth::of(run.simulator.sent());
    assert_eq!(truth.audio.len(), 3 * run.simulator.meeting().duration_ms as usize / 20, "from the first packet on");
    let early = truth.audio.iter().filter(|packet| packet.timestamp < run.simulator.start_time() + LATE);
    let bytes: usize = early.map(|packet| packet.length).sum();
    assert_eq!(bytes, 3 * LATE.as_secs() as usize * 48_000 * 2 * 2);
}

#[tokio::test]
async fn an_end_says_what_is_to_be_done() {
    let ends_with = async |reason, next| {
        let run = Play { reason, ..Play::of(Trouble::Stop { reason, notice: Default::default() }) }.run().await;

        let ends = run.told.envelopes().into_iter().filter_map(|envelope| match envelope.body {
            Body::Ended { stop_reason, next, .. } => Some((stop_reason, next)),
            _ => None,
        });
        let ends: Vec<_> = ends.collect();
        assert_eq!(ends, [(Some(reason), next)]);
    };
    tokio::join!(
        ends_with(StopReason::MeetingEnded, Next::Nothing),
        ends_with(StopReason::KeepAliveTimeout, Next::AskForNewStream),
        ends_with(StopReason::AuthenticationFailure, Next::OperatorFirst),
    );
}

/// What is to be played.
struct Play {
    temper: Temper,
    trouble: Option<Trouble>,
    duration: Duration,
    /// Why the stream ends.
    reason: StopReason,
    /// Whether webhooks are posted; otherwise the start alone is.
    is_told: bool,
    /// How late the start is posted then.
    starts_late: Duration,
    scene: Scene,
    /// Samples a second, and channels.
    audio: (u32, u16),
}

impl Play {
    fn quiet() -> Self {
        Self {
            temper: Temper::default(),
            trouble: None,
            duration: Duration::from_secs(8),
            reason: StopReason::MeetingEnded,
            is_told: true,
            starts_late: Duration::ZERO,
            scene: Scene::Conversation,
            audio: (16_000, 1),
        }
    }

    fn of(trouble: Trouble) -> Self {
        Self { trouble: Some(trouble), ..Self::quiet() }
    }

    fn frozen(target: Target) -> Self {
        let trouble = Trouble::Freeze { target, lasts: FROZEN_FOR };
        Self { duration: AT + FROZEN_FOR + Duration::from_secs(6), ..Self::of(trouble) }
    }

    fn config(&self, data_dir: &Path) -> Config {
        let mut config = config(data_dir);
        (config.media.audio.sample_rate, config.media.audio.channels) = self.audio;
        config
    }

    async fn run(self) -> Run {
        let data_dir = tempfile::tempdir().unwrap();
        let told = Told::default();
        let gateway = Gateway::start_telling(self.config(data_dir.path()), vec![told.delivery()]).await;
        let webhook_url = self.is_told.then(|| gateway.webhook_url().parse().unwrap());
        let incidents = self.trouble.clone().map(|what| Incident { at: AT, what }).into_iter().collect();
        let mut meeting = simulator(23, self.duration);
        meeting.meeting.scene = self.scene;
        // Nobody is blamed for coming late.
        meeting.timing.join_within = LATE * 3;
        let simulator = SimulatorConfig { webhook_url, servers: 2, incidents, temper: self.temper, ..meeting };
        let simulator = Simulator::start(simulator).await.unwrap();
        if !self.is_told {
            forward(self.starts_late).await;
            assert_eq!(gateway.post(simulator.start_webhook()).await, 200);
        }
        if let Some(Trouble::Freeze { .. }) = self.trouble {
            frozen(&simulator).await;
        }
        simulator.finished().await;
        let ended = gateway.ended(simulator.stream()).await;
        let (folder, manifest) = (gateway.folder_of(simulator.stream()), gateway.manifest_of(simulator.stream()));
        gateway.stop().await;

        assert_eq!(ended.stop_reason, Some(self.reason));
        let findings = simulator.findings();
        assert!(findings.is_empty(), "{findings:?}");
        let report = check(&folder);
        assert!(report.is_fine(), "{report:?}");
        let ledger = manifest.ledger.as_ref().unwrap();
        assert_eq!(ledger.flaw(), None);
        assert_eq!(told.ledger(), written(ledger), "what was told live adds up to the same");
        for track in &manifest.tracks {
            for file in &track.files {
                player::assert_plays(&folder.join(file), track.sample_rate, track.channels);
            }
        }
        Run { simulator, told, manifest, audio: self.audio, folder, _data_dir: data_dir }
    }
}

/// Waits until the servers hang, and lets the time pass after which they are left.
async fn frozen(simulator: &Simulator) {
    until("all is connected", async || (simulator.counts().media_connections == 5).then_some(())).await;
    let connections = |counts: SentCounts| (counts.joins, counts.media_connections);
    let before = connections(simulator.counts());
    sleep(AT + Duration::from_millis(500)).await;
    forward(DEAD_AFTER).await;
    until("they are left", async || (connections(simulator.counts()) != before).then_some(())).await;
}

/// A meeting that something happened to.
struct Run {
    simulator: Simulator,
    told: Told,
    manifest: Manifest,
    audio: (u32, u16),
    folder: PathBuf,
    _data_dir: tempfile::TempDir,
}

impl Run {
    async fn with(trouble: Trouble) -> Self {
        Play::of(trouble).run().await
    }

    fn ledger(&self) -> BTreeMap<Medium, Vec<(u64, u64, String)>> {
        written(self.manifest.ledger.as_ref().unwrap())
    }

    /// Every sample that the simulator sent is in its place, and the ledger has all of it.
    fn assert_all_sound(&self) {
        let truth = Truth::of(self.simulator.sent());
        truth.assert_sound(&self.folder, self.simulator.start_time(), self.audio.0, self.audio.1);
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

    /// The time in which these media's connections hung has that name, but for the sound that Zoom kept: a minute of it. They
    /// were left before their servers went on.
    fn assert_frozen(&self, media: &[Medium]) {
        for medium in media {
            let line = &self.ledger()[medium];
            let frozen = u128::from(total(line, "interrupted frozen"));
            let least = if *medium == Medium::Audio { 5_000 } else { DEAD_AFTER.as_millis() };
            assert!((least..FROZEN_FOR.as_millis()).contains(&frozen), "{medium}: {line:?}");
        }
        let start = self.simulator.start_time().0;
        let heard: BTreeSet<_> =
            Truth::of(self.simulator.sent()).audio.iter().map(|it| it.timestamp.0 - start).collect();
        let said = self.simulator.meeting().utterances.iter().flat_map(|said| (said.start_ms..said.end_ms).step_by(20));
        let missing: BTreeSet<_> = said.filter(|at| !heard.contains(at)).collect();
        let most = FROZEN_FOR - Duration::from_secs(58);
        assert!(missing.len() * 20 <= most.as_millis() as usize, "{missing:?} ms are missing");
    }
}
