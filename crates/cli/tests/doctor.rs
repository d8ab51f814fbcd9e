//! `rtms doctor` finds what is planted, names the remedy, and finds nothing where nothing is wrong.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;
#[path = "doctor/front.rs"]
mod front;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use common::{Finished, Serving, finish, rtms};
use front::{Authority, Certificate, Front, Habit};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::{net::TcpListener, process::Command};

/// Of the length and the letters that Zoom's have.
const TOKEN: &str = "9mXo2TqLRk6ZtVbW1c4dYA";
const ID: &str = "kX3aVbT9QyW2hLmNd5Rs8w";
const SECRET: &str = "cS07hWq2LmZ0xVtR5nYb8KdE1fGjP4uA";

/// What the machine that runs the tests may lack.
const OF_THE_MACHINE: [&str; 2] = ["disk", "open files"];

#[derive(Debug, Deserialize)]
struct Report {
    healthy: bool,
    findings: Vec<Finding>,
}

#[derive(Debug, Deserialize)]
struct Finding {
    check: String,
    verdict: String,
    found: String,
    #[serde(default)]
    remedy: String,
}

impl Report {
    fn of(finished: &Finished) -> Self {
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
    }

    fn trouble(&self) -> Vec<&Finding> {
        let is_trouble = |it: &&Finding| ["warning", "fault"].contains(&it.verdict.as_str());
        self.findings.iter().filter(is_trouble).filter(|it| !OF_THE_MACHINE.contains(&it.check.as_str())).collect()
    }
}

/// A folder with what a set-up on this machine needs, and what was planted in it.
struct SetUp {
    folder: TempDir,
    data_dir: PathBuf,
    command: Command,
    settings: String,
}

impl SetUp {
    /// A healthy one.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = rtms(&["doctor", "--json"]);
        secrets(&mut command);
        Self { data_dir: folder.path().join("data"), folder, command, settings: String::new() }
    }

    fn data_dir(mut self, path: &Path) -> Self {
        self.data_dir = path.to_owned();
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    fn settings(mut self, toml: &str) -> Self {
        self.settings += toml;
        self
    }

    fn listen(mut self, address: &str) -> Self {
        self.command.args(["--listen", address]);
        self
    }

    /// Puts the secrets into files; this is the one with the secret token.
    fn token_file(mut self, bytes: &[u8], mode: u32) -> Self {
        for name in ["ZOOM_SECRET_TOKEN", "ZOOM_CLIENT_ID", "ZOOM_CLIENT_SECRET"] {
            self.command.env_remove(name);
        }
        let token = self.file("token", bytes, mode);
        let secret = self.file("secret", SECRET.as_bytes(), 0o600);
        self.settings(&format!(
            "[[app]]\nname = \"meetings\"\nsecret_token_files = [{token:?}]\nclient_id = \"{ID}\"\nclient_secret_file = {secret:?}\n"
        ))
    }

    fn file(&self, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    async fn run(self) -> Finished {
        let Self { folder, data_dir, mut command, settings } = self;
        let file = folder.path().join("rtms.toml");
        fs::write(&file, settings).unwrap();
        command.arg("--data-dir").arg(data_dir).arg("--config").arg(file);
        finish(command).await
    }
}

fn secrets(command: &mut Command) {
    command
        .env("ZOOM_SECRET_TOKEN", TOKEN)
        .env("ZOOM_CLIENT_ID", ID)
        .env("ZOOM_CLIENT_SECRET", SECRET)
        .env("RTMS__SERVER__LISTEN", "127.0.0.1:0")
        .env("RTMS__API__LISTEN", "127.0.0.1:0");
}

fn assert_found(name: &str, finished: &Finished, found: &str, remedy: &str) {
    let report = Report::of(finished);
    let hit = report.trouble().into_iter().find(|it| it.found.contains(found));
    let hit = hit.unwrap_or_else(|| panic!("{name}: nothing is found with {found:?}: {:#?}", report.findings));
    assert!(hit.remedy.contains(remedy), "{name}: the remedy lacks {remedy:?}: {hit:#?}");
    let is_fault = report.findings.iter().any(|it| it.verdict == "fault");
    assert_eq!((finished.code, report.healthy), (Some(i32::from(is_fault)), !is_fault), "{name}: {finished:?}");
    for secret in [TOKEN, SECRET] {
        assert!(!finished.stdout.contains(secret) && !finished.stderr.contains(secret), "{name} shows a secret");
    }
}

#[tokio::test]
async fn nothing_is_found_on_a_machine_where_nothing_is_wrong() {
    let from_environment = SetUp::new().run().await;
    let from_files = SetUp::new().token_file(TOKEN.as_bytes(), 0o600).run().await;

    for finished in [from_environment, from_files] {
        let report = Report::of(&finished);
        assert!(report.trouble().is_empty(), "{report:#?}");
        for check in ["clock", "settings", "secrets", "allowed hosts", "data folder", "ports"] {
            assert!(report.findings.iter().any(|it| it.check == check && it.verdict == "ok"), "{check}: {report:#?}");
        }
    }
}

#[tokio::test]
async fn each_fault_of_secrets_is_found_with_its_remedy() {
    let bom = format!("\u{feff}{TOKEN}");
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(TOKEN.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let two_lines = format!("{}\n{}", &TOKEN[..11], &TOKEN[11..]);
    let set_up = SetUp::new;
    let planted = [
        ("no token", set_up().without("ZOOM_SECRET_TOKEN"), "no secret token", "set ZOOM_SECRET_TOKEN"),
        (
            "a look-alike",
            set_up().without("ZOOM_SECRET_TOKEN").env("ZOOM_WEBHOOK_SECRET_TOKEN", TOKEN),
            "no secret token",
            "rename ZOOM_WEBHOOK_SECRET_TOKEN",
        ),
        ("empty", set_up().env("ZOOM_CLIENT_SECRET", "  "), "ZOOM_CLIENT_SECRET: the client secret is empty", "copy it"),
        ("quotes", set_up().env("ZOOM_SECRET_TOKEN", &format!("'{TOKEN}'")), "stands in quotes", "remove the quotes"),
        ("placeholder", set_up().env("ZOOM_CLIENT_ID", "your_client_id"), "is a placeholder", "copy it"),
        ("short", set_up().env("ZOOM_SECRET_TOKEN", "abc123"), "too short", "copy it"),
        ("simulator's", set_up().env("ZOOM_SECRET_TOKEN", "sim-secret-token"), "is the simulator's", "secrets of your app"),
        ("the same", set_up().env("ZOOM_SECRET_TOKEN", SECRET), "same as the client secret", "Features, Access"),
        (
            "swapped",
            set_up().env("ZOOM_CLIENT_ID", SECRET).env("ZOOM_CLIENT_SECRET", ID),
            "client id looks like a secret",
            "App Credentials",
        ),
        (
            "token and client secret swapped",
            set_up().env("ZOOM_SECRET_TOKEN", SECRET).env("ZOOM_CLIENT_SECRET", TOKEN),
            "secret token looks like a client secret",
            "Features, Access",
        ),
        (
            "two apps mixed",
            set_up().without("ZOOM_CLIENT_SECRET").env("ZOOM_VIDEO_SDK_SECRET", SECRET),
            "two different apps",
            "set both of one app",
        ),
        (
            "two ids",
            set_up().env("ZM_RTMS_CLIENT", "aX3aVbT9QyW2hLmNd5Rs8w"),
            "are both set and differ",
            "unset ZM_RTMS_CLIENT",
        ),
        (
            "verification token",
            set_up().env("ZOOM_VERIFICATION_TOKEN", TOKEN),
            "old verification token",
            "copy the Secret Token",
        ),
        ("BOM", set_up().token_file(bom.as_bytes(), 0o600), "byte order mark", "without BOM"),
        ("UTF-16", set_up().token_file(&utf16, 0o600), "is UTF-16", "save it as UTF-8"),
        ("several lines", set_up().token_file(two_lines.as_bytes(), 0o600), "several lines", "on one line"),
        ("not UTF-8", set_up().token_file(b"\xc3\x28 is no text", 0o600), "is not UTF-8", "save it as UTF-8"),
        ("for all to read", set_up().token_file(TOKEN.as_bytes(), 0o644), "every user of this machine", "chmod 600"),
        ("huge", set_up().token_file(&[b'x'; 5000], 0o600), "has 5000 bytes", "nothing but the secret"),
        (
            "no file",
            set_up().settings(
                "[[app]]\nname = \"m\"\nsecret_token_files = [\"/nowhere/token\"]\nclient_id = \"kX3aVbT9QyW2hLmN\"\nclient_secret_file = \"/\"\n",
            ),
            "cannot read the secret token from /nowhere/token",
            "write the secret token",
        ),
    ];
    for (name, set_up, found, remedy) in planted {
        assert_found(name, &set_up.run().await, found, remedy);
    }
}

#[tokio::test]
async fn each_fault_of_settings_and_machine_is_found_with_its_remedy() {
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let served = tempfile::tempdir().unwrap();
    let foreign = Serving::start(served.path(), &[]).await;
    let foreign_address = foreign.address.to_string();
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let [chain, own, key] = authority.sign(Certificate::Good);
    let [expired, _, expired_key] = authority.sign(Certificate::Expired);
    let tls =
        |certificate: &str, key: &str| format!("[server]\ntls_certificate = {certificate:?}\ntls_key = {key:?}\n");
    let file = folder.path().join("a file");
    fs::write(&file, "").unwrap();
    let set_up = SetUp::new;
    let planted = [
        (
            "a setting that is none",
            set_up().settings("[webhook]\ntolerence = \"1s\"\n"),
            "tolerence",
            "--print-defaults",
        ),
        (
            "a top-level domain",
            set_up().settings("[zoom]\nallowed_hosts = [\"zoom.us\", \"com\"]\n"),
            "allows all of \"com\"",
            "remove \"com\"",
        ),
        (
            "no host of Zoom's",
            set_up().settings("[zoom]\nallowed_hosts = [\"zoomgov.com\"]\n"),
            "lacks \"zoom.us\"",
            "add \"zoom.us\"",
        ),
        (
            "a foreign host",
            set_up().settings("[zoom]\nallowed_hosts = [\"zoom.us\", \"zoom.example\"]\n"),
            "which is not Zoom's",
            "remove it",
        ),
        (
            "no authorities",
            set_up().settings("[zoom]\nextra_ca = [\"/nowhere/ca.pem\"]\n"),
            "/nowhere/ca.pem",
            "name a PEM file",
        ),
        ("an expired certificate", set_up().settings(&tls(&expired, &expired_key)), "has expired", "renew it"),
        (
            "the key of another",
            set_up().settings(&tls(&chain, &expired_key)),
            "does not fit",
            "the certificate was made for",
        ),
        ("half a chain", set_up().settings(&tls(&own, &key)), "is not whole", "fullchain.pem"),
        (
            "no key",
            set_up().settings(&format!("[server]\ntls_certificate = {chain:?}\n")),
            "name both",
            "--print-defaults",
        ),
        ("no certificate", set_up().settings(&tls("/nowhere/chain.pem", &key)), "/nowhere/chain.pem", "name PEM files"),
        ("a taken port", set_up().listen(&taken), "held by another program", "--listen"),
        (
            "another server's port",
            set_up().listen(&foreign_address),
            "an rtms that runs on another data folder",
            "--data-dir",
        ),
        ("a foreign address", set_up().listen("192.0.2.1:8080"), "does not have that address", "0.0.0.0"),
        ("a file for a folder", set_up().data_dir(&file), "is a file", "name another folder"),
        #[cfg(target_os = "linux")]
        (
            "a folder that nobody can write",
            set_up().data_dir(Path::new("/proc/rtms")),
            "cannot write in /proc",
            "name another folder",
        ),
    ];
    for (name, set_up, found, remedy) in planted {
        assert_found(name, &set_up.run().await, found, remedy);
    }
    assert_eq!(foreign.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn a_low_limit_of_open_files_is_found_with_its_remedy() {
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    let script = "ulimit -n 64; exec \"$0\" doctor --json --data-dir \"$1\"";
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_rtms"), data.path().to_str().unwrap()])
        .env_clear()
        .kill_on_drop(true);
    secrets(&mut command);

    let finished = finish(command).await;

    let report = Report::of(&finished);
    let found = report.findings.iter().find(|it| it.check == "open files").unwrap();
    assert!(
        found.verdict == "fault" && found.found.contains("at most 64") && found.remedy.contains("LimitNOFILE"),
        "{found:?}"
    );
    assert_eq!(finished.code, Some(1));
}

/// A server, and what a proxy in front of it needs.
struct Served {
    folder: TempDir,
    server: Serving,
    authority: Authority,
}

impl Served {
    async fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path());
        let mut arguments = vec!["serve", "--data-dir", folder.path().to_str().unwrap()];
        arguments.extend(more);
        let mut command = rtms(&arguments);
        secrets(&mut command);
        Self { server: Serving::listening(command).await, authority, folder }
    }

    async fn front(&self, habit: Habit, certificate: Certificate) -> Front {
        Front::start(habit, &self.authority, certificate, self.server.address, self.server.api).await
    }

    /// The doctor with the settings of the server.
    fn doctor(&self, url: &str) -> Command {
        let (listen, api) = (self.server.address.to_string(), self.server.api.to_string());
        let folder = self.folder.path().to_str().unwrap();
        let arguments = ["doctor", url, "--json", "--data-dir", folder, "--listen", &listen, "--api-listen", &api];
        let mut command = rtms(&arguments);
        secrets(&mut command);
        command
    }

    async fn examine(&self, url: &str) -> Finished {
        let mut command = self.doctor(url);
        command.args(["--ca", &self.authority.file()]);
        finish(command).await
    }
}

#[tokio::test]
async fn nothing_is_found_behind_an_honest_proxy_nor_at_a_door_with_tls_of_its_own() {
    let served = Served::start(&[]).await;
    let front = served.front(Habit::Honest, Certificate::Good).await;
    assert_all_well(&served.examine(&front.url()).await);

    let folder = tempfile::tempdir().unwrap();
    let [chain, _, key] = Authority::new(folder.path()).sign(Certificate::Good);
    let ca = folder.path().join("ca.pem").display().to_string();
    let config = folder.path().join("rtms.toml");
    fs::write(&config, format!("[server]\ntls_certificate = {chain:?}\ntls_key = {key:?}\n")).unwrap();
    let served = Served::start(&["--config", config.to_str().unwrap()]).await;
    let mut command = served.doctor(&format!("https://localhost:{}/webhook", served.server.address.port()));
    command.args(["--ca", &ca, "--config", config.to_str().unwrap()]);
    assert_all_well(&finish(command).await);
}

fn assert_all_well(finished: &Finished) {
    let report = Report::of(finished);
    assert!(report.trouble().is_empty(), "{report:#?}");
    for check in ["round trip", "certificate", "TLS", "answer time", "API", "ports", "clock"] {
        assert!(report.findings.iter().any(|it| it.check == check && it.verdict == "ok"), "{check}: {report:#?}");
    }
}

#[tokio::test]
async fn each_habit_of_a_proxy_is_found_with_its_remedy() {
    let served = Served::start(&[]).await;
    let planted = [
        (Habit::Reserialises, "the proxy rewrites the body", "byte for byte"),
        (Habit::PrettyPrints, "the proxy rewrites the JSON", "byte for byte"),
        (Habit::SortsKeys, "the proxy rewrites it", "byte for byte"),
        (Habit::AddsNewline, "adds or strips a newline", "byte for byte"),
        (Habit::DropsHeaders, "drops the headers x-zm-signature", "pass all headers on"),
        (
            Habit::Redirects,
            "301 Moved Permanently (to https://www.example.com/webhook/)",
            "address that the redirect points to",
        ),
        (Habit::AnswersItself, "answers by itself", "pass /webhook and all below it"),
        (Habit::Caches, "caches answers to POST", "switch caching off"),
        (Habit::Buffers, "and Zoom waits for 3 s", "no buffering"),
        (Habit::StripsPath, "is not found (404)", "with its path as it is"),
        (Habit::WantsPassword, "demands a password", "exempt /webhook"),
        (Habit::RewritesAnswers, "changes answers", "switch off what rewrites answers"),
        (Habit::OpensApi, "/metrics and /v1/streams can be read", "api.listen"),
        (Habit::Forbids, "403 Forbidden", "Exempt the webhook path"),
        (Habit::LimitsRate, "429 Too Many Requests", "Exempt the webhook path"),
        (Habit::HasNobodyBehind, "502 Bad Gateway", "`server.listen` address"),
        (Habit::HangsUp, "closed without an answer", "reaches rtms"),
        (Habit::LivesInThePast, "s apart", "NTP"),
    ];
    for (habit, found, remedy) in planted {
        let front = served.front(habit, Certificate::Good).await;
        assert_found(&format!("{habit:?}"), &served.examine(&front.url()).await, found, remedy);
    }
}

#[tokio::test]
async fn each_fault_of_certificate_address_and_secret_is_found_with_its_remedy() {
    let served = Served::start(&[]).await;
    let (door, api) = (served.server.address, served.server.api);
    let good = served.front(Habit::Honest, Certificate::Good).await;
    let expired = served.front(Habit::Honest, Certificate::Expired).await;
    let other_name = served.front(Habit::Honest, Certificate::OtherName).await;
    let plain = Front::plain(door, api).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();

    let planted = [
        (expired.url(), "has expired", "renew it"),
        (other_name.url(), "is for another name", "the host of the URL"),
        (plain.url(), "does not speak TLS", "https"),
        (format!("https://localhost:{}/webhook", closed.port()), "nobody listens", "start the proxy"),
        (format!("http://127.0.0.1:{}/webhook", door.port()), "Zoom posts to https only", "tls_certificate"),
        (
            good.url().replace("/webhook", "/hook"),
            "/hook is not found (404)",
            &*format!("use https://localhost:{}/webhook", good.port),
        ),
        (good.url() + "/nobody", "/webhook/nobody is not found (404)", "there rtms answers"),
    ];
    for (url, found, remedy) in planted {
        assert_found(&url, &served.examine(&url).await, found, remedy);
    }

    let unknown_authority = finish(served.doctor(&good.url())).await;
    assert_found("no --ca", &unknown_authority, "unknown authority", "fullchain.pem");
    let mut command = served.doctor(&good.url());
    command.args(["--ca", &served.authority.file()]).env("ZOOM_SECRET_TOKEN", "aaXo2TqLRk6ZtVbW1c4dYA");
    assert_found("another secret", &finish(command).await, "another secret token than these settings", "SIGHUP");
}

#[tokio::test]
async fn the_path_of_an_app_and_what_its_subscription_adds_go_through_the_proxy_too() {
    for (auth, found, remedy) in [
        ("", "/webhook/meetings does not reach rtms", "pass /webhook/* on"),
        (
            "[app.auth]\nkind = \"token\"\nclient_id = \"zoom\"\nclient_secret_file = \"SECRET\"\n",
            "no token can be fetched",
            "/webhook/*",
        ),
        (
            "[app.auth]\nkind = \"basic\"\nuser = \"zoom\"\npassword_file = \"SECRET\"\n",
            "/webhook/meetings does not reach rtms",
            "/webhook/*",
        ),
        (
            "[app.auth]\nkind = \"header\"\nname = \"x-lock\"\nvalue_file = \"SECRET\"\n",
            "/webhook/meetings does not reach rtms",
            "/webhook/*",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            path.display().to_string()
        };
        let (token, secret) = (file("token", TOKEN), file("secret", SECRET));
        let config = file(
            "rtms.toml",
            &format!(
                "[server]\nlisten = \"127.0.0.1:0\"\n[api]\nlisten = \"127.0.0.1:0\"\n[[app]]\nname = \"meetings\"\n\
                 secret_token_files = [{token:?}]\nclient_id = \"{ID}\"\nclient_secret_file = {secret:?}\n{}",
                auth.replace("SECRET", &secret)
            ),
        );
        let server =
            Serving::listening(rtms(&["serve", "--data-dir", folder.path().to_str().unwrap(), "--config", &config]))
                .await;
        let served = Served { authority: Authority::new(folder.path()), server, folder };
        let examine = async |habit| {
            let front = served.front(habit, Certificate::Good).await;
            let mut command = served.doctor(&front.url());
            command.args(["--ca", &served.authority.file(), "--config", &config]).env_remove("ZOOM_SECRET_TOKEN");
            finish(command).await
        };

        assert_all_well(&examine(Habit::Honest).await);
        assert_found(auth, &examine(Habit::AnswersNamedPaths).await, found, remedy);
    }
}

#[tokio::test]
async fn serve_check_reports_as_the_doctor_does_and_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = rtms(&["serve", "--check", "--data-dir", folder.path().to_str().unwrap()]);
    secrets(&mut command);
    let healthy = finish(command).await;
    assert_eq!(healthy.code, Some(0), "{healthy:?}");
    assert!(healthy.stdout.contains("0 faults") && healthy.stdout.contains("secrets"), "{healthy:?}");

    let mut command = rtms(&["serve", "--check", "--data-dir", folder.path().to_str().unwrap()]);
    secrets(&mut command);
    command.env("ZOOM_SECRET_TOKEN", SECRET);
    let sick = finish(command).await;
    assert_eq!(sick.code, Some(1), "{sick:?}");
    assert!(sick.stdout.contains("FAULT") && sick.stdout.contains("remedy: "), "{sick:?}");
    assert!(!folder.path().join("store.sqlite3").exists(), "nothing is started");
}

#[tokio::test]
async fn the_checklist_names_boxes_scopes_and_what_is_not_known() {
    let meeting = finish(rtms(&["doctor", "--checklist", "meeting"])).await;
    assert_eq!(meeting.code, Some(0), "{meeting:?}");
    for words in [
        "user-managed",
        "RTMS started in Meeting",
        "meeting:read:meeting_transcript",
        "Auto-start",
        "Add app now",
        "Secret Token",
    ] {
        assert!(meeting.stdout.replace('\n', " ").contains(words), "{words}: {}", meeting.stdout);
    }
    let all = finish(rtms(&["doctor", "--checklist", "--json"])).await;
    let value: serde_json::Value = serde_json::from_str(&all.stdout).unwrap();
    assert_eq!(value["products"].as_array().unwrap().len(), 5);
    assert_eq!(value["products"][1]["media"]["deskshare"]["known"], "not_seen");
    assert_eq!(finish(rtms(&["doctor", "--checklist", "fax"])).await.code, Some(2));
}
