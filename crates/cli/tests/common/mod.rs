//! What the tests share: the real binary in a clean environment, and a few bytes of HTTP.
#![allow(dead_code, reason = "each test file uses its own part of it")]

use std::{
    net::SocketAddr,
    path::Path,
    process::{Output, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

/// How long a test waits for something that comes at once on a machine that is not busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// `rtms` with these arguments and nothing of the tester's environment. It dies with the test.
pub(crate) fn rtms(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtms"));
    command.args(arguments).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// The same with the simulator's secrets, and with the API on a free port.
pub(crate) fn with_secrets(arguments: &[&str]) -> Command {
    let mut command = rtms(arguments);
    command
        .env("ZOOM_SECRET_TOKEN", "sim-secret-token")
        .env("ZOOM_CLIENT_ID", "sim-client-id")
        .env("ZOOM_CLIENT_SECRET", "sim-client-secret")
        .env("RTMS__API__LISTEN", "127.0.0.1:0");
    command
}

/// Runs it to its end.
pub(crate) async fn finish(mut command: Command) -> Finished {
    let Output { status, stdout, stderr } = timeout(PATIENCE, command.output()).await.expect("it ends").unwrap();
    Finished {
        code: status.code(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A running `rtms serve`.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    /// Where it serves the API.
    pub(crate) api: SocketAddr,
}

impl Serving {
    /// Starts it on a free port with the simulator's secrets, and waits until it listens.
    pub(crate) async fn start(data_dir: &Path, more: &[&str]) -> Self {
        let data_dir = data_dir.to_str().unwrap();
        let mut arguments = vec!["serve", "--listen", "127.0.0.1:0", "--data-dir", data_dir];
        arguments.extend(more);
        Self::listening(with_secrets(&arguments)).await
    }

    /// Starts it by a command of the caller's, and waits until it listens.
    pub(crate) async fn listening(command: Command) -> Self {
        Self::listening_with_log(command).await.0
    }

    /// The same, with the lines that it logs afterwards.
    pub(crate) async fn listening_with_log(mut command: Command) -> (Self, Arc<Mutex<Vec<String>>>) {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (address, api) = timeout(PATIENCE, async {
            let mut seen = Vec::new();
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some((_, rest)) = line.split_once("listening address=") {
                    let (address, rest) = rest.split_once(" api=").expect(&line);
                    let api = rest.split(' ').next().unwrap();
                    return (address.parse().unwrap(), api.parse().expect(&line));
                }
                seen.push(line);
            }
            panic!("it left without listening: {seen:#?}");
        })
        .await
        .expect("it listens");
        // Its log goes on; a full pipe would stop it.
        let log = Arc::<Mutex<Vec<String>>>::default();
        let kept = log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                kept.lock().unwrap().push(line);
            }
        });
        (Self { child, address, api }, log)
    }

    /// Sends a signal by its name and waits for the end; gives the exit code.
    pub(crate) async fn end_by(mut self, signal: &str) -> Option<i32> {
        self.signal(signal).await;
        timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap().code()
    }

    pub(crate) async fn signal(&self, signal: &str) {
        let process = self.child.id().expect("it runs").to_string();
        let status = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", signal, &process]).status().await;
        assert!(status.unwrap().success());
    }
}

/// `GET` on a connection of its own: status and body.
pub(crate) async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    exchange(address, format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").into_bytes()).await
}

/// Sends a request that asks for the connection to be closed, and reads to the end.
pub(crate) async fn exchange(address: SocketAddr, request: Vec<u8>) -> (u16, String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(&request).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, socket.read_to_string(&mut answer)).await.expect("an answer").unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Looks again and again until there is something, and panics with `what` when there is nothing for too long.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) mod door;
#[cfg(unix)]
#[allow(dead_code, reason = "each test uses some of it")]
pub(crate) mod fronts;
#[allow(dead_code, reason = "each test uses some of it")]
pub(crate) mod heard;
#[cfg(unix)]
pub(crate) mod pipes;
