//! `rtms serve`: the gateway.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Args;
use rtms_gateway::{
    apps::Apps,
    config::{
        Config,
        error::ConfigError,
        listen::{ApiListen, address},
        settings::{DEFAULT_TOML, Settings},
    },
    listener::passed::PassedSockets,
    server::{Server, StartError},
    stop::Stopped,
};
use rtms_store::error::StoreError;

use crate::{signals::Signals, supervisor::Supervisor};

const EXAMPLES: &str = "\
Examples:
  Run with the secrets of one app from the environment:
    ZOOM_SECRET_TOKEN=… ZOOM_CLIENT_ID=… ZOOM_CLIENT_SECRET=… rtms serve --listen 0.0.0.0:8080

  Write a file with every setting, change it, use it:
    rtms serve --print-defaults > rtms.toml
    rtms serve --config rtms.toml

  Which settings are in effect, and where does each come from?
    rtms serve --config rtms.toml --print-config

  Replace a running one without losing a stream: start the new one, then send SIGTERM to the old one:
    rtms serve --config rtms.toml --take-over

  Keep what goes over the wire, and play it back later to any client:
    rtms serve --config rtms.toml --capture captures
    rtms simulate --replay captures/7f3a.jsonl --webhook http://127.0.0.1:8080/webhook

  Check settings, secrets and machine without starting:
    rtms serve --config rtms.toml --check

  Against `rtms simulate` on this machine, whose credentials are known to everybody:
    ZOOM_SECRET_TOKEN=sim-secret-token ZOOM_CLIENT_ID=sim-client-id ZOOM_CLIENT_SECRET=sim-client-secret \\
      rtms serve --dev

Point the app's event notification endpoint at https://YOUR-HOST/webhook.
Health: /healthz and /readyz. Metrics: http://127.0.0.1:8081/metrics. Recordings: DATA_DIR/recordings/.

Under systemd it serves webhooks on the socket of a socket unit, if it is started with one, and the API on a second one
named `api` (LISTEN_FDS); the addresses in the settings are ignored then.

It leaves at most server.stop_within after SIGTERM, whatever hangs; the log names what could not be finished.

Exit codes: 0 it was asked to stop and finished everything, or --check found no fault; 1 it could not start, left \
something unfinished, or --check found a fault; 2 wrong arguments; 130 a second Ctrl-C.";

/// How long a process may take to leave that has not read its settings yet.
const STARTING: Duration = Duration::from_secs(10);

/// Receive webhooks, join streams, record them.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Read settings from this TOML file, over the defaults. Paths in it start from its folder
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Serve webhooks at this address and port; ":8080" is every IPv4 address of this machine [default: 127.0.0.1:8080]
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
    /// Print the settings in effect, with the place that set each (file, environment, command line), and exit
    #[arg(long)]
    print_config: bool,
    /// Print every setting with its default and a comment, and exit
    #[arg(long, conflicts_with = "print_config")]
    print_defaults: bool,
    /// Check settings, secrets and machine as `rtms doctor` does, print what is found, and exit without listening
    #[arg(long)]
    check: bool,
}

/// Runs the server. `program` is all of `rtms`, whose arguments name the variables that it reads.
pub(crate) async fn run(args: ServeArgs, program: clap::Command) -> anyhow::Result<ExitCode> {
    if args.print_defaults {
        crate::output::print(DEFAULT_TOML)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.check {
        let config = args.settings().and_then(|settings| Ok(args.config(&settings)?));
        return crate::doctor::check_settings(config).await;
    }
    let passed = PassedSockets::from_environment()?;
    let supervisor = Supervisor::from_environment()?;
    let mut signals = Signals::listen(STARTING)?;
    let settings = args.settings()?;
    let config = args.config(&settings)?;
    warn_of_lookalikes(&settings, &program);
    if args.print_config {
        crate::output::print(&settings.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    // Each stream has connections and files of its own.
    crate::open_files::raise();
    signals.stop_within(config.server.stop_within);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), profile = env!("RTMS_PROFILE"), "rtms serve");
    let apps = Apps::load(&config.app, |name| std::env::var(name).ok())?;
    let starting = Server::take_over(config, apps.clone(), Vec::new(), passed, args.take_over.unwrap_or_default());
    let server = tokio::select! {
        server = starting => server.map_err(|error| cannot_start(error, args.take_over))?,
        // Whoever waits for another process can be told to give up.
        () = signals.stop() => return Ok(ExitCode::SUCCESS),
    };
    crate::signals::on_hangup(move || match apps.reload() {
        Ok(()) => tracing::info!("SIGHUP: secrets reloaded"),
        Err(error) => tracing::warn!(%error, "SIGHUP: cannot read the secrets, keeping the former ones"),
    })?;
    supervisor.ready();
    signals.stop().await;
    supervisor.stopping();
    let Stopped { unfinished } = server.stop().await;
    Ok(if unfinished == 0 { ExitCode::SUCCESS } else { crate::exit_code::failed() })
}

impl ServeArgs {
    /// The settings of the file and the environment, with those of the command line over them.
    fn settings(&self) -> anyhow::Result<Settings> {
        let mut settings = Settings::load(self.config.as_deref())?;
        if let Some(listen) = self.listen {
            settings.set("server.listen", "--listen", listen.to_string());
        }
        if let Some(listen) = self.api_listen {
            settings.set("api.listen", "--api-listen", listen.to_string());
        }
        if let Some(data_dir) = &self.data_dir {
            let data_dir = data_dir.to_str().context("--data-dir: the path is not UTF-8; choose one that is")?;
            settings.set("server.data_dir", "--data-dir", data_dir.to_owned());
        }
        Ok(settings)
    }

    /// The settings with their types, and what only the command line sets.
    fn config(&self, settings: &Settings) -> Result<Config, ConfigError> {
        let mut config = Config::of(settings)?;
        config.zoom.allow_loopback = self.dev;
        config.server.capture.clone_from(&self.capture);
        Ok(config)
    }
}

/// Warns of variables that look like settings and do nothing.
fn warn_of_lookalikes(settings: &Settings, program: &clap::Command) {
    let read = variables(program);
    let names = std::env::vars_os().map(|(name, _)| name);
    for (variable, meant) in settings.lookalikes(names, &read) {
        tracing::warn!("{variable} has no effect; did you mean {meant}?");
    }
}

/// The variables that arguments of a command can come from, and those of its subcommands.
fn variables(command: &clap::Command) -> Vec<&str> {
    let own = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str());
    own.chain(command.get_subcommands().flat_map(variables)).collect()
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
