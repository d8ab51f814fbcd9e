//! Webhooks on real sockets: attempts, late answers, validations and probes, as a receiver sees them.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

use std::{convert::Infallible, time::Duration};

use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use rtms_sim::{
    config::{App, WebhookOptions},
    findings::Mistake,
    meeting::MeetingOptions,
    webhook::{ANSWER_WITHIN, Delivery, Outcome, Probe, Purpose},
};
use rtms_sim_server::{Simulator, SimulatorConfig};
use rtms_wire::{Bytes, secret::SecretToken, signature::webhook_signature_matches};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::watch,
    time::{sleep, timeout},
};

#[tokio::test]
async fn a_receiver_that_answers_after_the_simulator_gave_up_is_told_how_late_it_was() {
    let (give_up, given_up) = watch::channel(false);
    let url = receiver(move |_, body| {
        let mut given_up = given_up.clone();
        async move {
            if String::from_utf8_lossy(&body).contains("rtms_started") {
                given_up.wait_for(|given_up| *given_up).await.unwrap();
            }
            (200, Value::Null)
        }
    })
    .await;
    let webhook_url = Some(url.parse().unwrap());
    let simulator = Simulator::start(SimulatorConfig { webhook_url, ..short() }).await.unwrap();

    until("the start has timed out", || simulator.deliveries().iter().any(|it| it.outcome == Outcome::TimedOut)).await;
    give_up.send_replace(true);
    simulator.finished().await;

    let deliveries = simulator.deliveries();
    let [start, stop] = &deliveries.iter().collect::<Vec<_>>()[..] else { panic!("{deliveries:?}") };
    assert_eq!((&start.outcome, &stop.outcome), (&Outcome::Late(200), &Outcome::Status(200)));
    let took = start.took.unwrap();
    assert!(took >= ANSWER_WITHIN, "{start:?}");
    let found: Vec<_> = simulator.findings().iter().map(|it| it.mistake.clone()).collect();
    let expected = Mistake::WebhookAnsweredTooLate {
        event: "meeting.rtms_started".into(),
        status: Some(200),
        after_ms: u64::try_from(took.as_millis()).ok(),
        repeated_needlessly: true,
    };
    assert_eq!(found, [expected]);
}

#[tokio::test]
async fn a_refused_connection_and_503_are_tried_again_on_real_sockets_and_a_redirect_is_not_followed() {
    // The port is free again when the listener is gone.
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let options = || WebhookOptions { time_compression: 60_000, wait_for_retries: true, ..Default::default() };

    let (deliveries, mistakes) = play(&format!("http://{nobody}/"), options()).await;
    assert_eq!(deliveries.len(), 8, "two webhooks, four attempts each: {deliveries:?}");
    assert_eq!(mistakes.iter().filter(|it| matches!(it, Mistake::WebhookLost { attempts: 4, .. })).count(), 2);

    let busy = receiver(|_, _| async { (503, Value::Null) }).await;
    assert_eq!(play(&busy, options()).await.0.len(), 8);

    let moved = receiver(|_, _| async { (307, Value::Null) }).await;
    let (deliveries, mistakes) = play(&moved, options()).await;
    assert_eq!(deliveries.len(), 2);
    assert!(mistakes.iter().all(|it| matches!(it, Mistake::WebhookRedirected { status: 307, .. })), "{mistakes:?}");
}

// Elsewhere a reset may overtake the bytes before it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_answer_counts_if_the_connection_is_reset_right_behind_it() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.read_buf(&mut Vec::with_capacity(1024)).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            stream.set_zero_linger().unwrap();
        }
    });

    let (deliveries, mistakes) = play(&format!("http://{address}/"), WebhookOptions::default()).await;

    assert_eq!(mistakes, []);
    assert_eq!(deliveries.len(), 2);
    assert!(deliveries.iter().all(|it| it.outcome == Outcome::Status(200)), "{deliveries:?}");
}

#[tokio::test]
async fn a_careless_receiver_that_answers_any_validation_is_found_to_be_a_signing_oracle() {
    let url = receiver(|_, body| async move { (200, answer_validation(&body)) }).await;

    let options = WebhookOptions { validate_url: true, probe_oracle: true, ..WebhookOptions::default() };
    let (deliveries, mistakes) = play(&url, options).await;

    assert_eq!(
        mistakes,
        [
            Mistake::UnverifiedValidationAnswered { how: "without any signature" },
            Mistake::UnverifiedValidationAnswered { how: "with a wrong signature" },
            Mistake::SignedForAStranger,
        ]
    );
    let probes = deliveries.iter().filter(|it| matches!(it.purpose, Purpose::Probe(_))).count();
    assert_eq!(probes, Probe::ALL.len());
}

#[tokio::test]
async fn a_careful_receiver_passes_validation_probes_and_repeats_without_a_finding() {
    let url = receiver(|headers, body| async move {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let secret = SecretToken::new(App::TEST_SECRET_TOKEN).unwrap();
        let (timestamp, signature) = (header("x-zm-request-timestamp"), header("x-zm-signature"));
        if webhook_signature_matches(&secret, timestamp, &body, signature) {
            (200, answer_validation(&body))
        } else {
            (401, Value::Null)
        }
    })
    .await;

    let options = WebhookOptions { validate_url: true, probe_oracle: true, deliver_twice: true, ..Default::default() };
    let (deliveries, mistakes) = play(&url, options).await;

    assert_eq!(mistakes, []);
    for delivery in deliveries {
        let expected = if matches!(delivery.purpose, Purpose::Probe(_)) { 401 } else { 200 };
        assert_eq!(delivery.outcome, Outcome::Status(expected), "{delivery:?}");
    }
}

#[tokio::test]
async fn nothing_counts_as_sent_when_webhooks_are_only_printed() {
    let webhooks = WebhookOptions { validate_url: true, probe_oracle: true, ..WebhookOptions::default() };
    let simulator = Simulator::start(SimulatorConfig { webhooks, ..short() }).await.unwrap();
    simulator.finished().await;

    assert_eq!(simulator.counts().webhooks, 0);
    assert_eq!(simulator.deliveries().iter().count(), 0);
    assert!(String::from_utf8_lossy(simulator.start_webhook()).contains("meeting.rtms_started"));
}

/// What a receiver answers to a validation that it believes; nothing to anything else.
fn answer_validation(body: &[u8]) -> Value {
    let body: Value = serde_json::from_slice(body).unwrap();
    match body["payload"]["plainToken"].as_str() {
        None => Value::Null,
        Some(plain) => json!({
            "plainToken": plain,
            "encryptedToken": hmac(App::TEST_SECRET_TOKEN.as_bytes(), plain.as_bytes()),
        }),
    }
}

fn hmac(key: &[u8], text: &[u8]) -> String {
    let tag = aws_lc_rs::hmac::sign(&aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key), text);
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn short() -> SimulatorConfig {
    let meeting =
        MeetingOptions { seed: 1, participants: 3, duration: Duration::from_millis(200), ..MeetingOptions::default() };
    SimulatorConfig { meeting, ..SimulatorConfig::default() }
}

/// Plays a short meeting that nobody joins to a receiver.
async fn play(url: &str, webhooks: WebhookOptions) -> (Vec<Delivery>, Vec<Mistake>) {
    let webhook_url = Some(url.parse().unwrap());
    let simulator = Simulator::start(SimulatorConfig { webhook_url, webhooks, ..short() }).await.unwrap();
    simulator.finished().await;
    let mistakes = simulator.findings().iter().map(|it| it.mistake.clone()).collect();
    (simulator.deliveries().iter().cloned().collect(), mistakes)
}

/// Looks again and again until it is so.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let looking = async {
        while !is_so() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), looking).await.unwrap_or_else(|_| panic!("waited in vain until {what}"));
}

/// An HTTP server that answers as it is told; its URL.
async fn receiver<F>(answer: impl Fn(HeaderMap, Bytes) -> F + Clone + Send + Sync + 'static) -> String
where
    F: Future<Output = (u16, Value)> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let (status, said) = answer(parts.headers, body).await;
                    let response = Response::builder()
                        .status(status)
                        .header("content-type", "application/json")
                        .header("location", "/elsewhere")
                        .body(Full::<Bytes>::from(said.to_string()));
                    Ok::<_, Infallible>(response.unwrap())
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    format!("http://{address}/webhook")
}
