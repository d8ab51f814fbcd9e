//! Meetings that were lost, whole or in part: list, check, log and metrics tell the same, to the millisecond and the packet.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use common::{
    Finished, PATIENCE,
    door::{Kept, signed},
    finish, get,
    pipes::signal,
    rtms, until, with_secrets,
};
use rtms_gateway::server::RECORDINGS;
use rtms_record::{Loss, Manifest, layout, loss::LostPart};
use rtms_sim::{
    fault::{Answer, Refused, Request, Temper},
    meeting::MeetingOptions,
};
use rtms_sim_server::{Simulator, SimulatorConfig};
use rtms_wire::{codes::status_code::StatusCode, ids::StreamId, media::medium::Medium};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// A meeting of this length is long enough for a trouble in its middle.
const SHORT: Duration = Duration::from_secs(12);

#[tokio::test]
async fn a_wrong_secret_is_a_failed_meeting_and_the_right_one_brings_it_back_within_its_minute() {
    let place = tempfile::tempdir().unwrap();
    let (settings, secret) = (place.path().join("rtms.toml"), place.path().join("client-secret"));
    let token = place.path().join("token");
    fs::write(&token, "sim-secret-token").unwrap();
    fs::write(&secret, "not-the-client-secret").unwrap();
    let toml = format!(
        "[[app]]\nname = \"sim\"\nclient_id = \"sim-client-id\"\nclient_secret_file = {secret:?}\n\
         secret_token_files = [{token:?}]\n"
    );
    fs::write(&settings, toml).unwrap();
    let server = Server::start(place.path(), rtms, &["--config", settings.to_str().unwrap()]).await;
    let simulator = server.meeting(SHORT, Temper::default()).await;
    let stream = simulator.stream();

    let line = server.over(stream).await;
    assert_eq!(line["state"], json!("failed"), "{line}");
    let loss = server.assert_agreed(stream).await;
    assert!(loss.parts.iter().all(|part| part.cause.as_str() == "refused"), "{loss}");
    assert_eq!(loss.parts.len(), 5, "all media: {loss}");
    let table = server.streams(&["--all"]).await.stdout;
    let row = table.lines().find(|row| row.starts_with(stream.as_str())).unwrap();
    assert!(row.contains("  failed  ") && row.contains("  all  ") && row.contains("INVALID_SIGNATURE"), "{table}");
    let log = server.log();
    assert!(log.contains("nothing was recorded") && !log.contains(": recorded folder"), "{log}");

    fs::write(&secret, "sim-client-secret").unwrap();
    until("it is joined", async || (simulator.counts().audio > 50).then_some(())).await;
    simulator.finished().await;
    let line = server.over(stream).await;
    assert_eq!(line["state"], json!("incomplete"), "the time before is lost: {line}");
    let told: Loss = serde_json::from_value(line["ended"]["lost"].clone()).unwrap();
    assert_eq!(server.checked(&server.folder(stream), &[]).await.1, told);
    server.leave().await;
}

#[tokio::test]
async fn a_failed_stream_is_joined_again_on_demand_and_not_when_zoom_has_stopped_it() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::start(place.path(), with_secrets, &[]).await;
    let refusals = vec![Refused {
        request: Request::Signaling,
        answer: Answer::StatusAndClose(StatusCode::InvalidSignature),
        times: 1,
        after: Duration::ZERO,
    }];
    let simulator = server.meeting(SHORT, Temper { refusals, ..Temper::default() }).await;
    let stream = simulator.stream().as_str();
    assert_eq!(server.over(simulator.stream()).await["state"], json!("failed"));

    let retried = server.streams(&["retry", stream]).await;
    assert_eq!((retried.code, retried.stdout.as_str()), (Some(0), "connected\n"), "{retried:?}");
    let again = server.streams(&["retry", stream]).await;
    assert_eq!(again.code, Some(0), "what is wanted is so: {again:?}");
    simulator.finished().await;
    server.over(simulator.stream()).await;

    let late = server.streams(&["retry", stream]).await;
    assert!(late.code == Some(1) && late.stderr.contains("Zoom has stopped it"), "{late:?}");
    let nobody = server.streams(&["retry", "n/x"]).await;
    assert!(nobody.code == Some(1) && nobody.stderr.contains("there is no stream n/x"), "{nobody:?}");
    server.leave().await;
}

#[tokio::test]
async fn a_disk_that_takes_nothing_for_a_while_costs_what_is_told_and_no_more() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::start(place.path(), with_secrets, &[]).await;
    let simulator = server.meeting(Duration::from_secs(45), Temper::default()).await;
    let stream = simulator.stream();
    until("sound is recorded", async || (simulator.counts().audio > 50).then_some(())).await;

    server.limit("fsize", "1");
    // Sixteen seconds of sound wait in memory, so that a later packet is refused.
    for _ in 0..4 {
        let until_now = server.heard().await;
        until("much more came", async || (server.heard().await > until_now + 250).then_some(())).await;
    }
    server.limit("fsize", "unlimited");
    simulator.finished().await;

    let line = server.over(stream).await;
    assert_eq!(line["state"], json!("incomplete"), "{line}");
    let loss = server.assert_agreed(stream).await;
    let audio = loss.parts.iter().find(|part| part.medium == Medium::Audio && part.cause.as_str() == "disk");
    let audio = audio.unwrap_or_else(|| panic!("{loss}"));
    let manifest = Manifest::read(&server.folder(stream)).unwrap().unwrap();
    let placed: u64 = manifest.tracks.iter().map(|track| track.placed.packets).sum();
    let received = &manifest.media[&Medium::Audio];
    assert_eq!(placed + audio.packets, received.packets - received.duplicates, "each packet is there or counted");
    assert_eq!(received.packets, simulator.counts().audio);
    server.leave().await;
}

#[tokio::test]
async fn a_disk_that_is_full_to_the_end_costs_what_did_not_fit_and_all_tell_the_same_of_it() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::start(place.path(), with_secrets, &[]).await;
    let simulator = server.meeting(SHORT, Temper::default()).await;
    until("sound is recorded", async || (simulator.counts().audio > 50).then_some(())).await;
    // Some seconds of sound, and more than anything else is long.
    server.limit("fsize", "200000");
    simulator.finished().await;

    let line = server.over(simulator.stream()).await;
    assert_eq!(line["state"], json!("incomplete"), "{line}");
    assert!(line["ended"]["folder"].is_string() && line["ended"]["not_recorded"].is_null(), "{line}");
    let loss = server.assert_agreed(simulator.stream()).await;
    let [audio] = loss.parts[..] else { panic!("sound alone: {loss}") };
    assert_eq!((audio.medium, audio.cause.as_str()), (Medium::Audio, "disk"));
    let manifest = Manifest::read(&server.folder(simulator.stream())).unwrap().unwrap();
    let placed: u64 = manifest.tracks.iter().map(|track| track.placed.packets).sum();
    assert_eq!(placed + audio.packets, simulator.counts().audio, "each packet is there or counted");
    server.leave().await;
}

#[tokio::test]
async fn a_disk_that_takes_nothing_at_the_end_holds_up_that_end_and_nothing_is_joined_again() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::start(place.path(), with_secrets, &[]).await;
    let simulator = server.meeting(Duration::from_secs(6), Temper::default()).await;
    until("sound is recorded", async || (simulator.counts().audio > 50).then_some(())).await;
    server.limit("fsize", "1");
    until("its end is tried", async || server.log().contains("cannot store the end of a stream").then_some(())).await;
    server.limit("fsize", "unlimited");
    until("it is closed", async || server.log().contains("recording closed").then_some(())).await;
    simulator.finished().await;

    let line = until("that is put down", async || {
        Some(server.over(simulator.stream()).await).filter(|line| line["ended"]["not_recorded"].is_null())
    })
    .await;
    assert_eq!(line["state"], json!("incomplete"), "{line}");
    let loss = server.assert_agreed(simulator.stream()).await;
    assert!(loss.parts.iter().all(|part| part.cause.as_str() == "disk" && part.packets > 0), "{loss}");
    assert_eq!(server.log().matches("stream started, connecting").count(), 1, "{}", server.log());
    server.leave().await;
}

#[tokio::test]
async fn a_recording_that_cannot_be_closed_is_closed_by_the_next_process_as_it_was_told() {
    let place = tempfile::tempdir().unwrap();
    let mut server = Server::start(place.path(), with_secrets, &[]).await;
    let simulator = server.meeting(Duration::from_secs(4), Temper::default()).await;
    let folder = server.folder(simulator.stream());
    until("sound is recorded", async || (simulator.counts().audio > 50).then_some(())).await;
    let draft = folder.join("manifest.json.new");
    until("it is in the way", async || fs::create_dir(&draft).ok()).await;
    simulator.finished().await;
    let told = server.over(simulator.stream()).await;
    let why = told["ended"]["not_recorded"].as_str().unwrap();
    assert!(why.starts_with("it could not be closed: ") && why.contains("manifest.json"), "{told}");
    assert_eq!((&told["state"], &told["ended"]["folder"]), (&json!("incomplete"), &json!(folder)));

    server.kill().await;
    fs::remove_dir(&draft).unwrap();
    server.start_again(with_secrets, &[]).await;
    let line = until("it is closed", async || {
        Some(server.over(simulator.stream()).await).filter(|line| line["ended"]["not_recorded"].is_null())
    })
    .await;
    assert_eq!(line["ended"]["lost"], told["ended"]["lost"]);
    assert_eq!(line["ended"]["length_ms"], told["ended"]["length_ms"]);
    let (code, checked, report) = server.checked(&folder, &[]).await;
    assert_eq!((code, &report["problems"], &report["state"]), (Some(0), &json!([]), &json!("finished")), "{report}");
    assert_eq!(json!(checked), line["ended"]["lost"]);
    server.leave().await;
}

#[tokio::test]
async fn without_descriptors_it_is_tried_again_until_there_are_some() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::start(place.path(), with_secrets, &[]).await;
    // On a connection that stands: a new one would take the last descriptor.
    let mut door = Kept::open(server.address).await.unwrap();
    // Until it is answered, the connection may wait in the system's queue.
    assert_eq!(door.exchange(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap(), 200);
    let simulator = Simulator::start(simulator(SHORT, Temper::default())).await.unwrap();
    server.limit("nofile", "4");
    assert_eq!(door.exchange(&signed(simulator.start_webhook())).await.unwrap(), 200);
    until("it was tried", async || server.log().contains("cannot open the recording").then_some(())).await;
    server.limit("nofile", "1024");

    until("it is joined", async || (simulator.counts().audio > 50).then_some(())).await;
    simulator.finished().await;
    let line = server.over(simulator.stream()).await;
    assert!(line["ended"]["folder"].is_string(), "{line}");
    server.assert_agreed(simulator.stream()).await;
    let words = fs::read_to_string(server.folder(simulator.stream()).join("transcript.jsonl")).unwrap();
    assert_eq!(words.lines().count() as u64, simulator.counts().transcript);
    server.leave().await;
}

#[tokio::test]
async fn a_recording_that_was_never_opened_is_lost_with_its_process_and_the_next_one_says_so() {
    for stop in ["TERM", "KILL"] {
        let place = tempfile::tempdir().unwrap();
        let mut server = Server::start(place.path(), with_secrets, &[]).await;
        let recordings = place.path().join("data").join(RECORDINGS);
        let _ = fs::remove_dir(&recordings);
        fs::write(&recordings, "in the way").unwrap();
        let simulator = server.meeting(Duration::from_secs(7), Temper::default()).await;
        until("sound comes", async || (server.heard().await > 50).then_some(())).await;
        signal(&server.child, stop).await;
        let code = timeout(PATIENCE, server.child.wait()).await.expect("it ends").unwrap().code();
        assert_eq!(code, (stop == "TERM").then_some(1), "{}", server.log());
        if stop == "TERM" {
            let log = server.log();
            let left = log.lines().find(|line| line.contains("left unfinished")).unwrap_or_else(|| panic!("{log}"));
            assert!(left.contains("of audio lost (disk, "), "{left}");
        }

        fs::remove_file(&recordings).unwrap();
        server.start_again(with_secrets, &[]).await;
        simulator.finished().await;
        let loss = server.assert_agreed(simulator.stream()).await;
        for medium in [Medium::Audio, Medium::Video] {
            let parts = loss.parts.iter().filter(|part| part.medium == medium);
            let ms = parts.filter(|part| part.cause.as_str() == "restart").map(|part| part.ms).sum::<u64>();
            assert!(ms > 1_000, "{stop}, {medium}: {loss}");
        }
        server.leave().await;
    }
}

#[tokio::test]
async fn a_torn_manifest_costs_the_time_between_and_that_is_told() {
    let place = tempfile::tempdir().unwrap();
    let mut server = Server::start(place.path(), with_secrets, &[]).await;
    let simulator = server.meeting(SHORT, Temper::default()).await;
    let folder = server.folder(simulator.stream());
    until("sound is in a file", async || {
        let wav = fs::read_dir(folder.join("audio")).ok()?.next()?.ok()?;
        (wav.metadata().ok()?.len() > 40_000).then_some(())
    })
    .await;
    server.kill().await;
    let manifest = OpenOptions::new().write(true).open(folder.join("manifest.json")).unwrap();
    manifest.set_len(17).unwrap();
    server.start_again(with_secrets, &[]).await;
    simulator.finished().await;

    let line = server.over(simulator.stream()).await;
    assert_eq!(line["state"], json!("incomplete"), "{line}");
    let loss = server.assert_agreed(simulator.stream()).await;
    assert!(loss.parts.iter().any(|part| part.cause.as_str() == "restart"), "{loss}");
    assert!(folder.join("manifest.json.torn").is_file());
    server.leave().await;
}

#[tokio::test]
async fn a_medium_that_zoom_refuses_is_lost_for_the_whole_meeting() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::start(place.path(), with_secrets, &[]).await;
    let refusals = vec![Refused {
        request: Request::Data(Medium::Chat),
        answer: Answer::StatusAndClose(StatusCode::MediaTypeChatNotSupport),
        times: 100,
        after: Duration::ZERO,
    }];
    let simulator = server.meeting(Duration::from_secs(4), Temper { refusals, ..Temper::default() }).await;
    simulator.finished().await;

    let line = server.over(simulator.stream()).await;
    assert_eq!(line["state"], json!("incomplete"), "{line}");
    let loss = server.assert_agreed(simulator.stream()).await;
    let [part] = loss.parts[..] else { panic!("{loss}") };
    assert_eq!((part.medium, part.cause.as_str(), part.packets), (Medium::Chat, "not_granted", 0));
    assert!(part.ms > 3_000, "{loss}");
    server.leave().await;
}

#[tokio::test]
async fn a_short_meeting_without_one_medium_is_not_whole() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::start(place.path(), with_secrets, &[]).await;
    // Which is tried again.
    let answer = Answer::StatusAndClose(StatusCode::DuplicateMediaDataConnection);
    let refusals = vec![Refused { request: Request::Data(Medium::Audio), answer, times: 100, after: Duration::ZERO }];
    let simulator = server.meeting(Duration::from_secs(3), Temper { refusals, ..Temper::default() }).await;
    simulator.finished().await;

    let loss = server.assert_agreed(simulator.stream()).await;
    let [part] = loss.parts[..] else { panic!("{loss}") };
    assert_eq!((part.medium, part.cause.as_str()), (Medium::Audio, "unreached"));
    assert!((2_000..5_000).contains(&part.ms), "{loss}");
    server.leave().await;
}

#[tokio::test]
async fn of_a_meeting_of_which_everything_is_refused_each_medium_has_its_cause() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::start(place.path(), with_secrets, &[]).await;
    let statuses = [
        StatusCode::MediaTypeAudioNotSupport,
        StatusCode::MediaTypeVideoNotSupport,
        StatusCode::MediaTypeDeskshareNotSupport,
        StatusCode::MediaTypeTranscriptNotSupport,
        StatusCode::MediaTypeChatNotSupport,
    ];
    let refused = |(medium, status)| {
        let answer = Answer::StatusAndClose(status);
        Refused { request: Request::Data(medium), answer, times: 100, after: Duration::ZERO }
    };
    let refusals = Medium::ALL.into_iter().zip(statuses).map(refused).collect();
    let simulator = server.meeting(Duration::from_secs(3), Temper { refusals, ..Temper::default() }).await;
    simulator.finished().await;

    let told = until("the account reaches to the stop", async || {
        let line = server.over(simulator.stream()).await;
        line["ended"]["length_ms"].as_u64().is_some_and(|ms| ms > 2_000).then_some(line)
    })
    .await;
    assert_eq!(told["state"], json!("failed"), "{told}");
    let loss = server.assert_agreed(simulator.stream()).await;
    let causes: Vec<_> = loss.parts.iter().map(|part| (part.medium, part.cause.as_str())).collect();
    assert_eq!(causes, Medium::ALL.map(|medium| (medium, "not_granted")), "{loss}");
    server.leave().await;
}

#[tokio::test]
async fn a_zoom_that_is_gone_is_a_failed_meeting() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::start(place.path(), with_secrets, &[]).await;
    let stream: StreamId = "gone/1".into();
    let event = |event, more: Value| {
        let mut payload = json!({ "meeting_uuid": "m/+==", "rtms_stream_id": stream });
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "event": event, "event_ts": unix_millis(), "payload": payload }).to_string()
    };
    let mut door = Kept::open(server.address).await.unwrap();
    let started = event("meeting.rtms_started", json!({ "server_urls": "ws://127.0.0.1:1" }));
    assert_eq!(door.exchange(&signed(started.as_bytes())).await.unwrap(), 200);
    until("it was dialed", async || server.log().contains("connection failed").then_some(())).await;
    let stopped = event("meeting.rtms_stopped", json!({ "stop_reason": 6 }));
    assert_eq!(door.exchange(&signed(stopped.as_bytes())).await.unwrap(), 200);

    let line = server.over(&stream).await;
    assert_eq!(line["state"], json!("failed"), "{line}");
    let loss = server.assert_agreed(&stream).await;
    assert!(loss.parts.iter().all(|part| part.cause.as_str() == "unreached"), "{loss}");
    server.leave().await;
}

#[tokio::test]
async fn a_stream_that_was_refused_is_lost_until_zoom_stops_it_and_not_only_until_the_refusal() {
    let refusals = vec![Refused {
        request: Request::Signaling,
        answer: Answer::StatusAndClose(StatusCode::InvalidSignature),
        times: 100,
        after: Duration::ZERO,
    }];
    for recorded in ["true", "false"] {
        let place = tempfile::tempdir().unwrap();
        let settings = place.path().join("rtms.toml");
        fs::write(&settings, format!("[recording]\nenabled = {recorded}\n")).unwrap();
        let server = Server::start(place.path(), with_secrets, &["--config", settings.to_str().unwrap()]).await;
        let temper = Temper { refusals: refusals.clone(), ..Temper::default() };
        let simulator = server.meeting(Duration::from_secs(300), temper).await;
        let stream = simulator.stream();
        let refused = server.over(stream).await;
        assert_eq!(refused["state"], json!("failed"), "{refused}");

        // By the clock of the stop webhook, which need not be ours.
        let mut webhook: Value = serde_json::from_slice(simulator.start_webhook()).unwrap();
        let stopped_at = webhook["event_ts"].as_u64().unwrap() + 7_000;
        webhook["event"] = json!("meeting.rtms_stopped");
        webhook["event_ts"] = json!(stopped_at);
        webhook["payload"]["stop_reason"] = json!(6);
        let mut door = Kept::open(server.address).await.unwrap();
        assert_eq!(door.exchange(&signed(webhook.to_string().as_bytes())).await.unwrap(), 200);

        let ended = until("the account reaches to the stop", async || {
            let ended = server.over(stream).await["ended"].clone();
            (ended["length_ms"] == json!(7_000)).then_some(ended)
        })
        .await;
        assert_eq!(ended["why"], refused["ended"]["why"]);
        let loss: Loss = serde_json::from_value(ended["lost"].clone()).unwrap();
        let accounted = format!("stream accounted for state=failed lost={loss}");
        until("it is logged", async || server.log().contains(&accounted).then_some(())).await;
        let of_all = |part: &LostPart| (part.cause.as_str(), part.ms) == ("refused", 7_000);
        assert!(loss.parts.len() == 5 && loss.parts.iter().all(of_all), "{loss}");
        if recorded == "true" {
            assert_eq!(server.assert_agreed(stream).await, loss);
        } else {
            let numbers = numbers(&get(server.api, "/metrics").await.1);
            let lost: Vec<_> =
                numbers.iter().filter(|(name, ms)| name.starts_with("rtms_lost_milliseconds") && **ms > 0).collect();
            assert!(lost.len() == 5 && lost.iter().all(|(_, ms)| **ms == 7_000), "{lost:?}");
        }
        server.leave().await;
    }
}

fn simulator(duration: Duration, temper: Temper) -> SimulatorConfig {
    let meeting = MeetingOptions { seed: 71, participants: 2, duration, ..MeetingOptions::default() };
    SimulatorConfig { meeting, temper, ..SimulatorConfig::default() }
}

fn unix_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

/// `rtms serve`, with its log.
struct Server {
    child: Child,
    address: SocketAddr,
    /// Where it serves the API.
    api: SocketAddr,
    place: PathBuf,
    log: Arc<Mutex<String>>,
}

impl Server {
    async fn start(place: &Path, program: fn(&[&str]) -> Command, more: &[&str]) -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let ((child, log), place) = (Self::spawn(place, program, more), place.to_owned());
        let mut server = Self { child, address: nowhere, api: nowhere, place, log };
        server.listens().await;
        server
    }

    async fn start_again(&mut self, program: fn(&[&str]) -> Command, more: &[&str]) {
        // A new log for each process, so that its address is not taken for that of the one before.
        (self.child, self.log) = Self::spawn(&self.place, program, more);
        self.listens().await;
    }

    fn spawn(place: &Path, program: fn(&[&str]) -> Command, more: &[&str]) -> (Child, Arc<Mutex<String>>) {
        let data_dir = place.join("data");
        let arguments = ["serve", "--dev", "--listen", "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap()];
        let mut command = program(&[&arguments, more].concat());
        let mut child = command.env("RTMS__API__LISTEN", "127.0.0.1:0").stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::<Mutex<String>>::default();
        let kept = log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                kept.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        (child, log)
    }

    async fn listens(&mut self) {
        (self.address, self.api) = until("it listens", async || {
            let log = self.log();
            let (_, rest) = log.split_once("listening address=")?;
            let (address, rest) = rest.split_once(" api=")?;
            Some((address.parse().unwrap(), rest.split_once([' ', '\n'])?.0.parse().unwrap()))
        })
        .await;
    }

    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    fn limit(&self, what: &str, limit: &str) {
        let process = self.child.id().unwrap().to_string();
        let limit = format!("--{what}={limit}:");
        let limited = std::process::Command::new("prlimit").args([&limit, "--pid", &process]).status();
        assert!(limited.unwrap().success());
    }

    async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    async fn leave(mut self) {
        self.kill().await;
    }

    /// A meeting whose start webhook was posted.
    async fn meeting(&self, duration: Duration, temper: Temper) -> Simulator {
        let webhook_url = Some(format!("http://{}/webhook", self.address).parse().unwrap());
        Simulator::start(SimulatorConfig { webhook_url, ..simulator(duration, temper) }).await.unwrap()
    }

    /// Packets of sound that it received.
    async fn heard(&self) -> u64 {
        numbers(&get(self.api, "/metrics").await.1)["rtms_media_packets_total{medium=\"audio\"}"]
    }

    fn folder(&self, stream: &StreamId) -> PathBuf {
        layout::folder(&self.place.join("data").join(RECORDINGS), stream)
    }

    async fn streams(&self, arguments: &[&str]) -> Finished {
        let url = format!("http://{}", self.api);
        // What belongs to a subcommand follows it.
        let (first, rest) = arguments.split_first().unwrap();
        finish(rtms(&[&["streams", first, "--server", &url], rest].concat())).await
    }

    /// The stream in the list, once it is over.
    async fn over(&self, stream: &StreamId) -> Value {
        until("it is over", async || {
            let listed = self.streams(&["--all", "--json"]).await.stdout;
            let mut lines = listed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let line = lines.find(|line| line["rtms_stream_id"] == json!(stream))?;
            matches!(line["state"].as_str()?, "ended" | "incomplete" | "failed").then_some(line)
        })
        .await
    }

    /// What `rtms recording check` tells: the exit code, what was lost, and all of it.
    async fn checked(&self, folder: &Path, more: &[&str]) -> (Option<i32>, Loss, Value) {
        let folder = folder.to_str().unwrap();
        let checked = finish(rtms(&[&["recording", "check", "--json", folder], more].concat())).await;
        let report: Value = serde_json::from_str(&checked.stdout).unwrap_or_else(|_| panic!("{checked:?}"));
        (checked.code, serde_json::from_value(report["lost"].clone()).unwrap(), report)
    }

    /// That list, check, log and metrics tell the same of the only stream; gives what they tell.
    async fn assert_agreed(&self, stream: &StreamId) -> Loss {
        let line = self.over(stream).await;
        let state = line["state"].as_str().unwrap();
        let loss: Loss = serde_json::from_value(line["ended"]["lost"].clone()).unwrap();
        let folder = self.folder(stream);

        let (code, checked, report) = self.checked(&folder, &[]).await;
        assert_eq!((code, &report["problems"]), (Some(0), &json!([])), "{report}");
        assert_eq!(checked, loss);
        let is_whole = state == "ended";
        assert_eq!(self.checked(&folder, &["--complete"]).await.0, Some(i32::from(!is_whole)));
        let told = finish(rtms(&["recording", "check", folder.to_str().unwrap()])).await.stdout;
        let first = told.lines().next().unwrap().to_owned();
        assert!(first.starts_with("OK: ") && first.ends_with(&format!("; {loss}")), "{first}");

        let log = self.log();
        let words = format!("stream accounted for state={state} lost={loss}");
        assert!(log.contains(&words), "{words}: {log}");

        let metrics = get(self.api, "/metrics").await.1;
        let all = numbers(&metrics);
        assert_eq!(all[&format!("rtms_stream_ends_total{{state=\"{state}\"}}")], 1);
        let sum = |name: &str| all.iter().filter(|(key, _)| key.starts_with(name)).map(|(_, value)| value).sum::<u64>();
        for part in &loss.parts {
            let labels = format!("{{medium=\"{}\",cause=\"{}\"}}", part.medium, part.cause);
            assert_eq!(all[&format!("rtms_lost_milliseconds_total{labels}")], part.ms, "{labels}");
            assert_eq!(all[&format!("rtms_lost_packets_total{labels}")], part.packets, "{labels}");
        }
        assert_eq!(sum("rtms_lost_milliseconds_total"), loss.parts.iter().map(|part| part.ms).sum::<u64>());
        assert_eq!(sum("rtms_lost_packets_total"), loss.parts.iter().map(|part| part.packets).sum::<u64>());
        loss
    }
}

/// The samples of `/metrics` that are whole numbers.
fn numbers(metrics: &str) -> BTreeMap<String, u64> {
    let lines = metrics.lines().filter_map(|line| line.rsplit_once(' '));
    lines.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
}
