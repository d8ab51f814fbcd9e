//! What strangers can take of the door: neither its memory nor its connections, and nobody waits for them.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use common::{
    Gateway, config,
    http::{exchange, head, signed_now},
    until,
};
use http_body_util::Full;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rtms_gateway::{apps::secrets::App, telemetry::WebhookResult};
use rtms_store::MemoryStore;
use rtms_wire::secret::{ClientSecret, SecretToken};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

const SIGNED: &[u8] = br#"{"event":"meeting.rtms_dreamt","payload":{}}"#;

/// As long as a body may be.
const LONGEST: usize = 1 << 20;

#[tokio::test]
async fn bodies_that_nobody_signed_take_so_much_memory_and_no_more() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = open(&data_dir, Duration::from_secs(60)).await;
    let metrics = gateway.server().metrics();
    let mut request = head(&[("content-type", "application/json")]);
    request.extend(format!("content-length: {LONGEST}\r\n\r\n").as_bytes());
    // The last byte does not come.
    request.resize(request.len() + LONGEST - 1, b' ');
    let mut strangers = Vec::new();
    let long = [b"{\"event\":\"long\",\"payload\":\"", vec![b'x'; LONGEST / 2].as_slice(), b"\"}"].concat();
    let mut no_room = 0;
    while no_room < 3 {
        assert!(strangers.len() < 200, "200 MiB, and there is still room");
        let mut stranger = TcpStream::connect(gateway.address()).await.unwrap();
        // Whoever is refused is not listened to any more.
        let _ = stranger.write_all(&request).await;
        strangers.push(stranger);
        no_room += u32::from(exchange(gateway.address(), &signed(&long)).await.status == 503);
    }

    assert!(metrics.webhooks(WebhookResult::Busy) >= 3);
    assert_eq!(exchange(gateway.address(), &signed(SIGNED)).await.status, 200, "as small as Zoom's are");

    drop(strangers);
    until("the room is free again", async || {
        (exchange(gateway.address(), &signed(&long)).await.status == 200).then_some(())
    })
    .await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_body_that_is_announced_too_long_is_not_waited_for() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = open(&data_dir, Duration::from_secs(60)).await;

    for asks in ["", "expect: 100-continue\r\n"] {
        let mut request = head(&[("content-type", "application/json")]);
        request.extend(format!("content-length: 99999999999\r\n{asks}\r\n").as_bytes());
        assert_eq!(exchange(gateway.address(), &request).await.status, 413, "{asks}");
    }
    assert_eq!(gateway.server().metrics().webhooks(WebhookResult::TooLarge), 2);
    gateway.stop().await;
}

#[tokio::test]
async fn who_hangs_up_in_the_middle_is_counted_as_that() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = open(&data_dir, Duration::from_secs(60)).await;
    let mut hasty = TcpStream::connect(gateway.address()).await.unwrap();
    let whole = signed(SIGNED);
    hasty.write_all(&whole[..whole.len() - 1]).await.unwrap();
    drop(hasty);

    let metrics = gateway.server().metrics();
    until("it is counted", async || (metrics.webhooks(WebhookResult::BrokenOff) == 1).then_some(())).await;
    assert_eq!(metrics.webhooks(WebhookResult::Unreadable), 0);
    gateway.stop().await;
}

#[tokio::test]
async fn a_connection_by_http2_that_asks_nothing_more_is_closed_in_order() {
    let data_dir = tempfile::tempdir().unwrap();
    let limit = Duration::from_millis(500);
    let gateway = open(&data_dir, limit).await;
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    // Its other half answers pings by itself.
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);

    for _ in 0..3 {
        sender.ready().await.unwrap();
        let request = Request::get(format!("http://{}/healthz", gateway.address())).body(Full::<Bytes>::default());
        assert_eq!(sender.send_request(request.unwrap()).await.unwrap().status(), StatusCode::OK);
    }

    let ended = tokio::time::timeout(common::PATIENCE, connection).await.expect("it is closed");
    ended.unwrap().expect("it ends in order, because it was told so");
    gateway.stop().await;
}

#[tokio::test]
async fn a_crowd_at_the_door_does_not_close_the_api() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut config = config(data_dir.path());
    config.webhook.max_connections = 3;
    config.webhook.read_within = Duration::from_secs(60);
    let gateway = Gateway::start_with(config).await;
    let mut crowd = Vec::new();
    for _ in 0..50 {
        let mut stranger = TcpStream::connect(gateway.address()).await.unwrap();
        stranger.write_all(b"POST /webhook HTTP/1.1\r\n").await.unwrap();
        crowd.push(stranger);
    }

    let answer = exchange(gateway.api_address(), b"GET /v1/streams HTTP/1.1\r\nhost: localhost\r\n\r\n").await;

    assert_eq!(answer.status, 200);
    drop(crowd);
    gateway.stop().await;
}

#[tokio::test]
async fn who_opens_a_connection_and_says_nothing_does_not_hold_up_a_stop() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = open(&data_dir, Duration::from_secs(60)).await;
    let mut silent = TcpStream::connect(gateway.address()).await.unwrap();
    let mut begun = TcpStream::connect(gateway.address()).await.unwrap();
    begun.write_all(b"POST /webhook HTTP/1.1\r\n").await.unwrap();
    // Both were accepted before the one that is answered.
    assert_eq!(exchange(gateway.address(), &signed(SIGNED)).await.status, 200);

    let asked = Instant::now();
    gateway.stop().await;

    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    let mut rest = Vec::new();
    assert_eq!(silent.read_to_end(&mut rest).await.unwrap_or_default(), 0);
}

#[tokio::test]
async fn who_sends_half_a_request_or_reads_no_answer_leaves_nothing_unfinished_at_a_stop() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = open(&data_dir, Duration::from_secs(60)).await;
    let post = String::from_utf8(head(&[("content-type", "application/json")])).unwrap();
    let halves = [
        "DELETE /v1/str".to_owned(),
        format!("{post}content-length: 70\r\n\r\n{{\"event\""),
        format!("{post}transfer-encoding: chunked\r\n\r\n5\r\n{{\"ev"),
        format!("{post}expect: 100-continue\r\ncontent-length: 9\r\n\r\n"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_owned(),
    ];
    let mut strangers = Vec::new();
    for address in [gateway.address(), gateway.api_address()] {
        for half in &halves {
            let mut stranger = TcpStream::connect(address).await.unwrap();
            stranger.write_all(half.as_bytes()).await.unwrap();
            strangers.push(stranger);
        }
        let mut deaf = TcpStream::connect(address).await.unwrap();
        let asked = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(500);
        // Until nothing more fits: it is not listened to, as it does not read.
        while let Ok(sent) = timeout(Duration::from_millis(300), deaf.write_all(asked.as_bytes())).await {
            sent.unwrap();
        }
        strangers.push(deaf);
        let health = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
        assert_eq!(exchange(address, health.as_bytes()).await.status, 200, "all before it were accepted");
    }

    let asked = Instant::now();
    let unfinished = gateway.stop_counting().await;

    assert_eq!(unfinished, 0);
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
}

async fn open(data_dir: &tempfile::TempDir, read_within: Duration) -> Gateway {
    let mut config = config(data_dir.path());
    config.webhook.read_within = read_within;
    let app = App::new("one", vec![secret()], "client", ClientSecret::new("client secret").unwrap());
    Gateway::start_on(config, vec![app], Arc::new(MemoryStore::new())).await
}

fn signed(body: &[u8]) -> Vec<u8> {
    signed_now(&secret(), body)
}

fn secret() -> SecretToken {
    SecretToken::new("secret").unwrap()
}
