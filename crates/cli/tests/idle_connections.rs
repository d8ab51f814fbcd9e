//! Ten thousand connections that say nothing, or take forever to say it, do not hold up a signed webhook.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "in a test, a panic is the answer"
)]

mod common;

use std::{
    fs,
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use common::{
    Serving,
    door::{Kept, signed, stop_of},
    with_secrets,
};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep},
};

const WANTED: usize = 10_000;
/// Descriptors that are needed besides those of the connections.
const OTHERS: usize = 200;
/// Webhooks that are timed at each server, one after the other.
const TIMED: usize = 400;
/// How much slower the median may be.
const SLOWER: u32 = 10;
/// Memory that a connection may take in the server: its buffers are bounded, and this is far above them.
const MAX_BYTES_EACH: usize = 48 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_webhook_is_answered_beside_ten_thousand_idle_and_slow_connections() {
    let connections = WANTED.min(descriptors().saturating_sub(OTHERS));
    let (folder, other_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = start(folder.path().to_str().unwrap()).await;
    // Whatever else this machine does slows both down.
    let other = start(other_folder.path().to_str().unwrap()).await;
    let process = server.child.id().unwrap();
    let (mut number, pair) = (0, [other.address, server.address]);
    answer_times(pair, &mut number).await;
    let bytes_before = resident(process);

    let mut crowd = open(server.address, connections).await;
    let bytes_after = resident(process);
    let [alone, crowded] = answer_times(pair, &mut number).await;
    let (still_open, drops) = drip(&mut crowd).await;
    let [alone_again, crowded_again] = answer_times(pair, &mut number).await;

    let each = bytes_after.saturating_sub(bytes_before) / connections;
    println!(
        "{connections} of {WANTED} connections opened, {still_open} of the slow ones open after {drops} more bytes each; \
         a webhook took {:?} and {:?} without them, {:?} and {:?} with them (p99 {:?}, {:?}, {:?}, {:?}); the server's \
         memory went from {} to {} MB, {each} bytes a connection",
        alone.median,
        alone_again.median,
        crowded.median,
        crowded_again.median,
        alone.p99,
        alone_again.p99,
        crowded.p99,
        crowded_again.p99,
        bytes_before >> 20,
        bytes_after >> 20,
    );
    assert!(crowded.median <= alone.median * SLOWER, "{crowded:?} {alone:?}");
    assert!(crowded_again.median <= alone_again.median * SLOWER, "{crowded_again:?} {alone_again:?}");
    assert!(each <= MAX_BYTES_EACH, "{each} bytes a connection");
    assert_eq!(server.end_by("TERM").await, Some(0));
    assert_eq!(other.end_by("TERM").await, Some(0));
}

/// Starts a server with as many descriptors as may be had, which is patient enough to hold the crowd to the end.
async fn start(data_dir: &str) -> Serving {
    let plain = with_secrets(&["serve", "--listen", "127.0.0.1:0", "--data-dir", data_dir]);
    let plain = plain.as_std();
    let mut bash = tokio::process::Command::new("bash");
    bash.args(["-c", "ulimit -S -n $(ulimit -H -n); exec \"$0\" \"$@\""])
        .arg(plain.get_program())
        .args(plain.get_args());
    bash.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    bash.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    bash.env("RTMS__WEBHOOK__READ_WITHIN", "10m").stdin(Stdio::null()).kill_on_drop(true);
    Serving::listening(bash).await
}

/// Raises this process's limit as far as it goes and says where it is.
fn descriptors() -> usize {
    let limits = || {
        let limits = fs::read_to_string("/proc/self/limits").unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap().to_owned();
        let mut numbers = line.split_whitespace().map(|number| number.parse::<usize>().unwrap_or(usize::MAX));
        (numbers.next().unwrap(), numbers.next().unwrap())
    };
    let (soft, hard) = limits();
    if soft < hard {
        let raised = format!("--nofile={hard}:{hard}");
        let _ = Command::new("prlimit").args([&raised, "--pid", &std::process::id().to_string()]).status();
    }
    limits().0
}

/// Opens them, a few at a time so that the listener's queue holds: a third says nothing, a third stops in the head, a
/// third stops in the body.
async fn open(address: SocketAddr, connections: usize) -> Vec<(TcpStream, &'static [u8])> {
    const IDLE: &[u8] = b"";
    const IN_HEAD: &[u8] = b"POST /webhook HTTP/1.1\r\nhost: test\r\nx-slow: ";
    const IN_BODY: &[u8] = b"POST /webhook HTTP/1.1\r\nhost: test\r\ncontent-length: 1000\r\n\r\n{\"event\":\"";
    let mut opening = JoinSet::new();
    let mut opened = Vec::with_capacity(connections);
    for number in 0..connections {
        if opening.len() == 64 {
            opened.push(opening.join_next().await.unwrap().unwrap());
        }
        opening.spawn(async move {
            let said = [IDLE, IN_HEAD, IN_BODY][number % 3];
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.write_all(said).await.unwrap();
            (socket, said)
        });
    }
    opened.extend(opening.join_all().await);
    opened
}

/// Sends a byte more on each that has begun, a few times; gives how many took it and how many bytes that was.
async fn drip(crowd: &mut [(TcpStream, &'static [u8])]) -> (usize, usize) {
    const DROPS: usize = 5;
    let mut open = 0;
    for _ in 0..DROPS {
        open = 0;
        for (socket, _) in crowd.iter_mut().filter(|(_, said)| !said.is_empty()) {
            open += usize::from(socket.write_all(b"x").await.is_ok());
        }
        sleep(Duration::from_millis(50)).await;
    }
    (open, DROPS)
}

#[derive(Debug)]
struct Times {
    median: Duration,
    p99: Duration,
}

/// Times webhooks at two servers by turns, so that both have the same luck; every fourth on a connection of its own, which
/// has to be accepted first.
async fn answer_times(addresses: [SocketAddr; 2], number: &mut usize) -> [Times; 2] {
    let mut kept = [Kept::open(addresses[0]).await.unwrap(), Kept::open(addresses[1]).await.unwrap()];
    let mut times = [Vec::new(), Vec::new()];
    for turn in 0..TIMED {
        *number += 1;
        let request = signed(&stop_of(&format!("s{number}"), 300));
        for server in 0..2 {
            let begun = Instant::now();
            if turn % 4 == 0 {
                kept[server] = Kept::open(addresses[server]).await.unwrap();
            }
            assert_eq!(kept[server].exchange(&request).await.unwrap(), 200);
            times[server].push(begun.elapsed());
        }
    }
    times.map(|mut times| {
        times.sort();
        Times { median: times[times.len() / 2], p99: times[times.len() * 99 / 100] }
    })
}

/// Bytes of memory that a process has.
fn resident(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}
