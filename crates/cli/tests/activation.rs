//! `rtms serve` under a service manager: sockets that it passes, and what is reported to it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    process::Stdio,
};

use common::{PATIENCE, Serving, finish, fronts::activated, get, with_secrets};
use tokio::{
    io::AsyncReadExt,
    net::UnixDatagram,
    time::{Instant, timeout},
};

#[tokio::test]
async fn a_passed_socket_takes_the_place_of_the_address_and_the_log_says_so() {
    let (data_dir, socket) = (tempfile::tempdir().unwrap(), free());
    // Somebody else's port: it would fail if it were listened on.
    let taken = free();
    let other = taken.local_addr().unwrap().to_string();
    let mut command = activated(&socket, data_dir.path(), &["--listen", &other]);
    command.env("LISTEN_FDNAMES", "rtms.socket").stderr(Stdio::piped());

    let mut child = command.spawn().unwrap();
    let mut log = child.stderr.take().unwrap();
    let mut text = String::new();
    timeout(PATIENCE, async {
        while !text.contains("listening address=") {
            let mut more = [0; 4096];
            let read = log.read(&mut more).await.unwrap();
            assert!(read > 0, "{text}");
            text.push_str(&String::from_utf8_lossy(&more[..read]));
        }
    })
    .await
    .unwrap();

    let address = socket.local_addr().unwrap();
    assert!(text.contains("webhooks come on the socket from systemd, and server.listen is ignored"), "{text}");
    assert!(text.contains(&format!("address={address}")) && !text.contains(&other), "{text}");
    assert_eq!(get(address, "/healthz").await.0, 200);
}

#[tokio::test]
async fn a_connection_that_comes_between_two_processes_is_answered_by_the_second() {
    let (data_dir, socket) = (tempfile::tempdir().unwrap(), free());
    let address = socket.local_addr().unwrap();
    let first = Serving::listening(activated(&socket, data_dir.path(), &[])).await;
    assert_eq!(first.end_by("TERM").await, Some(0));

    let asking = tokio::spawn(get(address, "/readyz"));
    let second = Serving::listening(activated(&socket, data_dir.path(), &[])).await;

    assert_eq!(asking.await.unwrap(), (200, "ready\n".to_owned()));
    assert_eq!(second.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn a_socket_of_the_name_api_is_the_apis() {
    let (data_dir, socket) = (tempfile::tempdir().unwrap(), free());
    let mut command = activated(&socket, data_dir.path(), &["--listen", "127.0.0.1:0"]);
    command.env("LISTEN_FDNAMES", "api");

    let server = Serving::listening(command).await;

    assert_eq!(server.api, socket.local_addr().unwrap());
    assert_eq!(get(server.api, "/v1/receipts").await.0, 200);
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn sockets_for_another_process_are_left_alone() {
    let data_dir = tempfile::tempdir().unwrap();
    let folder = data_dir.path().to_str().unwrap();
    let mut command = with_secrets(&["serve", "--listen", "127.0.0.1:0", "--data-dir", folder]);
    command.env("LISTEN_FDS", "77").env("LISTEN_PID", "1");

    let server = Serving::listening(command).await;

    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn what_is_passed_and_is_no_listening_tcp_socket_is_refused_with_the_way_out() {
    let data_dir = tempfile::tempdir().unwrap();
    let listener = free();
    let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (pipe, _other_end) = std::io::pipe().unwrap();
    let unix = std::os::unix::net::UnixListener::bind(data_dir.path().join("a.sock")).unwrap();
    let listening = |fds: &'static str| (OwnedFd::from(listener.try_clone().unwrap()), fds);
    let cases = [
        ((OwnedFd::from(connection), "1"), ["does not listen", "Accept=no"]),
        ((OwnedFd::from(pipe), "1"), ["is not a TCP socket", "ListenStream="]),
        ((OwnedFd::from(unix), "1"), ["is not a TCP socket", "ListenStream="]),
        (listening("3"), ["3 sockets were passed", "remove the others"]),
        (listening("one"), ["LISTEN_FDS=\"one\"", "unset it"]),
        // There is no file descriptor 4.
        (listening("2"), ["socket 2 of those passed", "is not a TCP socket"]),
    ];
    for ((passed, fds), words) in cases {
        let mut command = activated(&listener, data_dir.path(), &[]);
        command.stdin(Stdio::from(passed)).env("LISTEN_FDS", fds);

        let failed = finish(command).await;

        assert_eq!(failed.code, Some(1), "{words:?}: {failed:?}");
        for word in words {
            assert!(failed.stderr.contains(word), "{word}: {failed:?}");
        }
    }
}

#[tokio::test]
async fn systemd_is_told_that_it_is_ready_that_it_lives_and_that_it_stops() {
    let data_dir = tempfile::tempdir().unwrap();
    let path = data_dir.path().join("notify.sock");
    let manager = UnixDatagram::bind(&path).unwrap();
    let folder = data_dir.path().to_str().unwrap();
    let mut command = with_secrets(&["serve", "--listen", "127.0.0.1:0", "--data-dir", folder]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "100000");
    let heard = async || {
        let mut message = [0; 256];
        let length = timeout(PATIENCE, manager.recv(&mut message)).await.expect("a report").unwrap();
        String::from_utf8_lossy(&message[..length]).trim().to_owned()
    };

    let server = Serving::listening(command).await;
    assert_eq!(heard().await, "READY=1");
    let begun = Instant::now();
    for _ in 0..4 {
        assert_eq!(heard().await, "WATCHDOG=1");
    }
    assert!(begun.elapsed() < PATIENCE, "it goes on as long as the process lives");
    assert_eq!(server.end_by("TERM").await, Some(0));

    while heard().await != "STOPPING=1" {}
}

fn free() -> TcpListener {
    TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()
}
