//! SIGKILL at thirty random moments of meetings, and a new process each time: what was on disk stays, what Zoom kept comes
//! back, the ledger names what is missing, and the journal has everything that anybody heard.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "in a test, a panic is the answer"
)]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use common::{
    PATIENCE, Serving,
    door::random,
    finish,
    heard::{Heard, settings},
    rtms, until, with_secrets,
};
use rtms_gateway::server::RECORDINGS;
use rtms_record::{
    Manifest, Who, layout,
    ledger::{Cause, What},
    manifest::{RecordingState, Track, TrackSource},
};
use rtms_sim::{
    config::WebhookOptions,
    findings::Mistake,
    meeting::MeetingOptions,
    sent::{self, Payload, Sent},
};
use rtms_sim_server::{Simulator, SimulatorConfig};
use rtms_wire::{
    codes::{status_code::StatusCode, stop_reason::StopReason},
    ids::UserId,
    media::medium::Medium,
    time::UnixMillis,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    process::Child,
    sync::watch,
    task::{JoinHandle, LocalSet},
    time::{Instant, sleep_until, timeout},
};

/// The first meeting's; `RTMS_SEED=5000 cargo test -p rtms --test kill_in_a_meeting` tries other meetings and moments.
const SEED: u64 = 2026;
/// They run side by side, each with a server of its own.
const MEETINGS: u64 = 6;
const KILLS: usize = 5;
const DURATION: Duration = Duration::from_secs(32);
/// Kills come in this stretch of a meeting. After the last one there is time enough to come back.
const FIRST_KILL: Duration = Duration::from_millis(300);
const LAST_KILL: Duration = Duration::from_secs(26);

/// What is lost at most before a kill: what came since the last sync, which comes every second, and what the sync and the
/// way through a busy machine take.
const UNSYNCED: Duration = Duration::from_millis(1_000 + 1_000);
/// For so long after a kill the simulator may not know of it, and send into a socket that nobody reads.
const UNNOTICED: Duration = Duration::from_millis(500);

/// Zoom sends a webhook that nobody took again after five minutes; here after half a second.
const TIME_COMPRESSION: u32 = 600;

#[tokio::test]
async fn what_was_recorded_stays_and_what_is_missing_has_a_name() {
    let seed = std::env::var("RTMS_SEED").map_or(SEED, |seed| seed.parse().expect("RTMS_SEED is a number"));
    let all = LocalSet::new();
    let meetings: Vec<_> = (0..MEETINGS).map(|number| all.spawn_local(play(seed + number))).collect();
    all.await;
    for meeting in meetings {
        meeting.await.unwrap();
    }
}

/// A meeting whose server is killed again and again.
async fn play(seed: u64) {
    let data_dir = tempfile::tempdir().unwrap();
    let mut supervisor = Supervisor::start(data_dir.path()).await;
    supervisor.listens().await;
    let meeting = MeetingOptions { seed, participants: 3, duration: DURATION, ..MeetingOptions::default() };
    let webhook_url = Some(format!("http://{}/webhook", supervisor.front).parse().unwrap());
    let webhooks = WebhookOptions { time_compression: TIME_COMPRESSION, ..WebhookOptions::default() };
    let simulator = Simulator::start(SimulatorConfig { meeting, webhook_url, webhooks, ..SimulatorConfig::default() })
        .await
        .unwrap();
    let begun = Instant::now();
    let mut kills = Vec::new();
    for moment in moments(seed) {
        sleep_until(begun + moment).await;
        kills.push(supervisor.kill().await);
        supervisor.spawn();
    }
    simulator.finished().await;
    let folder = layout::folder(&data_dir.path().join(RECORDINGS), simulator.stream());
    let manifest = until("the recording is closed", async || {
        Manifest::read(&folder).unwrap().filter(|manifest| manifest.state == RecordingState::Finished)
    })
    .await;
    let heard = supervisor.leave().await;

    let run = Run { seed, simulator, kills, folder, manifest };
    run.assert_one_connection_at_a_time();
    let lost = run.assert_nothing_else_is_missing();
    run.assert_every_gap_is_named();
    run.assert_checked().await;
    let (owners, entries) = heard.assert_all_in(&run.folder);
    assert!(owners.len() > 1 && heard.count("transcript") > 0, "seed {seed}: {owners:?}");
    println!("seed {seed}: killed {:?} after the start; of {lost}", run.since_start());
    println!("seed {seed}: {entries} entries of the journal by owners {owners:?}");
}

/// When to kill, since the start.
fn moments(seed: u64) -> Vec<Duration> {
    let mut state = seed;
    let span = (LAST_KILL - FIRST_KILL).as_micros();
    let moment = |_| FIRST_KILL + Duration::from_micros((u128::from(random(&mut state)) % span) as u64);
    let mut moments: Vec<_> = (0..KILLS).map(moment).collect();
    moments.sort();
    moments
}

/// What is left of a meeting.
struct Run {
    seed: u64,
    simulator: Simulator,
    /// Before and after each kill.
    kills: Vec<(UnixMillis, UnixMillis)>,
    folder: PathBuf,
    manifest: Manifest,
}

impl Run {
    fn assert_one_connection_at_a_time(&self) {
        let seed = self.seed;
        // Nobody says goodbye who is killed, and nobody answers while nobody is there.
        let is_a_kill = |mistake: &Mistake| {
            matches!(
                mistake,
                Mistake::AbruptClose
                    | Mistake::WebhookNotAccepted { .. }
                    | Mistake::WebhookNotAnswered { .. }
                    | Mistake::WebhookAnsweredTooLate { .. }
            )
        };
        let findings = self.simulator.findings();
        assert!(findings.iter().all(|finding| is_a_kill(&finding.mistake)), "seed {seed}: {findings:?}");
        for sent in self.simulator.sent() {
            if let sent::What::SignalingHandshake { status } | sent::What::DataHandshake { status, .. } = sent.what {
                assert_eq!(status, StatusCode::Ok, "seed {seed}: the connection before it lived");
            }
        }
        let joins = self.simulator.counts().joins;
        assert!((2..=1 + KILLS as u64).contains(&joins), "seed {seed}: joined {joins} times");
        let ending = self.manifest.ending.as_ref().unwrap();
        assert_eq!(ending.stop_reason, Some(StopReason::MeetingEnded), "seed {seed}");
    }

    /// What is in the files is what was sent, and what is not there was sent shortly before a kill.
    fn assert_nothing_else_is_missing(&self) -> String {
        let sent = self.simulator.sent();
        let media = [
            ("sound", self.lost_sound(&sent)),
            ("video", self.lost_pictures(&sent, Medium::Video)),
            ("deskshare", self.lost_pictures(&sent, Medium::Deskshare)),
            ("transcript", self.lost_lines(&sent, Medium::Transcript)),
            ("chat", self.lost_lines(&sent, Medium::Chat)),
        ];
        let mut told = Vec::new();
        let mut longest = 0;
        for (medium, (lost, count)) in media {
            for at in &lost {
                let kill = self.kills.iter().find(|(_, after)| *at <= *after + UNNOTICED);
                let before_ms = kill.map(|(before, _)| before.0.saturating_sub(at.0));
                let at_ms = at.since(self.simulator.start_time()).as_millis();
                let (seed, kills) = (self.seed, self.since_start());
                let is_late = before_ms.is_some_and(|before_ms| before_ms <= UNSYNCED.as_millis() as u64);
                assert!(is_late, "seed {seed}: {medium} sent at {at_ms} ms, kills at {kills:?}");
                longest = longest.max(before_ms.unwrap());
            }
            told.push(format!("{count} {medium} {} are lost", lost.len()));
        }
        format!("{}, none of them sent more than {longest} ms before a kill", told.join(", "))
    }

    /// When the packets were sent that are not in the WAV files, and how many were sent. Those that are there are so to the
    /// last byte, and beside them is silence.
    fn lost_sound(&self, sent: &[Sent]) -> (Vec<UnixMillis>, usize) {
        let seed = self.seed;
        let origin = self.manifest.origin.unwrap();
        let mut packets = BTreeMap::<&UserId, BTreeMap<UnixMillis, (&Payload, UnixMillis)>>::new();
        for Sent { at, what, .. } in sent {
            if let sent::What::Audio(payload) = what {
                packets.entry(&payload.user_id).or_default().insert(payload.timestamp, (payload, *at));
            }
        }
        let count = packets.values().map(BTreeMap::len).sum();
        let line = &self.manifest.ledger.as_ref().unwrap().media[&Medium::Audio].spans;
        let is_received =
            |at: UnixMillis| line.iter().any(|span| (span.from..span.to).contains(&at) && span.what == What::Received);
        let mut lost = Vec::new();
        let mut heard = BTreeSet::new();
        for (user_id, packets) in packets {
            let track =
                |track: &&Track| track.who == Who::User(user_id.clone()) && track.source == TrackSource::Participant;
            let mut found =
                self.manifest.tracks.iter().find(track).map(|track| self.samples(track)).unwrap_or_default();
            for (timestamp, (payload, at)) in packets {
                let from = usize::try_from(timestamp.since(origin).as_millis()).unwrap() * BYTES_PER_MS;
                let place = from.min(found.len())..(from + payload.length).min(found.len());
                let samples = &mut found[place];
                if samples == &payload.bytes[..] {
                    heard.insert(timestamp);
                } else {
                    let is_part = samples.iter().zip(&payload.bytes).all(|(found, sent)| found == sent || *found == 0);
                    assert!(is_part, "seed {seed}: other sound of {user_id} at {timestamp} than was sent");
                    lost.push((timestamp, at));
                }
                samples.fill(0);
            }
            assert!(found.iter().all(|byte| *byte == 0), "seed {seed}: sound of {user_id} that was not sent");
        }
        for (timestamp, _) in lost.iter().filter(|(timestamp, _)| !heard.contains(timestamp)) {
            assert!(
                !is_received(*timestamp),
                "seed {seed}: the ledger has sound at {timestamp}, and the files have none"
            );
        }
        (lost.into_iter().map(|(_, at)| at).collect(), count)
    }

    /// The bytes of a track's samples, its parts end to end.
    fn samples(&self, track: &Track) -> Vec<u8> {
        const HEADER_BYTES: usize = 44;
        assert_eq!((track.sample_rate, track.channels), (16_000, 1));
        track.files.iter().flat_map(|file| fs::read(self.folder.join(file)).unwrap().split_off(HEADER_BYTES)).collect()
    }

    /// The same of pictures, which the index finds.
    fn lost_pictures(&self, sent: &[Sent], medium: Medium) -> (Vec<UnixMillis>, usize) {
        let mut files = BTreeMap::<String, Vec<u8>>::new();
        let mut found = BTreeSet::new();
        for line in json_lines(&self.folder.join(medium.as_str()).join("index.jsonl")) {
            let [offset, length] = ["offset", "length"].map(|key| line[key].as_u64().unwrap() as usize);
            let file = line["file"].as_str().unwrap().to_owned();
            let bytes = files.entry(file).or_insert_with_key(|file| fs::read(self.folder.join(file)).unwrap());
            found.insert((line["timestamp"].as_u64().unwrap(), bytes[offset..offset + length].to_vec()));
        }
        let pictures = sent.iter().filter_map(|sent| match &sent.what {
            sent::What::Video(payload) if medium == Medium::Video => Some((sent.at, payload)),
            sent::What::Deskshare(payload) if medium == Medium::Deskshare => Some((sent.at, payload)),
            _ => None,
        });
        let mut lost = Vec::new();
        let mut count = 0;
        for (at, payload) in pictures {
            count += 1;
            if !found.remove(&(payload.timestamp.0, payload.bytes.to_vec())) {
                lost.push(at);
            }
        }
        assert!(found.is_empty(), "seed {}: {medium} that was not sent", self.seed);
        (lost, count)
    }

    /// The same of lines.
    fn lost_lines(&self, sent: &[Sent], medium: Medium) -> (Vec<UnixMillis>, usize) {
        let key = if medium == Medium::Chat { "timestamp" } else { "start_time" };
        let lines = json_lines(&self.folder.join(format!("{medium}.jsonl")));
        let mut found: BTreeSet<_> = lines.iter().map(|line| line[key].as_u64().unwrap()).collect();
        assert_eq!(found.len(), lines.len(), "seed {}: a line of {medium} is there twice", self.seed);
        let said = sent.iter().filter_map(|sent| match &sent.what {
            sent::What::Transcript { start_time, .. } if medium == Medium::Transcript => Some((sent.at, start_time.0)),
            sent::What::Chat { timestamp, .. } if medium == Medium::Chat => Some((sent.at, timestamp.0)),
            _ => None,
        });
        let said: Vec<_> = said.collect();
        let lost = said.iter().filter(|(_, key)| !found.remove(key)).map(|(at, _)| *at).collect();
        assert!(found.is_empty(), "seed {}: a line of {medium} that was not sent", self.seed);
        (lost, said.len())
    }

    /// The ledger tiles, nothing but our deaths interrupted anything, and each of them did.
    fn assert_every_gap_is_named(&self) {
        let seed = self.seed;
        let ledger = self.manifest.ledger.as_ref().unwrap();
        assert_eq!(ledger.flaw(), None, "seed {seed}");
        for (medium, report) in &ledger.media {
            for span in &report.spans {
                let is_right = match span.what {
                    What::Interrupted { by } => by == Cause::Restart,
                    What::Dropped { .. } | What::Unrecorded | What::Paused { .. } => false,
                    What::Received | What::Silent | What::BeforeStart | What::Off { .. } => true,
                };
                assert!(is_right, "seed {seed}: {medium}: {span:?}");
            }
        }
        // Zoom keeps no line of chat for anybody, so the whole of a gap stays one.
        let chat = &ledger.media[&Medium::Chat].spans;
        for (before, _) in &self.kills {
            let there = chat.iter().find(|span| (span.from..=span.to).contains(before)).unwrap();
            let is_gap = matches!(there.what, What::Interrupted { by: Cause::Restart } | What::BeforeStart);
            assert!(is_gap, "seed {seed}: killed at {before}: {chat:?}");
        }
    }

    async fn assert_checked(&self) {
        let checked = finish(rtms(&["recording", "check", self.folder.to_str().unwrap()])).await;
        assert_eq!(checked.code, Some(0), "seed {}: {}", self.seed, checked.stdout);
    }

    fn since_start(&self) -> Vec<Duration> {
        self.kills.iter().map(|(before, _)| before.since(self.simulator.start_time())).collect()
    }
}

/// What 16 kHz mono takes.
const BYTES_PER_MS: usize = 32;

/// Keeps a server running, as a service manager does, and is where Zoom finds it whichever process that is.
struct Supervisor {
    data_dir: PathBuf,
    front: SocketAddr,
    /// Where the process listens, once it does.
    address: watch::Sender<Option<SocketAddr>>,
    child: Child,
    /// Reads what the process says, to its end.
    listener: JoinHandle<()>,
    heard: Heard,
}

impl Supervisor {
    async fn start(data_dir: &Path) -> Self {
        let (address, inside) = watch::channel(None);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut outside, _)) = listener.accept().await {
                // Where nobody is, the connection is lost.
                let Some(inside) = *inside.borrow() else { continue };
                tokio::spawn(async move {
                    let Ok(mut inside) = TcpStream::connect(inside).await else { return };
                    // Whoever is killed cuts it.
                    let _ = copy_bidirectional(&mut outside, &mut inside).await;
                });
            }
        });
        let heard = Heard::default();
        let (child, listener) = serve(data_dir, address.clone(), &heard);
        Self { data_dir: data_dir.to_owned(), front, address, child, listener, heard }
    }

    /// Starts the next process and does not wait for it.
    fn spawn(&mut self) {
        (self.child, self.listener) = serve(&self.data_dir, self.address.clone(), &self.heard);
    }

    async fn listens(&self) {
        let mut address = self.address.subscribe();
        timeout(PATIENCE, address.wait_for(Option::is_some)).await.expect("it listens").unwrap();
    }

    /// SIGKILL; gives the time before and after.
    async fn kill(&mut self) -> (UnixMillis, UnixMillis) {
        let before = now();
        self.child.kill().await.unwrap();
        let after = now();
        (&mut self.listener).await.unwrap();
        self.address.send_replace(None);
        (before, after)
    }

    async fn leave(self) -> Heard {
        self.listens().await;
        let address = self.address.borrow().unwrap();
        let serving = Serving { child: self.child, address, api: address };
        assert_eq!(serving.end_by("TERM").await, Some(0));
        self.listener.await.unwrap();
        self.heard
    }
}

/// Starts a process that tells where it listens, and whose envelopes are heard.
fn serve(data_dir: &Path, address: watch::Sender<Option<SocketAddr>>, heard: &Heard) -> (Child, JoinHandle<()>) {
    let mut command = with_secrets(&["serve", "--dev", "--listen", "127.0.0.1:0"]);
    command.arg("--data-dir").arg(data_dir).arg("--config").arg(settings(data_dir));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let hearing = heard.listen(child.stdout.take().unwrap());
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let listener = tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some((_, rest)) = line.split_once("listening address=") {
                address.send_replace(Some(rest.split(' ').next().unwrap().parse().unwrap()));
            }
        }
        hearing.await.unwrap();
    });
    (child, listener)
}

fn json_lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn now() -> UnixMillis {
    UnixMillis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64)
}
