//! `rtms zoom` and `zoom.request_again` against the simulator's OAuth and REST: real programs, real sockets.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod common;

use std::{path::Path, time::Duration};

use common::{Serving, finish, rtms, with_secrets};
use hyper::{Method, Request};
use rtms_http::client::{HttpClient, Limits};
use rtms_sim_server::service::{Service, ServiceConfig};
use rtms_wire::{Bytes, codes::product::Product};
use serde_json::{Value, json};
use tokio::process::Command;

/// Longer than anything here waits for.
const LIMITS: Limits =
    Limits { connect_within: Duration::from_secs(5), answer_within: Duration::from_secs(60), max_body_bytes: 4 << 20 };

#[tokio::test]
async fn a_stream_of_each_product_is_started_paused_resumed_and_stopped() {
    let service = Service::start(ServiceConfig::default()).await.unwrap();
    for product in Product::ALL {
        let meeting = control(&service, Method::POST, "", &json!({ "product": product, "stream": false })).await;
        let path = format!("/{}", meeting["id"].as_str().unwrap());
        let (word, id) = match product {
            Product::Meeting => ("meeting", &meeting["meeting_id"]),
            Product::Webinar => ("webinar", &meeting["meeting_id"]),
            Product::Session => ("session", &meeting["session_id"]),
            Product::ContactCenter => ("engagement", &meeting["engagement_id"]),
            Product::Phone => ("call", &meeting["call_id"]),
        };
        for (action, state) in [("start", "announced"), ("pause", "paused"), ("resume", "announced"), ("stop", "ended")]
        {
            let done = finish(zoom(&service, &[action, word, id.as_str().unwrap()])).await;

            assert_eq!(done.code, Some(0), "{action} {word}: {}", done.stderr);
            assert!(done.stderr.contains("Zoom accepted it (204)"), "{}", done.stderr);
            let what = if action == "stop" { format!("{path}/finished") } else { path.clone() };
            let meeting = control(&service, Method::GET, &what, &Value::Null).await;
            assert_eq!(meeting["state"], state, "{action} {word}");
        }
    }
}

#[tokio::test]
async fn a_server_to_server_app_asks_on_behalf_of_the_app_that_receives_the_stream() {
    let service = Service::start(ServiceConfig::default()).await.unwrap();
    let meeting = control(&service, Method::POST, "", &json!({ "stream": false })).await;
    let id = meeting["meeting_id"].as_str().unwrap();
    let of_account = |account: &str| {
        let mut command = rtms(&["zoom", "start", "meeting", id, "--json"]);
        command
            .args(["--api-url", &service.api_url(), "--token-url", &service.token_url()])
            .env("ZOOM_CLIENT_ID", "sim-client-id")
            .env("ZOOM_API_CLIENT_ID", "sim-client-id")
            .env("ZOOM_API_CLIENT_SECRET", "sim-client-secret")
            .env("ZOOM_ACCOUNT_ID", account);
        command
    };

    let refused = finish(of_account("another")).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("check client id, client secret, grant and account id"), "{}", refused.stderr);
    assert_eq!(serde_json::from_str::<Value>(&refused.stdout).unwrap()["accepted"], false);

    let accepted = finish(of_account("sim-account")).await;
    assert_eq!(accepted.code, Some(0), "{}", accepted.stderr);
    let answer: Value = serde_json::from_str(&accepted.stdout).unwrap();
    assert_eq!(answer, json!({ "accepted": true, "status": 204, "action": "start" }));
}

#[tokio::test]
async fn a_refusal_names_its_cause_and_what_to_do() {
    let scopes = vec!["rtms:read".to_owned()];
    let service = Service::start(ServiceConfig { scopes, ..ServiceConfig::default() }).await.unwrap();
    let meeting = control(&service, Method::POST, "", &json!({ "stream": false })).await;
    let id = meeting["meeting_id"].as_str().unwrap();

    let without_scope = finish(zoom(&service, &["start", "meeting", id])).await;
    assert_eq!(without_scope.code, Some(1));
    for word in ["403", "add the scope", "meeting:update:participant_rtms_app_status"] {
        assert!(without_scope.stderr.contains(word), "{}", without_scope.stderr);
    }
    let service = Service::start(ServiceConfig::default()).await.unwrap();
    let unknown = finish(zoom(&service, &["stop", "call", "1"])).await;
    assert!(unknown.stderr.contains("404") && unknown.stderr.contains("is the meeting running"), "{}", unknown.stderr);
    let nobody = finish(rtms(&["zoom", "start", "meeting", "1"])).await;
    assert!(nobody.stderr.contains("ZOOM_CLIENT_ID"), "{}", nobody.stderr);
    let no_product = finish(rtms(&["zoom", "start", "conference", "1"])).await;
    assert_eq!(no_product.code, Some(2), "{}", no_product.stderr);
}

#[tokio::test]
async fn a_stream_that_zoom_gives_up_is_asked_for_again_once_and_its_recording_continues_the_former_one() {
    let service = Service::start(ServiceConfig::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let gateway = Serving::listening(asking_again(&service, folder.path(), "127.0.0.1:0")).await;
    let webhook = format!("http://{}/webhook", gateway.address);
    let meeting = control(&service, Method::POST, "", &json!({ "duration": "10m", "webhook": webhook })).await;
    let path = format!("/{}", meeting["id"].as_str().unwrap());
    control(&service, Method::GET, &format!("{path}/joined"), &Value::Null).await;

    // 19: Zoom has waited too long for the connection to come back.
    control(&service, Method::POST, &format!("{path}/stop"), &json!({ "reason": 19 })).await;
    control(&service, Method::GET, &format!("{path}/joined?stream=2&timeout=50s"), &Value::Null).await;
    control(&service, Method::POST, &format!("{path}/end"), &Value::Null).await;
    let over = control(&service, Method::GET, &format!("{path}/finished?stream=2"), &Value::Null).await;

    assert_eq!(gateway.end_by("TERM").await, Some(0));
    assert_told_in_one_story(&over, folder.path());
}

#[tokio::test]
async fn a_stream_lost_beyond_zooms_windows_while_the_server_was_dead_is_asked_for_again() {
    let service = Service::start(ServiceConfig::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = Serving::listening(asking_again(&service, folder.path(), "127.0.0.1:0")).await;
    let webhook = format!("http://{}/webhook", gateway.address);
    let wanted =
        json!({ "duration": "10m", "webhook": webhook, "timing": { "signaling_window": "1s", "media_window": "1s" } });
    let meeting = control(&service, Method::POST, "", &wanted).await;
    let path = format!("/{}", meeting["id"].as_str().unwrap());
    control(&service, Method::GET, &format!("{path}/joined"), &Value::Null).await;

    gateway.child.kill().await.unwrap();
    let lost = control(&service, Method::GET, &format!("{path}/finished?stream=1"), &Value::Null).await;
    assert_eq!(lost["streams"][0]["stop_reason"], 19, "{lost}");
    // The stop webhook found nobody, and comes again in five minutes. The server finds out by itself.
    let listen = gateway.address.to_string();
    let gateway = Serving::listening(asking_again(&service, folder.path(), &listen)).await;
    control(&service, Method::GET, &format!("{path}/joined?stream=2&timeout=50s"), &Value::Null).await;
    control(&service, Method::POST, &format!("{path}/end"), &Value::Null).await;
    let over = control(&service, Method::GET, &format!("{path}/finished?stream=2"), &Value::Null).await;

    assert_eq!(gateway.end_by("TERM").await, Some(0));
    assert_told_in_one_story(&over, folder.path());
}

/// Two streams, each joined once by the server, and two recordings of one meeting of which the second names the first.
fn assert_told_in_one_story(over: &Value, data_dir: &Path) {
    let streams = over["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 2, "{over}");
    let ids: Vec<_> = streams.iter().map(|stream| stream["rtms_stream_id"].clone()).collect();
    let mut told: Vec<Value> = std::fs::read_dir(data_dir.join("recordings"))
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path().join("manifest.json")).unwrap())
        .map(|manifest| serde_json::from_slice::<Value>(&manifest).unwrap()["about"].clone())
        .collect();
    told.sort_by_key(|about| about["started_at"].as_u64());
    assert_eq!(told.iter().map(|about| about["stream_id"].clone()).collect::<Vec<_>>(), ids, "{told:#?}");
    assert_eq!((&told[0]["continues"], &told[1]["continues"]), (&Value::Null, &ids[0]));
    assert_eq!(told[0]["instance"], told[1]["instance"]);
}

/// `rtms zoom` with the simulator's secrets and addresses.
fn zoom(service: &Service, arguments: &[&str]) -> Command {
    let mut command = with_secrets(&["zoom"]);
    command.args(arguments).args(["--api-url", &service.api_url(), "--token-url", &service.token_url()]);
    command
}

/// `rtms serve` that asks for lost streams again.
fn asking_again(service: &Service, data_dir: &Path, listen: &str) -> Command {
    let mut command = with_secrets(&["serve", "--dev", "--listen", listen, "--data-dir"]);
    command
        .arg(data_dir)
        .env("RTMS__ZOOM__REQUEST_AGAIN", "true")
        .env("RTMS__ZOOM__API_URL", service.api_url())
        .env("RTMS__ZOOM__TOKEN_URL", service.token_url());
    command
}

/// A request to the service's own control.
async fn control(service: &Service, method: Method, path: &str, body: &Value) -> Value {
    let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    let request = Request::builder().method(method).uri(format!("{}/v1/meetings{path}", service.control_url()));
    let answer = HttpClient::new(&[]).unwrap().send(request.body(body).unwrap(), LIMITS).await.unwrap();
    let status = answer.status();
    let shown = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
    assert!(status.is_success(), "{path}: {status} {shown}");
    shown
}
