//! Several apps at one door: paths, rotation, secrets that change on disk, a second lock, and the door's own TLS.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{fs, net::SocketAddr, path::Path, sync::Arc};

use common::{
    config,
    http::{Answer, exchange, post, read_answer, signed_headers, unix_seconds},
    until,
};
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, body::Bytes};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rtms_gateway::{
    apps::Apps,
    config::{
        Config,
        app::{AppConfig, AuthConfig},
    },
    server::Server,
    telemetry::WebhookResult,
};
use rtms_wire::{secret::SecretToken, signature::webhook_signature};
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::TlsConnector;

const H2: &[u8] = b"h2";

const BODY: &[u8] = br#"{"event":"meeting.rtms_paused","event_ts":1795428000000,"payload":{}}"#;

#[tokio::test]
async fn a_path_of_ones_own_takes_only_ones_own_secret() {
    let door = Door::open(|dir| vec![app(dir, "one", &["token-1"]), app(dir, "two", &["token-2"])]).await;

    assert_eq!(door.post("/webhook", "token-1").await, 200);
    assert_eq!(door.post("/webhook", "token-2").await, 200);
    assert_eq!(door.post("/webhook/one", "token-1").await, 200);
    assert_eq!(door.post("/webhook/two", "token-1").await, 401);
    assert_eq!(door.post("/webhook/three", "token-1").await, 404);
    let metrics = door.server.metrics();
    assert_eq!((metrics.webhooks(WebhookResult::Stored), metrics.webhooks(WebhookResult::BadSignature)), (3, 1));
}

#[tokio::test]
async fn while_a_secret_is_rotated_both_are_taken() {
    let door = Door::open(|dir| vec![app(dir, "one", &["old", "new"])]).await;

    for (token, status) in [("old", 200), ("new", 200), ("older", 401)] {
        assert_eq!(door.post("/webhook/one", token).await, status, "{token}");
    }
}

#[tokio::test]
async fn a_secret_that_changes_on_disk_is_taken_without_a_restart() {
    let door = Door::open(|dir| vec![app(dir, "one", &["first"])]).await;
    assert_eq!(door.post("/webhook", "second-one").await, 401);

    fs::write(door.dir.path().join("one.token.0"), "second-one\n").unwrap();

    until("the new secret is taken", async || (door.post("/webhook", "second-one").await == 200).then_some(())).await;
    assert_eq!(door.post("/webhook", "first").await, 401);
}

#[tokio::test]
async fn a_file_that_becomes_unreadable_leaves_the_former_secret_in_place() {
    let door = Door::open(|dir| vec![app(dir, "one", &["first"])]).await;

    fs::remove_file(door.dir.path().join("one.token.0")).unwrap();

    assert!(door.apps.reload().is_err());
    assert_eq!(door.post("/webhook", "first").await, 200);
}

#[tokio::test]
async fn a_second_lock_is_demanded_beside_the_signature() {
    let door = Door::open(|dir| {
        let password_file = dir.join("password");
        fs::write(&password_file, "open sesame").unwrap();
        let auth = AuthConfig::Basic { user: "zoom".into(), password_file };
        vec![AppConfig { auth: Some(auth), ..app(dir, "locked", &["token"]) }, app(dir, "free", &["other"])]
    })
    .await;
    let right = [("authorization", "Basic em9vbTpvcGVuIHNlc2FtZQ==")];
    let wrong = [("authorization", "Basic em9vbTp3cm9uZw==")];

    assert_eq!(door.post_with("/webhook", "token", &right).await, 200);
    assert_eq!(door.post_with("/webhook", "token", &wrong).await, 401);
    assert_eq!(door.post("/webhook", "token").await, 401);
    assert_eq!(door.post_with("/webhook", "no token", &right).await, 401);
    assert_eq!(door.post("/webhook", "other").await, 200);
    assert_eq!(door.server.metrics().webhooks(WebhookResult::BadAuth), 2);
}

#[tokio::test]
async fn zoom_fetches_a_token_and_is_let_in_with_it() {
    let door = Door::open(|dir| {
        let client_secret_file = dir.join("oauth");
        fs::write(&client_secret_file, "s3cret").unwrap();
        let auth = AuthConfig::Token { client_id: "zoom".into(), client_secret_file };
        vec![AppConfig { auth: Some(auth), ..app(dir, "one", &["token"]) }]
    })
    .await;
    let path = "/webhook/one/token?grant_type=client_credentials";
    let credentials =
        [("authorization", "Basic em9vbTpzM2NyZXQ="), ("content-type", "application/x-www-form-urlencoded")];

    let refused = exchange(door.server.address(), &request(path, &[("authorization", "Basic eDp5")], b"")).await;
    let answer = exchange(door.server.address(), &request(path, &credentials, b"")).await;
    let token: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());

    assert_eq!((refused.status, answer.status), (401, 200));
    assert_eq!((&token["token_type"], token["expires_in"].as_u64()), (&"bearer".into(), Some(3600)));
    assert_eq!(door.post_with("/webhook/one", "token", &[("authorization", &bearer)]).await, 200);
    assert_eq!(door.post("/webhook/one", "token").await, 401);
}

/// The attack of docs/protocol.md#url-validation: have a URL validation sign a webhook. Every kind of app, at each of its
/// paths, by each of its secrets, with and without TLS, with and without `--dev`.
#[tokio::test]
async fn nobody_gets_a_webhook_signature_out_of_a_url_validation_in_any_configuration() {
    let mut tried = 0;
    for (dev, tls) in [(false, false), (false, true), (true, false), (true, true)] {
        let door = Oracle::open(dev, tls).await;
        for app in APPS {
            let lock = door.lock_of(app).await;
            for path in ["/webhook".to_owned(), format!("/webhook/{}", app.name)] {
                for secret in app.secrets {
                    let at = format!("--dev {dev}, TLS {tls}, {path}, app {}, secret {secret}", app.name);
                    tried += door.attack(&path, secret, &lock, &at).await;
                }
            }
        }
    }
    assert_eq!(tried, 4 * 2 * 6 * 13, "nothing was left out");
}

#[tokio::test]
async fn http_2_is_spoken_to_those_who_begin_with_it() {
    let door = Door::open(|dir| vec![app(dir, "one", &["token"])]).await;
    let stream = TcpStream::connect(door.server.address()).await.unwrap();

    assert_eq!(post_over_http_2(stream).await, StatusCode::OK);
}

#[tokio::test]
async fn the_door_speaks_tls_with_a_certificate_that_is_replaced_on_disk() {
    let certify = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (first, second) = (certify(), certify());
    let door = Door::open_with(
        |dir| vec![app(dir, "one", &["token"])],
        |config, dir| {
            config.server.tls_certificate = Some(dir.join("cert.pem"));
            config.server.tls_key = Some(dir.join("key.pem"));
            write_pair(dir, &first);
        },
    )
    .await;
    let address = door.server.address();

    let stream = connect_tls(address, first.cert.der(), H2).await.expect("the first certificate is served");
    assert_eq!(post_over_http_2(stream).await, StatusCode::OK);
    assert!(connect_tls(address, second.cert.der(), H2).await.is_err());

    write_pair(door.dir.path(), &second);
    until("the second certificate is served", async || {
        connect_tls(address, second.cert.der(), H2).await.ok().map(drop)
    })
    .await;
}

#[tokio::test]
async fn half_a_certificate_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.server.tls_certificate = Some(dir.path().join("cert.pem"));

    let error = Server::start(config, Apps::fixed(Vec::new()), Vec::new()).await.err().unwrap();

    assert!(error.to_string().contains("both tls_certificate and tls_key"), "{error}");
}

async fn post_over_http_2(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
) -> StatusCode {
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::post("http://localhost/webhook");
    for (name, value) in signed_headers(&SecretToken::new("token").unwrap(), unix_seconds(), BODY) {
        request = request.header(name, value);
    }
    let answer = sender.send_request(request.body(Full::new(Bytes::from_static(BODY))).unwrap()).await.unwrap();
    let status = answer.status();
    assert!(answer.into_body().collect().await.unwrap().to_bytes().is_empty());
    status
}

async fn connect_tls(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    protocol: &[u8],
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

fn write_pair(dir: &Path, pair: &rcgen::CertifiedKey<rcgen::KeyPair>) {
    fs::write(dir.join("key.pem"), pair.signing_key.serialize_pem()).unwrap();
    fs::write(dir.join("cert.pem"), pair.cert.pem()).unwrap();
}

/// An app of the table: its name, its secrets, and what it demands beside the signature.
struct OracleApp {
    name: &'static str,
    secrets: &'static [&'static str],
    auth: fn(&Path) -> Option<AuthConfig>,
}

const APPS: &[OracleApp] = &[
    OracleApp { name: "plain", secrets: &["plain-token"], auth: |_| None },
    OracleApp { name: "rotating", secrets: &["old-token", "new-token"], auth: |_| None },
    OracleApp {
        name: "basic",
        secrets: &["basic-token"],
        auth: |file| Some(AuthConfig::Basic { user: "zoom".into(), password_file: file.into() }),
    },
    OracleApp {
        name: "bearer",
        secrets: &["bearer-token"],
        auth: |file| Some(AuthConfig::Token { client_id: "zoom".into(), client_secret_file: file.into() }),
    },
    OracleApp {
        name: "header",
        secrets: &["header-token"],
        auth: |file| Some(AuthConfig::Header { name: "x-lock".into(), value_file: file.into() }),
    },
];

/// A door with all of these apps.
struct Oracle {
    door: Door,
    certificate: Option<CertificateDer<'static>>,
}

impl Oracle {
    async fn open(dev: bool, tls: bool) -> Self {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let apps = |dir: &Path| {
            let lock = dir.join("lock");
            fs::write(&lock, "s3cret").unwrap();
            APPS.iter().map(|it| AppConfig { auth: (it.auth)(&lock), ..app(dir, it.name, it.secrets) }).collect()
        };
        let door = Door::open_with(apps, |config, dir| {
            config.zoom.allow_loopback = dev;
            if tls {
                write_pair(dir, &pair);
                config.server.tls_certificate = Some(dir.join("cert.pem"));
                config.server.tls_key = Some(dir.join("key.pem"));
            }
        });
        Self { door: door.await, certificate: tls.then(|| pair.cert.der().clone()) }
    }

    async fn send(&self, path: &str, headers: &[(&str, String)], body: &[u8]) -> Answer {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let request = request(path, &headers, body);
        let address = self.door.server.address();
        let Some(certificate) = &self.certificate else { return exchange(address, &request).await };
        let mut stream = connect_tls(address, certificate, b"http/1.1").await.unwrap();
        stream.write_all(&request).await.unwrap();
        read_answer(&mut stream).await.expect("an answer")
    }

    /// The header that opens an app's second lock.
    async fn lock_of(&self, app: &OracleApp) -> Option<(&'static str, String)> {
        let basic = || ("authorization", "Basic em9vbTpzM2NyZXQ=".to_owned());
        match (app.auth)(Path::new("")) {
            None => None,
            Some(AuthConfig::Basic { .. }) => Some(basic()),
            Some(AuthConfig::Header { .. }) => Some(("x-lock", "s3cret".into())),
            Some(AuthConfig::Token { .. }) => {
                let answer = self.send(&format!("/webhook/{}/token", app.name), &[basic()], b"").await;
                let token: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
                Some(("authorization", format!("Bearer {}", token["access_token"].as_str().unwrap())))
            }
        }
    }

    /// Tries everything that might make the door sign; gives how many requests that were.
    async fn attack(&self, path: &str, secret: &str, lock: &Option<(&'static str, String)>, at: &str) -> usize {
        let (now, secret) = (unix_seconds(), SecretToken::new(secret).unwrap());
        let forged = r#"{"event":"meeting.rtms_started","payload":{"rtms_stream_id":"evil"}}"#;
        let prize = webhook_signature(&secret, &now.to_string(), forged.as_bytes());
        let prize = prize.trim_start_matches("v0=");
        let challenge = |token: &str| {
            json!({ "event": "endpoint.url_validation", "payload": { "plainToken": token } }).to_string().into_bytes()
        };
        let (oracle, harmless) = (challenge(&format!("v0:{now}:{forged}")), challenge("Hq3nVb7wTzKp0LsXe9RfYg"));
        let by = |secret: &SecretToken, seconds: u64, body: &[u8]| signed_headers(secret, seconds, body);
        let unlocked = |mut headers: Vec<(&'static str, String)>| {
            headers.extend(lock.clone());
            headers
        };
        let somebody = SecretToken::new("somebody").unwrap();
        let client_secret = SecretToken::new("client secret").unwrap();
        // At the path for all, another app's secret makes it a request of that app, which has its own turn.
        let others = APPS.iter().filter(|app| path != "/webhook" && !path.ends_with(app.name));
        let another = SecretToken::new(others.flat_map(|app| app.secrets).next().unwrap_or(&"unheard of")).unwrap();
        let without_lock = if lock.is_some() { 401 } else { 400 };

        let attacks = [
            ("no signature", Vec::new(), &oracle, 401),
            ("no signature, a harmless token", Vec::new(), &harmless, 401),
            ("no signature, the second lock open", unlocked(Vec::new()), &oracle, 401),
            ("a guessed secret", by(&somebody, now, &oracle), &oracle, 401),
            ("a guessed secret, the second lock open", unlocked(by(&somebody, now, &oracle)), &oracle, 401),
            ("the client secret", unlocked(by(&client_secret, now, &oracle)), &oracle, 401),
            ("another app's secret", unlocked(by(&another, now, &oracle)), &oracle, 401),
            ("the signature of another body", unlocked(by(&secret, now, &harmless)), &oracle, 401),
            ("an old validation again", unlocked(by(&secret, now - 1_000, &harmless)), &harmless, 401),
            ("one from the future", unlocked(by(&secret, now + 1_000, &harmless)), &harmless, 401),
            // Should somebody have Zoom itself send it: it is not a token.
            ("signed by Zoom", unlocked(by(&secret, now, &oracle)), &oracle, 400),
            ("signed by Zoom, the second lock shut", by(&secret, now, &oracle), &oracle, without_lock),
        ];
        for (attack, headers, body, status) in &attacks {
            let answer = self.send(path, headers, body).await;
            assert_eq!((answer.status, answer.body.len()), (*status, 0), "{attack}: {at}");
            assert!(!answer.head.contains(prize), "{attack}: {at}");
        }
        // What is asked rightly is answered, so none of these was refused for another reason.
        let answer = self.send(path, &unlocked(by(&secret, now, &harmless)), &harmless).await;
        assert_eq!(answer.status, 200, "{at}");
        assert!(String::from_utf8_lossy(&answer.body).contains("encryptedToken"), "{at}");
        attacks.len() + 1
    }
}

struct Door {
    server: Server,
    apps: Apps,
    dir: tempfile::TempDir,
}

impl Door {
    async fn open(apps: impl FnOnce(&Path) -> Vec<AppConfig>) -> Self {
        Self::open_with(apps, |_, _| {}).await
    }

    async fn open_with(apps: impl FnOnce(&Path) -> Vec<AppConfig>, change: impl FnOnce(&mut Config, &Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        change(&mut config, dir.path());
        let apps = Apps::load(&apps(dir.path()), |_| None).unwrap();
        let server = Server::start(config, apps.clone(), Vec::new()).await.unwrap();
        Self { server, apps, dir }
    }

    async fn post(&self, path: &str, token: &str) -> u16 {
        self.post_with(path, token, &[]).await
    }

    async fn post_with(&self, path: &str, token: &str, headers: &[(&str, &str)]) -> u16 {
        let signed = signed_headers(&SecretToken::new(token).unwrap(), unix_seconds(), BODY);
        let mut all: Vec<_> = signed.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.extend(headers);
        exchange(self.server.address(), &request(path, &all, BODY)).await.status
    }
}

fn request(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let request = post(headers, body);
    let rest = request.strip_prefix(b"POST /webhook").unwrap();
    [b"POST ", path.as_bytes(), rest].concat()
}

fn app(dir: &Path, name: &str, tokens: &[&str]) -> AppConfig {
    let secret_token_files = tokens.iter().enumerate().map(|(position, token)| {
        let file = dir.join(format!("{name}.token.{position}"));
        fs::write(&file, token).unwrap();
        file
    });
    let secret_token_files = secret_token_files.collect();
    let client_secret_file = dir.join(format!("{name}.secret"));
    fs::write(&client_secret_file, "client secret").unwrap();
    AppConfig {
        name: name.into(),
        secret_token_files,
        client_id: "client".into(),
        client_secret_file,
        auth: None,
        websocket: None,
        api: None,
    }
}
