//! The webhook door over real HTTP: what each request is answered, and what it leaves behind.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use common::{
    Gateway, config,
    doctored::Doctored,
    http::{Answer, exchange, head, post, read_answer, signed_headers, signed_now, unix_seconds},
};
use rtms_gateway::{apps::secrets::App, config::Config, telemetry::WebhookResult};
use rtms_store::{Class, Inbox, ReceiptFilter, Receipts, Store, StreamRecord, receipts::Receipt};
use rtms_wire::{
    ids::{InstanceIdField, StreamId},
    secret::{ClientSecret, SecretToken},
    signature::webhook_signature,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The fixtures are dated, so the tests of their own headers look away from the clock.
const ANY_TIME: Duration = Duration::from_secs(50 * 365 * 24 * 3600);

#[tokio::test]
async fn every_fixture_is_answered_classified_and_understood_as_the_manifest_says() {
    let manifest = manifest();
    let fixtures = manifest["fixtures"].as_array().unwrap();
    assert_eq!(fixtures.len(), 72);

    for fixture in fixtures {
        let name = fixture["file"].as_str().unwrap();
        let body = read(name);
        // A store of its own each, as several fixtures are about one stream.
        let door = Door::open_with(|config| config.webhook.tolerance = ANY_TIME).await;
        let headers: Vec<_> = fixture["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();

        let answer = door.send(&post(&headers, &body)).await;

        let expected = Expected::of(fixture);
        assert_eq!(answer.status, expected.status, "{name}");
        match expected.answer {
            Some(expected) => assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap(), expected, "{name}"),
            None => assert_silent(&answer),
        }
        let Some(class) = expected.class else {
            door.assert_nothing_stored().await;
            continue;
        };
        let [receipt] = &*door.gateway.settled_receipts(1).await else { panic!("{name}: one receipt") };
        assert_eq!((receipt.class, receipt.app.as_str()), (Some(class), expected.app), "{name}: {receipt:?}");
        assert_eq!(door.store.receipt_body(receipt.id).await.unwrap().unwrap(), body, "{name}: the body");
        let sent_as = serde_json::from_slice::<Value>(&body).unwrap()["event"].clone();
        assert_eq!(json!(receipt.event), sent_as, "{name}: event");
        door.assert_understood(name, &fixture["expect"], receipt).await;
        door.close().await;
    }
}

#[tokio::test]
async fn every_fixture_signed_anew_is_answered_the_same_with_the_clock_watched() {
    let manifest = manifest();
    let door = Door::open().await;

    let mut stored = 0;
    for fixture in manifest["fixtures"].as_array().unwrap() {
        let name = fixture["file"].as_str().unwrap();
        let expected = Expected::of(fixture);
        let answer = door.send(&signed_now(&secret(expected.app), &read(name))).await;
        assert_eq!(answer.status, expected.status, "{name}");
        stored += usize::from(expected.class.is_some());
    }

    let receipts = door.gateway.settled_receipts(stored).await;
    assert!(receipts.iter().all(|receipt| receipt.class.is_some()));
    assert_eq!(door.counted(WebhookResult::BadSignature) + door.counted(WebhookResult::Stale), 0);
    door.close().await;
}

#[tokio::test]
async fn the_delivery_scenarios_of_the_manifest_pass() {
    let manifest = manifest();
    for scenario in manifest["scenarios"].as_array().unwrap() {
        let door = Door::open_with(|config| config.webhook.tolerance = ANY_TIME).await;
        let files = scenario["file"].as_str().map(|file| vec![file]).unwrap_or_else(|| {
            scenario["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect()
        });
        let requests: Vec<_> = match scenario["attempts"].as_array() {
            Some(attempts) => attempts.iter().map(|attempt| (files[0], attempt.clone())).collect(),
            None => files.iter().map(|file| (*file, fixture(&manifest, file)["headers"].clone())).collect(),
        };

        for (file, headers) in &requests {
            let header = |name: &str| (name.to_owned(), headers[name].as_str().unwrap().to_owned());
            let headers = ["x-zm-request-timestamp", "x-zm-signature"].map(header);
            assert_eq!(door.send(&post(&headers, &read(file))).await.status, 200);
        }

        let name = scenario["name"].as_str().unwrap();
        let expected: &[Class] = match name {
            "retry-fresh-timestamp" | "retry-original-timestamp" => {
                &[Class::First, Class::Repeat, Class::Repeat, Class::Repeat]
            }
            "stop-then-late-start" => &[Class::StopBeforeStart, Class::Late],
            "failover" => &[Class::First, Class::Failover],
            other => panic!("a new scenario: {other}"),
        };
        assert_eq!(classes(&door.gateway.settled_receipts(requests.len()).await), expected, "{name}");
        door.close().await;
    }
}

#[tokio::test]
async fn a_retry_with_its_first_timestamp_is_refused_once_that_is_too_old() {
    let door = Door::open().await;
    let body = read("webhooks/meeting.rtms_started.flat.json");
    let signed_ago = |seconds| post(&signed_headers(&secret("general"), unix_seconds() - seconds, &body), &body);

    assert_eq!(door.send(&signed_ago(0)).await.status, 200);
    assert_eq!(door.send(&signed_ago(280)).await.status, 200);
    let stale = door.send(&signed_ago(320)).await;
    let early = door.send(&post(&signed_headers(&secret("general"), unix_seconds() + 320, &body), &body)).await;

    for answer in [&stale, &early] {
        assert_eq!(answer.status, 401);
        assert_silent(answer);
    }
    assert_eq!(door.counted(WebhookResult::Stale), 2);
    assert_eq!(classes(&door.gateway.settled_receipts(2).await), [Class::First, Class::Repeat]);
    door.close().await;
}

#[tokio::test]
async fn what_is_not_signed_by_zoom_gets_401_and_leaves_nothing_but_a_counter() {
    let door = Door::open().await;
    let body = read("webhooks/meeting.rtms_started.flat.json");
    let good = signed_headers(&secret("general"), unix_seconds(), &body);
    let with = |name: &'static str, value: String| {
        let mut headers = good.clone();
        headers.iter_mut().find(|header| header.0 == name).unwrap().1 = value;
        headers
    };
    let without = |name: &str| good.iter().filter(|header| header.0 != name).cloned().collect::<Vec<_>>();
    let somebody = SecretToken::new("somebody else's").unwrap();
    let signature = good[2].1.clone();

    let forged = [
        without("x-zm-signature"),
        without("x-zm-request-timestamp"),
        without("x-zm-signature").into_iter().filter(|header| header.0 == "content-type").collect(),
        signed_headers(&somebody, unix_seconds(), &body),
        with("x-zm-signature", String::new()),
        with("x-zm-signature", "v0=".into()),
        with("x-zm-signature", signature[3..].into()),
        with("x-zm-signature", signature.to_uppercase()),
        with("x-zm-signature", format!("{signature}0")),
        with("x-zm-signature", signature[..signature.len() - 1].into()),
        with("x-zm-request-timestamp", (unix_seconds() - 1).to_string()),
        with("x-zm-request-timestamp", "now".into()),
    ];
    for headers in &forged {
        let answer = door.send(&post(headers, &body)).await;
        assert_eq!(answer.status, 401, "{headers:?}");
        assert_silent(&answer);
    }
    for other in [[&body[..], b"\n"].concat(), body[..body.len() - 1].to_vec(), Vec::new()] {
        assert_eq!(door.send(&post(&good, &other)).await.status, 401);
    }

    door.assert_nothing_stored().await;
    assert_eq!(door.counted(WebhookResult::BadSignature), forged.len() as u64 + 3);
    assert_eq!(door.counted(WebhookResult::Stored), 0);
    door.close().await;
}

#[tokio::test]
async fn a_url_validation_is_answered_only_when_it_is_signed() {
    let door = Door::open().await;
    let body = read("webhooks/endpoint.url_validation.json");
    let expected = fixture(&manifest(), "webhooks/endpoint.url_validation.json")["expect"]["response_body"].clone();
    let token = expected["encryptedToken"].as_str().unwrap();

    for headers in [Vec::new(), signed_headers(&SecretToken::new("guessed").unwrap(), unix_seconds(), &body)] {
        let answer = door.send(&post(&headers, &body)).await;
        assert_eq!(answer.status, 401);
        assert_silent(&answer);
        assert!(!answer.head.contains(token));
    }
    door.assert_nothing_stored().await;
    let answer = door.send(&signed_now(&secret("general"), &body)).await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap(), expected);
    // The app that asked is the app that answers.
    let answer = door.send(&signed_now(&secret("videosdk"), &body)).await;
    assert_eq!(answer.status, 200);
    assert_ne!(serde_json::from_slice::<Value>(&answer.body).unwrap()["encryptedToken"], token);
    assert_eq!(door.counted(WebhookResult::Validated), 2);
    door.close().await;
}

#[tokio::test]
async fn nobody_gets_a_webhook_signature_out_of_a_url_validation() {
    let door = Door::open().await;
    // What the attacker wants signed: a start of their own, as of now.
    let wanted = br#"{"event":"meeting.rtms_started","payload":{"rtms_stream_id":"evil"}}"#;
    let base = format!("v0:{}:{}", unix_seconds(), String::from_utf8_lossy(wanted));
    let prize = webhook_signature(&secret("general"), &unix_seconds().to_string(), wanted);
    let tokens = [base.as_str(), "v0:1", "", " ", "a b", "a.b", "ä", "\u{0}", &"a".repeat(257)];

    for token in tokens {
        let body = json!({ "event": "endpoint.url_validation", "payload": { "plainToken": token } }).to_string();
        for (request, status) in [
            (post::<&str, &str>(&[], body.as_bytes()), 401),
            (signed_now(&secret("general"), body.as_bytes()), 400),
            (signed_now(&secret("videosdk"), body.as_bytes()), 400),
        ] {
            let answer = door.send(&request).await;
            assert_eq!(answer.status, status, "{token:?}");
            assert_silent(&answer);
            assert!(!answer.head.contains(&prize[3..]));
        }
    }

    door.assert_nothing_stored().await;
    door.close().await;
}

#[tokio::test]
async fn other_paths_and_methods_are_refused_in_the_usual_way() {
    let door = Door::open().await;
    for path in ["/", "/webhook/", "/webhook/x", "/Webhook", "/../webhook", "//webhook"] {
        let answer =
            door.send(format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").as_bytes()).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_silent(&answer);
    }
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = door.send(format!("{method} /webhook HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method}");
        assert_silent(&answer);
    }
    door.assert_nothing_stored().await;
    door.close().await;
}

#[tokio::test]
async fn a_signed_webhook_counts_with_any_content_type_and_with_none() {
    let door = Door::open().await;
    let types = [
        "application/json",
        "APPLICATION/JSON;charset=utf-8",
        "application/json; charset-utf-8",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/cloudevents+json",
        "no type at all",
        "",
    ];
    for (number, content_type) in types.into_iter().enumerate() {
        let body = unknown_event(100 + number);
        let mut headers = signed_headers(&secret("general"), unix_seconds(), &body);
        headers[0].1 = content_type.into();
        assert_eq!(door.send(&post(&headers, &body)).await.status, 200, "{content_type:?}");
        headers[0] = ("content-type", "text/plain\r\ncontent-type: application/json".into());
        assert_eq!(door.send(&post(&headers, &body)).await.status, 200, "two types");
        assert_eq!(door.send(&post(&headers[1..], &body)).await.status, 200, "without a type");
        headers[2].1 = format!("v0={}", "0".repeat(64));
        assert_eq!(
            door.send(&post(&headers, &body)).await.status,
            401,
            "{content_type:?} does not replace a signature"
        );
    }
    assert_eq!(door.counted(WebhookResult::Stored), 3 * types.len() as u64);
    door.close().await;
}

#[tokio::test]
async fn a_request_that_names_two_hosts_is_refused_whatever_it_asks_for() {
    let door = Door::open().await;
    let body = unknown_event(0);
    let signed = String::from_utf8(signed_now(&secret("general"), &body)).unwrap();
    let absolute = |url: &str| signed.replacen("POST /webhook", &format!("POST {url}"), 1);

    for refused in [
        signed.replacen("host:", "host: localhost\r\nhost:", 1),
        absolute("http://localhost/webhook"),
        absolute("http://localhost/v1/streams"),
        "GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".into(),
        "GET /nowhere HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n".into(),
    ] {
        assert_eq!(door.send(refused.as_bytes()).await.status, 400, "{refused}");
    }
    door.assert_nothing_stored().await;
    assert_eq!(door.send(absolute("http://gateway.test:8080/webhook").as_bytes()).await.status, 200);
    door.close().await;
}

#[tokio::test]
async fn a_body_of_exactly_one_mebibyte_passes_and_one_byte_more_does_not() {
    let door = Door::open().await;
    let limit = 1 << 20;
    let (most, more) = (unknown_event(limit), unknown_event(limit + 1));
    assert_eq!((most.len(), more.len()), (limit, limit + 1));

    let refused = door.send(&signed_now(&secret("general"), &more)).await;
    let far_more = door.send(&signed_now(&secret("general"), &vec![b' '; 8 * limit])).await;
    door.assert_nothing_stored().await;
    let passed = door.send(&signed_now(&secret("general"), &most)).await;

    assert_eq!((refused.status, far_more.status, passed.status), (413, 413, 200));
    assert_silent(&refused);
    assert_eq!(door.counted(WebhookResult::TooLarge), 2);
    let [receipt] = &*door.gateway.settled_receipts(1).await else { panic!("one receipt") };
    assert_eq!(door.store.receipt_body(receipt.id).await.unwrap().unwrap(), most);
    door.close().await;
}

#[tokio::test]
async fn who_sends_too_slowly_or_too_many_headers_is_refused() {
    let door = Door::open_with(|config| config.webhook.read_within = Duration::from_millis(300)).await;
    let body = unknown_event(0);
    let request = signed_now(&secret("general"), &body);

    // The last byte never comes.
    let mut slow_body = TcpStream::connect(door.gateway.address()).await.unwrap();
    slow_body.write_all(&request[..request.len() - 1]).await.unwrap();
    let answer = read_answer(&mut slow_body).await.unwrap();
    assert_eq!(answer.status, 408);
    assert_silent(&answer);
    assert_eq!(door.counted(WebhookResult::TooSlow), 1);

    let mut slow_head = TcpStream::connect(door.gateway.address()).await.unwrap();
    slow_head.write_all(b"POST /webhook HTTP/1.1\r\nx-zm-").await.unwrap();
    assert!(read_answer(&mut slow_head).await.is_none_or(|answer| answer.status == 408), "it is cut off");

    let long = head(&[("x-long", "a".repeat(20 << 10))]);
    let many = head(&(0..100).map(|number| (format!("x-{number}"), "a")).collect::<Vec<_>>());
    for mut request in [long, many] {
        request.extend_from_slice(b"content-length: 0\r\n\r\n");
        assert_eq!(door.send(&request).await.status, 431);
    }
    for nonsense in
        [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"GET\r\n\r\n", b"POST /webhook HTTP/1.1\r\ncontent-length: -1\r\n\r\n"]
    {
        assert_eq!(door.send(nonsense).await.status, 400, "{nonsense:?}");
    }
    door.assert_nothing_stored().await;
    assert_eq!(door.send(&request).await.status, 200, "and others are served as before");
    door.close().await;
}

#[tokio::test]
async fn requests_in_one_go_are_answered_in_their_order() {
    let door = Door::open().await;
    let (one, other) = (unknown_event(0), read("webhooks/endpoint.url_validation.json"));
    let mut requests = signed_now(&secret("general"), &one);
    requests.extend(post::<&str, &str>(&[], &one));
    requests.extend(signed_now(&secret("general"), &other));
    requests.extend(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");

    let mut socket = TcpStream::connect(door.gateway.address()).await.unwrap();
    socket.write_all(&requests).await.unwrap();

    let mut answers = Vec::new();
    for _ in 0..4 {
        let answer = read_answer(&mut socket).await.unwrap();
        answers.push((answer.status, answer.body.is_empty()));
    }
    assert_eq!(answers, [(200, true), (401, true), (200, false), (200, false)]);
    assert_eq!(door.gateway.settled_receipts(2).await.len(), 2);
    door.close().await;
}

#[tokio::test]
async fn a_body_comes_in_chunks_or_after_100_continue_just_as_well() {
    let door = Door::open().await;
    let body = unknown_event(0);
    let headers = signed_headers(&secret("general"), unix_seconds(), &body);

    let mut chunked = head(&headers);
    chunked.extend(b"transfer-encoding: chunked\r\n\r\n");
    for piece in body.chunks(7) {
        chunked.extend(format!("{:x}\r\n", piece.len()).as_bytes());
        chunked.extend(piece);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    assert_eq!(door.send(&chunked).await.status, 200);

    let mut asking = head(&headers);
    asking.extend(format!("content-length: {}\r\nexpect: 100-continue\r\n\r\n", body.len()).as_bytes());
    let mut socket = TcpStream::connect(door.gateway.address()).await.unwrap();
    socket.write_all(&asking).await.unwrap();
    assert_eq!(read_answer(&mut socket).await.unwrap().status, 100);
    socket.write_all(&body).await.unwrap();
    assert_eq!(read_answer(&mut socket).await.unwrap().status, 200);
    assert_eq!(door.gateway.settled_receipts(2).await.len(), 2);

    // Who hangs up in the middle has sent nothing.
    let mut hasty = TcpStream::connect(door.gateway.address()).await.unwrap();
    hasty.write_all(&chunked[..chunked.len() - 20]).await.unwrap();
    hasty.shutdown().await.unwrap();
    let mut rest = Vec::new();
    let _ = hasty.read_to_end(&mut rest).await;
    assert!(!rest.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&rest));
    assert_eq!(door.store.stats().appends, 2);
    door.close().await;
}

#[tokio::test]
async fn what_cannot_be_stored_gets_503_until_it_can() {
    let door = Door::open().await;
    let request = signed_now(&secret("general"), &read("webhooks/meeting.rtms_started.flat.json"));
    let challenge = signed_now(&secret("general"), &read("webhooks/endpoint.url_validation.json"));

    door.store.is_full.store(true, Ordering::Relaxed);
    for request in [&request, &challenge] {
        let answer = door.send(request).await;
        assert_eq!(answer.status, 503);
        assert_silent(&answer);
    }
    door.assert_nothing_stored().await;
    assert_eq!(door.counted(WebhookResult::NotStored), 2);
    door.store.is_full.store(false, Ordering::Relaxed);
    assert_eq!(door.send(&request).await.status, 200);
    assert_eq!(classes(&door.gateway.settled_receipts(1).await), [Class::First]);

    door.store.close().await;
    assert_eq!(door.send(&request).await.status, 503, "a closed store stores nothing either");
    door.close().await;
}

#[tokio::test]
async fn a_passphrase_for_srt_is_stored_nowhere_and_the_websocket_beside_it_is_used() {
    let forms = [
        json!("srt://b.zoom.us:9?passphrase=hush&mode=caller,wss://a.zoom.us/x?token=1"),
        json!({"signaling": {"srt": "srt://me:hush@b.zoom.us:9", "wss": "wss://a.zoom.us/x?token=1"}}),
        json!(["srt://b.zoom.us:9?hush", "wss://a.zoom.us/x?token=1"]),
    ];
    for server_urls in forms {
        let door = Door::open().await;
        let body = json!({
            "event": "phone.call_rtms_started", "event_ts": 1_795_428_000_412_u64, "srt_passphrase": "hush",
            "payload": { "call_id": "c", "rtms_stream_id": "s", "server_urls": server_urls, "signature": "a1" },
        });

        let answer = door.send(&signed_now(&secret("general"), body.to_string().as_bytes())).await;

        assert_eq!(answer.status, 200);
        let [receipt] = &*door.gateway.settled_receipts(1).await else { panic!("one receipt") };
        assert_eq!((receipt.class, receipt.event.as_deref()), (Some(Class::First), Some("phone.call_rtms_started")));
        let stored = String::from_utf8(door.store.receipt_body(receipt.id).await.unwrap().unwrap().to_vec()).unwrap();
        assert!(!stored.contains("hush") && stored.contains(r#""signature":"a1""#), "{stored}");
        let record = door.gateway.record_of(&StreamId::new("s")).await.unwrap();
        assert!(!format!("{record:?}").contains("hush"), "{record:?}");
        assert_eq!(record.wanted.newest_start().unwrap().server_urls, ["wss://a.zoom.us/x?token=1"]);
        door.close().await;
    }
}

#[tokio::test]
async fn ids_that_look_like_paths_stay_ids() {
    let door = Door::open().await;
    let evil = ["/../../etc/passwd", "..", "a\u{0}b", "🦀", "%2e%2e%2f", "\"}{\"", &"x".repeat(5_000)];

    for id in evil {
        let body = json!({
            "event": "meeting.rtms_started", "event_ts": 1_795_428_000_412_u64,
            "payload": { "meeting_uuid": id, "rtms_stream_id": id, "server_urls": "wss://rtms.zoom.us" },
        });
        assert_eq!(door.send(&signed_now(&secret("general"), body.to_string().as_bytes())).await.status, 200, "{id:?}");
    }
    let number = br#"{"event":"phone.rtms_started","payload":{"call_id":12345678901234567890,"rtms_stream_id":98765432109876543210,"server_urls":"wss://rtms.zoom.us"}}"#;
    assert_eq!(door.send(&signed_now(&secret("general"), number)).await.status, 200);

    let receipts = door.gateway.settled_receipts(evil.len() + 1).await;
    for (receipt, id) in receipts.iter().zip(evil.into_iter().chain(["98765432109876543210"])) {
        assert_eq!(receipt.stream_id, Some(StreamId::new(id)));
        assert_eq!(receipt.class, Some(Class::First), "{id:?}: {:?}", receipt.reason);
    }
    let metrics = exchange(door.gateway.api_address(), b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    assert!(evil.iter().all(|id| !metrics.contains(id)), "{metrics}");
    door.close().await;
}

/// A gateway whose streams nobody claims: fixtures name hosts of Zoom's.
struct Door {
    gateway: Gateway,
    store: Arc<Doctored>,
    _data_dir: tempfile::TempDir,
}

impl Door {
    async fn open() -> Self {
        Self::open_with(|_| ()).await
    }

    async fn open_with(change: impl FnOnce(&mut Config)) -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let mut config = config(data_dir.path());
        config.zoom.allow_loopback = false;
        change(&mut config);
        let store = Arc::<Doctored>::default();
        let app = |name| App::new(name, vec![secret(name)], "client", ClientSecret::new("client secret").unwrap());
        let gateway = Gateway::start_on(config, vec![app("general"), app("videosdk")], store.clone()).await;
        Self { gateway, store, _data_dir: data_dir }
    }

    async fn send(&self, request: &[u8]) -> Answer {
        exchange(self.gateway.address(), request).await
    }

    fn counted(&self, result: WebhookResult) -> u64 {
        self.gateway.server().metrics().webhooks(result)
    }

    async fn assert_nothing_stored(&self) {
        assert_eq!(self.store.stats().appends, 0);
        assert!(self.store.pending(10).await.unwrap().is_empty());
        assert!(self.store.receipts(ReceiptFilter::default()).await.unwrap().is_empty());
    }

    /// The receipt and the stream's record say what the manifest expects of the normalised form.
    async fn assert_understood(&self, name: &str, expect: &Value, receipt: &Receipt) {
        let Some(class) = expect["class"].as_str() else { return };
        assert_eq!(json!(receipt.stream_id), expect["stream_id"], "{name}: stream id");
        let Some(stream) = expect["stream_id"].as_str() else { return };
        if !["started", "stopped", "interrupted"].contains(&class) {
            return;
        }
        let record = self.gateway.record_of(&StreamId::new(stream)).await.expect("a record");
        let at = expect["event_ts"].as_u64().unwrap_or(receipt.received_at.0);
        for (key, (found, expected)) in understood(&record, expect, at) {
            assert_eq!(found, expected, "{name}: {key}");
        }
    }

    async fn close(self) {
        self.gateway.stop().await;
    }
}

/// What the record says and what it should say, by key.
fn understood(record: &StreamRecord, expect: &Value, at: u64) -> Vec<(&'static str, (Value, Value))> {
    let wanted = &record.wanted;
    let of = |key: &'static str, found: Value| (key, (found, expect[key].clone()));
    let when = |found: Value| ("at", (found, json!(at)));
    match expect["class"].as_str() {
        Some("started") => {
            let start = wanted.newest_start().expect("a start");
            let instance = start.instance.as_ref().expect("an instance");
            vec![
                when(json!(start.at)),
                of("server_urls", json!(start.server_urls)),
                of("region", json!(start.region)),
                of("product", json!(start.product.map(|product| product.as_str()))),
                of("instance_id", json!(instance.value)),
                of("instance_id_field", json!(InstanceIdField::as_str(instance.field))),
                of("account_id", json!(start.account_id)),
                of("meeting_id", json!(start.meeting_id)),
                of("operator_id", json!(start.operator_id)),
                of("host_id", json!(start.host_id)),
                of("session_key", json!(start.session_key)),
            ]
        }
        Some("stopped") => {
            let stop = wanted.stop.as_ref().expect("a stop");
            vec![when(json!(stop.at)), of("stop_reason", json!(stop.reason))]
        }
        _ => vec![when(json!(wanted.interruption.as_ref().expect("an interruption").at))],
    }
}

/// What the manifest expects of a fixture, in the gateway's words.
struct Expected {
    status: u16,
    /// None when it is refused.
    class: Option<Class>,
    answer: Option<Value>,
    app: &'static str,
}

impl Expected {
    fn of(fixture: &Value) -> Self {
        let expect = &fixture["expect"];
        let refused = expect["status"] == 400 || expect["reject"] == true;
        let class = match expect["class"].as_str() {
            _ if refused => None,
            None => Some(Class::Unusable),
            Some("started") => Some(Class::First),
            Some("stopped") => Some(Class::StopBeforeStart),
            Some("interrupted") => Some(Class::Interrupted),
            Some("url_validation") => Some(Class::UrlValidation),
            Some("other") => Some(Class::Unknown),
            Some("concurrency_near_limit" | "concurrency_limited" | "start_failed" | "request_status") => {
                Some(Class::AccountEvent)
            }
            Some(other) => panic!("a new class: {other}"),
        };
        let app = if fixture["secret"] == "general" { "general" } else { "videosdk" };
        Self { status: if refused { 400 } else { 200 }, class, answer: expect.get("response_body").cloned(), app }
    }
}

/// An answer that tells the sender nothing but its status.
fn assert_silent(answer: &Answer) {
    assert!(answer.body.is_empty(), "{answer:?}");
    for line in answer.head.lines().skip(1).filter(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap().to_ascii_lowercase();
        assert!(["content-length", "date", "allow", "connection"].contains(&name.as_str()), "{line}");
    }
}

fn classes(receipts: &[Receipt]) -> Vec<Class> {
    receipts.iter().map(|receipt| receipt.class.unwrap()).collect()
}

/// A signed event that nobody knows, made so long.
fn unknown_event(bytes: usize) -> Vec<u8> {
    let (begin, end) = (r#"{"event":"meeting.rtms_dreamt","payload":{"padding":""#, r#""}}"#);
    let padding = "x".repeat(bytes.saturating_sub(begin.len() + end.len()));
    format!("{begin}{padding}{end}").into_bytes()
}

fn secret(app: &str) -> SecretToken {
    SecretToken::new(manifest()["secrets"][app].as_str().unwrap()).unwrap()
}

fn fixture(manifest: &Value, file: &str) -> Value {
    manifest["fixtures"].as_array().unwrap().iter().find(|fixture| fixture["file"] == file).unwrap().clone()
}

fn manifest() -> Value {
    serde_json::from_slice(&read("webhooks-manifest.json")).unwrap()
}

fn read(name: &str) -> Vec<u8> {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/fixtures");
    fs::read(fixtures.join(name)).expect(name)
}
