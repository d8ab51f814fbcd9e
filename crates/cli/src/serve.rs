//! `rtms serve`: the gateway.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use rtms_gateway::{
    apps::Apps,
    config::{ApiListen, Config, DEFAULT_TOML, address},
    server::{Server, StartError},
    stop::Stopped,
};
use rtms_store::error::StoreError;

use crate::signals::Signals;

const EXAMPLES: &str = "\
Examples:
  Run with the secrets of one app from the environment:
    ZOOM_SECRET_TOKEN=… ZOOM_CLIENT_ID=… ZOOM_CLIENT_SECRET=… rtms serve --listen 0.0.0.0:8080

  Write a file with every setting, change it, use it:
    rtms serve --print-config > rtms.toml
    rtms serve --config rtms.toml

  Replace a running one without losing a stream: start the new one, then send SIGTERM to the old one:
    rtms serve --config rtms.toml --take-over

  Keep what goes over the wire, and play it back later to any client:
    rtms serve --config rtms.toml --capture captures
    rtms simulate --replay captures/7f3a.jsonl --webhook http://127.0.0.1:8080/webhook

  Against `rtms simulate` on this machine, whose credentials are known to everybody:
    ZOOM_SECRET_TOKEN=sim-secret-token ZOOM_CLIENT_ID=sim-client-id ZOOM_CLIENT_SECRET=sim-client-secret \\
      rtms serve --dev

Point the app's event notification endpoint at https://YOUR-HOST/webhook.
Health: /healthz and /readyz. Metrics: http://127.0.0.1:8081/metrics. Recordings: DATA_DIR/recordings/.

It leaves at most server.stop_within after SIGTERM, whatever hangs; the log names what could not be finished.

Exit codes: 0 it was asked to stop and finished everything; 1 it could not start, or left something unfinished; 2 wrong
arguments; 130 a second Ctrl-C.";

/// How long a process may take to leave that has not read its settings yet.
const STARTING: Duration = Duration::from_secs(10);

/// Receive webhooks, join streams, record them.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Read settings from this TOML file, over the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Serve webhooks here [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    listen: Option<SocketAddr>,
    /// Serve streams, receipts and metrics to this machine here, beside the socket in the data folder; "off" for the socket
    /// alone [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR")]
    api_listen: Option<ApiListen>,
    /// Keep the store and the recordings here [default: data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Allow ws:// and loopback in the server URLs of webhooks, for the simulator. Relaxes nothing else
    #[arg(long)]
    dev: bool,
    /// Wait for another process to leave the data folder instead of failing, at most for this time [default: 60s, Zoom's window]
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "60s",
        value_parser = humantime::parse_duration)]
    take_over: Option<Duration>,
    /// Keep a wire log of every stream in this folder: every frame, both ways, without secrets and signatures. It holds what people
    /// say and show, and takes up to 1 GiB for each stream; `rtms simulate --replay` plays it back
    #[arg(long, value_name = "DIR")]
    capture: Option<PathBuf>,
    /// Print every setting with its default, and leave
    #[arg(long)]
    print_config: bool,
}

pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    if args.print_config {
        crate::output::print(DEFAULT_TOML)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut signals = Signals::listen(STARTING)?;
    // Each stream has connections and files of its own.
    crate::open_files::raise();
    let mut config = Config::load(args.config.as_deref())?;
    signals.stop_within(config.server.stop_within);
    if let Some(listen) = args.listen {
        config.server.listen = listen;
    }
    if let Some(listen) = args.api_listen {
        config.api.listen = listen;
    }
    if let Some(data_dir) = args.data_dir {
        config.server.data_dir = data_dir;
    }
    config.zoom.allow_loopback = args.dev;
    config.server.capture = args.capture;
    let apps = Apps::load(&config.app, |name| std::env::var(name).ok())?;
    let starting = Server::take_over(config, apps.clone(), Vec::new(), args.take_over.unwrap_or_default());
    let server = tokio::select! {
        server = starting => server.map_err(|error| cannot_start(error, args.take_over))?,
        // Whoever waits for another process can be told to give up.
        () = signals.stop() => return Ok(ExitCode::SUCCESS),
    };
    crate::signals::on_hangup(move || match apps.reload() {
        Ok(()) => tracing::info!("SIGHUP: secrets were read again"),
        Err(error) => tracing::warn!(%error, "SIGHUP: secrets cannot be read, the former ones stay"),
    })?;
    signals.stop().await;
    let Stopped { unfinished } = server.stop().await;
    Ok(if unfinished == 0 { ExitCode::SUCCESS } else { crate::exit_code::failed() })
}

/// Why it cannot start, with the way out where the server's own words name none.
fn cannot_start(error: StartError, take_over: Option<Duration>) -> anyhow::Error {
    let is_locked = matches!(error, StartError::Store(StoreError::Locked { .. }));
    let way_out = match (is_locked, take_over) {
        (false, _) => "",
        (true, None) => "; name another folder with --data-dir, or wait for whoever has this one with --take-over",
        (true, Some(_)) => "; stop whoever has the folder, or wait longer: --take-over=DURATION",
    };
    anyhow::Error::from(error).context(format!("cannot start{way_out}"))
}
