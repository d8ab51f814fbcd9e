//! The door behind proxies as people set them up: plain nginx, Caddy, and a program that forwards bytes. Webhooks pass, and
//! nothing else of the API's document is answered, whatever a stranger sends.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    fs,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use bytes::Bytes;
use common::{
    Gateway, PATIENCE, app, config,
    http::{exchange, read_answer, signed_headers, unix_seconds},
};
use futures_util::{StreamExt, stream};
use http_body_util::Full;
use hyper::{Request, StatusCode, client::conn::http2::SendRequest, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rtms_store::MemoryStore;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};

/// The document of the API, with a table of all requests.
const DOCUMENT: &str = include_str!("../../../docs/http.md");

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"];

/// What a stranger may be answered.
const REFUSALS: [u16; 4] = [400, 403, 404, 405];

const STREAM: &str = "ab%2Fc==";

const STARTED: &[u8] =
    br#"{"event":"meeting.rtms_started","event_ts":1795428000412,"payload":{"meeting_uuid":"m==","rtms_stream_id":"ab/c==","server_urls":"ws://127.0.0.1:1"}}"#;

/// Requests at a time.
const AT_ONCE: usize = 16;

/// How often a proxy is started when its port was taken meanwhile.
const TRIES: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_webhooks_and_health_is_answered_directly_or_through_a_forwarder() {
    let door = Door::open().await;
    let forwarder = forward(door.gateway.address()).await;
    for (name, address) in [("directly", door.gateway.address()), ("a TCP forwarder", forwarder)] {
        door.assert_closed_by_http1(name, address).await;
        door.assert_closed_by_http2(name, address).await;
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_webhooks_and_health_is_answered_through_a_plain_nginx() {
    let Ok(nginx) = std::env::var("RTMS_NGINX") else {
        eprintln!("nginx was NOT run: set RTMS_NGINX=nginx to have the door tried behind it");
        return;
    };
    let door = Door::open().await;
    let folder = tempfile::tempdir().unwrap();
    let (root, to) = (folder.path().display(), door.gateway.address());
    let (ports, _running) = start(|ports| {
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {root}/{kind};"))
            .join(" ");
        let server = |listen: String| format!("server {{ listen {listen}; location / {{ proxy_pass http://{to}; }} }}");
        let (plain, http2) = (server(ports[0].to_string()), server(format!("{} http2", ports[1])));
        let settings = format!(
            "daemon off; master_process off; pid {root}/pid; events {{ }} \
             http {{ access_log off; {temporary} {plain} {http2} }}"
        );
        fs::write(folder.path().join("nginx.conf"), settings).unwrap();
        let mut command = Command::new(&nginx);
        command.arg("-p").arg(folder.path()).args(["-c", "nginx.conf", "-e", "error.log"]);
        command
    })
    .await;
    door.assert_closed_by_http1("nginx", ports[0]).await;
    door.assert_closed_by_http2("nginx", ports[1]).await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_webhooks_and_health_is_answered_through_a_plain_caddy() {
    let Ok(caddy) = std::env::var("RTMS_CADDY") else {
        eprintln!("Caddy was NOT run: set RTMS_CADDY=caddy to have the door tried behind it");
        return;
    };
    let door = Door::open().await;
    let folder = tempfile::tempdir().unwrap();
    let to = door.gateway.address();
    let (ports, _running) = start(|ports| {
        let settings = format!(
            "{{\n admin off\n auto_https off\n servers {{\n protocols h1 h2c\n }}\n}}\n\
             http://:{} {{\n bind 127.0.0.1\n reverse_proxy {to}\n}}\n\
             http://:{} {{\n bind 127.0.0.1\n reverse_proxy h2c://{to}\n}}\n",
            ports[0].port(),
            ports[1].port()
        );
        fs::write(folder.path().join("Caddyfile"), settings).unwrap();
        let mut command = Command::new(&caddy);
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(folder.path().join("Caddyfile"));
        for variable in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            command.env(variable, folder.path());
        }
        command
    })
    .await;
    for (name, address) in [("Caddy", ports[0]), ("Caddy by HTTP/2", ports[1])] {
        door.assert_closed_by_http1(name, address).await;
        door.assert_closed_by_http2(name, address).await;
    }
    door.close().await;
}

/// A gateway that knows a webhook and a stream, so that there is something to be had.
struct Door {
    gateway: Gateway,
    _data_dir: tempfile::TempDir,
}

impl Door {
    async fn open() -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let gateway = Gateway::start_on(config(data_dir.path()), vec![app()], Arc::new(MemoryStore::new())).await;
        assert_eq!(gateway.post(STARTED).await, 200);
        gateway.settled_receipts(1).await;
        for path in ["/v1/receipts/1/body", &format!("/v1/streams/{STREAM}"), "/metrics"] {
            let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
            let answer = exchange(gateway.api_address(), request.as_bytes()).await;
            assert_eq!(answer.status, 200, "{path} is there, at the API");
        }
        Self { gateway, _data_dir: data_dir }
    }

    async fn assert_closed_by_http1(&self, name: &str, front: SocketAddr) {
        assert_eq!(post_http1(front, &self.webhook()).await, Some(200), "{name}: a webhook passes");
        let requests = self.requests_of_http1(front);
        let answers = stream::iter(requests).map(|(may_pass, request)| async move {
            let status = ask_http1(front, &request).await;
            // No answer at all is a refusal, too.
            let is_refused = status.is_none_or(|status| REFUSALS.contains(&status));
            assert!(may_pass || is_refused, "{name}: {status:?} to {request:?}");
        });
        answers.buffer_unordered(AT_ONCE).collect::<()>().await;
    }

    fn requests_of_http1(&self, front: SocketAddr) -> Vec<(bool, String)> {
        let api = self.gateway.api_address();
        let hosts = [
            format!("host: {front}\r\n"),
            "host: localhost\r\n".to_owned(),
            format!("host: {api}\r\n"),
            "host: [::1]:8081\r\nx-forwarded-host: localhost\r\nx-forwarded-for: 127.0.0.1\r\n".to_owned(),
            format!("host: localhost\r\nhost: {front}\r\n"),
            format!("host: {front}\r\nhost: localhost\r\n"),
            "host: localhost, gateway.example\r\n".to_owned(),
            "host: localhost\r\nx-original-url: /v1/streams\r\nx-http-method-override: GET\r\n".to_owned(),
        ];
        let mut requests = Vec::new();
        for path in paths() {
            for method in METHODS {
                let tail = "content-length: 0\r\nconnection: close\r\n\r\n";
                let may_pass = may_pass(method, &path);
                for host in &hosts {
                    requests.push((may_pass, format!("{method} {path} HTTP/1.1\r\n{host}{tail}")));
                }
                for authority in ["localhost".to_owned(), api.to_string()] {
                    for host in [&hosts[0], &hosts[1]] {
                        requests
                            .push((may_pass, format!("{method} http://{authority}{path} HTTP/1.1\r\n{host}{tail}")));
                    }
                }
                requests.push((may_pass, format!("{method} {path} HTTP/1.0\r\n\r\n")));
                requests.push((may_pass, format!("{method} {path} HTTP/1.0\r\nhost: localhost\r\n\r\n")));
            }
        }
        requests
    }

    async fn assert_closed_by_http2(&self, name: &str, front: SocketAddr) {
        let sender = connect_http2(front).await;
        let api = self.gateway.api_address().to_string();
        let front_text = front.to_string();
        let hosts = [
            (front_text.as_str(), None),
            ("localhost", None),
            (api.as_str(), None),
            ("localhost", Some(front_text.as_str())),
            (front_text.as_str(), Some("localhost")),
        ];
        let mut requests = Vec::new();
        for path in paths() {
            for method in METHODS {
                for (authority, host) in hosts {
                    let request = Request::builder().method(method).uri(format!("http://{authority}{path}"));
                    let request = match host {
                        Some(host) => request.header(header::HOST, host),
                        None => request,
                    };
                    requests.push((may_pass(method, &path), request.body(Full::default()).unwrap()));
                }
            }
        }
        let answers = stream::iter(requests).map(|(may_pass, request)| {
            let sender = sender.clone();
            async move {
                let about = format!("{request:?}");
                let status = ask_http2(sender, front, request).await;
                let is_refused = status.is_none_or(|status| REFUSALS.contains(&status.as_u16()));
                assert!(may_pass || is_refused, "{name}: {status:?} to {about}");
            }
        });
        answers.buffer_unordered(AT_ONCE).collect::<()>().await;

        let body = self.webhook();
        let mut request = Request::post(format!("http://{front}/webhook"));
        for (name, value) in signed_headers(&app().secret_tokens[0], unix_seconds(), &body) {
            request = request.header(name, value);
        }
        let request = request.body(Full::from(body)).unwrap();
        assert_eq!(ask_http2(sender, front, request).await, Some(StatusCode::OK), "{name}: a webhook passes");
    }

    fn webhook(&self) -> Vec<u8> {
        br#"{"event":"meeting.rtms_dreamt","payload":{}}"#.to_vec()
    }

    async fn close(self) {
        let stopped = self.gateway.record_of(&"ab/c==".into()).await.unwrap();
        assert!(stopped.ended.is_none(), "nobody has ended the stream: {stopped:?}");
        self.gateway.stop().await;
    }
}

/// The paths of the document's table, filled in, and others that a proxy or a router might take for one of them.
fn paths() -> Vec<String> {
    let table = DOCUMENT.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split(" | ").next());
    let mut paths: Vec<_> = table
        .flat_map(|requests| requests.split('`').skip(1).step_by(2))
        .filter_map(|request| request.split_once(' ').map(|(_, path)| path.to_owned()))
        .filter(|path| path.starts_with('/'))
        .map(|path| path.replace("{app}", "sim").replace("{entry}", "1").replace("{id}", STREAM))
        .collect();
    for known in ["/webhook/sim/token", "/metrics", "/v1/receipts/1/body", "/v1/streams/ab%2Fc==/video"] {
        assert!(paths.iter().any(|path| path == known), "{known} is not in the table: {paths:?}");
    }
    paths.extend(
        [
            "/",
            "/v1",
            "/v1/",
            "/v1/streams/",
            "//v1/streams",
            "/v1/streams?all=true",
            "/V1/streams",
            "/%76%31/streams",
            "/webhook/../v1/streams",
            "/webhook/%2e%2e/v1/streams",
            "/webhook/..%2fv1%2fstreams",
            "/healthz/../metrics",
            "/metrics/",
            "/metrics%00",
        ]
        .map(str::to_owned),
    );
    paths.sort();
    paths.dedup();
    paths
}

/// Whether the door has something there. What it answers then is the business of other tests.
fn may_pass(method: &str, path: &str) -> bool {
    match path {
        "/webhook" | "/webhook/sim" | "/webhook/sim/token" => method == "POST",
        "/healthz" | "/readyz" => method == "GET" || method == "HEAD",
        _ => false,
    }
}

async fn post_http1(front: SocketAddr, body: &[u8]) -> Option<u16> {
    let mut request = format!("POST /webhook HTTP/1.1\r\nhost: gateway.example\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in signed_headers(&app().secret_tokens[0], unix_seconds(), body) {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut socket = TcpStream::connect(front).await.unwrap();
    socket.write_all(&[request.as_bytes(), b"\r\n", body].concat()).await.unwrap();
    Some(read_answer(&mut socket).await?.status)
}

/// The status of the answer; none if the connection is closed without one.
async fn ask_http1(front: SocketAddr, request: &str) -> Option<u16> {
    let mut socket = TcpStream::connect(front).await.unwrap();
    let mut answer = Vec::new();
    let exchange = async {
        // A server that refuses early may not read all of it.
        let _ = socket.write_all(request.as_bytes()).await;
        let _ = socket.read_to_end(&mut answer).await;
    };
    timeout(PATIENCE, exchange).await.unwrap_or_else(|_| panic!("no answer in time to {request:?}"));
    std::str::from_utf8(answer.get(..12)?).ok()?.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()
}

async fn connect_http2(front: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(front).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// The status of the answer; none if the stream is reset. Some close the whole connection for one bad request.
async fn ask_http2(
    mut sender: SendRequest<Full<Bytes>>,
    front: SocketAddr,
    request: Request<Full<Bytes>>,
) -> Option<StatusCode> {
    if sender.ready().await.is_err() {
        sender = connect_http2(front).await;
    }
    let answer = timeout(PATIENCE, sender.send_request(request)).await.expect("an answer in time");
    Some(answer.ok()?.status())
}

/// Forwards connections byte by byte; gives where.
async fn forward(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut outside, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut inside = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    address
}

/// A proxy that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a proxy on two free ports and waits until it listens on both.
async fn start(command: impl Fn([SocketAddr; 2]) -> Command) -> ([SocketAddr; 2], Running) {
    for _ in 0..TRIES {
        // It takes no port of ours, so they are free only most probably.
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let ports = [free(), free()].map(|listener| listener.local_addr().unwrap());
        let mut command = command(ports);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut running = Running(child.unwrap_or_else(|error| panic!("{command:?}: {error}")));
        if listens(&mut running, ports).await {
            return (ports, running);
        }
    }
    panic!("the proxy does not start");
}

/// Waits until a proxy listens; false if it ends before.
async fn listens(running: &mut Running, ports: [SocketAddr; 2]) -> bool {
    let deadline = Instant::now() + PATIENCE;
    for port in ports {
        while TcpStream::connect(port).await.is_err() {
            if running.0.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(Instant::now() < deadline, "the proxy does not listen on {port}");
            sleep(std::time::Duration::from_millis(10)).await;
        }
    }
    // Another program's port would have ended it.
    running.0.try_wait().unwrap().is_none()
}
