//! SIGTERM while something hangs: the process is gone in time, finishes what it can, and names the rest.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    fs,
    io::pipe,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use common::{
    PATIENCE,
    door::{Kept, signed, stop_of},
    finish, get,
    pipes::{fill, full_pipe, signal},
    rtms, until, with_secrets,
};
use rtms_record::Manifest;
use rtms_sim::meeting::MeetingOptions;
use rtms_sim_server::{Simulator, SimulatorConfig};
use rusqlite::Connection;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, timeout},
};

/// What the settings allow where something hangs. What does not hang has its share of it, also on a disk that others keep
/// busy.
const STOP_WITHIN: Duration = Duration::from_secs(8);

/// What they allow where all has to be finished, also on a busy machine.
const ALL_WITHIN: Duration = Duration::from_secs(15);

/// What the process may take more.
const MORE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn with_nothing_stuck_everything_is_finished() {
    let room = Room::with(ALL_WITHIN);
    let server = Stuck::start(&room, Stdio::null(), Log::Read).await;
    let simulator = server.meeting(3).await;

    let ended = server.end().await;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(!ended.log.contains("left unfinished"), "{}", ended.log);
    assert!(room.manifest(&simulator).files.iter().all(rtms_record::manifest::FileEntry::is_summed));
}

#[tokio::test]
async fn a_reader_of_standard_output_that_is_stuck() {
    let room = Room::new();
    let (_reader, writer) = full_pipe().await;
    let server = Stuck::start(&room, writer.into(), Log::Read).await;
    let simulator = server.meeting(3).await;
    let offered = until("envelopes wait", async || {
        let metrics = get(server.api, "/metrics").await.1;
        let waiting = metric(&metrics, r#"rtms_sink_waiting_envelopes{sink="stdout"}"#)?;
        assert_eq!(metric(&metrics, r#"rtms_sink_envelopes_total{sink="stdout",result="delivered"}"#), Some(0));
        (waiting > 3).then(|| metric(&metrics, r#"rtms_sink_offered_envelopes_total{sink="stdout"}"#))?
    })
    .await;

    let ended = server.end().await;

    assert_eq!(ended.code, Some(1), "{}", ended.log);
    let left = ended.line("left unfinished");
    assert!(left.contains("sink stdout") && left.contains("envelopes"), "{left}");
    let lost: u64 = left.split("lost=\"").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(lost >= offered, "{lost} of {offered}: {left}");
    assert!(room.manifest(&simulator).files.iter().all(rtms_record::manifest::FileEntry::is_summed));
}

#[tokio::test]
async fn a_reader_of_standard_error_that_is_stuck_holds_up_neither_the_meeting_nor_the_stop() {
    let room = Room::with(ALL_WITHIN);
    let server = Stuck::start(&room, Stdio::null(), Log::Unread).await;
    let simulator = server.meeting(3).await;

    let ended = server.end().await;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(room.manifest(&simulator).files.iter().all(rtms_record::manifest::FileEntry::is_summed));
}

#[tokio::test]
async fn a_disk_that_does_not_answer_at_the_end_of_a_recording() {
    let room = Room::new();
    let server = Stuck::start(&room, Stdio::null(), Log::Read).await;
    let (hangs, well) = (server.meeting(4).await, server.meeting(5).await);
    // Opening it waits for somebody who opens the other end.
    fifo(&room.folder(&hangs).join("stuck")).await.unwrap();

    let ended = server.end().await;

    assert_eq!(ended.code, Some(1), "{}", ended.log);
    let left = ended.line("left unfinished");
    assert!(left.contains(hangs.stream().as_str()) && left.contains("the disk"), "{left}");
    assert_eq!(ended.log.matches("left unfinished").count(), 1, "{}", ended.log);
    assert!(room.manifest(&well).files.iter().all(rtms_record::manifest::FileEntry::is_summed));
}

#[tokio::test]
async fn a_disk_that_does_not_answer_while_a_recording_goes_on() {
    let room = Room::new();
    let server = Stuck::start(&room, Stdio::null(), Log::Read).await;
    let simulator = server.meeting(3).await;
    until("the next manifest would be written into it", async || {
        fifo(&room.folder(&simulator).join("manifest.json.new")).await
    })
    .await;

    let ended = server.end().await;

    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(ended.line("left unfinished").contains(simulator.stream().as_str()), "{}", ended.log);
}

#[tokio::test]
async fn a_file_that_takes_minutes_to_be_summed() {
    let room = Room::new();
    let server = Stuck::start(&room, Stdio::null(), Log::Read).await;
    let simulator = server.meeting(3).await;
    // It has a length and takes no space.
    fs::File::create(room.folder(&simulator).join("long")).unwrap().set_len(200 << 30).unwrap();

    let ended = server.end().await;

    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(ended.line("left unfinished").contains("checksum"), "{}", ended.log);
    let manifest = room.manifest(&simulator);
    assert!(manifest.files.iter().any(|entry| entry.path == "long" && !entry.is_summed()));
    let checked = finish(rtms(&["recording", "check", room.folder(&simulator).to_str().unwrap()])).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(format!("{checked:?}").contains("not summed"), "{checked:?}");
}

#[tokio::test]
async fn a_zoom_that_accepts_and_never_answers() {
    let room = Room::with(ALL_WITHIN);
    let zoom = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Stuck::start(&room, Stdio::null(), Log::Read).await;
    let mut door = Kept::open(server.address).await.unwrap();
    assert_eq!(door.exchange(&signed(&start_of("silent", zoom.local_addr().unwrap()))).await.unwrap(), 200);
    let _connection = timeout(PATIENCE, zoom.accept()).await.expect("it is dialed").unwrap();

    let ended = server.end().await;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.line("stream ended").contains("silent"), "{}", ended.log);
}

#[tokio::test]
async fn a_store_that_does_not_answer_and_a_webhook_that_waits_for_it() {
    let room = Room::new();
    let server = Stuck::start(&room, Stdio::null(), Log::Read).await;
    let simulator = server.meeting(3).await;
    // Each writer waits, as for a disk.
    let other = Connection::open(room.0.path().join("data/store.sqlite3")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let address = server.address;
    let (sent, is_sent) = oneshot::channel();
    let waiting = tokio::spawn(async move {
        let mut door = Kept::open(address).await.unwrap();
        sent.send(()).unwrap();
        door.exchange(&signed(&stop_of("waits", 10))).await
    });
    is_sent.await.unwrap();

    let ended = server.end().await;

    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(ended.log.contains("part=\"store\""), "{}", ended.log);
    assert!(!matches!(waiting.await.unwrap(), Ok(200)), "nothing is acknowledged that is not stored");
    assert!(room.manifest(&simulator).files.iter().all(rtms_record::manifest::FileEntry::is_summed));
}

#[tokio::test]
async fn a_reader_that_is_gone_is_logged_once_and_each_envelope_is_counted() {
    let room = Room::with(ALL_WITHIN);
    let (reader, writer) = pipe().unwrap();
    let server = Stuck::start(&room, writer.into(), Log::Read).await;
    drop(reader);
    let _simulator = server.meeting(3).await;
    let failed = || r#"rtms_sink_envelopes_total{sink="stdout",result="failed"}"#;
    until("envelopes fail", async || (metric(&get(server.api, "/metrics").await.1, failed())? > 5).then_some(())).await;

    let ended = server.end().await;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(ended.log.matches("roken pipe").count(), 1, "{}", ended.log);
    assert!(ended.line("roken pipe").contains("all further envelopes"), "{}", ended.log);
}

#[tokio::test]
async fn a_demo_whose_screen_is_stuck() {
    let room = Room::new();
    let (_reader, writer) = full_pipe().await;
    let data_dir = room.0.path().join("demo");
    let mut demo = rtms(&["demo", "--duration", "1m", "--data-dir", data_dir.to_str().unwrap()]);
    let mut demo = demo.stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    let recording = until("it records", async || {
        let recording = fs::read_dir(data_dir.join("recordings")).ok()?.next()?.unwrap().path();
        let mixed = fs::metadata(recording.join("audio/mixed.wav")).ok()?.len();
        (mixed > 44).then_some(recording)
    })
    .await;

    signal(&demo, "INT").await;
    let begun = Instant::now();
    let status = timeout(PATIENCE, demo.wait()).await.expect("it ends").unwrap();

    assert!(begun.elapsed() < Duration::from_secs(4), "it took {:?}", begun.elapsed());
    assert_eq!(status.code(), Some(130));
    let manifest = Manifest::read(&recording).unwrap().unwrap();
    assert_eq!(manifest.state, rtms_record::manifest::RecordingState::Finished, "only the screen was stuck");
}

/// A folder with the settings of the test.
struct Room(tempfile::TempDir, Duration);

impl Room {
    fn new() -> Self {
        Self::with(STOP_WITHIN)
    }

    fn with(within: Duration) -> Self {
        let room = Self(tempfile::tempdir().unwrap(), within);
        let settings = format!("[server]\nstop_within = \"{}s\"\n[[sink]]\nkind = \"stdout\"\n", within.as_secs());
        fs::write(room.settings(), settings).unwrap();
        room
    }

    fn settings(&self) -> PathBuf {
        self.0.path().join("rtms.toml")
    }

    fn folder(&self, simulator: &Simulator) -> PathBuf {
        rtms_record::layout::folder(&self.0.path().join("data/recordings"), simulator.stream())
    }

    fn manifest(&self, simulator: &Simulator) -> Manifest {
        Manifest::read(&self.folder(simulator)).unwrap().unwrap()
    }
}

/// Whether somebody reads the log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Log {
    Read,
    /// Once it listens, the pipe is full and nobody reads any more.
    Unread,
}

/// A server in which something will hang.
struct Stuck {
    child: Child,
    within: Duration,
    address: SocketAddr,
    /// Where it serves the API.
    api: SocketAddr,
    log: JoinHandle<String>,
    /// The log's other end, if nobody reads it.
    _unread: Option<BufReader<tokio::fs::File>>,
}

struct Ended {
    code: Option<i32>,
    log: String,
}

impl Ended {
    fn line(&self, with: &str) -> &str {
        self.log.lines().find(|line| line.contains(with)).unwrap_or_else(|| panic!("no {with:?} in {}", self.log))
    }
}

impl Stuck {
    async fn start(room: &Room, stdout: Stdio, log: Log) -> Self {
        let (data_dir, settings) = (room.0.path().join("data"), room.settings());
        let mut command = with_secrets(&[
            "serve",
            "--dev",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
            data_dir.to_str().unwrap(),
            "--config",
            settings.to_str().unwrap(),
        ]);
        let (reader, writer) = pipe().unwrap();
        let filler = writer.try_clone().unwrap();
        let child = command.stdout(stdout).stderr(writer).spawn().unwrap();
        drop(command);
        let reader = tokio::fs::File::from_std(fs::File::from(std::os::fd::OwnedFd::from(reader)));
        let mut reader = BufReader::new(reader);
        let addresses = timeout(PATIENCE, async {
            loop {
                let mut line = String::new();
                assert!(reader.read_line(&mut line).await.unwrap() > 0, "it left without listening");
                if let Some((_, rest)) = line.split_once("listening address=") {
                    let (address, rest) = rest.split_once(" api=").expect(&line);
                    return (address.parse().unwrap(), rest.split_whitespace().next().unwrap().parse().expect(&line));
                }
            }
        });
        let (address, api) = addresses.await.expect("it listens");
        let (log, unread) = if log == Log::Unread {
            fill(filler).await;
            (tokio::spawn(async { "(nobody read it)".to_owned() }), Some(reader))
        } else {
            drop(filler);
            let log = tokio::spawn(async move {
                let mut text = String::new();
                reader.read_to_string(&mut text).await.unwrap();
                text
            });
            (log, None)
        };
        Self { child, within: room.1, address, api, log, _unread: unread }
    }

    /// A meeting of which something has been received.
    async fn meeting(&self, seed: u64) -> Simulator {
        let simulator = Simulator::start(SimulatorConfig {
            webhook_url: Some(format!("http://{}/webhook", self.address).parse().unwrap()),
            meeting: MeetingOptions {
                seed,
                participants: 2,
                duration: Duration::from_secs(120),
                ..MeetingOptions::default()
            },
            keep_sent: false,
            ..SimulatorConfig::default()
        });
        let simulator = simulator.await.unwrap();
        until("sound and a line arrive", async || {
            (simulator.counts().audio > 20 && simulator.counts().transcript > 0).then_some(())
        })
        .await;
        simulator
    }

    /// Sends SIGTERM; fails if the process is there longer than it may be.
    async fn end(mut self) -> Ended {
        signal(&self.child, "TERM").await;
        let begun = Instant::now();
        let code = timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap().code();
        let took = begun.elapsed();
        let log = self.log.await.unwrap();
        assert!(took < self.within + MORE, "it took {took:?}: {log}");
        Ended { code, log }
    }
}

/// Makes a named pipe; none if something is there already.
async fn fifo(path: &Path) -> Option<()> {
    let made = Command::new("mkfifo").arg(path).stderr(Stdio::null()).status().await.unwrap();
    made.success().then_some(())
}

fn metric(metrics: &str, name: &str) -> Option<u64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

fn start_of(stream: &str, address: SocketAddr) -> Vec<u8> {
    let event_ts = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    format!(
        r#"{{"event":"meeting.rtms_started","event_ts":{event_ts},"payload":{{"meeting_uuid":"m/{stream}==","rtms_stream_id":"{stream}","server_urls":"ws://{address}/signaling"}}}}"#
    )
    .into_bytes()
}
