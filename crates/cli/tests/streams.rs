//! `rtms streams`, as people and scripts use it: against a server that runs, and against the folder of one that is stopped.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    ops::Range,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use common::{Finished, Serving, exchange, finish, rtms, until, with_secrets};
use rtms_sim::{
    config::App,
    fault::{Incident, Trouble},
    meeting::{MeetingOptions, Participant},
    sent::What,
};
use rtms_sim_server::{Simulator, SimulatorConfig};
use rtms_wire::{codes::stop_reason::StopReason, signature::webhook_signature};
use serde_json::{Value, json};

/// When a meeting is paused: late enough to choose a camera before, long enough to ask meanwhile.
const PAUSED: Range<Duration> = Duration::from_secs(5)..Duration::from_secs(11);

/// An id as Zoom's are: it holds everything that means something in a URL or a shell.
const ODD_ID: &str = "-aB3/x+Y=%2F?#'$..==";

#[tokio::test]
async fn a_stream_is_listed_shown_and_ended_and_remembered() {
    let data_dir = tempfile::tempdir().unwrap();
    let server = Serving::start(data_dir.path(), &["--dev"]).await;
    let (url, folder) = (url(&server), data_dir.path().to_str().unwrap());
    let nothing = streams(&["--server", &url]).await;
    assert_eq!((nothing.stdout, nothing.stderr), (String::new(), format!("asking {url}/\nno streams\n")));
    let simulator = meeting(&server, 5).await;
    let stream = simulator.stream().as_str();
    until("sound arrives", async || (simulator.counts().audio > 10).then_some(())).await;

    let line = until("sound is counted", async || {
        let [line] = &*lines(&streams(&["--server", &url, "--json"]).await) else { return None };
        (line["media"]["audio"]["packets"].as_u64()? > 10).then(|| line.clone())
    })
    .await;
    assert_eq!((&line["rtms_stream_id"], &line["state"]), (&json!(stream), &json!("connected")));
    let table = streams(&["--server", &url]).await.stdout;
    let [head, row] = table.lines().collect::<Vec<_>>()[..] else { panic!("a head and a row: {table}") };
    assert!(head.starts_with("STREAM") && head.ends_with("INTERRUPTIONS"), "{head}");
    for word in [stream, &simulator.instance().value, "meeting", "connected", "this process", "audio+video"] {
        assert!(row.contains(word), "{word}: {row}");
    }
    let detail = until("the ledger is written", async || {
        let shown = streams(&["show", "--server", &url, "--json", stream]).await;
        let detail: Value = serde_json::from_str(&shown.stdout).unwrap();
        (detail["recording"]["ledger_ms"]["audio"]["received"].as_u64()? > 0).then_some(detail)
    })
    .await;
    assert_eq!(detail["granted"]["audio"]["audio"]["sample_rate"], json!(1));
    let shown = streams(&["show", "--server", &url, stream]).await.stdout;
    for word in ["Zoom says ACTIVE", "CONNECTION", "media transcript", "GRANTED", "SECONDS", "meeting.rtms_started"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }

    let stopped = streams(&["stop", "--server", &url, stream]).await;

    assert!(stopped.stdout.starts_with("ended: "), "{stopped:?}");
    assert!(stopped.stderr.contains("asked Zoom to end it"), "{stopped:?}");
    simulator.finished().await;
    assert!(simulator.sent().iter().any(|sent| matches!(sent.what, What::Answer { msg_type: 22 })));
    assert_eq!(simulator.findings().iter().count(), 0);
    let reason = json!(StopReason::ReceiverRequestClose);
    let again: Value =
        serde_json::from_str(&streams(&["stop", "--server", &url, "--json", stream]).await.stdout).unwrap();
    assert_eq!((&again["state"], &again["ended"]["stop_reason"]), (&json!("ended"), &reason));
    let checked = finish(rtms(&["recording", "check", detail["recording"]["folder"].as_str().unwrap()])).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");

    for stopping in [false, true] {
        for place in [["--server", &url], ["--data-dir", folder]].into_iter().skip(usize::from(stopping)) {
            assert_eq!(streams(&place).await.stdout, "", "what has ended is not listed");
            let [line] = &*lines(&streams(&[&place[..], &["--all", "--json"]].concat()).await) else { panic!("one") };
            assert_eq!((&line["rtms_stream_id"], &line["state"]), (&json!(stream), &json!("ended")));
            let shown = streams(&[&["show"], &place[..], &[stream]].concat()).await.stdout;
            assert!(shown.contains("finished") && shown.contains("meeting.rtms_started"), "{shown}");
            let gone = finish(rtms(&[&["streams", "show"], &place[..], &["n/x"]].concat())).await;
            assert!(gone.code == Some(1) && gone.stderr.contains("there is no stream n/x"), "{gone:?}");
        }
        if !stopping {
            for action in [&["stop"][..], &["video", "--participant", "1"]] {
                let gone = finish(rtms(&[&["streams"], action, &["--server", &url, "n/x"]].concat())).await;
                assert!(gone.code == Some(1) && gone.stderr.contains("there is no stream n/x"), "{gone:?}");
            }
        }
    }
    assert_eq!(server.end_by("TERM").await, Some(0));
    assert!(streams(&["--data-dir", folder, "--all"]).await.stdout.contains(stream), "of a server that is stopped");
}

#[tokio::test]
async fn one_persons_camera_is_chosen_replaced_and_dropped() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut command =
        with_secrets(&["serve", "--dev", "--listen", "127.0.0.1:0", "--data-dir", data_dir.path().to_str().unwrap()]);
    command.env("RTMS__MEDIA__VIDEO__STREAMS", "individual");
    let server = Serving::listening(command).await;
    let url = url(&server);
    let simulator = meeting(&server, 6).await;
    let stream = simulator.stream().as_str();
    let always_on = |who: &&Participant| who.joins_ms == 0 && who.camera_is_on(0) && who.camera_is_on(20_000);
    let people: Vec<_> = simulator.meeting().participants.iter().filter(always_on).collect();
    let [one, other, ..] = &*people else { panic!("two people whose cameras are on") };
    let video = async |who: &str, more: &[&str]| {
        let arguments = ["streams", "video", "--server", &url, stream, "--participant", who];
        finish(rtms(&[&arguments, more].concat())).await
    };
    until("it is joined", async || (simulator.counts().audio > 0).then_some(())).await;

    for who in [one.user_id.as_str(), other.user_id.as_str()] {
        let seen = video(who, &[]).await;
        assert!(seen.code == Some(0) && seen.stdout.contains("pictures come"), "{seen:?}");
    }
    let shown = streams(&["show", "--server", &url, stream]).await.stdout;
    assert!(shown.contains(&format!("camera of {}: pictures come", other.user_id)), "{shown}");
    let wrong = video(one.user_id.as_str(), &["--off"]).await;
    assert!(wrong.code == Some(1) && wrong.stderr.contains("not the one that was chosen"), "{wrong:?}");
    let off = video(other.user_id.as_str(), &["--off", "--json"]).await;
    let off: Value = serde_json::from_str(&off.stdout).unwrap();
    assert_eq!((&off["video"]["standing"], &off["video"]["status"]), (&json!("off"), &json!(0)));
    let none = video(other.user_id.as_str(), &["--off"]).await;
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), "no camera is chosen\n"));
    assert_eq!(simulator.findings().iter().count(), 0);

    let refused = video("4711", &[]).await;
    assert!(refused.code == Some(1) && refused.stdout.contains("Zoom refused it: STATUS_"), "{refused:?}");
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn a_pause_is_shown_while_it_lasts_and_is_no_loss_of_the_chosen_camera() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut command =
        with_secrets(&["serve", "--dev", "--listen", "127.0.0.1:0", "--data-dir", data_dir.path().to_str().unwrap()]);
    command.env("RTMS__MEDIA__VIDEO__STREAMS", "individual");
    let server = Serving::listening(command).await;
    let url = url(&server);
    let incidents = [(PAUSED.start, Trouble::Pause), (PAUSED.end, Trouble::Resume)];
    let simulator = Simulator::start(SimulatorConfig {
        incidents: incidents.map(|(at, what)| Incident { at, what }).to_vec(),
        ..announced(&server, 6, PAUSED.end + Duration::from_secs(4))
    })
    .await
    .unwrap();
    let stream = simulator.stream().as_str();
    let who = &simulator.meeting().participants[0].user_id;
    until("it is joined", async || (simulator.counts().audio > 0).then_some(())).await;
    let shown = async |key: &str, value: &str| {
        until(value, async || {
            let shown = streams(&["show", "--server", &url, "--json", stream]).await;
            let detail: Value = serde_json::from_str(&shown.stdout).unwrap();
            (detail[key] == value).then_some(detail)
        })
        .await
    };

    let chosen = finish(rtms(&["streams", "video", "--server", &url, stream, "--participant", who.as_str()])).await;
    assert!(chosen.code == Some(0) && chosen.stdout.contains("pictures come"), "{chosen:?}");
    let paused = shown("zoom_state", "PAUSED").await;
    let connections = paused["connections"].as_array().unwrap();
    assert!(connections.len() == 6 && connections.iter().all(|one| one["open"] == true), "{connections:?}");
    assert_eq!(paused["video"]["standing"], "frames");
    let resumed = shown("zoom_state", "RESUMED").await;
    assert_eq!((&resumed["interruptions"], &resumed["state"]), (&json!(0), &json!("connected")));
    simulator.finished().await;
    shown("state", "ended").await;

    let folder = paused["recording"]["folder"].as_str().unwrap();
    let checked = finish(rtms(&["recording", "check", folder])).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let told = finish(rtms(&["recording", "show", "--json", folder])).await;
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    for medium in ["audio", "video"] {
        let spans = told["ledger"]["media"][medium]["spans"].as_array().unwrap();
        let ms = |word: &str| -> u64 {
            let spans = spans.iter().filter(|span| span["is"] == word);
            spans.map(|span| span["to"].as_u64().unwrap() - span["from"].as_u64().unwrap()).sum()
        };
        assert_eq!(ms("interrupted"), 0, "{medium}: {spans:?}");
        let lasted = (PAUSED.end - PAUSED.start).as_millis() as u64;
        assert!((lasted - 1_000..=lasted + 1_000).contains(&ms("paused")), "{medium}: {spans:?}");
    }
    let sent = simulator.sent().into_iter().filter_map(|sent| match sent.what {
        What::Video(payload) => Some(payload),
        _ => None,
    });
    let sent: Vec<_> = sent.collect();
    assert!(!sent.is_empty() && sent.iter().all(|payload| payload.user_id == *who), "only who was chosen is sent");
    let recorded = std::fs::read(Path::new(folder).join(format!("video/{who}.h264"))).unwrap();
    assert!(recorded == sent.iter().flat_map(|payload| payload.bytes.to_vec()).collect::<Vec<_>>(), "other pictures");
    assert_eq!(simulator.findings().iter().count(), 0);
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn without_the_setting_it_is_named() {
    let data_dir = tempfile::tempdir().unwrap();
    let server = Serving::start(data_dir.path(), &["--dev"]).await;
    let url = url(&server);
    let simulator = meeting(&server, 7).await;
    let stream = simulator.stream().as_str();
    until("it is joined", async || (simulator.counts().joins > 0).then_some(())).await;

    let refused = finish(rtms(&["streams", "video", "--server", &url, stream, "--participant", "16778240"])).await;

    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("media.video.streams = \"individual\""), "{refused:?}");
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn an_id_that_means_something_in_a_url_names_its_stream() {
    let data_dir = tempfile::tempdir().unwrap();
    let server = Serving::start(data_dir.path(), &["--dev"]).await;
    let (url, folder) = (url(&server), data_dir.path().to_str().unwrap());
    // Nobody can be reached there, so it is dialed again and again.
    let payload = json!({ "meeting_uuid": "m/+==", "rtms_stream_id": ODD_ID, "server_urls": "ws://127.0.0.1:1" });
    let body = json!({ "event": "meeting.rtms_started", "event_ts": unix_millis(), "payload": payload });
    send(&server, body.to_string().as_bytes()).await;
    let line = until("it runs", async || {
        let [line] = &*lines(&streams(&["--server", &url, "--json"]).await) else { return None };
        line["here"].as_bool()?.then(|| line.clone())
    })
    .await;

    assert_eq!((&line["rtms_stream_id"], &line["state"]), (&json!(ODD_ID), &json!("connecting")));
    for place in [["--server", &url], ["--data-dir", folder]] {
        let shown = streams(&[&["show", "--json"], &place[..], &["--", ODD_ID]].concat()).await;
        assert_eq!(serde_json::from_str::<Value>(&shown.stdout).unwrap()["rtms_stream_id"], json!(ODD_ID));
    }
    let stopped = streams(&["stop", "--server", &url, ODD_ID]).await;
    assert!(stopped.stdout.starts_with("ended: "), "{stopped:?}");
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn where_nobody_listens_it_asks_whether_the_server_runs() {
    // Nobody can listen on port 0.
    for action in [&[][..], &["stop", "x"], &["show", "x"]] {
        let nobody = finish(rtms(&[&["streams"], action, &["--server", "http://127.0.0.1:0"]].concat())).await;
        let words = ["cannot ask http://127.0.0.1:0", "is it running?", "--server", "--data-dir"];
        assert!(nobody.code == Some(1) && words.iter().all(|word| nobody.stderr.contains(word)), "{nobody:?}");
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_is_told_from_one_without_a_store() {
    let folder = tempfile::tempdir().unwrap();
    // Even for those who may read everything, a file is no folder.
    let file = tempfile::NamedTempFile::new().unwrap();
    let ask = async |place: &Path| finish(rtms(&["streams", "--data-dir", place.to_str().unwrap()])).await;

    let (empty, unreadable) = (ask(folder.path()).await, ask(file.path()).await);

    assert!(empty.code == Some(1) && empty.stderr.contains("name the data folder with --data-dir"), "{empty:?}");
    assert!(unreadable.code == Some(1) && unreadable.stderr.contains("cannot read the store in "), "{unreadable:?}");
    assert!(!unreadable.stderr.contains("--data-dir"), "{unreadable:?}");
}

#[tokio::test]
async fn a_wait_is_a_duration_or_a_number_of_seconds() {
    let data_dir = tempfile::tempdir().unwrap();
    let server = Serving::start(data_dir.path(), &["--dev"]).await;
    let url = url(&server);

    for wait in ["0", "5", "5s", "1m", "1h"] {
        for action in [&["stop", "--wait", wait][..], &["video", "--participant", "1", "--wait", wait]] {
            let gone = finish(rtms(&[&["streams"], action, &["--server", &url, "x"]].concat())).await;
            assert!(gone.code == Some(1) && gone.stderr.contains("there is no stream x"), "{wait}: {gone:?}");
        }
    }
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn arguments_that_make_no_sense_are_refused_and_help_has_examples() {
    let wrong: [(&[&str], &str); 12] = [
        (&["--server", "https://127.0.0.1:1"], "not an http URL"),
        (&["stop", "x", "--wait", "soon"], "--wait"),
        (&["stop", "x", "--wait", "61m"], "an hour at most"),
        (&["video", "x", "--participant", "abc"], "a person is a number"),
        (&["video", "x", "--participant", ""], "a person is a number"),
        (&["--limit", "0"], "0"),
        (&["--data-dir", "data", "--server", "http://127.0.0.1:1"], "--server"),
        (&["show"], "ID"),
        (&["show", ""], "a stream has an id"),
        (&["stop", "x", "--config", "rtms.toml", "--server", "http://127.0.0.1:1"], "--server"),
        (&["video", "x"], "--participant"),
        (&["--json", "show", "x"], "show"),
    ];
    for (arguments, word) in wrong {
        let failed = finish(rtms(&[&["streams"], arguments].concat())).await;
        assert_eq!((failed.code, failed.stdout.as_str()), (Some(2), ""), "{arguments:?}: {failed:?}");
        assert!(failed.stderr.contains(word), "{arguments:?}: {}", failed.stderr);
    }
    let own = ["rtms streams stop", "rtms recording check"];
    let helps: [(&[&str], &[&str]); 5] = [
        (&["--help"], &own),
        (&["streams", "--help"], &["Examples:", "rtms streams --all --json", "Exit codes:"]),
        (&["streams", "show", "--help"], &["Examples:", "Exit codes:"]),
        (&["streams", "stop", "--help"], &["Examples:", "Exit codes:"]),
        (&["streams", "video", "--help"], &["Examples:", "streams = \"individual\"", "Exit codes:"]),
    ];
    for (arguments, words) in helps {
        let help = finish(rtms(arguments)).await;
        assert_eq!(help.code, Some(0));
        assert!(words.iter().all(|word| help.stdout.contains(word)), "{arguments:?}: {}", help.stdout);
    }
}

/// A meeting of a minute that is announced to the server.
async fn meeting(server: &Serving, seed: u64) -> Simulator {
    Simulator::start(announced(server, seed, Duration::from_secs(60))).await.unwrap()
}

/// The settings of a meeting that is announced to the server.
fn announced(server: &Serving, seed: u64, duration: Duration) -> SimulatorConfig {
    let meeting = MeetingOptions { seed, participants: 3, duration, ..MeetingOptions::default() };
    let webhook_url = Some(format!("http://{}/webhook", server.address).parse().unwrap());
    SimulatorConfig { meeting, webhook_url, ..SimulatorConfig::default() }
}

/// Runs `rtms streams` to its good end.
async fn streams(arguments: &[&str]) -> Finished {
    let finished = finish(rtms(&[&["streams"], arguments].concat())).await;
    assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
    finished
}

fn lines(finished: &Finished) -> Vec<Value> {
    finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn url(server: &Serving) -> String {
    format!("http://{}", server.api)
}

/// Posts a body, signed now.
async fn send(server: &Serving, body: &[u8]) {
    let seconds = (unix_millis() / 1000).to_string();
    let signature = webhook_signature(&App::default().secret_token, &seconds, body);
    let head = format!(
        "POST /webhook HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\n\
         x-zm-request-timestamp: {seconds}\r\nx-zm-signature: {signature}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    assert_eq!(exchange(server.address, [head.as_bytes(), body].concat()).await.0, 200);
}

fn unix_millis() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}
