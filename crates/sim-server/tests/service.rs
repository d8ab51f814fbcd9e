//! The service on real sockets: OAuth, Zoom's REST calls for each product, meetings on request, and every bound.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod calls;

use std::{collections::BTreeSet, time::Duration};

use calls::{BASIC, Calls, Joined, jwt, receiver};
use futures_util::future::join_all;
use rtms_sim::config::{App, Timing};
use rtms_sim_server::{
    SimulatorConfig,
    service::{Service, ServiceConfig},
};
use rtms_wire::codes::product::Product;
use serde_json::{Value, json};

#[tokio::test]
async fn a_token_is_had_by_either_grant_in_the_query_or_in_a_form_and_by_nobody_else() {
    let service = Service::start(config()).await.unwrap();
    let calls = Calls::of(&service);
    for (query, form) in [
        ("?grant_type=client_credentials", ""),
        ("", "grant_type=client_credentials"),
        ("?grant_type=account_credentials&account_id=sim-account", ""),
        ("", "grant_type=account_credentials&account_id=sim-account"),
    ] {
        let (status, answer) = calls.send("POST", &format!("/oauth/token{query}"), Some(BASIC), form).await;
        assert_eq!(status, 200, "{query} {form}: {answer}");
        assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("bearer"), &json!(3_600)));
        assert!(answer["scope"].as_str().unwrap().contains("meeting:update:participant_rtms_app_status"), "{answer}");
    }
    for (authorization, query, error) in [
        (None, "?grant_type=client_credentials", "invalid_client"),
        (Some("Basic c2ltLWNsaWVudC1pZDp3cm9uZw=="), "?grant_type=client_credentials", "invalid_client"),
        (Some(BASIC), "?grant_type=account_credentials&account_id=another", "invalid_request"),
        (Some(BASIC), "", "invalid_request"),
        (Some(BASIC), "?grant_type=password", "unsupported_grant_type"),
    ] {
        let (status, answer) = calls.send("POST", &format!("/oauth/token{query}"), authorization, "").await;
        assert_eq!((status, &answer["error"]), (400, &json!(error)), "{query}");
    }
    assert_eq!(calls.send("GET", "/oauth/token", Some(BASIC), "").await.0, 405);
}

#[tokio::test]
async fn a_stream_of_each_product_is_started_paused_resumed_and_stopped_by_zooms_rest_and_started_anew() {
    let service = Service::start(config()).await.unwrap();
    let calls = Calls::of(&service);
    join_all(Product::ALL.map(|product| story(&calls, product))).await;
}

/// Two streams of one meeting.
async fn story(calls: &Calls, product: Product) {
    let meeting = calls.make(&json!({ "product": product, "stream": false })).await;
    assert_eq!((&meeting["state"], &meeting["rtms_stream_id"]), (&json!("idle"), &Value::Null), "{product}");
    assert_eq!(calls.rest(&meeting, "pause").await.1["code"], 2310, "{product}");

    assert_eq!(calls.rest(&meeting, "start").await, (204, Value::Null), "{product}");
    assert_eq!(calls.rest(&meeting, "start").await.1["code"], 2310, "{product}");
    let started = calls.look(&meeting, "").await;
    let mut client = Joined::join(&started).await;
    assert_eq!(calls.look(&meeting, "/joined").await["state"], "joined");

    assert_eq!(calls.rest(&meeting, "pause").await.0, 204, "{product}");
    assert_eq!(client.states(2).await, [(9, 3, None), (8, 5, None)], "{product}");
    // Keep-alive goes on, and there is no media any more.
    client.only_keep_alive(3).await;
    assert_eq!(calls.look(&meeting, "").await["state"], "paused");
    assert_eq!(calls.rest(&meeting, "resume").await.0, 204, "{product}");
    assert_eq!(client.states(2).await, [(9, 4, None), (8, 6, None)], "{product}");
    client.media().await;

    assert_eq!(calls.rest(&meeting, "stop").await.0, 204, "{product}");
    let reason = if product == Product::ContactCenter { 25 } else { 2 };
    let ends = [(8, 3, Some(reason)), (9, 5, Some(reason)), (8, 4, Some(reason))];
    assert_eq!(client.states(3).await, ends, "{product}");
    client.leave().await;
    let over = calls.look(&meeting, "/finished").await;
    assert_eq!((&over["state"], &over["streams"][0]["stop_reason"]), (&json!("ended"), &json!(reason)));
    assert_eq!((&over["findings"], &over["verdict"]), (&json!([]), &json!("pass")), "{product}");

    assert_eq!(calls.rest(&meeting, "start").await.0, 204, "{product}");
    let again = calls.look(&meeting, "").await;
    let id = calls::instance_field(product);
    assert_eq!((&again[id], &again["meeting_id"]), (&started[id], &started["meeting_id"]));
    assert_ne!(again["rtms_stream_id"], started["rtms_stream_id"]);
    assert_ne!(again["start_webhook"], started["start_webhook"]);
    Joined::join(&again).await;
    assert_eq!(calls.look(&meeting, "/joined?stream=2").await["streams"][1]["joins"], 1);
    assert_eq!(calls.send("DELETE", &calls::path(&meeting), None, "").await.0, 204);
    assert_eq!(calls.send("GET", &calls::path(&meeting), None, "").await.0, 404);
}

#[tokio::test]
async fn a_call_without_the_right_token_scope_body_or_id_is_refused_as_zoom_does() {
    let service = Service::start(config()).await.unwrap();
    let calls = Calls::of(&service);
    let meeting = calls.make(&json!({})).await;
    let session = calls.make(&json!({ "product": "session" })).await;
    let token = calls.token().await;
    let bearer = format!("Bearer {token}");
    let body = json!({ "action": "stop", "settings": { "client_id": App::TEST_CLIENT_ID } }).to_string();
    let number = meeting["meeting_id"].as_str().unwrap();
    let of_number = format!("/v2/live_meetings/{number}/rtms_app/status");
    let of_session = format!("/v2/videosdk/sessions/{}/rtms_app/status", calls::in_path(&session));
    let late = format!("Bearer {}", jwt(App::TEST_CLIENT_SECRET, &json!({ "iss": App::TEST_CLIENT_ID, "exp": 1 })));
    let another = json!({ "action": "stop", "settings": { "client_id": "another" } }).to_string();
    for (method, path, authorization, body, status, code) in [
        ("PATCH", &*of_number, None, &*body, 401, 124),
        ("PATCH", &of_number, Some("Bearer another"), &body, 401, 124),
        ("PATCH", &of_number, Some(BASIC), &body, 401, 124),
        ("PATCH", &of_session, Some(&bearer), &body, 401, 124),
        ("PATCH", &of_session, Some(&late), &body, 401, 124),
        ("PATCH", &of_number, Some(&bearer), "", 400, 300),
        ("PATCH", &of_number, Some(&bearer), r#"{"action":"halt"}"#, 400, 300),
        ("PATCH", &of_number, Some(&bearer), r#"{"action":"stop"}"#, 400, 300),
        ("PATCH", &of_number, Some(&bearer), &another, 400, 300),
        ("PATCH", "/v2/live_meetings/1/rtms_app/status", Some(&bearer), &body, 404, 3001),
        ("PATCH", &of_number.replace("live_meetings", "phone/calls"), Some(&bearer), &body, 404, 3001),
        ("PUT", &of_number, Some(&bearer), &body, 405, 405),
        ("GET", "/v2/users/me", Some(&bearer), "", 404, 404),
    ] {
        let (seen, answer) = calls.send(method, path, authorization, body).await;
        assert_eq!((seen, answer["code"].as_i64()), (status, Some(code)), "{method} {path} {body}: {answer}");
        assert!(!answer["message"].as_str().unwrap().is_empty(), "{answer}");
    }
    assert_eq!(calls.look(&meeting, "").await["state"], "announced", "nothing was stopped");

    let service = Service::start(ServiceConfig { scopes: vec!["rtms:read".to_owned()], ..config() }).await.unwrap();
    let calls = Calls::of(&service);
    let meeting = calls.make(&json!({})).await;
    assert_eq!(calls.rest(&meeting, "stop").await.0, 403);
    let session = calls.make(&json!({ "product": "session" })).await;
    assert_eq!(calls.rest(&session, "stop").await.0, 204, "the Video SDK has no scopes");
}

#[tokio::test]
async fn a_meeting_is_named_by_its_number_or_by_its_uuid_encoded_twice_where_zoom_wants_that() {
    let service = Service::start(config()).await.unwrap();
    let calls = Calls::of(&service);
    let token = calls.token().await;
    let (mut with_slashes, mut without) = (0, 0);
    for _ in 0..200 {
        let meeting = calls.make(&json!({ "stream": false })).await;
        let uuid = meeting["meeting_uuid"].as_str().unwrap();
        let must_be_twice = uuid.starts_with('/') || uuid.contains("//");
        let once = calls::encoded(uuid);
        let start = async |segment: &str| {
            let path = format!("/v2/live_meetings/{segment}/rtms_app/status");
            let body = json!({ "action": "start", "settings": { "client_id": App::TEST_CLIENT_ID } }).to_string();
            calls.send("PATCH", &path, Some(&format!("Bearer {token}")), &body).await.0
        };
        if must_be_twice {
            with_slashes += 1;
            assert_eq!(start(&once).await, 404, "{uuid}");
            assert_eq!(start(&calls::encoded(&once)).await, 204, "{uuid}");
        } else if without == 0 {
            without += 1;
            assert_eq!(start(&once).await, 204, "{uuid}");
            let other = calls.make(&json!({ "stream": false })).await;
            assert_eq!(start(other["meeting_id"].as_str().unwrap()).await, 204);
        }
        if with_slashes > 0 && without > 0 {
            return;
        }
    }
    panic!("of two hundred ids one begins with / or holds //");
}

#[tokio::test]
async fn meetings_that_run_at_once_share_the_servers_and_nothing_else() {
    let service = Service::start(config()).await.unwrap();
    let calls = Calls::of(&service);
    let mut clients = Vec::new();
    for _ in 0..5 {
        let meeting = calls.make(&json!({ "duration": "1m" })).await;
        clients.push((Joined::join(&meeting).await, meeting));
    }
    let urls: BTreeSet<_> = clients.iter().map(|(_, meeting)| meeting["signaling_url"].to_string()).collect();
    assert_eq!(urls.len(), 5);
    let (mut first, meeting) = clients.remove(0);
    let (status, _) = calls.send("POST", &format!("{}/stop", calls::path(&meeting)), None, r#"{"reason":8}"#).await;
    assert_eq!(status, 200);
    assert_eq!(first.states(3).await[2], (8, 4, Some(8)));
    first.leave().await;
    for (client, meeting) in &mut clients {
        client.media().await;
        assert_eq!(calls.look(meeting, "").await["state"], "joined");
    }
    let (_, all) = calls.send("GET", "/v1/meetings", None, "").await;
    assert_eq!(all["meetings"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn webhooks_go_where_the_request_says_else_where_the_service_was_told_and_else_nowhere() {
    let (usual, mut at_usual) = receiver().await;
    let (own, mut at_own) = receiver().await;
    let mut config = config();
    config.meetings.webhook_url = Some(usual.parse().unwrap());
    let service = Service::start(config).await.unwrap();
    let calls = Calls::of(&service);

    let first = calls.make(&json!({ "duration": "50ms" })).await;
    assert_eq!(at_usual.recv().await.unwrap(), first["start_webhook"]["body"].as_str().unwrap());
    let second = calls.make(&json!({ "duration": "50ms", "webhook": own })).await;
    assert_eq!(at_own.recv().await.unwrap(), second["start_webhook"]["body"].as_str().unwrap());
    let third = calls.make(&json!({ "duration": "50ms", "webhook": null })).await;

    let over = calls.look(&first, "/finished").await;
    assert_eq!((&over["state"], &over["sent"]["webhooks"]), (&json!("finished"), &json!(2)));
    assert_eq!(over["webhooks"][1]["event"], "meeting.rtms_stopped");
    assert_eq!(calls.look(&third, "/finished").await["webhooks"], json!([]));
}

#[tokio::test]
async fn a_scenario_is_played_by_name_and_its_expectations_are_part_of_the_verdict() {
    let service = Service::start(config()).await.unwrap();
    let calls = Calls::of(&service);

    let meeting = calls.make(&json!({ "scenario": "stop-before-anybody-joined" })).await;
    let (status, _) = calls.send("GET", &format!("{}/joined", calls::path(&meeting)), None, "").await;
    assert_eq!(status, 409, "the stream ends before");
    assert!(calls.look(&meeting, "/finished").await["verdict"].is_string());
    let (status, problem) = calls.send("POST", "/v1/meetings", None, r#"{"scenario":"failover-twice","seed":3}"#).await;
    assert_eq!(status, 400, "{problem}");
    // The configuration of these tests has one server.
    let (status, problem) = calls.send("POST", "/v1/meetings", None, r#"{"scenario":"failover"}"#).await;
    assert_eq!((status, &problem["remedy"]), (409, &json!("start the service with --servers 2")));
}

#[tokio::test]
async fn rest_refuses_as_it_is_told_in_order_and_then_no_more() {
    let service = Service::start(config()).await.unwrap();
    let calls = Calls::of(&service);
    let refusals = json!([{ "status": 429, "code": 429 }, { "status": 400, "code": 3000, "message": "Not yet." }]);
    let meeting = calls.make(&json!({ "stream": false, "refuse_rest": refusals })).await;

    assert_eq!(calls.rest(&meeting, "start").await, (429, json!({ "code": 429, "message": "" })));
    assert_eq!(calls.rest(&meeting, "start").await, (400, json!({ "code": 3000, "message": "Not yet." })));
    assert_eq!(calls.rest(&meeting, "start").await.0, 204);
}

#[tokio::test]
async fn each_bound_is_kept_and_said() {
    let bounds = ServiceConfig { most_meetings: 2, most_finished: 1, most_streams: 1, ..config() };
    let service = Service::start(bounds).await.unwrap();
    let calls = Calls::of(&service);
    let first = calls.make(&json!({})).await;
    let second = calls.make(&json!({})).await;
    let (status, problem) = calls.send("POST", "/v1/meetings", None, "").await;
    assert_eq!((status, problem["status"].as_u64()), (429, Some(429)), "{problem}");
    assert!(problem["cause"].is_string() && problem["remedy"].is_string(), "{problem}");

    let path = calls::path(&first);
    assert_eq!(calls.send("POST", &format!("{path}/stop"), None, "").await.0, 200);
    calls.look(&first, "/finished").await;
    assert_eq!(calls.send("POST", &format!("{path}/start"), None, "").await.0, 409);
    assert_eq!(calls.rest(&first, "start").await.0, 429);
    for meeting in [&first, &second] {
        assert_eq!(calls.send("POST", &format!("{}/end", calls::path(meeting)), None, "").await.0, 200);
        assert_eq!(calls.look(meeting, "/finished").await["state"], "finished");
    }
    calls.make(&json!({})).await;
    assert_eq!(calls.send("GET", &path, None, "").await.0, 404, "the older of two finished ones is forgotten");

    assert_eq!(calls.send("POST", "/v1/meetings", None, &" ".repeat((256 << 10) + 1)).await.0, 413);
    for (body, part) in [
        (r#"{"duration":"25h"}"#, "24h"),
        (r#"{"participants":0}"#, "participants"),
        (r#"{"scenario_toml":"name='a'\nwhat='b'\nclient='c'\n[meeting]\nduration='25h'\n[expect]\nended=6"}"#, "24h"),
        (r#"{"durations":"1s"}"#, "unknown field"),
        (r#"{"webhook":"nowhere"}"#, "http"),
        (r#"{"refuse_rest":[{"status":200,"code":1}]}"#, "refuse_rest"),
        ("[]", "no JSON object"),
        ("{", "no meeting"),
    ] {
        let (status, problem) = calls.send("POST", "/v1/meetings", None, body).await;
        assert_eq!(status, 400, "{body}: {problem}");
        assert!(problem.to_string().contains(part), "{body}: {problem}");
    }
}

#[tokio::test]
async fn what_is_waited_for_and_does_not_come_in_time_is_said() {
    let service = Service::start(config()).await.unwrap();
    let calls = Calls::of(&service);
    let path = calls::path(&calls.make(&json!({})).await);
    for (wait, status) in [
        ("/joined?timeout=10ms", 504),
        ("/finished?timeout=10ms", 504),
        ("/finished?timeout=1h", 400),
        ("/finished?timeout=soon", 400),
        ("/finished?stream=0", 400),
        ("/started", 404),
    ] {
        assert_eq!(calls.send("GET", &format!("{path}{wait}"), None, "").await.0, status, "{wait}");
    }
    assert_eq!(calls.send("PUT", &path, None, "").await.0, 405);
    assert_eq!(calls.send("GET", "/healthz", None, "").await.0, 200);
    assert_eq!(calls.send("GET", "/", None, "").await.0, 404);
}

#[tokio::test]
async fn a_stop_ends_every_meeting_in_order_and_lets_none_start() {
    let service = Service::start(config()).await.unwrap();
    let calls = Calls::of(&service);
    let mut client = Joined::join(&calls.make(&json!({})).await).await;
    calls.make(&json!({ "stream": false })).await;

    let (states, ()) = tokio::join!(
        async {
            let states = client.states(3).await;
            client.leave().await;
            states
        },
        service.stop()
    );

    assert_eq!(states, [(8, 3, Some(6)), (9, 5, Some(6)), (8, 4, Some(6))]);
    assert_eq!(calls.send("POST", "/v1/meetings", None, "").await.0, 503);
}

/// Meetings that are long beside every test, and whose connections are asked often whether they live.
fn config() -> ServiceConfig {
    let usual = ServiceConfig::default();
    let timing = Timing { keep_alive: Duration::from_millis(300), ..Timing::default() };
    let mut meetings = SimulatorConfig { timing, ..usual.meetings.clone() };
    meetings.meeting.duration = Duration::from_secs(600);
    ServiceConfig { meetings, ..usual }
}
