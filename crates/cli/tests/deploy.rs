//! What lies in `deploy`: systemd's own tools and a linter look at it, and the program can use it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use common::{Serving, finish, fronts::program, rtms, with_secrets};
use rtms_gateway::config::Config;
use tokio::process::Command;

/// Where the unit says that the program is.
const INSTALLED: &str = "/usr/local/bin/rtms";

/// Exposure in tenths that `systemd-analyze security` may find. It calls up to 20 OK, and the rest is the network, which the
/// program is for.
const MOST_EXPOSURE: &str = "12";

#[tokio::test]
async fn systemd_has_nothing_to_say_against_the_units_and_finds_them_hardened() {
    let Some(analyze) = program("RTMS_SYSTEMD_ANALYZE", "systemd-analyze") else { return };
    let folder = tempfile::tempdir().unwrap();
    let unit = |name: &str| {
        let text = fs::read_to_string(deploy("systemd").join(name)).unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text.replace(INSTALLED, env!("CARGO_BIN_EXE_rtms"))).unwrap();
        path
    };
    let (service, socket) = (unit("rtms.service"), unit("rtms.socket"));
    let run = async |arguments: &[&str], units: &[&PathBuf]| -> Output {
        Command::new(&analyze).args(arguments).args(units).output().await.unwrap()
    };

    let verified = run(&["verify"], &[&service, &socket]).await;
    assert!(verified.status.success() && verified.stderr.is_empty(), "{verified:#?}");
    fs::write(&socket, fs::read_to_string(&socket).unwrap() + "\n[Socket]\nBackLogg=1\n").unwrap();
    assert!(!run(&["verify"], &[&socket]).await.stderr.is_empty(), "a wrong key is noticed");

    let arguments = ["security", "--no-pager", "--offline=true", "--threshold", MOST_EXPOSURE];
    let secure = run(&arguments, &[&service]).await;
    assert!(secure.status.success(), "{}", String::from_utf8_lossy(&secure.stdout));
}

#[tokio::test]
async fn the_program_takes_the_arguments_and_the_settings_of_the_unit() {
    let settings = Config::load(Some(&deploy("systemd/rtms.toml"))).unwrap();
    let service = fs::read_to_string(deploy("systemd/rtms.service")).unwrap();

    assert_eq!(settings.server.data_dir, Path::new("/var/lib/rtms"));
    let [app] = &settings.app[..] else { panic!("one app: {settings:?}") };
    let files = app.secret_token_files.iter().chain([&app.client_secret_file]);
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert_eq!(*file, Path::new("/run/credentials/rtms.service").join(name));
        assert!(service.contains(&format!("\nLoadCredential={name}:/etc/rtms/{name}\n")), "{name} is a credential");
    }
    let seconds = |key: &str| {
        let value = service.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("{key}"));
        value.strip_suffix('s').unwrap().parse::<u64>().unwrap()
    };
    assert!(seconds("TimeoutStopSec=") > settings.server.stop_within.as_secs() + 1);
    let start = service.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let arguments: Vec<_> = start.strip_prefix(INSTALLED).unwrap().split_whitespace().collect();
    assert_eq!(arguments, ["serve", "--config", "/etc/rtms/rtms.toml"]);
}

#[tokio::test]
async fn a_linter_has_nothing_to_say_against_the_dockerfile() {
    let Some(hadolint) = program("RTMS_HADOLINT", "hadolint") else { return };

    let linted = Command::new(hadolint).arg(deploy("docker/Dockerfile")).output().await.unwrap();

    assert!(linted.status.success() && linted.stdout.is_empty(), "{}", String::from_utf8_lossy(&linted.stdout));
}

#[tokio::test]
async fn the_health_check_of_the_image_says_whether_the_server_answers() {
    let dockerfile = fs::read_to_string(deploy("docker/Dockerfile")).unwrap();
    let (_, check) = dockerfile.split_once("HEALTHCHECK ").unwrap();
    let (_, check) = check.lines().next().unwrap().split_once(" CMD ").unwrap();
    let check: Vec<String> = serde_json::from_str(check).unwrap();
    assert_eq!((check[0].as_str(), check.last().unwrap().as_str()), ("rtms", "http://127.0.0.1:8081"));
    let data_dir = tempfile::tempdir().unwrap();
    let server = Serving::start(data_dir.path(), &[]).await;
    let address = format!("http://{}", server.api);
    let mut arguments: Vec<&str> = check[1..check.len() - 1].iter().map(String::as_str).collect();
    arguments.push(&address);

    assert_eq!(finish(rtms(&arguments)).await.code, Some(0));
    assert_eq!(server.end_by("TERM").await, Some(0));
    assert_eq!(finish(rtms(&arguments)).await.code, Some(1));
}

#[tokio::test]
async fn the_settings_of_the_image_are_taken() {
    let dockerfile = fs::read_to_string(deploy("docker/Dockerfile")).unwrap();
    let variables = dockerfile.lines().find_map(|line| line.strip_prefix("ENV ")).unwrap();
    let (data_dir, mut names) = (tempfile::tempdir().unwrap(), Vec::new());
    let mut command = with_secrets(&["serve"]);
    for variable in variables.split_whitespace() {
        let (name, value) = variable.split_once('=').unwrap();
        // The same settings, on a free port and in a folder of the test.
        let value = match value {
            "0.0.0.0:8080" => "127.0.0.1:0".to_owned(),
            "/data" => data_dir.path().join("data").to_str().unwrap().to_owned(),
            other => panic!("{name}={other} is not tried here"),
        };
        command.env(name, value);
        names.push(name);
    }
    assert_eq!(names, ["RTMS__SERVER__LISTEN", "RTMS__SERVER__DATA_DIR"]);

    let server = Serving::listening(command).await;

    assert!(data_dir.path().join("data/store.sqlite3").exists());
    assert_eq!(server.end_by("TERM").await, Some(0));
}

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(path)
}
