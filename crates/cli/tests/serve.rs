//! `rtms serve` as people start it: what it needs, what it says when it cannot start, how it stops.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{fs, time::Duration};

use common::{PATIENCE, Serving, exchange, finish, get, rtms, with_secrets};
use rtms_gateway::config::Config;
use tokio::{net::TcpListener, time::Instant};

#[tokio::test]
async fn without_a_secret_it_says_what_to_set_and_fails() {
    let data_dir = tempfile::tempdir().unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data_dir.path().to_str().unwrap()];

    let nothing = finish(rtms(&arguments)).await;
    assert_eq!(nothing.code, Some(1));
    assert!(nothing.stderr.contains("ZOOM_SECRET_TOKEN") && nothing.stderr.contains("[[app]]"), "{nothing:?}");
    assert_eq!(nothing.stdout, "");

    for missing in ["ZOOM_SECRET_TOKEN", "ZOOM_CLIENT_ID", "ZOOM_CLIENT_SECRET"] {
        let mut command = with_secrets(&arguments);
        command.env_remove(missing);
        let absent = finish(command).await;
        let mut command = with_secrets(&arguments);
        command.env(missing, " ");
        let empty = finish(command).await;
        for failed in [absent, empty] {
            assert_eq!(failed.code, Some(1), "{missing}: {failed:?}");
            assert!(failed.stderr.contains(missing), "{missing}: {failed:?}");
            assert!(!failed.stderr.contains("sim-secret-token") && !failed.stderr.contains("sim-client-secret"));
        }
    }
}

#[tokio::test]
async fn a_secret_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rtms.toml");
    let app = "[[app]]\nname = \"meetings\"\nsecret_token_files = [\"/nowhere/token\"]\nclient_id = \"id\"\nclient_secret_file = \"/nowhere/secret\"\n";
    fs::write(&file, app).unwrap();

    let failed = finish(rtms(&["serve", "--config", file.to_str().unwrap()])).await;

    assert_eq!(failed.code, Some(1));
    assert!(failed.stderr.contains("/nowhere/token") && failed.stderr.contains("meetings"), "{failed:?}");
}

#[tokio::test]
async fn the_printed_settings_can_be_loaded_and_are_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let printed = finish(rtms(&["serve", "--print-defaults"])).await;
    assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
    let file = folder.path().join("rtms.toml");
    fs::write(&file, &printed.stdout).unwrap();

    let loaded = Config::load(Some(&file)).unwrap();
    let server = Serving::start(folder.path(), &["--config", file.to_str().unwrap()]).await;

    let mut defaults = Config::load(None).unwrap();
    // A path in a file starts from its folder.
    defaults.server.data_dir = folder.path().join("data");
    assert_eq!(format!("{loaded:?}"), format!("{defaults:?}"));
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn the_settings_in_effect_are_printed_with_their_places_and_can_be_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rtms.toml");
    let app = "[[app]]\nname = \"one\"\nsecret_token_files = [\"token\"]\nclient_id = \"id\"\nclient_secret_file = \"secret\"\n";
    fs::write(&file, format!("[server]\ndata_dir = \"kept\"\nstop_within = \"3s\"\n{app}")).unwrap();
    let print = |file: &str| {
        let mut command = with_secrets(&["serve", "--config", file, "--listen", "localhost:0", "--print-config"]);
        command.env("RTMS__SERVER__STOP_WITHIN", "4s");
        command
    };

    let printed = finish(print(file.to_str().unwrap())).await;

    assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
    for line in [
        "listen = \"127.0.0.1:0\"  # --listen",
        "stop_within = \"4s\"  # RTMS__SERVER__STOP_WITHIN",
        "listen = \"127.0.0.1:0\"  # RTMS__API__LISTEN",
        "keep = \"48h\"",
        &format!("data_dir = \"{}\"  # {}:2", folder.path().join("kept").display(), file.display()),
    ] {
        assert!(printed.stdout.lines().any(|printed| printed == line), "{line}: {}", printed.stdout);
    }
    for secret in ["sim-secret-token", "sim-client-secret"] {
        assert!(!printed.stdout.contains(secret), "{}", printed.stdout);
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("copy.toml");
    fs::write(&copy, &printed.stdout).unwrap();
    let again = finish(print(copy.to_str().unwrap())).await;
    let values =
        |text: &str| text.lines().map(|line| line.split("  # ").next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(values(&again.stdout), values(&printed.stdout));
}

#[tokio::test]
async fn a_variable_that_only_looks_like_a_setting_is_warned_of() {
    let mut command = rtms(&["serve", "--print-config"]);
    command.env("RTMS_LISTEN", "127.0.0.1:0").env("RTMS_SERVICE_HOST", "10.0.0.1").env("RTMS_LOG", "warn");

    let warned = finish(command).await;

    assert_eq!(warned.code, Some(0));
    assert!(warned.stderr.contains("RTMS_LISTEN has no effect; did you mean RTMS__SERVER__LISTEN?"), "{warned:?}");
    assert_eq!(warned.stderr.lines().count(), 1, "{warned:?}");
}

#[tokio::test]
async fn a_setting_that_does_not_exist_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rtms.toml");
    fs::write(&file, "[webhook]\ntolerence = \"300s\"\n").unwrap();

    let by_file = finish(with_secrets(&["serve", "--config", file.to_str().unwrap()])).await;
    let mut command = with_secrets(&["serve"]);
    command.env("RTMS__SERVER__LISEN", "127.0.0.1:0");
    let by_environment = finish(command).await;
    let no_file = finish(with_secrets(&["serve", "--config", "/nowhere/rtms.toml"])).await;

    assert_eq!((by_file.code, by_environment.code, no_file.code), (Some(1), Some(1), Some(1)));
    let named =
        format!("{}:2: webhook.tolerence: there is no such setting; did you mean webhook.tolerance?", file.display());
    assert!(by_file.stderr.contains(&named), "{by_file:?}");
    let named = "error: RTMS__SERVER__LISEN: there is no such setting; did you mean RTMS__SERVER__LISTEN?\n";
    assert_eq!(by_environment.stderr, named);
    assert!(no_file.stderr.contains("/nowhere/rtms.toml"), "{no_file:?}");
}

#[tokio::test]
async fn an_address_that_is_none_is_a_wrong_argument_and_told_how_to_be_written() {
    for (listen, words) in [
        ("gateway.internal:8080", "is a name: write an address and a port, as in 127.0.0.1:8080"),
        ("127.0.0.1", "write an address and a port, as in 127.0.0.1:8080"),
        ("8080", "8080 is a port without an address: write :8080"),
    ] {
        let failed = finish(with_secrets(&["serve", "--listen", listen])).await;

        assert_eq!(failed.code, Some(2), "{listen}: {failed:?}");
        assert!(failed.stderr.contains(words), "{listen}: {failed:?}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_named_with_the_way_out() {
    let data_dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();

    let arguments = ["serve", "--listen", &address, "--data-dir", data_dir.path().to_str().unwrap()];
    let failed = finish(with_secrets(&arguments)).await;

    assert_eq!(failed.code, Some(1));
    assert!(failed.stderr.contains(&address) && failed.stderr.contains("--listen"), "{failed:?}");
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_names_the_lock() {
    let data_dir = tempfile::tempdir().unwrap();
    let first = Serving::start(data_dir.path(), &[]).await;

    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data_dir.path().to_str().unwrap()];
    let second = finish(with_secrets(&arguments)).await;

    assert_eq!(second.code, Some(1));
    for word in ["held by another process", "--data-dir", "--take-over"] {
        assert!(second.stderr.contains(word), "{word}: {second:?}");
    }
    assert!(second.stderr.contains(data_dir.path().to_str().unwrap()), "{second:?}");
    assert_eq!(get(first.address, "/healthz").await.0, 200, "the first goes on");
    assert_eq!(first.end_by("TERM").await, Some(0));
    // And then the folder is free.
    assert_eq!(Serving::start(data_dir.path(), &[]).await.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn ctrl_c_and_sigterm_end_it_in_order_within_seconds() {
    for signal in ["INT", "TERM"] {
        let data_dir = tempfile::tempdir().unwrap();
        let server = Serving::start(data_dir.path(), &[]).await;
        let begun = Instant::now();

        assert_eq!(server.end_by(signal).await, Some(0), "SIG{signal}");
        assert!(begun.elapsed() < Duration::from_secs(5), "SIG{signal} took {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn health_readiness_and_metrics_answer() {
    let data_dir = tempfile::tempdir().unwrap();
    let server = Serving::start(data_dir.path(), &[]).await;

    assert_eq!(get(server.address, "/healthz").await, (200, "ok\n".into()));
    assert_eq!(get(server.address, "/readyz").await, (200, "ready\n".into()));
    let (status, metrics) = get(server.api, "/metrics").await;
    assert_eq!(status, 200);
    assert!(metrics.contains("rtms_streams_joined_total 0") && !metrics.contains("# EOF"), "{metrics}");
    let value = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
    let version = concat!("rtms_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"");
    assert!(metrics.contains(version), "{metrics}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let age = now - value("process_start_time_seconds").expect(&metrics);
    assert!((0.0..PATIENCE.as_secs_f64()).contains(&age), "{age}");
    for name in ["process_cpu_seconds_total", "rtms_disk_free_bytes", "rtms_disk_total_bytes"] {
        assert!(value(name).expect(&metrics) > 0.0, "{name}: {metrics}");
    }
    assert_eq!(value("rtms_last_validation_timestamp_seconds{app=\"default\"}"), Some(0.0));
    if cfg!(target_os = "linux") {
        for name in ["process_resident_memory_bytes", "process_threads", "process_open_fds", "process_max_fds"] {
            assert!(value(name).expect(&metrics) >= 1.0, "{name}: {metrics}");
        }
        assert!(value("process_open_fds") <= value("process_max_fds"), "{metrics}");
    }
    let asked =
        "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\naccept: application/openmetrics-text\r\n\r\n";
    let open = exchange(server.api, asked.as_bytes().to_vec()).await.1;
    assert!(open.ends_with("# EOF\n"), "{open}");
    assert_eq!(get(server.address, "/webhook").await.0, 405);
    assert_eq!(server.end_by("TERM").await, Some(0));
}
