//! The door behind Caddy and nginx, set up by the blocks that the documents print: webhooks pass, all else is 404, and a
//! restart on a socket from systemd refuses nobody.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "in a test, a panic is the answer"
)]

mod common;

use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{
    Serving,
    door::{signed_for, stop_of},
    finish,
    fronts::{Front, HOST, activated, deployed},
    rtms, until,
};
use serde_json::Value;
use tokio::{task::JoinSet, time::interval};

const README: &str = include_str!("../../../README.md");
const OPERATING: &str = include_str!("../../../docs/operating.md");

/// The fewest webhooks. More are sent if the restarts take longer.
const WEBHOOKS: usize = 500;

/// The time between two webhooks on one connection.
const EVERY: Duration = Duration::from_millis(20);

/// Connections to the proxy. Zoom has several, too.
const CONNECTIONS: usize = 24;

const RESTARTS: usize = 4;

#[test]
fn the_documents_print_the_blocks_that_are_tried_here() {
    for (document, text, file) in [("README.md", README, "Caddyfile"), ("docs/operating.md", OPERATING, "nginx.conf")] {
        assert!(
            fenced(text).contains(&deployed(file)),
            "{document} has no block that equals deploy/proxy/{file}; copy the file there"
        );
    }
    for file in ["Caddyfile", "nginx.conf"] {
        let blocks = fenced(README).into_iter().chain(fenced(OPERATING));
        let proxies =
            blocks.filter(|block| block.contains(if file == "Caddyfile" { "reverse_proxy" } else { "proxy_pass" }));
        for block in proxies {
            assert_eq!(block, deployed(file), "a block for a proxy that no test has tried");
        }
    }
}

#[tokio::test]
async fn webhooks_pass_caddy_and_everything_else_is_404() {
    let data_dir = tempfile::tempdir().unwrap();
    let server = Serving::start(data_dir.path(), &[]).await;
    if let Some(front) = Front::caddy(server.address).await {
        assert_only_webhooks_pass(&front).await;
    }
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn webhooks_pass_nginx_and_everything_else_is_404() {
    let data_dir = tempfile::tempdir().unwrap();
    let server = Serving::start(data_dir.path(), &[]).await;
    if let Some(front) = Front::nginx(server.address).await {
        assert_only_webhooks_pass(&front).await;
    }
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_behind_caddy_on_a_socket_from_systemd_refuse_and_lose_no_webhook() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    if let Some(front) = Front::caddy(socket.local_addr().unwrap()).await {
        assert_restarts_lose_nothing(front, socket).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_behind_nginx_on_a_socket_from_systemd_refuse_and_lose_no_webhook() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    if let Some(front) = Front::nginx(socket.local_addr().unwrap()).await {
        assert_restarts_lose_nothing(front, socket).await;
    }
}

async fn assert_only_webhooks_pass(front: &Front) {
    let name = front.name;
    let mut connection = front.open().await;
    // White space and escapes that a proxy that read the body would not keep; the signature is over each byte.
    let odd = br#" {"event":"meeting.rtms_dreamt",  "payload":{"a":"\/\u00e9"} } "#;
    let whole = stop_of("long", (1 << 20) - 1024);
    for path in ["/webhook", "/webhook/default", "/webhook?type=video"] {
        for body in [&odd[..], &whole] {
            assert_eq!(connection.exchange(&signed_for(HOST, path, body)).await.unwrap(), 200, "{name}: {path}");
        }
    }
    let validation = br#"{"payload":{"plainToken":"Hq3nVb7wTzKp0LsXe9RfYg"},"event":"endpoint.url_validation"}"#;
    let (status, answer) = connection.ask(&signed_for(HOST, "/webhook", validation)).await.unwrap();
    assert_eq!(status, 200, "{name}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["encryptedToken"].as_str().map(str::len), Some(64), "{name}: {answer}");

    let mut tampered = signed_for(HOST, "/webhook", odd);
    *tampered.last_mut().unwrap() = b'\n';
    assert_eq!(connection.exchange(&tampered).await.unwrap(), 401, "{name}: a byte that was changed is noticed");
    assert_eq!(connection.exchange(&signed_for(HOST, "/webhook/nobody", odd)).await.unwrap(), 404, "{name}");
    let too_long = stop_of("long", (1 << 20) + 1);
    let refused = front.open().await.exchange(&signed_for(HOST, "/webhook", &too_long)).await.unwrap();
    // The door answers before the end of the body, and Caddy takes that for a broken connection.
    assert!(matches!(refused, 413 | 502), "{name}: {refused} to a body that is too long");

    let elsewhere = [
        "/",
        "/healthz",
        "/readyz",
        "/metrics",
        "/v1/streams",
        "/webhooks",
        "/webhook/../metrics",
        "/webhook/%2e%2e/readyz",
    ];
    for path in elsewhere {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
        let status = front.open().await.exchange(request.as_bytes()).await.unwrap();
        assert_eq!(status, 404, "{name}: {path}");
    }
}

/// Sends webhooks through the proxy while the server is stopped and started on the same socket, again and again.
async fn assert_restarts_lose_nothing(front: Front, socket: TcpListener) {
    let data_dir = tempfile::tempdir().unwrap();
    let start = || Serving::listening(activated(&socket, data_dir.path(), &[]));
    let mut server = start().await;
    assert_eq!(server.address, socket.local_addr().unwrap());
    let sent = Arc::new(Sent::default());
    let front = Arc::new(front);
    let mut senders = JoinSet::new();
    for _ in 0..CONNECTIONS {
        senders.spawn(send_all(front.clone(), sent.clone()));
    }

    let mut waited = Vec::new();
    for _ in 0..RESTARTS {
        let due = sent.answered.load(Ordering::Relaxed) + WEBHOOKS / (RESTARTS + 1);
        until("enough are answered", async || (sent.answered.load(Ordering::Relaxed) >= due).then_some(())).await;
        assert_eq!(server.end_by("TERM").await, Some(0));
        // Nobody is there now. A new connection waits for the next process.
        let all_wait = async || Some(sent.waiting()).filter(|waiting| *waiting == CONNECTIONS);
        waited.push(until("all senders wait", all_wait).await);
        server = start().await;
    }
    sent.restarts_are_over.store(true, Ordering::Relaxed);
    senders.join_all().await;
    let kept = until("all are settled", async || settled(data_dir.path()).await).await;
    assert_eq!(server.end_by("TERM").await, Some(0));

    let total = sent.next.load(Ordering::Relaxed);
    let wanted: BTreeMap<String, usize> = (0..total).map(|number| (format!("s{number}"), 1)).collect();
    assert_eq!(kept, wanted, "{}: each is there, once", front.name);
    println!("{}: {total} answered 200, {RESTARTS} restarts, waiting at each: {waited:?}", front.name);
}

/// What the senders share.
#[derive(Default)]
struct Sent {
    next: AtomicUsize,
    answered: AtomicUsize,
    restarts_are_over: AtomicBool,
}

impl Sent {
    /// Webhooks that are on their way.
    fn waiting(&self) -> usize {
        // Not fewer than were answered, in this order.
        let answered = self.answered.load(Ordering::Relaxed);
        self.next.load(Ordering::Relaxed) - answered
    }

    /// Whether there was a webhook for each restart, and as many as there should be.
    fn is_enough(&self) -> bool {
        self.restarts_are_over.load(Ordering::Relaxed) && self.next.load(Ordering::Relaxed) >= WEBHOOKS
    }
}

/// How many receipts each stream has, once the server has looked at all of them.
async fn settled(data_dir: &Path) -> Option<BTreeMap<String, usize>> {
    let folder = data_dir.to_str().unwrap();
    let receipts = finish(rtms(&["receipts", "--data-dir", folder, "--json", "--limit", "10000"])).await;
    assert_eq!(receipts.code, Some(0), "{receipts:?}");
    let mut kept = BTreeMap::new();
    for line in receipts.stdout.lines() {
        let receipt: Value = serde_json::from_str(line).unwrap();
        *kept.entry(receipt["rtms_stream_id"].as_str()?.to_owned()).or_default() += 1;
    }
    Some(kept)
}

/// Sends webhook after webhook, each once. Any answer but 200 is a failure: Zoom would come back after minutes, if at all.
async fn send_all(front: Arc<Front>, sent: Arc<Sent>) {
    let mut connection = front.open().await;
    // A pace that leaves something to be sent for every restart.
    let mut pace = interval(EVERY);
    while !sent.is_enough() {
        pace.tick().await;
        let number = sent.next.fetch_add(1, Ordering::Relaxed);
        let request = signed_for(HOST, "/webhook", &stop_of(&format!("s{number}"), 200));
        let status = connection.exchange(&request).await.unwrap_or_else(|error| panic!("webhook {number}: {error}"));
        assert_eq!(status, 200, "{}: webhook {number}", front.name);
        sent.answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// The fenced blocks of a document, without the indentation of their fences.
fn fenced(document: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        let Some(indentation) = line.find("```").filter(|at| line[..*at].trim().is_empty()) else { continue };
        let inside = lines.by_ref().take_while(|line| line.trim() != "```");
        blocks.push(inside.map(|line| format!("{}\n", line.get(indentation..).unwrap_or_default())).collect());
    }
    blocks
}
