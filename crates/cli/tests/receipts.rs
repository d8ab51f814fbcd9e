//! `rtms receipts`, as people and scripts use it: from a running server, beside it, and after it is stopped.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use common::{Finished, Serving, exchange, finish, rtms, until};
use rtms_sim::{config::App, meeting::MeetingOptions};
use rtms_sim_server::{Simulator, SimulatorConfig};
use rtms_wire::signature::webhook_signature;
use serde_json::{Value, json};

#[tokio::test]
async fn a_meeting_is_told_step_by_step_while_the_server_runs_and_after_it_is_stopped() {
    let data_dir = tempfile::tempdir().unwrap();
    let server = Serving::start(data_dir.path(), &["--dev"]).await;
    let meeting =
        MeetingOptions { seed: 5, participants: 2, duration: Duration::from_secs(2), ..MeetingOptions::default() };
    let webhook_url = Some(format!("http://{}/webhook", server.address).parse().unwrap());
    let config = SimulatorConfig { meeting, webhook_url, ..SimulatorConfig::default() };
    let simulator = Simulator::start(config).await.unwrap();
    simulator.finished().await;
    let stream = simulator.stream().as_str();

    let asked = ["--server", &url(&server), "--stream", stream, "--since", "1h", "--json"].map(str::to_owned);
    let asked: Vec<_> = asked.iter().map(String::as_str).collect();
    let told = until("start and stop are settled and all steps are noted", async || {
        let lines = json_lines(&receipts(&asked).await);
        (lines.len() == 2 && lines[1]["first_media_us"].is_number()).then_some(lines)
    })
    .await;

    let [stop, start] = &*told else { panic!("two receipts: {told:#?}") };
    assert_eq!((&start["event"], &start["class"]), (&json!("meeting.rtms_started"), &json!("first")));
    assert_eq!((&stop["event"], &stop["class"]), (&json!("meeting.rtms_stopped"), &json!("stopped")));
    assert!(stop.get("connected_us").is_none(), "a step that was not done is absent: {stop}");
    for receipt in [start, stop] {
        assert_eq!((&receipt["rtms_stream_id"], &receipt["app"]), (&json!(stream), &json!("default")));
        assert!(!receipt["reason"].as_str().unwrap().is_empty());
        assert!(unix_millis().abs_diff(receipt["received_at"].as_u64().unwrap()) < 60_000);
    }
    assert!(start["entry"].as_u64() < stop["entry"].as_u64());
    let step = |name: &str| start[name].as_i64().unwrap_or_else(|| panic!("{name} is noted: {start}"));
    assert!(0 <= step("verified_us") && step("verified_us") <= step("stored_us"), "{start}");
    assert!(step("stored_us") <= step("answered_us"), "{start}");
    assert!(0 <= step("claimed_us") && step("claimed_us") <= step("connected_us"), "{start}");
    assert!(step("connected_us") <= step("first_media_us"), "{start}");

    let folder = data_dir.path().to_str().unwrap();
    // What was told was committed before, so that the folder has it too.
    assert_still_told(&told, &json_lines(&receipts(&["--data-dir", folder, "--json"]).await));
    assert_eq!(server.end_by("TERM").await, Some(0));
    assert_still_told(&told, &json_lines(&receipts(&["--data-dir", folder, "--json"]).await));
    assert_still_told(&told[..1], &json_lines(&receipts(&["--data-dir", folder, "--json", "--limit", "1"]).await));
    let elsewhere = receipts(&["--data-dir", folder, "--stream", "another"]).await;
    assert_eq!(
        (elsewhere.stdout.as_str(), elsewhere.stderr.as_str()),
        ("", &*format!("reading {folder}: no server runs there\nno receipts\n"))
    );
    let later = receipts(&["--data-dir", folder, "--since", "2999-01-01T00:00:00Z", "--json"]).await;
    assert_eq!((later.stdout.as_str(), later.stderr.as_str()), ("", ""));
}

#[tokio::test]
async fn what_comes_from_outside_is_escaped_for_people_and_whole_for_programs() {
    let data_dir = tempfile::tempdir().unwrap();
    let server = Serving::start(data_dir.path(), &[]).await;
    let odd = "/../+&=%\u{1b}[31m\r\n\u{202e}\u{1f600}\0";
    let body =
        json!({"event": "meeting.rtms_\u{7}danced", "event_ts": 1, "payload": {"rtms_stream_id": odd}}).to_string();
    // White space that a parser would not keep.
    let body = format!(" {body}\r\n");
    assert_eq!(send(server.address, body.as_bytes()).await, 200);
    let (server_url, folder) = (url(&server), data_dir.path().to_str().unwrap());
    settled(&server_url, 1).await;

    for place in [["--server", &server_url], ["--data-dir", folder]] {
        // `\0` cannot be an argument, so the whole list is asked for.
        let lines = json_lines(&receipts(&[&place[..], &["--json"]].concat()).await);
        assert_eq!((&lines[0]["rtms_stream_id"], &lines[0]["class"]), (&json!(odd), &json!("unknown")));
        assert_eq!(
            (&lines[0]["event"], &lines[0]["body_bytes"]),
            (&json!("meeting.rtms_\u{7}danced"), &json!(body.len()))
        );

        let table = receipts(&place).await.stdout;
        let [head, row] = table.lines().collect::<Vec<_>>()[..] else { panic!("a head and a row: {table}") };
        assert!(head.starts_with("RECEIVED (UTC)") && head.ends_with("REASON"), "{head}");
        assert!(!row.contains(|character: char| character.is_control() || character == '\u{202e}'), "{row:?}");
        assert!(row.contains(r"/../+&=%\u{1b}[31m\r\n\u{202e}") && row.contains(r"meeting.rtms_\u{7}danced"), "{row}");

        let entry = lines[0]["entry"].to_string();
        assert_eq!(receipts(&[&place[..], &["--body", &entry]].concat()).await.stdout, body);
        let gone = finish(rtms(&[&["receipts"], &place[..], &["--body", "4711"]].concat())).await;
        assert_eq!((gone.code, gone.stdout.as_str()), (Some(1), ""));
        assert!(gone.stderr.contains("no entry 4711"), "{gone:?}");
    }
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn the_newest_are_shown_first_and_no_more_than_asked_for() {
    let data_dir = tempfile::tempdir().unwrap();
    let server = Serving::start(data_dir.path(), &[]).await;
    for number in 0..105 {
        let body = json!({"event": "meeting.rtms_danced", "payload": {"rtms_stream_id": format!("{}", number % 2)}});
        assert_eq!(send(server.address, body.to_string().as_bytes()).await, 200);
    }
    settled(&url(&server), 105).await;

    let all = lines_of(&get(server.api, "/v1/receipts?limit=10000").await.1);
    let entries: Vec<_> = all.iter().map(|line| line["entry"].as_u64().unwrap()).collect();
    assert!(entries.len() == 105 && entries.is_sorted_by(|newer, older| newer > older), "{entries:?}");
    assert_eq!(lines_of(&get(server.api, "/v1/receipts").await.1), all[..100]);
    assert_eq!(lines_of(&get(server.api, "/v1/receipts?limit=3&since=1h").await.1), all[..3]);
    // A stream id that looks like a number is text all the same.
    let (_, of_stream) = get(server.api, "/v1/receipts?stream=1&limit=10000").await;
    assert_eq!(lines_of(&of_stream).len(), 52);
    assert_eq!(get(server.api, "/v1/receipts?since=2999-01-01T00:00:00Z").await, (200, String::new()));
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn the_server_answers_local_questions_that_make_sense_and_no_others() {
    let data_dir = tempfile::tempdir().unwrap();
    let server = Serving::start(data_dir.path(), &[]).await;
    assert_eq!(send(server.address, br#"{"event":"meeting.rtms_danced"}"#).await, 200);

    for path in ["/v1/receipts", "/v1/receipts/1/body", "/v1/receipts/none/body", "/v1/receipts?limit=0"] {
        for headers in ["host: rebound.example\r\n", "host: localhost\r\nx-forwarded-for: 203.0.113.7\r\n", ""] {
            let request = format!("GET {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
            let (status, answer) = exchange(server.api, request.into_bytes()).await;
            // HTTP itself asks for a host.
            assert!(status == 403 || headers.is_empty() && status == 400, "{path} {headers}: {status} {answer}");
            assert!(!answer.contains("danced"), "{answer}");
        }
    }
    let wrong = ["limit=0", "limit=10001", "limit=-1", "limit=many", "since=soon", "steam=s", "limit=1&limit=2"];
    for query in wrong {
        let (status, why) = get(server.api, &format!("/v1/receipts?{query}")).await;
        assert!(status == 400 && !why.is_empty(), "{query}: {status} {why}");
    }
    assert_eq!(get(server.api, "/v1/receipts/1/body").await, (200, r#"{"event":"meeting.rtms_danced"}"#.into()));
    assert_eq!(get(server.api, "/v1/receipts/2/body").await.0, 404);
    assert_eq!(get(server.api, "/v1/receipts/none/body").await.0, 400);
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn where_there_is_nothing_to_read_it_says_so_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();

    let no_store = finish(rtms(&["receipts", "--data-dir", path])).await;
    // Nobody can listen on port 0.
    let no_server = finish(rtms(&["receipts", "--server", "http://127.0.0.1:0"])).await;
    // Nor can a file be a folder, which is no question of its name.
    let file = tempfile::NamedTempFile::new().unwrap();
    let no_folder = finish(rtms(&["receipts", "--data-dir", file.path().to_str().unwrap()])).await;

    for (failed, words) in [(&no_store, ["no store", "--data-dir"]), (&no_server, ["cannot ask", "127.0.0.1:0"])] {
        assert_eq!((failed.code, failed.stdout.as_str()), (Some(1), ""), "{failed:?}");
        assert!(words.iter().all(|word| failed.stderr.contains(word)), "{failed:?}");
    }
    assert!(no_server.stderr.contains("is it running?") && no_server.stderr.contains("--server"), "{no_server:?}");
    assert!(no_folder.code == Some(1) && no_folder.stderr.contains("cannot read the store in "), "{no_folder:?}");
    assert!(!no_folder.stderr.contains("--data-dir"), "{no_folder:?}");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "and leaves nothing behind");
}

#[tokio::test]
async fn arguments_that_make_no_sense_are_refused() {
    let wrong: [(&[&str], &str); 8] = [
        (&["--server", "https://gateway.test"], "not an http URL"),
        (&["--server", "gateway.test"], "not an http URL"),
        (&["--limit", "0"], "0"),
        (&["--limit", "10001"], "10000"),
        (&["--since", "soon"], "1h"),
        (&["--data-dir", "data", "--server", "http://127.0.0.1:1"], "--server"),
        (&["--body", "1", "--json"], "--body"),
        (&["--body", "x"], "x"),
    ];
    for (arguments, word) in wrong {
        let failed = finish(rtms(&[&["receipts"], arguments].concat())).await;
        assert_eq!((failed.code, failed.stdout.as_str()), (Some(2), ""), "{arguments:?}: {failed:?}");
        assert!(failed.stderr.contains(word), "{arguments:?}: {}", failed.stderr);
    }
}

#[tokio::test]
async fn without_being_told_it_reads_the_folder_that_the_server_would_use() {
    let data_dir = tempfile::tempdir().unwrap();
    let server = Serving::start(data_dir.path(), &[]).await;
    assert_eq!(send(server.address, br#"{"event":"meeting.rtms_danced"}"#).await, 200);
    assert_eq!(server.end_by("TERM").await, Some(0));

    let told = |folder: &Path| {
        let mut command = rtms(&["receipts", "--json"]);
        command.env("RTMS__SERVER__DATA_DIR", folder);
        finish(command)
    };

    assert_eq!(json_lines(&told(data_dir.path()).await).len(), 1);
    assert_eq!(told(Path::new("/nowhere")).await.code, Some(1));
}

/// Runs `rtms receipts` to its good end.
async fn receipts(arguments: &[&str]) -> Finished {
    let finished = finish(rtms(&[&["receipts"], arguments].concat())).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    finished
}

fn json_lines(finished: &Finished) -> Vec<Value> {
    lines_of(&finished.stdout)
}

fn lines_of(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What was told once stays; a step may join it.
#[track_caller]
fn assert_still_told(told: &[Value], later: &[Value]) {
    assert_eq!(told.len(), later.len());
    for (told, later) in told.iter().zip(later) {
        for (name, value) in told.as_object().unwrap() {
            assert_eq!(value, &later[name], "{name}");
        }
    }
}

/// Waits until so many webhooks are settled.
async fn settled(server: &str, count: usize) {
    until("all are settled", async || {
        let lines = json_lines(&receipts(&["--server", server, "--limit", "10000", "--json"]).await);
        (lines.len() == count && lines.iter().all(|line| line["class"].is_string())).then_some(())
    })
    .await;
}

fn url(server: &Serving) -> String {
    format!("http://{}", server.api)
}

/// `GET` by a name of this machine.
async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    exchange(address, format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").into_bytes()).await
}

/// Posts a body, signed now; gives the status.
async fn send(address: SocketAddr, body: &[u8]) -> u16 {
    let seconds = (unix_millis() / 1000).to_string();
    let signature = webhook_signature(&App::default().secret_token, &seconds, body);
    let head = format!(
        "POST /webhook HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\n\
         x-zm-request-timestamp: {seconds}\r\nx-zm-signature: {signature}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    exchange(address, [head.as_bytes(), body].concat()).await.0
}

fn unix_millis() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}
