//! `/v1/streams` over real HTTP: what is told of streams, and what can be told to those that run.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{path::Path, sync::Arc, time::Duration};

use common::{
    Gateway, app, config,
    http::{Answer, exchange},
    meeting, until,
};
use rtms_api::{
    standing::StreamStanding,
    stream::{StreamDetail, StreamLine, path_of},
    video::{VideoChoice, VideoLine, VideoStanding},
};
use rtms_gateway::config::media::VideoStreams;
use rtms_record::manifest::RecordingState;
use rtms_sim::{meeting::Participant, sent::What};
use rtms_sim_server::Simulator;
use rtms_store::{
    Operations, entry::NewEntry, folding::FoldInput, inbox::Inbox, lease::OwnerId, memory::MemoryStore,
    outcome::Outcome, streams::Streams,
};
use rtms_wire::{
    codes::{state::StreamState, status_code::StatusCode, stop_reason::StopReason},
    ids::{StreamId, UserId},
    media::medium::Medium,
    time::UnixMillis,
    webhook::Webhook,
};
use serde_json::{Value, json};

/// An id as Zoom's are: it holds everything that means something in a URL, and more.
const ODD_ID: &str = "aB3/x+Y=%2F?#.. é==";

#[tokio::test]
async fn a_running_stream_is_told_with_all_that_is_known_of_it() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data_dir.path()).await;
    let simulator = meeting(3, Duration::from_secs(20)).await;
    assert!(list(&gateway, "").await.is_empty());
    assert_eq!(gateway.post(simulator.start_webhook()).await, 200);

    let line = until("sound and a line are counted", async || {
        let [line] = &*list(&gateway, "").await else { return None };
        let packets = |medium| line.media.get(&medium).map_or(0, |medium| medium.packets);
        (packets(Medium::Audio) > 10 && packets(Medium::Transcript) > 0).then(|| line.clone())
    })
    .await;

    assert_eq!(line.rtms_stream_id, *simulator.stream());
    assert_eq!((line.instance.as_ref(), line.here), (Some(simulator.instance()), true));
    assert_eq!((line.state, line.zoom_state.as_deref()), (StreamStanding::Connected, Some("ACTIVE")));
    assert_eq!((line.app.as_deref(), line.interruptions, &line.ended), (Some("sim"), 0, &None));
    assert!(line.owner.is_some() && line.started_at.is_some() && line.joined_at >= line.started_at, "{line:?}");
    assert!(line.sessions.values().any(|state| state == "STARTED"), "{line:?}");
    assert!(line.media.values().all(|medium| medium.open && medium.unavailable.is_none()), "{line:?}");
    let audio = &line.media[&Medium::Audio];
    assert!(audio.last_at >= line.joined_at && audio.bytes == audio.packets * 640, "{audio:?}");

    let detail = until("the ledger is written", async || {
        let detail = shown(&gateway, simulator.stream()).await;
        let recording = detail.recording.as_ref()?;
        (!recording.ledger_ms.is_empty()).then_some(detail)
    })
    .await;
    let open: Vec<_> = detail.connections.iter().map(|it| (it.connection.as_str(), it.open)).collect();
    let names = ["signaling", "media audio", "media video", "media deskshare", "media transcript", "media chat"];
    assert_eq!(open.len(), names.len());
    assert!(names.iter().all(|name| open.contains(&(name, true))), "{open:?}");
    assert_eq!(detail.connections[0].connection, "signaling");
    for (medium, granted) in &detail.granted {
        let granted = serde_json::to_value(granted).unwrap();
        assert_eq!(granted.as_object().unwrap().keys().collect::<Vec<_>>(), [medium.as_str()], "its own alone");
    }
    assert_eq!(detail.granted.len(), 5);
    assert_eq!((detail.video, detail.last_interruption), (None, None));
    let recording = detail.recording.unwrap();
    assert_eq!((recording.state, recording.problem), (Some(RecordingState::Recording), None));
    assert_eq!(recording.folder, gateway.folder_of(simulator.stream()).display().to_string());
    let [receipt] = &*detail.receipts else { panic!("one receipt: {:?}", detail.receipts) };
    assert_eq!(receipt.event.as_deref(), Some("meeting.rtms_started"));
    assert_eq!(detail.line.rtms_stream_id, *simulator.stream());
    gateway.stop().await;
}

#[tokio::test]
async fn a_stop_asks_zoom_closes_the_recording_and_is_the_end() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data_dir.path()).await;
    let simulator = meeting(4, Duration::from_secs(60)).await;
    assert_eq!(gateway.post(simulator.start_webhook()).await, 200);
    until("sound arrives", async || (simulator.counts().audio > 10).then_some(())).await;
    let path = format!("{}/stop", path_of(simulator.stream()));

    let answer = send(&gateway, "POST", &path, None).await;
    // Twice asks Zoom once.
    let again = send(&gateway, "POST", &path, None).await;

    assert_eq!((answer.status, again.status), (202, 202));
    assert_eq!(json_of::<StreamLine>(&answer).state, StreamStanding::Stopping);
    simulator.finished().await;
    let ended = gateway.ended(simulator.stream()).await;
    assert_eq!(ended.stop_reason, Some(StopReason::ReceiverRequestClose));
    let sent = simulator.sent();
    let answers = sent.iter().filter(|sent| matches!(sent.what, What::Answer { msg_type: 22 })).count();
    assert_eq!(answers, 1, "Zoom was asked once");
    let reason = Some(StopReason::ReceiverRequestClose);
    assert!(sent.iter().any(|sent| sent.what == What::StreamState { state: StreamState::Terminated, reason }));
    assert_eq!(gateway.manifest_of(simulator.stream()).state, RecordingState::Finished);
    let findings: Vec<_> = simulator.findings().iter().map(|finding| finding.mistake.to_string()).collect();
    assert!(findings.is_empty(), "{findings:?}");

    assert!(list(&gateway, "").await.is_empty(), "what has ended is not listed");
    let [line] = &*list(&gateway, "?all=true").await else { panic!("one stream") };
    assert_eq!((line.state, line.here, &line.owner), (StreamStanding::Ended, false, &None));
    let told = line.ended.as_ref().unwrap();
    assert_eq!(told.stop_reason_name.as_deref(), Some(StopReason::ReceiverRequestClose.name()));
    let detail = shown(&gateway, simulator.stream()).await;
    assert_eq!(detail.recording.unwrap().state, Some(RecordingState::Finished));
    let after = send(&gateway, "POST", &path, None).await;
    assert_eq!((after.status, json_of::<StreamLine>(&after).state), (200, StreamStanding::Ended));
    let body = Some(json!({ "user_id": 1 }));
    let video = send(&gateway, "PUT", &format!("{}/video", path_of(simulator.stream())), body).await;
    assert!(video.status == 409 && text(&video).contains("it has ended"), "{video:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn one_camera_is_chosen_then_another_then_none() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = of_one_person_at_a_time(data_dir.path()).await;
    let simulator = meeting(6, Duration::from_secs(60)).await;
    let always_on = |who: &&Participant| who.joins_ms == 0 && who.camera_is_on(0) && who.camera_is_on(20_000);
    let people: Vec<_> = simulator.meeting().participants.iter().filter(always_on).map(|who| &who.user_id).collect();
    let [one, other, ..] = &*people else { panic!("two people whose cameras are on") };
    assert_eq!(gateway.post(simulator.start_webhook()).await, 200);
    until("sound arrives", async || (simulator.counts().audio > 0).then_some(())).await;
    assert_eq!(simulator.counts().video, 0, "nobody's camera is chosen");

    let first = choose(&gateway, &simulator, one).await;
    assert_eq!((&first.user_id, first.frames, first.status), (*one, 0, None));
    let coming = chosen(&gateway, &simulator, VideoStanding::Frames).await;
    assert_eq!((&coming.user_id, coming.status), (*one, Some(StatusCode::Ok)));
    assert_eq!((coming.status_name.as_deref(), coming.last_frame_at.is_some()), (Some("STATUS_OK"), true));
    // Once more is no question to Zoom, which would refuse it.
    assert_eq!(choose(&gateway, &simulator, one).await.since, first.since);

    choose(&gateway, &simulator, other).await;
    let coming = until("the other's pictures come", async || {
        let video = shown(&gateway, simulator.stream()).await.video?;
        (video.user_id == **other && video.frames > 3).then_some(video)
    })
    .await;
    assert_eq!(coming.standing, VideoStanding::Frames);

    let path = format!("{}/video", path_of(simulator.stream()));
    let wrong = send(&gateway, "DELETE", &path, Some(json!({ "user_id": one }))).await;
    assert!(wrong.status == 409 && text(&wrong).contains("not the one that was chosen"), "{wrong:?}");
    let off = send(&gateway, "DELETE", &path, Some(json!({ "user_id": other }))).await;
    assert_eq!(off.status, 202);
    let dropped = chosen(&gateway, &simulator, VideoStanding::Off).await;
    assert_eq!(dropped.status, Some(StatusCode::Ok));
    let none = send(&gateway, "DELETE", &path, None).await;
    assert_eq!((none.status, json_of::<Value>(&none)), (200, json!({ "video": null })));

    let owners: Vec<_> = simulator
        .sent()
        .into_iter()
        .filter_map(|sent| match sent.what {
            What::Video(payload) => Some(payload.user_id),
            _ => None,
        })
        .collect();
    let turns: Vec<_> = owners.chunk_by(|one, next| one == next).map(|turn| &turn[0]).collect();
    assert_eq!(turns, [*one, *other], "one after the other, and nobody since");
    let findings: Vec<_> = simulator.findings().iter().map(|finding| finding.mistake.to_string()).collect();
    assert!(findings.is_empty(), "{findings:?}");

    // Nobody has this number.
    choose(&gateway, &simulator, &UserId::from(4711)).await;
    let refused = chosen(&gateway, &simulator, VideoStanding::Refused).await;
    assert_eq!((refused.status, refused.frames), (Some(StatusCode::InvalidPayload), 0));
    gateway.stop().await;
}

#[tokio::test]
async fn a_stream_that_was_lost_is_said_to_be_and_can_be_left() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = of_one_person_at_a_time(data_dir.path()).await;
    let simulator = meeting(8, Duration::from_secs(60)).await;
    let stream = simulator.stream().clone();
    assert_eq!(gateway.post(simulator.start_webhook()).await, 200);
    until("sound arrives", async || (simulator.counts().audio > 0).then_some(())).await;

    // All sockets are cut, and nobody listens any more.
    drop(simulator);
    let detail = until("it is noticed", async || {
        let detail = shown(&gateway, &stream).await;
        (detail.line.state == StreamStanding::Reconnecting).then_some(detail)
    })
    .await;

    assert_eq!(detail.line.interruptions, 1, "all that was cut is one: {detail:?}");
    assert_eq!(detail.last_interruption.unwrap().connection, "signaling");
    assert!(detail.connections.iter().all(|connection| !connection.open), "{:?}", detail.connections);
    assert!(detail.line.media.values().all(|medium| !medium.open && medium.interruptions == 1), "{:?}", detail.line);
    let path = path_of(&stream);
    let choice = send(&gateway, "PUT", &format!("{path}/video"), Some(json!({ "user_id": 1 }))).await;
    assert_eq!((choice.status, &json_of::<Value>(&choice)["video"]["standing"]), (202, &json!("wished")));
    let dropped = send(&gateway, "DELETE", &format!("{path}/video"), None).await;
    assert_eq!(json_of::<Value>(&dropped)["video"]["standing"], json!("off"), "Zoom has not heard of it");
    assert_eq!(send(&gateway, "POST", &format!("{path}/stop"), None).await.status, 202);
    gateway.ended(&stream).await;
    assert_eq!(gateway.manifest_of(&stream).state, RecordingState::Finished);
    gateway.stop().await;
}

#[tokio::test]
async fn without_the_setting_no_camera_can_be_chosen_and_it_is_named() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data_dir.path()).await;
    let simulator = meeting(5, Duration::from_secs(30)).await;
    assert_eq!(gateway.post(simulator.start_webhook()).await, 200);
    until("it is joined", async || (simulator.counts().joins > 0).then_some(())).await;
    let path = format!("{}/video", path_of(simulator.stream()));

    let refused = send(&gateway, "PUT", &path, Some(json!({ "user_id": "16778240" }))).await;

    assert_eq!(refused.status, 409);
    assert!(text(&refused).contains("media.video.streams = \"individual\""), "{refused:?}");
    for (body, status) in [(json!({}), 422), (json!({ "user_id": 1, "user": 2 }), 422), (json!("x".repeat(5000)), 413)]
    {
        assert_eq!(send(&gateway, "PUT", &path, Some(body)).await.status, status);
    }
    assert_eq!(send(&gateway, "PUT", &path, None).await.status, 415);
    gateway.stop().await;
}

#[tokio::test]
async fn an_id_that_means_something_in_a_url_names_its_stream() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data_dir.path()).await;
    let stream = StreamId::new(ODD_ID);
    // Nobody can be reached there, so it is dialed again and again.
    let body = json!({
        "event": "meeting.rtms_started", "event_ts": unix_millis().0,
        "payload": { "meeting_uuid": "m/+==", "rtms_stream_id": ODD_ID, "server_urls": "ws://127.0.0.1:1" },
    });
    assert_eq!(gateway.post(body.to_string().as_bytes()).await, 200);
    let detail = until("it runs", async || {
        let answer = send(&gateway, "GET", &path_of(&stream), None).await;
        if answer.status == 404 {
            return None;
        }
        let detail = json_of::<StreamDetail>(&answer);
        detail.line.here.then_some(detail)
    })
    .await;

    assert_eq!((detail.line.rtms_stream_id, detail.line.state), (stream.clone(), StreamStanding::Connecting));
    assert_eq!(detail.receipts[0].rtms_stream_id.as_deref(), Some(ODD_ID));
    let [line] = &*list(&gateway, "").await else { panic!("one stream") };
    assert_eq!(line.rtms_stream_id, stream);
    // What a URL allows as it is may be sent as it is.
    let sparing = "/v1/streams/aB3%2Fx+Y=%252F%3F%23..%20%c3%a9==";
    assert_eq!(send(&gateway, "GET", sparing, None).await.status, 200);
    // Nobody can be asked, so it is left.
    let stopped = send(&gateway, "POST", &format!("{sparing}/stop"), None).await;
    assert_eq!(stopped.status, 202, "{stopped:?}");
    gateway.ended(&stream).await;
    let [line] = &*list(&gateway, "?all=true").await else { panic!("one stream") };
    assert_eq!((&line.rtms_stream_id, line.state), (&stream, StreamStanding::Ended));
    gateway.stop().await;
}

#[tokio::test]
async fn a_wish_for_a_stream_that_runs_elsewhere_is_put_down_and_what_is_not_known_is_said_to_be_so() {
    let data_dir = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let (elsewhere, now) = (StreamId::new("elsewhere"), unix_millis());
    let lease = {
        let body = json!({
            "event": "meeting.rtms_started", "event_ts": now.0,
            "payload": { "meeting_uuid": "m==", "rtms_stream_id": elsewhere, "server_urls": "ws://127.0.0.1:1" },
        });
        let entry = NewEntry { received_at: now, app: "sim".into(), body: body.to_string().into() };
        let input = FoldInput::from_webhook(&Webhook::decode(&entry.body).unwrap(), vec!["ws://127.0.0.1:1".into()]);
        let id = store.append(entry).await.unwrap();
        store.fold(id, input.unwrap(), now).await.unwrap();
        let claim = store.claim(&elsewhere, &OwnerId::new("another process"), Duration::from_secs(3600), now).await;
        claim.unwrap().unwrap()
    };
    let mut config = config(data_dir.path());
    config.media.video.streams = VideoStreams::Individual;
    let gateway = Gateway::start_on(config, vec![app()], store.clone()).await;

    let [line] = &*list(&gateway, "").await else { panic!("one stream") };
    assert_eq!((line.state, line.here), (StreamStanding::Elsewhere, false));
    assert_eq!(line.owner.as_deref(), Some("another process"));
    let path = path_of(&elsewhere);
    let record = async || store.get(&elsewhere).await.unwrap().unwrap();
    // Whoever has it acts on what is wished for.
    let camera = Some(json!({ "user_id": 1 }));
    let chosen = send(&gateway, "PUT", &format!("{path}/video"), camera.clone()).await;
    assert!(chosen.status == 202 && text(&chosen).contains("wished"), "{chosen:?}");
    assert!(record().await.camera_wish().is_some_and(|wish| wish.on && wish.user_id == UserId::from(1)));
    let shown = send(&gateway, "GET", &path, None).await;
    assert!(text(&shown).contains("\"standing\":\"wished\""), "{shown:?}");
    let dropped = send(&gateway, "DELETE", &format!("{path}/video"), None).await;
    assert_eq!(dropped.status, 202, "{dropped:?}");
    assert!(record().await.camera_wish().is_some_and(|wish| !wish.on));
    let stopped = send(&gateway, "POST", &format!("{path}/stop"), None).await;
    assert!(stopped.status == 202 && text(&stopped).contains("\"stopping\""), "{stopped:?}");
    assert!(record().await.wanted.is_closing());
    for (method, tail, body) in [("POST", "/stop", None), ("PUT", "/video", camera), ("DELETE", "/video", None)] {
        let unknown = send(&gateway, method, &format!("/v1/streams/n%2Fx{tail}"), body).await;
        assert!(unknown.status == 404 && text(&unknown).contains("there is no stream n/x"), "{method}: {unknown:?}");
    }
    assert_eq!(send(&gateway, "GET", "/v1/streams/n%2Fx", None).await.status, 404);
    for wrong in ["?limit=0", "?limit=10001", "?all=maybe", "?al=true", "?limit=1&limit=2"] {
        assert_eq!(send(&gateway, "GET", &format!("/v1/streams{wrong}"), None).await.status, 400, "{wrong}");
    }
    store
        .release(&lease, Outcome::Ended { at: now, stop_reason: None, why: "enough".into(), summary: None }, now)
        .await
        .unwrap();
    assert!(list(&gateway, "").await.is_empty());
    assert_eq!(list(&gateway, "?all=true&limit=1").await.len(), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn who_is_elsewhere_and_pages_in_browsers_are_refused() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data_dir.path()).await;
    let routes = [
        ("GET", "/v1/streams"),
        ("GET", "/v1/streams/x"),
        ("POST", "/v1/streams/x/stop"),
        ("PUT", "/v1/streams/x/video"),
        ("DELETE", "/v1/streams/x/video"),
    ];

    for (method, path) in routes {
        for headers in ["host: rebound.example\r\n", "host: localhost\r\nx-forwarded-for: 203.0.113.7\r\n"] {
            let request = format!("{method} {path} HTTP/1.1\r\n{headers}content-length: 0\r\n\r\n");
            let answer = exchange(gateway.api_address(), request.as_bytes()).await;
            assert_eq!(answer.status, 403, "{method} {path} {headers}");
        }
        if method != "GET" {
            let page = "host: localhost\r\norigin: http://127.0.0.1:8080\r\n";
            let request = format!("{method} {path} HTTP/1.1\r\n{page}content-length: 0\r\n\r\n");
            let answer = exchange(gateway.api_address(), request.as_bytes()).await;
            assert!(answer.status == 403 && text(&answer).contains("browser"), "{method} {path}: {answer:?}");
        }
    }
    gateway.stop().await;
}

async fn list(gateway: &Gateway, query: &str) -> Vec<StreamLine> {
    let answer = send(gateway, "GET", &format!("/v1/streams{query}"), None).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-ndjson")));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    text(&answer).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn shown(gateway: &Gateway, stream: &StreamId) -> StreamDetail {
    let answer = send(gateway, "GET", &path_of(stream), None).await;
    assert_eq!(answer.status, 200, "{}", text(&answer));
    json_of(&answer)
}

/// Chooses a camera; gives what is told at once.
async fn of_one_person_at_a_time(data_dir: &Path) -> Gateway {
    let mut config = config(data_dir);
    config.media.video.streams = VideoStreams::Individual;
    Gateway::start_with(config).await
}

async fn choose(gateway: &Gateway, simulator: &Simulator, user_id: &UserId) -> VideoLine {
    let path = format!("{}/video", path_of(simulator.stream()));
    let choice = serde_json::to_value(VideoChoice { user_id: user_id.clone() }).unwrap();
    let answer = send(gateway, "PUT", &path, Some(choice)).await;
    assert_eq!(answer.status, 202, "{}", text(&answer));
    serde_json::from_value(json_of::<Value>(&answer)["video"].clone()).unwrap()
}

/// Waits until the choice stands so.
async fn chosen(gateway: &Gateway, simulator: &Simulator, standing: VideoStanding) -> VideoLine {
    until(standing.as_str(), async || {
        shown(gateway, simulator.stream()).await.video.filter(|video| video.standing == standing)
    })
    .await
}

/// A request by a name of this machine.
async fn send(gateway: &Gateway, method: &str, path: &str, body: Option<Value>) -> Answer {
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", gateway.api_address());
    let request = match body.map(|body| body.to_string()) {
        Some(body) => format!("{head}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
        None => format!("{head}\r\n"),
    };
    exchange(gateway.api_address(), request.as_bytes()).await
}

fn json_of<T: serde::de::DeserializeOwned>(answer: &Answer) -> T {
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", text(answer)))
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

fn unix_millis() -> UnixMillis {
    UnixMillis(common::http::unix_seconds() * 1000)
}
