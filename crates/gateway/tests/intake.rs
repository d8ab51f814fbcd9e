//! The other intake: events over a WebSocket to Zoom end in the same inbox, whatever happens to the connection.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{config, doctored::Doctored, http, meeting, until};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rtms_gateway::{
    apps::Apps,
    config::{Config, app::AppConfig, websocket::WebSocketConfig},
    server::{Server, StartError},
    telemetry::IntakeResult,
};
use rtms_sim::config::App as SimApp;
use rtms_sim_server::intake::{EventServer, EventServerConfig};
use rtms_store::{
    Class,
    receipts::{Receipt, ReceiptFilter, Receipts, Step},
    store::Store,
};
use rtms_zoom_api::credentials::Grant;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::json;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

#[tokio::test]
async fn an_event_by_websocket_is_stored_and_classified_with_the_apps_name() {
    let intake = Intake::start(EventServerConfig::default(), |_| {}).await;
    let body = event("meeting.rtms_paused", "x");

    assert!(intake.zoom.push(body.as_bytes()));
    let receipts = intake.settled(1).await;

    let [receipt] = receipts.as_slice() else { panic!("{receipts:?}") };
    assert_eq!((receipt.class, receipt.app.as_str()), (Some(Class::Unknown), "sim"));
    assert!(receipt.steps.at(Step::Received).is_some() && receipt.steps.at(Step::Stored).is_some());
    let stored = intake.server.store().receipt_body(receipt.id).await.unwrap().unwrap();
    assert_eq!(stored, body.as_bytes());
    assert_eq!(intake.messages(IntakeResult::Stored), 1);
    intake.server.stop().await;
}

#[tokio::test]
async fn the_same_start_by_http_and_by_websocket_is_one_connection() {
    let intake = Intake::start(EventServerConfig::default(), |_| {}).await;
    let simulator = meeting(31, Duration::from_millis(2_500)).await;

    assert!(intake.zoom.push(simulator.start_webhook()));
    intake.settled(1).await;
    let request = http::signed_now(&SimApp::default().secret_token, simulator.start_webhook());
    assert_eq!(http::exchange(intake.server.address(), &request).await.status, 200);
    let receipts = intake.settled(2).await;
    simulator.finished().await;

    assert_eq!(classes(&receipts), [Class::First, Class::Repeat]);
    assert_eq!((simulator.counts().joins, simulator.counts().media_connections), (1, 5));
    intake.server.stop().await;
}

#[tokio::test]
async fn an_app_needs_no_secret_token_if_all_comes_by_websocket() {
    let config = EventServerConfig::default();
    let zoom = EventServer::start(config.clone()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let app = AppConfig { secret_token_files: Vec::new(), ..app(dir.path(), websocket(&zoom, &config)) };

    let intake = Intake::start_with(zoom, app, dir, |_| {}).await.unwrap();

    assert!(intake.zoom.push(event("meeting.rtms_paused", "x").as_bytes()));
    intake.settled(1).await;
    intake.server.stop().await;
}

#[tokio::test]
async fn a_connection_whose_heartbeats_are_not_echoed_is_replaced() {
    let intake =
        Intake::start(EventServerConfig::default(), |app| app.heartbeat_every = Duration::from_millis(100)).await;
    until("heartbeats go to and fro", async || (intake.zoom.counts().heartbeats >= 5).then_some(())).await;
    assert_eq!(intake.zoom.counts().connections, 1);

    intake.zoom.echo(false);
    until("it is opened again", async || (intake.zoom.counts().connections >= 2).then_some(())).await;
    intake.zoom.echo(true);

    assert!(intake.server.metrics().intake_ends("silent") >= 1);
    intake.deliver("x").await;
    intake.server.stop().await;
}

#[tokio::test]
async fn a_connection_that_breaks_is_opened_again_with_the_token_there_is() {
    let intake = Intake::start(EventServerConfig::default(), |_| {}).await;

    assert!(intake.zoom.cut());
    until("it is opened again", async || (intake.zoom.counts().connections == 2).then_some(())).await;

    assert_eq!(intake.zoom.counts().tokens, 1);
    intake.deliver("x").await;
    intake.server.stop().await;
}

#[tokio::test]
async fn a_token_that_zoom_no_longer_takes_is_replaced() {
    let intake = Intake::start(EventServerConfig::default(), |_| {}).await;

    intake.zoom.revoke();
    assert!(intake.zoom.cut());
    until("it is opened again", async || (intake.zoom.counts().connections == 2).then_some(())).await;

    let counts = intake.zoom.counts();
    assert_eq!((counts.tokens, counts.refused), (2, 1));
    assert_eq!(intake.server.metrics().intake_ends("refused"), 1);
    intake.server.stop().await;
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_no_event_is_lost_meanwhile() {
    let config = EventServerConfig { token_life: Duration::from_secs(1), ..EventServerConfig::default() };
    let intake = Intake::start(config, |_| {}).await;
    let mut pushed = 0;

    // Events come all the time, also while one connection follows the other.
    until("two tokens have been replaced", async || {
        pushed += u32::from(intake.zoom.push(event("meeting.rtms_paused", &pushed.to_string()).as_bytes()));
        (intake.zoom.counts().connections >= 3).then_some(())
    })
    .await;

    intake.settled(usize::try_from(pushed).unwrap()).await;
    assert_eq!(intake.zoom.counts().refused, 0);
    assert!(intake.server.metrics().intake_ends("replaced") + intake.server.metrics().intake_ends("closed") >= 2);
    intake.server.stop().await;
}

#[tokio::test]
async fn bad_messages_are_counted_and_the_connection_goes_on() {
    let intake = Intake::start(EventServerConfig::default(), |_| {}).await;
    let bad = ["no json", "[]", r#"{"module":"message"}"#, r#"{"module":"message","content":"{}"}"#, r#"{"module":7}"#];

    for text in bad {
        assert!(intake.zoom.say(text));
    }
    assert!(intake.zoom.say(r#"{"module":"tomorrow"}"#));
    intake.deliver("x").await;

    assert_eq!(intake.messages(IntakeResult::Unreadable), 5);
    assert_eq!(intake.messages(IntakeResult::Other), 1);
    assert_eq!(intake.zoom.counts().connections, 1);
    intake.server.stop().await;
}

#[tokio::test]
async fn what_is_too_long_is_refused() {
    let intake = Intake::start(EventServerConfig::default(), |_| {}).await;

    // Longer than a body may be: dropped.
    assert!(intake.zoom.push(event("meeting.rtms_paused", &"x".repeat(MAX_BODY + 1)).as_bytes()));
    intake.deliver("x").await;
    assert_eq!(intake.messages(IntakeResult::TooLarge), 1);
    assert_eq!(intake.zoom.counts().connections, 1);

    // Longer than any message with such a body: not even read.
    assert!(intake.zoom.say("x".repeat(MAX_BODY * 8)));
    until("it is opened again", async || (intake.zoom.counts().connections == 2).then_some(())).await;
    assert_eq!(intake.server.metrics().intake_ends("broken"), 1);
    intake.server.stop().await;
}

#[tokio::test]
async fn an_account_is_named_where_the_grant_wants_it_and_a_refusal_is_tried_again() {
    let config = EventServerConfig::default();
    let zoom = EventServer::start(config.clone()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let account = |name: &str| WebSocketConfig {
        grant: Grant::AccountCredentials,
        account_id: Some(name.into()),
        ..websocket(&zoom, &config)
    };
    let (right, wrong) = (account("sim-account"), account("another"));
    let intake = Intake::start_with(zoom, app(dir.path(), right), dir, |_| {}).await.unwrap();
    intake.deliver("x").await;
    let Intake { zoom, server, .. } = intake;
    server.stop().await;

    let dir = tempfile::tempdir().unwrap();
    let app = app(dir.path(), wrong);
    let server = start(&app, dir.path(), |_| {}).await.unwrap();

    until("it was tried again", async || (zoom.counts().tokens_refused >= 2).then_some(())).await;
    assert!(server.metrics().intake_ends("no_token") >= 1);
    assert_eq!(server.metrics().intake_connected(), 0);
    server.stop().await;
}

#[tokio::test]
async fn urls_are_held_to_the_allowed_hosts_and_loopback_only_with_dev() {
    let dir = tempfile::tempdir().unwrap();
    let urls = |url: &str, token_url: &str| WebSocketConfig {
        url: url.into(),
        token_url: token_url.into(),
        ..WebSocketConfig::new("s")
    };
    let zoom = WebSocketConfig::new("s");
    let wrong = [
        urls("wss://ws.zoom.us.evil.example/ws", &zoom.token_url),
        urls("ws://ws.zoom.us/ws", &zoom.token_url),
        urls("ws://127.0.0.1:1/ws", &zoom.token_url),
        urls(&zoom.url, "http://127.0.0.1:1/oauth/token"),
        urls(&zoom.url, "https://evil.example/oauth/token"),
    ];

    for websocket in wrong {
        let app = app(dir.path(), websocket);
        let started = start(&app, dir.path(), |config| config.zoom.allow_loopback = false).await;
        assert!(matches!(started.map(|_| ()), Err(StartError::Intake(_))), "{app:?}");
    }
}

#[tokio::test]
async fn events_that_come_while_the_store_fails_are_held_and_stored_when_it_works_again() {
    let store = Arc::new(Doctored::default());
    let config = EventServerConfig::default();
    let intake = Intake::start_on(config, store.clone(), |app| app.heartbeat_every = Duration::from_millis(100)).await;
    store.is_full.store(true, Ordering::Relaxed);

    // More than is held in memory: the rest waits in the network.
    let pushed = intake.push_more_than_is_held();
    assert!(intake.counter("rtms_store_errors_total").await >= 1, "it is said aloud");
    assert_eq!(intake.messages(IntakeResult::Stored), 0);
    let heartbeats = intake.zoom.counts().heartbeats;
    until("heartbeats go on", async || (intake.zoom.counts().heartbeats >= heartbeats + 3).then_some(())).await;
    store.is_full.store(false, Ordering::Relaxed);

    assert_eq!(bodies(&store, &intake.settled(pushed.len()).await).await, pushed, "all, once, and in order");
    assert_eq!(intake.messages(IntakeResult::NotStored), 0);
    assert_eq!(intake.zoom.counts().connections, 1);
    intake.server.stop().await;
}

#[tokio::test]
async fn a_connection_that_breaks_while_the_store_fails_is_opened_again_and_nothing_is_lost() {
    let store = Arc::new(Doctored::default());
    let intake = Intake::start_on(EventServerConfig::default(), store.clone(), |_| {}).await;
    store.is_full.store(true, Ordering::Relaxed);

    let mut pushed = intake.push(40);
    // It is cut behind what was pushed.
    assert!(intake.zoom.cut());
    until("it is opened again", async || (intake.zoom.counts().connections == 2).then_some(())).await;
    pushed.extend(intake.push(40));
    store.is_full.store(false, Ordering::Relaxed);

    assert_eq!(bodies(&store, &intake.settled(80).await).await, pushed);
    assert_eq!(intake.messages(IntakeResult::NotStored), 0);
    intake.server.stop().await;
}

#[tokio::test]
async fn a_connection_that_is_replaced_while_the_store_fails_is_heard_to_its_end() {
    let store = Arc::new(Doctored::default());
    let config = EventServerConfig { token_life: Duration::from_secs(1), ..EventServerConfig::default() };
    let intake = Intake::start_on(config, store.clone(), |_| {}).await;
    store.is_full.store(true, Ordering::Relaxed);

    let mut pushed = intake.push_more_than_is_held();
    let before = intake.zoom.counts().connections;
    until("it is replaced", async || (intake.zoom.counts().connections > before).then_some(())).await;
    pushed.extend(intake.push(1));
    store.is_full.store(false, Ordering::Relaxed);

    let mut stored = bodies(&store, &intake.settled(pushed.len()).await).await;
    stored.sort();
    pushed.sort();
    assert_eq!(stored, pushed);
    assert_eq!(intake.messages(IntakeResult::NotStored), 0);
    intake.server.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_while_the_store_fails_tries_to_the_last_and_counts_what_is_lost() {
    let store = Arc::new(Doctored::default());
    let intake = Intake::start_on(EventServerConfig::default(), store.clone(), |_| {}).await;
    store.is_full.store(true, Ordering::Relaxed);
    intake.push(3);
    until("the store has failed", async || (intake.counter("rtms_store_errors_total").await >= 1).then_some(())).await;
    let metrics = intake.server.metrics();

    intake.server.stop().await;

    assert_eq!((metrics.intake_messages(IntakeResult::NotStored), metrics.intake_connected()), (3, 0));
}

#[tokio::test]
async fn token_and_events_come_by_tls_from_who_has_a_certificate_of_an_authority_that_is_named() {
    let config = EventServerConfig::default();
    let zoom = EventServer::start(config.clone()).await.unwrap();
    let tls = Tls::before(&zoom, "localhost").await;
    let dir = tempfile::tempdir().unwrap();
    let app = app(dir.path(), tls.urls("localhost", &config));
    // As in production but for the names: no loopback, no plain HTTP.
    let strictly = |ca: Option<&Path>, config: &mut Config| {
        config.zoom.allow_loopback = false;
        config.zoom.allowed_hosts = vec!["localhost".into()];
        config.zoom.extra_ca = ca.map(Path::to_owned).into_iter().collect();
    };
    let ca = dir.path().join("ca.pem");
    fs::write(&ca, &tls.ca).unwrap();

    let trusting = start(&app, &dir.path().join("a"), |config| strictly(Some(&ca), config)).await.unwrap();
    until("the WebSocket stands", async || (trusting.metrics().intake_connected() == 1).then_some(())).await;
    assert!(zoom.push(event("meeting.rtms_paused", "x").as_bytes()));
    let stored = |server: &Server| server.metrics().intake_messages(IntakeResult::Stored);
    until("the event is stored", async || (stored(&trusting) == 1).then_some(())).await;
    trusting.stop().await;

    let asked = zoom.counts();
    let wary = start(&app, &dir.path().join("b"), |config| strictly(None, config)).await.unwrap();
    until("it was tried", async || (wary.metrics().intake_ends("no_token") >= 2).then_some(())).await;
    assert_eq!(zoom.counts(), asked, "the client secret was sent to nobody");
    wary.stop().await;
}

#[tokio::test]
async fn a_certificate_for_another_name_gets_neither_client_secret_nor_token() {
    let config = EventServerConfig::default();
    let zoom = EventServer::start(config.clone()).await.unwrap();
    let tls = Tls::before(&zoom, "ws.zoom.example").await;
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    fs::write(&ca, &tls.ca).unwrap();
    let over_tls = tls.urls("localhost", &config);
    // The token may be had, by the simulator's plain way; then it is the WebSocket that must not get it.
    let only_events = WebSocketConfig { token_url: zoom.token_url(), ..over_tls.clone() };

    for (websocket, why, tokens) in [(over_tls, "no_token", false), (only_events, "not_connected", true)] {
        let data = dir.path().join(why);
        let app = app(dir.path(), websocket);
        let server = start(&app, &data, |config| config.zoom.extra_ca = vec![ca.clone()]).await.unwrap();

        until("it was tried", async || (server.metrics().intake_ends(why) >= 2).then_some(())).await;

        assert_eq!((zoom.counts().tokens > 0, zoom.counts().connections + zoom.counts().refused), (tokens, 0));
        server.stop().await;
    }
}

const MAX_BODY: usize = 16 << 10;

/// So many longest bodies are held in memory at most.
const HELD_BODIES: usize = 16;

/// TLS in front of an event server: two ports of loopback that let through what they decrypt.
struct Tls {
    events: SocketAddr,
    tokens: SocketAddr,
    /// The authority's certificate, PEM.
    ca: String,
}

impl Tls {
    async fn before(zoom: &EventServer, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![leaf.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
                .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let [events, tokens] = [zoom.url(), zoom.token_url()].map(|url| address_of(&url));
        Self { events: decrypt(acceptor.clone(), events).await, tokens: decrypt(acceptor, tokens).await, ca }
    }

    fn urls(&self, host: &str, config: &EventServerConfig) -> WebSocketConfig {
        WebSocketConfig {
            url: format!("wss://{host}:{}/ws", self.events.port()),
            token_url: format!("https://{host}:{}/oauth/token", self.tokens.port()),
            ..WebSocketConfig::new(config.subscription_id.as_str())
        }
    }
}

/// Takes TLS connections at a free port and lets what they say through to `inside`, until the test ends.
async fn decrypt(acceptor: TlsAcceptor, inside: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Who does not trust the certificate leaves here.
                let Ok(mut outside) = acceptor.accept(stream).await else { return };
                let mut inside = TcpStream::connect(inside).await.unwrap();
                let _ = copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    address
}

fn address_of(url: &str) -> SocketAddr {
    url.split('/').nth(2).unwrap().parse().unwrap()
}

/// A gateway with one app and its event WebSocket, which stands.
struct Intake {
    zoom: EventServer,
    server: Server,
    _dir: tempfile::TempDir,
    pushed: AtomicUsize,
}

impl Intake {
    async fn start(config: EventServerConfig, change: impl FnOnce(&mut WebSocketConfig)) -> Self {
        let zoom = EventServer::start(config.clone()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut websocket = websocket(&zoom, &config);
        change(&mut websocket);
        let app = app(dir.path(), websocket);
        Self::start_with(zoom, app, dir, |_| {}).await.unwrap()
    }

    async fn start_with(
        zoom: EventServer,
        app: AppConfig,
        dir: tempfile::TempDir,
        change: impl FnOnce(&mut Config),
    ) -> Result<Self, StartError> {
        let server = start(&app, dir.path(), change).await?;
        Ok(Self::standing(zoom, server, dir).await)
    }

    /// The same on a store of the test's.
    async fn start_on(
        config: EventServerConfig,
        store: Arc<dyn Store>,
        change: impl FnOnce(&mut WebSocketConfig),
    ) -> Self {
        let zoom = EventServer::start(config.clone()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut websocket = websocket(&zoom, &config);
        change(&mut websocket);
        let (config, apps) = settings(&app(dir.path(), websocket), dir.path(), |_| {});
        let server = Server::start_on(config, apps, Vec::new(), store).await.unwrap();
        Self::standing(zoom, server, dir).await
    }

    async fn standing(zoom: EventServer, server: Server, dir: tempfile::TempDir) -> Self {
        until("the WebSocket stands", async || (server.metrics().intake_connected() == 1).then_some(())).await;
        // What the simulator has not read when it ends a connection takes along what it has written last.
        until("it has said so", async || (zoom.counts().heartbeats >= 1).then_some(())).await;
        Self { zoom, server, _dir: dir, pushed: AtomicUsize::new(0) }
    }

    /// Pushes so many events of a kilobyte, each another.
    fn push(&self, count: usize) -> Vec<String> {
        let bodies = (0..count).map(|_| {
            let number = self.pushed.fetch_add(1, Ordering::Relaxed);
            let body = event("meeting.rtms_paused", &format!("{number:06}{}", "x".repeat(1000)));
            assert!(self.zoom.push(body.as_bytes()));
            body
        });
        bodies.collect()
    }

    fn push_more_than_is_held(&self) -> Vec<String> {
        self.push(3 * HELD_BODIES * MAX_BODY / 1000)
    }

    /// A counter, as `/metrics` shows it.
    async fn counter(&self, name: &str) -> u64 {
        let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n";
        let answer = http::exchange(self.server.api_address().unwrap(), request).await;
        let metrics = String::from_utf8(answer.body).unwrap();
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.expect(name).parse().unwrap()
    }

    fn messages(&self, result: IntakeResult) -> u64 {
        self.server.metrics().intake_messages(result)
    }

    /// Pushes an event and waits until it is stored.
    async fn deliver(&self, stream: &str) {
        let before = self.messages(IntakeResult::Stored);
        until("somebody is connected", async || {
            self.zoom.push(event("meeting.rtms_paused", stream).as_bytes()).then_some(())
        })
        .await;
        until("it is stored", async || (self.messages(IntakeResult::Stored) > before).then_some(())).await;
    }

    async fn settled(&self, count: usize) -> Vec<Receipt> {
        let store = self.server.store();
        until("all events are settled", async || {
            let filter = ReceiptFilter { limit: 100_000, ..ReceiptFilter::default() };
            let mut receipts = store.receipts(filter).await.unwrap();
            receipts.sort_by_key(|receipt| receipt.id);
            (receipts.len() == count && receipts.iter().all(|receipt| receipt.class.is_some())).then_some(receipts)
        })
        .await
    }
}

async fn start(app: &AppConfig, dir: &Path, change: impl FnOnce(&mut Config)) -> Result<Server, StartError> {
    let (config, apps) = settings(app, dir, change);
    Server::start(config, apps, Vec::new()).await
}

fn settings(app: &AppConfig, dir: &Path, change: impl FnOnce(&mut Config)) -> (Config, Apps) {
    let mut config = config(&dir.join("data"));
    config.webhook.max_body_bytes = MAX_BODY;
    change(&mut config);
    (config, Apps::load(std::slice::from_ref(app), |_| None).unwrap())
}

fn websocket(zoom: &EventServer, config: &EventServerConfig) -> WebSocketConfig {
    WebSocketConfig {
        url: zoom.url(),
        token_url: zoom.token_url(),
        ..WebSocketConfig::new(config.subscription_id.as_str())
    }
}

fn app(dir: &Path, websocket: WebSocketConfig) -> AppConfig {
    let sim = SimApp::default();
    let (token, secret) = (dir.join("token"), dir.join("secret"));
    fs::write(&token, sim.secret_token.expose()).unwrap();
    fs::write(&secret, sim.client_secret.expose()).unwrap();
    AppConfig {
        name: "sim".into(),
        secret_token_files: vec![token],
        client_id: sim.client_id,
        client_secret_file: secret,
        auth: None,
        websocket: Some(websocket),
        api: None,
    }
}

fn event(name: &str, stream: &str) -> String {
    json!({ "event": name, "event_ts": 1_795_428_000_000_u64, "payload": { "note": stream } }).to_string()
}

/// The bodies of the receipts, in their order.
async fn bodies(store: &Doctored, receipts: &[Receipt]) -> Vec<String> {
    let mut bodies = Vec::new();
    for receipt in receipts {
        bodies.push(String::from_utf8(store.receipt_body(receipt.id).await.unwrap().unwrap().to_vec()).unwrap());
    }
    bodies
}

fn classes(receipts: &[Receipt]) -> Vec<Class> {
    receipts.iter().map(|receipt| receipt.class.unwrap()).collect()
}
