//! Commands that run for long, with a reader who takes nothing: Ctrl-C and SIGTERM end them soon, and nothing printed is cut
//! off for a reader who is only slow.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{fs, io::pipe, net::SocketAddr, process::Stdio, time::Duration};

use common::{
    PATIENCE,
    pipes::{fill, full_pipe, signal},
    rtms, until,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
    sync::mpsc,
    time::{Instant, timeout},
};

/// Far less than the 15 s after which a command that hangs is left. One that judges stays for 5 s after the end.
const SOON: Duration = Duration::from_secs(9);

/// The signals that ask a command to stop.
const SIGNALS: [&str; 2] = ["INT", "TERM"];

/// A wire log of a stream that nobody plays to its end here.
const TAPE: &str = r#"{"format":"rtms-capture","version":1,"product":"meeting","instance":{"field":"meeting_uuid","value":"m=="},"rtms_stream_id":"s","started_at":1795428000000,"program":"rtms 0.1.0"}
"#;

#[tokio::test]
async fn a_reader_of_standard_output_who_takes_nothing_does_not_hold_up_the_end_of_a_simulation() {
    let folder = tempfile::tempdir().unwrap();
    let tape = folder.path().join("tape.jsonl");
    fs::write(&tape, TAPE).unwrap();
    let commands: [&[&str]; 4] = [
        &["--print-webhook", "--duration", "1h"],
        &["--event-websocket", "--duration", "1h"],
        &["--print-webhook", "--load", "--streams", "2", "--duration", "1h"],
        &["--print-webhook", "--replay", tape.to_str().unwrap()],
    ];
    for command in commands {
        for name in SIGNALS {
            let (_reader, writer) = full_pipe().await;
            let mut simulator = simulate(command).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
            let mut notes = BufReader::new(simulator.stderr.take().unwrap());
            if command[0] == "--print-webhook" {
                let mut line = String::new();
                while !line.contains("signaling is at ") {
                    line.clear();
                    assert!(timeout(PATIENCE, notes.read_line(&mut line)).await.unwrap().unwrap() > 0, "{command:?}");
                }
            } else {
                listens_to_signals(&simulator).await;
            }

            ends_soon(simulator, name, command).await;
        }
    }
}

#[tokio::test]
async fn a_reader_of_standard_error_who_takes_nothing_does_not_hold_up_the_end_of_a_simulation() {
    let folder = tempfile::tempdir().unwrap();
    let tape = folder.path().join("tape.jsonl");
    fs::write(&tape, TAPE).unwrap();
    let (address, mut posts) = receiver().await;
    let webhook = format!("http://{address}/webhook");
    let commands: [&[&str]; 4] = [
        &["--duration", "1h"],
        &["--grade", "--duration", "1h", "--meetings", "3"],
        &["--load", "--streams", "2", "--duration", "1h"],
        &["--replay", tape.to_str().unwrap()],
    ];
    for command in commands {
        for name in SIGNALS {
            let (_reader, writer) = full_pipe().await;
            let command = [&["--webhook", &webhook], command].concat();
            let simulator = simulate(&command).stdout(Stdio::null()).stderr(writer).spawn().unwrap();
            // What was printed before it posts did not hold it up.
            timeout(PATIENCE, posts.recv()).await.expect("it posts").unwrap();

            ends_soon(simulator, name, &command).await;
            while posts.try_recv().is_ok() {}
        }
    }
}

#[tokio::test]
async fn a_demo_whose_log_nobody_takes() {
    for name in SIGNALS {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("demo");
        let (_reader, writer) = full_pipe().await;
        let arguments = ["demo", "--log", "debug", "--duration", "1m", "--data-dir", data_dir.to_str().unwrap()];
        let demo = rtms(&arguments).stdout(Stdio::null()).stderr(writer).spawn().unwrap();
        until("it records", async || fs::read_dir(data_dir.join("recordings")).ok()?.next()?.ok()).await;

        ends_soon(demo, name, &arguments).await;
    }
}

#[tokio::test]
async fn a_server_that_fails_to_start_does_not_wait_for_a_reader_of_why() {
    let (_reader, writer) = full_pipe().await;
    let mut server = rtms(&["serve"]).stdout(Stdio::null()).stderr(writer).spawn().unwrap();

    let status = timeout(SOON, server.wait()).await.expect("it leaves").unwrap();

    assert_eq!(status.code(), Some(1));
}

#[tokio::test]
async fn a_report_is_whole_for_a_reader_who_is_slow_and_a_signal_ends_the_wait_for_one_who_is_stuck() {
    for name in [None, Some("INT"), Some("TERM")] {
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let webhook = format!("http://{nobody}/webhook");
        let (reader, writer) = pipe().unwrap();
        let filler = writer.try_clone().unwrap();
        let command = ["--webhook", &webhook, "--duration", "1s", "--meetings", "400"];
        let mut simulator = simulate(&command).stdout(Stdio::null()).stderr(writer).spawn().unwrap();

        if let Some(name) = name {
            fill(filler).await;
            until("it is at its end", async || has_let_go(&simulator).then_some(())).await;
            ends_soon(simulator, name, &command).await;
        } else {
            drop(filler);
            until("it is at its end", async || has_let_go(&simulator).then_some(())).await;
            assert!(simulator.try_wait().unwrap().is_none(), "the pipe does not hold the report, so it waits");
            let mut text = String::new();
            let mut reader = tokio::fs::File::from_std(fs::File::from(std::os::fd::OwnedFd::from(reader)));
            reader.read_to_string(&mut text).await.unwrap();
            assert_eq!(text.matches("\nsent: ").count(), 401, "each stream and all together");
            assert!(text.ends_with("nobody joined 400 of them\n"), "{}", &text[text.len() - 200..]);
            assert_eq!(simulator.wait().await.unwrap().code(), Some(1));
        }
    }
}

/// A receiver of webhooks that accepts all, and a word for each.
async fn receiver() -> (SocketAddr, mpsc::UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, posts) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut post, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 64 << 10];
                if post.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
                    let _ = sender.send(());
                    let _ = post.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
                }
            });
        }
    });
    (address, posts)
}

fn simulate(arguments: &[&str]) -> Command {
    rtms(&[&["simulate"], arguments].concat())
}

/// Waits until a process catches SIGINT and SIGTERM.
async fn listens_to_signals(process: &Child) {
    const BOTH: u64 = 1 << (2 - 1) | 1 << (15 - 1);
    let status = format!("/proc/{}/status", process.id().unwrap());
    until("it listens to signals", async || {
        let status = fs::read_to_string(&status).ok()?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        (u64::from_str_radix(caught.trim(), 16).unwrap() & BOTH == BOTH).then_some(())
    })
    .await;
}

/// Whether a process that has begun to print has no worker any more: it waits for the reader of its last lines.
fn has_let_go(process: &Child) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{}/task", process.id().unwrap())) else { return false };
    let names: Vec<_> = threads.filter_map(|it| fs::read_to_string(it.unwrap().path().join("comm")).ok()).collect();
    names.iter().any(|name| name == "log\n") && !names.iter().any(|name| name.starts_with("tokio"))
}

/// Sends a signal; fails if the process is there for longer.
async fn ends_soon(mut process: Child, name: &str, command: &[&str]) {
    signal(&process, name).await;
    let begun = Instant::now();
    let ended = timeout(PATIENCE, process.wait()).await.expect("it ends").unwrap();
    assert!(begun.elapsed() < SOON, "{command:?} took {:?} after {name}", begun.elapsed());
    assert!(ended.code().is_some(), "{command:?} was ended by {name} instead of ending: {ended}");
}
