//! The log tells what happens, never who said what, and never a secret. Alone in its file: it listens to the whole
//! process.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    fs, io,
    path::Path,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use common::{
    Gateway, config,
    http::{exchange, post, signed_headers, signed_now, unix_seconds},
    simulator, until,
};
use rtms_gateway::{
    apps::{Apps, secrets::App},
    config::{app::AppConfig, websocket::WebSocketConfig},
    server::Server,
    telemetry::IntakeResult,
};
use rtms_sim::config::App as SimApp;
use rtms_sim_server::{
    Simulator, SimulatorConfig,
    intake::{EventServer, EventServerConfig},
};
use rtms_store::{MemoryStore, Store};
use rtms_wire::{base64, secret::SecretToken, signature::HandshakeSignature};
use rtms_zoom_api::credentials::Grant;
use tracing_subscriber::EnvFilter;

const SECRET_TOKEN: &str = "canary-secret-token";
const CLIENT_SECRET: &str = "canary-client-secret";
const FORGED: &str = "canary-in-a-forged-body";
const SIGNED: &str = "canary-in-a-signed-body";
const INTAKE_SECRET: &str = "canary-client-secret-of-the-intake";
const ACCOUNT: &str = "account";
const PUSHED: &str = "canary-in-an-event-by-websocket";

/// The longest event that is taken by WebSocket here.
const LONGEST: usize = 1024;

#[tokio::test]
async fn secrets_names_words_and_bodies_are_not_in_the_log_at_debug() {
    let log = Log::of_this_process();
    let data_dir = tempfile::tempdir().unwrap();
    let sim = SimApp::new("canary-client-id", CLIENT_SECRET, SECRET_TOKEN).unwrap();
    let app = App::new("canary", vec![sim.secret_token.clone()], &*sim.client_id, sim.client_secret.clone());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let gateway = Gateway::start_on(config(data_dir.path()), vec![app.clone()], store).await;
    let secret = sim.secret_token.clone();
    let simulator = Simulator::start(SimulatorConfig {
        webhook_url: Some(gateway.webhook_url().parse().unwrap()),
        app: sim.clone(),
        ..simulator(847, Duration::from_secs(6))
    })
    .await
    .unwrap();

    // While it runs, everything that can go wrong at the door goes wrong.
    let forged = format!(r#"{{"event":"meeting.rtms_started","payload":{{"rtms_stream_id":"{FORGED}"}}}}"#);
    let signed = format!(r#"{{"event":"meeting.rtms_started","payload":{{"topic":"{SIGNED}"}}}}"#);
    let broken = format!(r#"{{"event":"{SIGNED}"#);
    let oracle = format!(r#"{{"event":"endpoint.url_validation","payload":{{"plainToken":"{SIGNED}:"}}}}"#);
    let guess = SecretToken::new("guess").unwrap();
    let stale = signed_headers(&secret, unix_seconds() - 1_000, signed.as_bytes());
    let stale_signature = stale[2].1.trim_start_matches("v0=").to_owned();
    let foreign_host = format!(
        r#"{{"event":"meeting.rtms_started","payload":{{"topic":"{SIGNED}","meeting_uuid":"m","rtms_stream_id":"x","server_urls":"wss://evil.example"}}}}"#
    );
    let statuses = [
        (post::<&str, &str>(&[], forged.as_bytes()), 401),
        (signed_now(&guess, forged.as_bytes()), 401),
        (post(&stale, signed.as_bytes()), 401),
        (signed_now(&secret, signed.as_bytes()), 200),
        (signed_now(&secret, broken.as_bytes()), 400),
        (signed_now(&secret, oracle.as_bytes()), 400),
        (signed_now(&secret, foreign_host.as_bytes()), 200),
    ];
    for (request, status) in statuses {
        assert_eq!(exchange(gateway.address(), &request).await.status, status);
    }
    simulator.finished().await;
    gateway.ended(simulator.stream()).await;
    gateway.stop().await;

    let log = log.text();
    // It listened, at DEBUG and from every floor of ours.
    for word in [
        "DEBUG",
        "webhook accepted: new stream",
        "signaling open",
        "refused a webhook",
        "dialing",
        "recorded",
        "stopping",
    ] {
        assert!(log.contains(word), "{word:?} is not in the log:\n{log}");
    }
    let signature =
        HandshakeSignature::sign(&sim.client_id, &sim.client_secret, simulator.instance(), simulator.stream());
    let mut canaries = vec![
        ("a secret token", SECRET_TOKEN.to_owned()),
        ("a client secret", CLIENT_SECRET.to_owned()),
        ("a handshake signature", signature.as_str().to_owned()),
        ("a webhook signature", stale_signature),
        ("a forged body", FORGED.to_owned()),
        ("a signed body", SIGNED.to_owned()),
    ];
    for (name, value) in simulator.start_webhook_headers() {
        if *name == "x-zm-signature" {
            canaries.push(("a webhook signature", value.trim_start_matches("v0=").to_owned()));
        }
    }
    let meeting = simulator.meeting();
    canaries.extend(meeting.participants.iter().map(|person| ("a name", person.name.clone())));
    canaries.extend(meeting.utterances.iter().map(|said| ("what was said", said.text.clone())));
    canaries.extend(meeting.chat.iter().map(|line| ("what was written", line.text.clone())));
    assert_not_in(&log, canaries);
    for debugged in [format!("{app:?}"), format!("{sim:?}"), format!("{secret:?}")] {
        assert!(!debugged.contains(SECRET_TOKEN) && !debugged.contains(CLIENT_SECRET), "{debugged}");
    }
}

#[tokio::test]
async fn access_tokens_credentials_and_what_comes_by_websocket_are_not_in_the_log_at_debug() {
    let log = Log::of_this_process();
    let dir = tempfile::tempdir().unwrap();
    let sim = SimApp::new("intake-canary-id", INTAKE_SECRET, "unused").unwrap();
    let config = EventServerConfig { app: sim, account_id: ACCOUNT.into(), ..EventServerConfig::default() };
    let zoom = EventServer::start(config.clone()).await.unwrap();
    let server = start_with_intake(dir.path(), &zoom, &config).await;
    let metrics = server.metrics();
    let stands = async |times| {
        until("the WebSocket stands", async || (zoom.counts().connections == times).then_some(())).await;
    };
    let counted = async |result, count| {
        until("it is counted", async || (metrics.intake_messages(result) == count).then_some(())).await;
    };

    // Everything goes wrong that can: what comes, the connection, the token, at last Zoom itself.
    stands(1).await;
    assert!(zoom.push(format!(r#"{{"event":"meeting.rtms_paused","payload":{{"topic":"{PUSHED}"}}}}"#).as_bytes()));
    counted(IntakeResult::Stored, 1).await;
    assert!(zoom.say(PUSHED) && zoom.say(format!(r#"{{"module":"{PUSHED}"}}"#)));
    assert!(zoom.push(PUSHED.as_bytes()) && zoom.push(format!(r#"{{"event":7,"x":"{PUSHED}"}}"#).as_bytes()));
    assert!(zoom.push(PUSHED.repeat(LONGEST / 10).as_bytes()));
    counted(IntakeResult::Unreadable, 3).await;
    counted(IntakeResult::TooLarge, 1).await;
    zoom.revoke();
    assert!(zoom.cut());
    stands(2).await;
    assert!(zoom.say(r#"{"module":"build_connection","success":false,"content":"Invalid Token"}"#));
    stands(3).await;
    drop(zoom);
    until("nobody answers", async || (metrics.intake_ends("not_connected") >= 1).then_some(())).await;
    until("nobody gives a token", async || (metrics.intake_ends("no_token") >= 1).then_some(())).await;
    server.stop().await;

    let log = log.text();
    for word in ["event WebSocket open", "event WebSocket lost", "cannot open", "cannot be read", "is longer"] {
        assert!(log.contains(word), "{word:?} is not in the log:\n{log}");
    }
    let basic = base64::encode(format!("intake-canary-id:{INTAKE_SECRET}").as_bytes());
    let canaries = [
        ("an access token", "sim+token"),
        ("an access token in a URL", "sim%2Btoken"),
        ("the parameter of an access token", "access_token="),
        ("a client secret", INTAKE_SECRET),
        ("client id and client secret", basic.trim_end_matches('=')),
        ("what was pushed", PUSHED),
    ];
    assert_not_in(&log, canaries.map(|(what, canary)| (what, canary.to_owned())));
}

/// A server whose only app has its events by WebSocket.
async fn start_with_intake(dir: &Path, zoom: &EventServer, events: &EventServerConfig) -> Server {
    let client_secret_file = dir.join("secret");
    fs::write(&client_secret_file, INTAKE_SECRET).unwrap();
    let websocket = WebSocketConfig {
        url: zoom.url(),
        token_url: zoom.token_url(),
        grant: Grant::AccountCredentials,
        account_id: Some(events.account_id.clone()),
        ..WebSocketConfig::new(events.subscription_id.as_str())
    };
    let app = AppConfig {
        name: "intake".into(),
        secret_token_files: Vec::new(),
        client_id: events.app.client_id.clone(),
        client_secret_file,
        auth: None,
        websocket: Some(websocket),
        api: None,
    };
    let apps = Apps::load(&[app], |_| None).unwrap();
    let mut config = config(&dir.join("data"));
    config.webhook.max_body_bytes = LONGEST;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    Server::start_on(config, apps, Vec::new(), store).await.unwrap()
}

/// Looks for what must not be there, as it is and as `{:?}` would write it.
fn assert_not_in(log: &str, canaries: impl IntoIterator<Item = (&'static str, String)>) {
    for (what, canary) in canaries {
        let line = log.lines().find(|line| line.contains(&canary) || line.contains(&canary.escape_debug().to_string()));
        assert_eq!(line, None, "{what} is in the log");
    }
}

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// The one of all tests in this file, from the first call on: there is one subscriber in a process.
    fn of_this_process() -> Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        let start = || {
            let log = Self::default();
            let writer = log.clone();
            // The simulator may say what it likes: it stands for somebody else's machine.
            tracing_subscriber::fmt()
                .with_env_filter(EnvFilter::new("debug,rtms_sim=off"))
                .with_writer(move || writer.clone())
                .with_ansi(false)
                .init();
            log
        };
        LOG.get_or_init(start).clone()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
