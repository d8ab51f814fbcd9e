//! A disk that is really full under the whole server: 503 and not ready while it is, nothing acknowledged is lost, and
//! all is well again without a restart when there is space.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "in a test, a panic is the answer"
)]

mod common;

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use common::{
    PATIENCE, Serving,
    door::{Kept, signed, stop_of},
    finish, get, rtms, until, with_secrets,
};
use rtms_sim_server::intake::{EventServer, EventServerConfig};
use rtms_store::{Inbox, ReceiptFilter, Receipts, SqliteStore, Store};
use tokio::time::{Instant, sleep};

/// Where the file-size limit puts the end of the disk.
const LIMIT_KIB: u64 = 2048;
/// Webhooks in a row that are refused before the disk counts as full.
const IN_A_ROW: usize = 20;

/// A file system that is full, as operators know it. Only root may mount one.
#[tokio::test]
async fn a_full_file_system() {
    let place = tempfile::tempdir().unwrap();
    let disk = match Tmpfs::mount(place.path(), "16m") {
        Ok(disk) => disk,
        Err(why) => {
            println!("used: nothing, no tmpfs can be mounted here ({why}); see the test with the file-size limit");
            return;
        }
    };
    println!("used: a tmpfs of 16 MiB");
    let ballast = disk.0.join("somebody-elses-file");
    // What is left fills up quickly; what is freed holds the log of all that follows, which is folded into the file late.
    fs::write(&ballast, vec![b'x'; 14 << 20]).unwrap();
    let data_dir = disk.0.join("data");
    let server = Serving::start(&data_dir, &[]).await;

    fill_and_recover(server, &data_dir, |_| fs::remove_file(&ballast).unwrap()).await;
}

/// Long before that, people hear of it: once, and again when it is over.
#[tokio::test]
async fn a_disk_that_gets_full_is_logged_once_and_makes_the_server_not_ready() {
    let place = tempfile::tempdir().unwrap();
    let disk = match Tmpfs::mount(place.path(), "64m") {
        Ok(disk) => disk,
        Err(why) => {
            println!("used: nothing, no tmpfs can be mounted here ({why})");
            return;
        }
    };
    let data_dir = disk.0.join("data");
    // Of 64 MiB, 5 % are the limit of the warning, and 1 % of readiness.
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap()];
    let mut command = with_secrets(&arguments);
    command.env("RTMS_LOG", "info");
    let (server, lines) = Serving::listening_with_log(command).await;
    let heard = |words: &str| lines.lock().unwrap().iter().filter(|line| line.contains(words)).count();
    let nearly = "the disk of the data folder is nearly full";
    let full = "the disk of the data folder is full";
    assert_eq!(get(server.address, "/readyz").await, (200, "ready\n".into()));

    let (first, second) = (disk.0.join("first"), disk.0.join("second"));
    let free = || async {
        let metrics = get(server.api, "/metrics").await.1;
        metrics.lines().find_map(|line| line.strip_prefix("rtms_disk_free_bytes ")?.parse::<usize>().ok()).unwrap()
    };
    until("it has looked", async || (free().await > 32 << 20).then_some(())).await;
    fs::write(&first, vec![b'x'; free().await - (2 << 20)]).unwrap();
    until("it warns", async || (heard(nearly) == 1).then_some(())).await;
    assert_eq!(get(server.address, "/readyz").await.0, 200);
    fs::write(&second, vec![b'x'; (2 << 20) - (256 << 10)]).unwrap();
    until("it is full", async || (heard(full) == 1).then_some(())).await;
    let (status, why) = get(server.address, "/readyz").await;
    assert!(status == 503 && why.starts_with("the disk of the data folder is full: 0."), "{status} {why}");
    assert_eq!(get(server.address, "/healthz").await.0, 200);
    let mut door = Door::before(&server).await;
    assert_eq!(door.post(100).await, 200, "what can be stored is stored");

    fs::remove_file(&first).unwrap();
    until("it is ready", async || (get(server.address, "/readyz").await.0 == 200).then_some(())).await;
    until("it is over", async || {
        (heard("is not full any more") == 1 && heard("space enough again") == 1).then_some(())
    })
    .await;
    assert_eq!((heard(nearly), heard(full)), (1, 1));
    assert_eq!(server.end_by("TERM").await, Some(0));
}

/// A limit of the kernel on the size of each file, which anybody may set.
#[tokio::test]
async fn a_limit_on_the_size_of_files() {
    println!("used: a file-size limit of {LIMIT_KIB} KiB");
    let data_dir = tempfile::tempdir().unwrap();
    let server = start_limited(data_dir.path(), &format!("ulimit -S -f {LIMIT_KIB};"), &[]).await;

    fill_and_recover(server, data_dir.path(), |process| limit_files(process, "unlimited")).await;
}

/// Behind a balancer that sends nothing to a server that is not ready.
#[tokio::test]
async fn a_server_that_gets_no_webhooks_gets_ready_again_by_itself() {
    let data_dir = tempfile::tempdir().unwrap();
    let server = start_limited(data_dir.path(), "", &[]).await;
    let mut door = Door::before(&server).await;
    assert_eq!(door.post(100).await, 200);
    let folder = data_dir.path().to_str().unwrap();
    until("the times of its steps, too, are on disk, so that nothing is left to be written", async || {
        let receipts = finish(rtms(&["receipts", "--data-dir", folder, "--json"])).await.stdout;
        (receipts.contains("answered_us") && receipts.contains("folded_us")).then_some(())
    })
    .await;

    limit_files(server.child.id().unwrap(), "1");
    assert_eq!(door.post(100).await, 503);
    assert_eq!(get(server.address, "/readyz").await.0, 503);
    limit_files(server.child.id().unwrap(), "unlimited");

    until("it is ready", async || (get(server.address, "/readyz").await.0 == 200).then_some(())).await;
    assert_eq!(door.post(100).await, 200);
    assert_eq!(server.end_by("TERM").await, Some(0));
}

/// What Zoom pushes on an event WebSocket it never sends again, so the server keeps it until there is space.
#[tokio::test]
async fn events_by_websocket_wait_for_space_and_none_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let config = EventServerConfig::default();
    let zoom = EventServer::start(config.clone()).await.unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, config.app.client_secret.expose()).unwrap();
    let settings = folder.path().join("rtms.toml");
    let toml = format!(
        "[[app]]\nname = \"sim\"\nclient_id = \"{}\"\nclient_secret_file = {secret:?}\n[app.websocket]\n\
         subscription_id = \"{}\"\nurl = \"{}\"\ntoken_url = \"{}\"\n",
        config.app.client_id,
        config.subscription_id,
        zoom.url(),
        zoom.token_url()
    );
    fs::write(&settings, toml).unwrap();
    let data_dir = folder.path().join("data");
    let server = start_limited(&data_dir, "", &["--dev", "--config", settings.to_str().unwrap()]).await;
    until("the WebSocket stands", async || (zoom.counts().connections == 1).then_some(())).await;
    let bodies: Vec<_> = (0..40).map(|number| stop_of(&format!("s{number}"), 1000)).collect();
    let (before, meanwhile) = bodies.split_at(10);
    let stored = async || {
        let metrics = get(server.api, "/metrics").await.1;
        let of =
            |line: &str| line.strip_prefix(r#"rtms_intake_messages_total{result="stored"} "#)?.parse::<usize>().ok();
        metrics.lines().find_map(of).unwrap_or(0)
    };

    assert!(before.iter().all(|body| zoom.push(body)));
    until("the first are stored", async || (stored().await == before.len()).then_some(())).await;
    limit_files(server.child.id().unwrap(), "1");
    assert!(meanwhile.iter().all(|body| zoom.push(body)));
    until("it says that it cannot store", async || {
        let metrics = get(server.api, "/metrics").await.1;
        let errors = metrics.lines().find_map(|line| line.strip_prefix("rtms_store_errors_total ")?.parse().ok());
        (errors >= Some(3) && get(server.address, "/readyz").await.0 == 503).then_some(())
    })
    .await;
    assert_eq!(stored().await, before.len());
    limit_files(server.child.id().unwrap(), "unlimited");

    until("all are stored", async || (stored().await == bodies.len()).then_some(())).await;
    assert_eq!(zoom.counts().connections, 1);
    assert_eq!(server.end_by("TERM").await, Some(0));
    assert_eq!(stored_bodies(&data_dir).await.0, bodies.into_iter().collect());
}

/// Starts a server with limits of its own.
async fn start_limited(data_dir: &Path, limit: &str, more: &[&str]) -> Serving {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap()];
    let plain = with_secrets(&[&arguments, more].concat());
    let plain = plain.as_std();
    let mut bash = tokio::process::Command::new("bash");
    bash.args(["-c", &format!("{limit} exec \"$0\" \"$@\"")]);
    bash.arg(plain.get_program()).args(plain.get_args());
    bash.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    bash.env("PATH", std::env::var_os("PATH").unwrap_or_default()).stdin(Stdio::null()).kill_on_drop(true);
    Serving::listening(bash).await
}

fn limit_files(process: u32, limit: &str) {
    let limited = Command::new("prlimit").args([&format!("--fsize={limit}:"), "--pid", &process.to_string()]).status();
    assert!(limited.unwrap().success());
}

async fn fill_and_recover(server: Serving, data_dir: &Path, make_room: impl FnOnce(u32)) {
    let mut door = Door::before(&server).await;
    assert_eq!(door.post(100).await, 200);
    assert_eq!(get(server.address, "/readyz").await.0, 200);
    assert_eq!(door.not_stored().await, 0);

    // Large ones until they do not fit, then small ones until they do not fit either.
    let deadline = Instant::now() + 3 * PATIENCE;
    while door.post(8000).await == 200 {
        assert!(Instant::now() < deadline, "the disk does not get full");
    }
    let mut refused_in_a_row = 0;
    while refused_in_a_row < IN_A_ROW {
        assert!(Instant::now() < deadline, "the disk does not get full");
        refused_in_a_row = if door.post(100).await == 503 { refused_in_a_row + 1 } else { 0 };
    }
    let acknowledged_before = door.acknowledged.len();

    // Full, and known to be: not ready, counted, and still at the door.
    until("it is not ready", async || (get(server.address, "/readyz").await.0 == 503).then_some(())).await;
    for _ in 0..IN_A_ROW {
        assert_eq!(door.post(100).await, 503);
    }
    assert_eq!(get(server.address, "/readyz").await.0, 503);
    assert_eq!(get(server.address, "/healthz").await.0, 200);
    assert_eq!(door.not_stored().await, door.refused.len());
    let forged = String::from_utf8(signed(b"{}")).unwrap().replace("v0=", "v0=00");
    assert_eq!(door.connection.exchange(forged.as_bytes()).await.unwrap(), 401);

    make_room(server.child.id().unwrap());
    let begun = Instant::now();
    let mut tried = 0;
    while door.post(100).await != 200 {
        assert!(begun.elapsed() < PATIENCE, "there is space again, and nothing is stored");
        tried += 1;
        sleep(Duration::from_millis(10)).await;
    }
    until("it is ready", async || (get(server.address, "/readyz").await.0 == 200).then_some(())).await;
    for _ in 0..50 {
        assert_eq!(door.post(8000).await, 200);
    }
    assert_eq!(server.end_by("TERM").await, Some(0));

    let (stored, pending) = stored_bodies(data_dir).await;
    let lost = door.acknowledged.difference(&stored).count();
    let though_refused = door.refused.intersection(&stored).count();
    assert_eq!((lost, though_refused), (0, 0));
    println!(
        "{acknowledged_before} stored until it was full, {} refused, {} stored in all; with space again the {}. request \
         was answered 200; {pending} wait to be settled",
        door.refused.len(),
        door.acknowledged.len(),
        tried + 1
    );
}

/// What is on disk, each body once, and how much of it waits to be settled.
async fn stored_bodies(data_dir: &Path) -> (BTreeSet<Vec<u8>>, usize) {
    let store = SqliteStore::open(data_dir).unwrap();
    let mut stored = BTreeSet::new();
    for receipt in store.receipts(ReceiptFilter { limit: usize::MAX, ..ReceiptFilter::default() }).await.unwrap() {
        let body = store.receipt_body(receipt.id).await.unwrap().unwrap();
        assert!(stored.insert(body.to_vec()), "a body is there twice");
    }
    let pending = store.pending(usize::MAX).await.unwrap().len();
    store.close().await;
    (stored, pending)
}

/// Who sends, and what was answered.
struct Door {
    connection: Kept,
    api: std::net::SocketAddr,
    acknowledged: BTreeSet<Vec<u8>>,
    refused: BTreeSet<Vec<u8>>,
}

impl Door {
    async fn before(server: &Serving) -> Self {
        let connection = Kept::open(server.address).await.unwrap();
        Self { connection, api: server.api, acknowledged: BTreeSet::new(), refused: BTreeSet::new() }
    }

    /// Posts a new webhook with so much padding and keeps what was answered: 200 or 503, nothing else.
    async fn post(&mut self, padding: usize) -> u16 {
        let number = self.acknowledged.len() + self.refused.len();
        let body = stop_of(&format!("s{number}"), padding);
        let status = self.connection.exchange(&signed(&body)).await.unwrap();
        match status {
            200 => self.acknowledged.insert(body),
            503 => self.refused.insert(body),
            other => panic!("answered {other}"),
        };
        status
    }

    /// What the metric says was refused since storing failed.
    async fn not_stored(&self) -> usize {
        let (_, metrics) = get(self.api, "/metrics").await;
        let of = |line: &str| line.strip_prefix(r#"rtms_webhooks_total{result="not_stored"} "#)?.parse().ok();
        metrics.lines().find_map(of).unwrap_or(0)
    }
}

/// A small file system in memory, gone with the test.
struct Tmpfs(std::path::PathBuf);

impl Tmpfs {
    fn mount(place: &Path, size: &str) -> Result<Self, String> {
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(place).output();
        let mounted = mounted.map_err(|error| error.to_string())?;
        if !mounted.status.success() {
            return Err(String::from_utf8_lossy(&mounted.stderr).trim().to_owned());
        }
        Ok(Self(place.to_owned()))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily, since a server that is being killed may still hold files in it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
