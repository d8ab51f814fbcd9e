//! The other intake: events over a WebSocket to Zoom end in the same inbox, whatever happens to the connection.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{fs, path::Path, time::Duration};

use common::{config, http, meeting, until};
use rtms_gateway::{
    apps::Apps,
    config::{
        Config,
        secrets::AppConfig,
        websocket::{Grant, WebSocketConfig},
    },
    server::{Server, StartError},
    telemetry::IntakeResult,
};
use rtms_sim::{
    config::App as SimApp,
    serve::intake::{EventServer, EventServerConfig},
};
use rtms_store::{
    Class,
    receipts::{Receipt, ReceiptFilter, Step},
};
use serde_json::json;

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

const MAX_BODY: usize = 16 << 10;

/// A gateway with one app and its event WebSocket, which stands.
struct Intake {
    zoom: EventServer,
    server: Server,
    _dir: tempfile::TempDir,
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
        until("the WebSocket stands", async || (server.metrics().intake_connected() == 1).then_some(())).await;
        Ok(Self { zoom, server, _dir: dir })
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
    let mut config = config(&dir.join("data"));
    config.webhook.max_body_bytes = MAX_BODY;
    change(&mut config);
    let apps = Apps::load(std::slice::from_ref(app), |_| None).unwrap();
    Server::start(config, apps, Vec::new()).await
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
    }
}

fn event(name: &str, stream: &str) -> String {
    json!({ "event": name, "event_ts": 1_795_428_000_000_u64, "payload": { "note": stream } }).to_string()
}

fn classes(receipts: &[Receipt]) -> Vec<Class> {
    receipts.iter().map(|receipt| receipt.class.unwrap()).collect()
}
