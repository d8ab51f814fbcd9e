//! Where the commands look: they find the server of a data folder by its socket, or the store that it left.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::{Command, Output, Stdio},
};

use common::{Finished, PATIENCE, Serving, finish, get, rtms, with_secrets};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::timeout,
};

/// A user that owns nothing.
const NOBODY: u32 = 65_534;

#[tokio::test]
async fn the_server_is_found_by_its_folder_or_its_settings_and_the_folder_is_read_when_it_has_stopped() {
    let home = tempfile::tempdir().unwrap();
    let (folder, settings) = (home.path().join("of its own"), home.path().join("rtms.toml"));
    let listen = "listen = \"127.0.0.1:0\"\n";
    let data_dir = folder.to_str().unwrap();
    fs::write(&settings, format!("[server]\n{listen}data_dir = \"{data_dir}\"\n[api]\nlisten = \"off\"\n")).unwrap();
    let settings = settings.to_str().unwrap();
    let server = with_socket_only(&["serve", "--config", settings]).await;
    let places: [&[&str]; 2] = [&["--data-dir", data_dir], &["--config", settings]];

    for place in places {
        for command in [&["streams"][..], &["receipts"]] {
            let shown = succeed(&[command, place].concat()).await;
            assert!(shown.stderr.starts_with(&format!("asking the server on {data_dir}\n")), "{shown:?}");
            let json = succeed(&[command, place, &["--json"]].concat()).await;
            assert_eq!((json.stdout.as_str(), json.stderr.as_str()), ("", ""), "nothing beside JSON");
        }
        let stop = finish(rtms(&[&["streams", "stop", "x"], place].concat())).await;
        assert!(stop.code == Some(1) && stop.stderr.contains("there is no stream x"), "{stop:?}");
    }
    let mut by_environment = rtms(&["streams"]);
    by_environment.env("RTMS__SERVER__DATA_DIR", data_dir);
    assert!(finish(by_environment).await.stderr.contains("asking the server on "));

    assert_eq!(server.end_by("TERM").await, Some(0));
    assert!(!folder.join("api.sock").exists(), "the socket goes with the server");
    for place in places {
        for command in [&["streams"][..], &["receipts"]] {
            let shown = succeed(&[command, place].concat()).await;
            assert!(shown.stderr.starts_with(&format!("reading {data_dir}: no server runs there\n")), "{shown:?}");
        }
        let stop = finish(rtms(&[&["streams", "stop", "x"], place].concat())).await;
        let words = ["no server runs on ", data_dir, "--data-dir", "--config", "--server"];
        assert!(stop.code == Some(1) && words.iter().all(|word| stop.stderr.contains(word)), "{stop:?}");
    }
}

#[tokio::test]
async fn the_server_is_found_when_the_door_speaks_tls_and_after_a_predecessor_was_killed() {
    let home = tempfile::tempdir().unwrap();
    let (certificate, key) = (home.path().join("cert.pem"), home.path().join("key.pem"));
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(&certificate, pair.cert.pem()).unwrap();
    fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let folder = home.path().join("data");
    let data_dir = folder.to_str().unwrap();
    let command = || {
        let mut command = with_secrets(&["serve", "--listen", "127.0.0.1:0", "--data-dir", data_dir]);
        command.env("RTMS__SERVER__TLS_CERTIFICATE", &certificate).env("RTMS__SERVER__TLS_KEY", &key);
        command
    };
    let mut killed = Serving::listening(command()).await;
    killed.child.kill().await.unwrap();
    assert!(folder.join("api.sock").exists(), "nobody was there to remove it");
    let shown = succeed(&["streams", "--data-dir", data_dir]).await;
    assert!(shown.stderr.contains("no server runs there"), "{shown:?}");

    let server = Serving::listening(command()).await;

    let shown = succeed(&["streams", "--data-dir", data_dir]).await;
    assert!(shown.stderr.contains("asking the server on "), "{shown:?}");
    assert_eq!(fs::metadata(folder.join("api.sock")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(get(server.api, "/v1/streams").await, (200, String::new()), "the API's address is plain HTTP");
    for scheme in ["http", "https"] {
        let asked = finish(rtms(&["streams", "--server", &format!("{scheme}://{}", server.address)])).await;
        let (code, words) = match scheme {
            "http" => (1, ["with TLS?", "log line `listening`", "--data-dir"]),
            _ => (2, ["does not speak TLS", "as in http://", "--server"]),
        };
        assert!(asked.code == Some(code) && words.iter().all(|word| asked.stderr.contains(word)), "{asked:?}");
    }
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn a_server_whose_socket_was_taken_away_is_not_read_as_if_it_did_not_run() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("data");
    let (data_dir, socket) = (folder.to_str().unwrap(), folder.join("api.sock"));
    let server = Serving::start(&folder, &[]).await;
    fs::remove_file(&socket).unwrap();

    for is_a_file in [false, true] {
        if is_a_file {
            fs::write(&socket, "").unwrap();
        }
        for command in [
            &["streams"][..],
            &["streams", "--json"],
            &["receipts"],
            &["receipts", "--json"],
            &["streams", "stop", "x"],
        ] {
            let shown = finish(rtms(&[command, &["--data-dir", data_dir]].concat())).await;
            let words = ["is in use by a running server", "api.sock is not there", "--server"];
            assert_eq!((shown.code, shown.stdout.as_str()), (Some(1), ""), "{command:?}: {shown:?}");
            assert!(words.iter().all(|word| shown.stderr.contains(word)), "{command:?}: {shown:?}");
        }
    }
    succeed(&["streams", "--server", &format!("http://{}", server.api)]).await;

    assert_eq!(server.end_by("TERM").await, Some(0));
    let shown = succeed(&["receipts", "--data-dir", data_dir]).await;
    assert!(shown.stderr.contains("no server runs there"), "{shown:?}");
}

#[tokio::test]
async fn the_webhook_address_is_not_taken_for_the_api() {
    let data_dir = tempfile::tempdir().unwrap();
    let server = Serving::start(data_dir.path(), &[]).await;

    let asked = finish(rtms(&["streams", "--server", &format!("http://{}", server.address)])).await;

    let words = ["answered 404", "the API is not served there", "log line `listening`"];
    assert!(asked.code == Some(1) && words.iter().all(|word| asked.stderr.contains(word)), "{asked:?}");
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn a_taken_port_costs_the_api_its_address_and_nothing_else() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| (taken, address.to_string())).unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    let folder = data_dir.path().to_str().unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--api-listen", &taken.1, "--data-dir", folder];
    let mut child = with_secrets(&arguments).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut log = String::new();
    while !log.contains("listening address=") {
        log += &timeout(PATIENCE, lines.next_line()).await.expect("it listens").unwrap().expect(&log);
    }

    assert!(log.contains("WARN") && log.contains("the port is taken") && log.contains("--api-listen"), "{log}");
    assert!(log.contains(" api=off "), "{log}");
    let shown = succeed(&["streams", "--data-dir", folder]).await;
    assert!(shown.stderr.contains("asking the server on "), "{shown:?}");
}

#[tokio::test]
async fn an_open_address_for_the_api_is_refused_at_once() {
    for open in ["0.0.0.0:8081", "192.0.2.1:8081", "[::]:8081"] {
        let refused = finish(with_secrets(&["serve", "--api-listen", open])).await;
        assert!(refused.code == Some(2) && refused.stderr.contains("is not a loopback address"), "{refused:?}");
        let mut by_environment = with_secrets(&["serve", "--listen", "127.0.0.1:0"]);
        by_environment.env("RTMS__API__LISTEN", open);
        let refused = finish(by_environment).await;
        assert!(refused.code == Some(1) && refused.stderr.contains("is not a loopback address"), "{refused:?}");
    }
}

#[tokio::test]
async fn another_user_reads_the_store_of_a_stopped_server_or_learns_who_may() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("data");
    let server = Serving::start(&folder, &[]).await;
    let data_dir = folder.to_str().unwrap();
    let running = as_another(home.path(), &["streams", "stop", "x", "--data-dir", data_dir]);
    assert_eq!(server.end_by("TERM").await, Some(0));

    // The folder is its owner's.
    let refused = as_another(home.path(), &["receipts", "--data-dir", data_dir]);
    fs::set_permissions(&folder, Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(folder.join("store.sqlite3"), Permissions::from_mode(0o444)).unwrap();
    let read = as_another(home.path(), &["receipts", "--data-dir", data_dir]);
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();

    let Some((running, refused, read)) = running.zip(refused).zip(read).map(|((a, b), c)| (a, b, c)) else {
        eprintln!("reading as another user was NOT tried: only root can become another user");
        return;
    };
    let owner = owner_of(&folder);
    for refused in [&running, &refused] {
        let text = String::from_utf8_lossy(&refused.stderr);
        let advice = format!("run this as that user, as in `sudo -u {owner} rtms");
        assert!(refused.status.code() == Some(1) && text.contains(&advice), "{text}");
    }
    let text = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success() && text.ends_with("no server runs there\nno receipts\n"), "{text}");
}

/// Runs a command as a user who owns nothing; none where this process cannot become one.
fn as_another(home: &Path, arguments: &[&str]) -> Option<Output> {
    use std::os::unix::process::CommandExt;

    if fs::metadata("/proc/self").ok()?.uid() != 0 {
        return None;
    }
    fs::set_permissions(home, Permissions::from_mode(0o755)).unwrap();
    // The folder that it was built in may be closed to others.
    let program = home.join("rtms");
    if !program.exists() {
        fs::copy(env!("CARGO_BIN_EXE_rtms"), &program).unwrap();
    }
    let mut command = Command::new(program);
    Some(command.args(arguments).env_clear().current_dir(home).uid(NOBODY).gid(NOBODY).output().unwrap())
}

/// The name of a file's owner, as the machine's own program knows it.
fn owner_of(path: &Path) -> String {
    let output = Command::new("stat").args(["-c", "%U"]).arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A server without an address for its API.
async fn with_socket_only(arguments: &[&str]) -> Serving {
    let mut child = with_secrets(arguments).env_remove("RTMS__API__LISTEN").stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = timeout(PATIENCE, async {
        loop {
            let line = lines.next_line().await.unwrap().expect("it listens");
            if let Some((_, rest)) = line.split_once("listening address=") {
                let (address, rest) = rest.split_once(" api=").expect(&line);
                assert!(rest.starts_with("off "), "{line}");
                return address.parse().unwrap();
            }
        }
    })
    .await
    .expect("it listens in time");
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Serving { child, address, api: address }
}

async fn succeed(arguments: &[&str]) -> Finished {
    let finished = finish(rtms(arguments)).await;
    assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
    finished
}
