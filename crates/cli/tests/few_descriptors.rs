//! A flood of idle connections where the system allows few open files: webhooks, API and recordings keep their share.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{
    Serving,
    door::{Kept, signed, stop_of},
    get, until, with_secrets,
};
use rtms_sim::meeting::MeetingOptions;
use rtms_sim_server::{Simulator, SimulatorConfig};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
    task::JoinSet,
};

/// Open files that the server may have, and what of that is the door's.
const OPEN_FILES: usize = 160;
const AT_THE_DOOR: usize = OPEN_FILES / 2;

/// Connections that are held open; the default settings would allow all of them.
const CROWD: usize = 4 * OPEN_FILES;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_connections_leaves_descriptors_for_webhooks_the_api_and_a_recording() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await;
    let process = server.child.id().unwrap();
    let opened = Arc::<AtomicUsize>::default();
    let mut flood = JoinSet::new();
    for number in 0..CROWD {
        flood.spawn(hold(server.address, number, opened.clone()));
    }
    until("the crowd has come, and some had to leave", async || {
        (opened.load(Ordering::Relaxed) > 2 * CROWD).then_some(())
    })
    .await;

    // Over and over, while the flood goes on.
    let mut kept = Kept::open(server.address).await.unwrap();
    for number in 0..20 {
        assert_eq!(kept.exchange(&signed(&stop_of(&format!("kept-{number}"), 10))).await.unwrap(), 200);
        let mut fresh = Kept::open(server.address).await.unwrap();
        assert_eq!(fresh.exchange(&signed(&stop_of(&format!("fresh-{number}"), 10))).await.unwrap(), 200);
        assert_eq!(get(server.api, "/metrics").await.0, 200);
    }
    let simulator = Simulator::start(SimulatorConfig {
        webhook_url: Some(format!("http://{}/webhook", server.address).parse().unwrap()),
        meeting: MeetingOptions { participants: 2, duration: Duration::from_secs(60), ..MeetingOptions::default() },
        keep_sent: false,
        ..SimulatorConfig::default()
    });
    let simulator = simulator.await.unwrap();
    let recording = rtms_record::layout::folder(&folder.path().join("recordings"), simulator.stream());
    until("sound is recorded", async || {
        (fs::metadata(recording.join("audio/mixed.wav")).ok()?.len() > 10_000).then_some(())
    })
    .await;
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
    assert!(descriptors < OPEN_FILES && opened.load(Ordering::Relaxed) > 2 * CROWD, "{descriptors} are open");
    flood.abort_all();

    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn the_program_says_that_the_limit_of_open_files_is_below_its_settings_and_raises_it_where_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut command =
        limited(folder.path(), &format!("ulimit -n {OPEN_FILES}; exec \"$0\" \"$@\" 2>{}", log.display()));
    let mut server = command.spawn().unwrap();
    let text =
        until("it listens", async || fs::read_to_string(&log).ok().filter(|text| text.contains("listening"))).await;
    let line = text.lines().find(|line| line.contains("WARN")).expect(&text);
    for part in
        ["webhook.max_connections=16384", &format!("open_files={OPEN_FILES}"), &format!("connections={AT_THE_DOOR}")]
    {
        assert!(line.contains(part), "{part}: {line}");
    }
    server.kill().await.unwrap();

    let mut command = limited(folder.path(), &format!("ulimit -S -n {OPEN_FILES}; exec \"$0\" \"$@\""));
    command.env("RTMS__WEBHOOK__MAX_CONNECTIONS", AT_THE_DOOR.to_string());
    let raised = Serving::listening(command).await;
    let limits = fs::read_to_string(format!("/proc/{}/limits", raised.child.id().unwrap())).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let [soft, hard] = [0, 1].map(|place| line.split_whitespace().nth(place).unwrap());
    assert_eq!(soft, hard, "the soft limit is raised");
}

async fn start(data_dir: &Path) -> Serving {
    Serving::listening(limited(data_dir, &format!("ulimit -n {OPEN_FILES}; exec \"$0\" \"$@\""))).await
}

/// A server that a shell starts with a limit; it is patient enough to hold the crowd.
fn limited(data_dir: &Path, script: &str) -> Command {
    let plain = with_secrets(&["serve", "--dev", "--listen", "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap()]);
    let plain = plain.as_std();
    let mut bash = Command::new("bash");
    bash.args(["-c", script]).arg(plain.get_program()).args(plain.get_args());
    bash.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    bash.env("RTMS__WEBHOOK__READ_WITHIN", "10m").stdin(Stdio::null()).kill_on_drop(true);
    bash
}

/// Keeps one connection open that says nothing, or stops in the middle; opens another when the server closes it.
async fn hold(address: SocketAddr, number: usize, opened: Arc<AtomicUsize>) {
    const SAID: [&[u8]; 3] = [
        b"",
        b"POST /webhook HTTP/1.1\r\nhost: test\r\nx-slow: ",
        b"POST /webhook HTTP/1.1\r\nhost: test\r\ncontent-length: 1000\r\n\r\n{\"event\":\"",
    ];
    loop {
        if let Ok(mut socket) = TcpStream::connect(address).await
            && socket.write_all(SAID[number % SAID.len()]).await.is_ok()
        {
            opened.fetch_add(1, Ordering::Relaxed);
            let _ = socket.read(&mut [0; 64]).await;
        }
        // The pace of the crowd: faster, it would be a test of the machine.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
