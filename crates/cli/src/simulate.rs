//! `rtms simulate`: Zoom, played on this machine, for a client of any make.

mod credentials;
mod event_websocket;
mod grade;
mod load;
mod meeting;
mod replay;
mod report;
mod scenario;
mod serve;
mod servers;
mod version_two;
mod webhooks;

use std::{
    fs::File,
    io::{LineWriter, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use clap::{ArgGroup, Args, error::ErrorKind};
use rtms_sim::{config::Timing, fault::Temper, webhook::WebhookPost};
use rtms_sim_server::{Simulator, SimulatorConfig, load::LoadConfig, replay::ReplayConfig, service::ServiceConfig};
use rtms_wire::{Uri, codes::stop_reason::StopReason};
use tokio::sync::mpsc;

use credentials::AppArgs;
use event_websocket::EventWebSocket;
use grade::{GradeArgs, Judge};
use load::LoadArgs;
use meeting::MeetingArgs;
use replay::ReplayArgs;
use scenario::ScenarioArgs;
use serve::ServeArgs;
use servers::ServerArgs;
use version_two::VersionTwoArgs;
use webhooks::WebhookArgs;

use crate::{logging::note, signals::Signals};

const EXAMPLES: &str = "\
Examples:
  Play a meeting of 20 s to a gateway that runs here:
    rtms simulate --webhook http://127.0.0.1:8080/webhook

  To a gateway behind a proxy that has a certificate of your own authority, before Zoom posts there:
    rtms simulate --webhook https://rtms.example.com/webhook --ca ca.pem --validate-url

  Let any client join by itself; the webhook's body is the only line on standard output:
    rtms simulate --print-webhook --duration 1m > webhook.json

  Send the events on a WebSocket that a gateway opens. What it needs is printed; the meeting begins once it has connected:
    printf sim-client-secret > sim-client-secret
    rtms simulate --event-websocket > rtms.toml
    rtms serve --dev --config rtms.toml       # in the same folder, while the line above waits

  The same over TLS, whose authority is made for this run: by name, with media on a port of its own, as Zoom does it. Names
  such as rtms-sjc1.localhost are no use to clients that do not resolve *.localhost, as Zoom's SDK and some systems do not:
    rtms simulate --print-webhook --tls --ca-out ca.pem --host localhost > webhook.json
    ZM_RTMS_CA=ca.pem python my_bot.py        # Zoom's SDK; other clients have an option for it

  A hundred meetings at once, each with its own seed, ids, path and webhooks:
    rtms simulate --webhook http://127.0.0.1:8080/webhook --meetings 100 --duration 1m

  Two thousand streams of sound, to see what the client does with them and not what the simulator does:
    rtms simulate --webhook http://127.0.0.1:8080/webhook --load --streams 2000 --rate 50 \\
      --duration 1m

  Hear and see your own files in place of made people:
    rtms simulate --webhook http://127.0.0.1:8080/webhook --audio-from speech.wav \\
      --video-from film.h264

  A call with its own credentials, and a record of everything that was sent:
    ZOOM_CLIENT_SECRET=s3cret rtms simulate --print-webhook --product contact_center \\
      --client-id me --sent sent.jsonl

  Judge a client of any make; exits with 1 if it did something wrong:
    rtms simulate --webhook http://127.0.0.1:8080/webhook --duration 1m --grade \\
      --report verdict.json

  Play a story with trouble in it, by name or from a file of your own:
    rtms simulate --list
    rtms simulate --webhook http://127.0.0.1:8080/webhook --scenario failover --grade

  Meet what may come of version 2 of the protocol; `--scenario` has stories with it as well:
    rtms simulate --webhook http://127.0.0.1:8080/webhook --event-code both --extra-fields \\
      --stray-binary

  Stay as a service for tests: meetings on request, several at once, and Zoom's OAuth and REST calls. The first line on standard
  output has the addresses; docs/simulator.md has every request and a pytest:
    rtms simulate --serve --control 127.0.0.1:9000
    curl -s http://127.0.0.1:9000/v1/meetings -d '{\"duration\": \"10s\", \"webhook\": \"http://127.0.0.1:8080/webhook\"}'
    curl -s 'http://127.0.0.1:9000/v1/meetings/1/finished?timeout=30s'

  Play back what a gateway captured with `rtms serve --capture`, ten times as fast:
    rtms simulate --replay captures/7f3a.jsonl --webhook http://127.0.0.1:8080/webhook --speed 10

  Try a webhook receiver as Zoom would: validation, repeats, strangers, and retries after 5, 25 and 85 s (minutes at Zoom):
    rtms simulate --webhook http://127.0.0.1:8080/webhook --validate-url --deliver-twice \\
      --probe-oracle --probe-forged-starts \
      --time-compression 60 --wait-for-retries

  Validate the URL every 3 s (72 hours at Zoom) until six failures in a row disable it:
    rtms simulate --webhook http://127.0.0.1:8080/webhook --validate-url \\
      --time-compression 86400 --duration 30s

A webhook is delivered by any 2xx within 3 s. It is sent again after 5xx, no answer in 3 s and a failed connection, and lost \
after 3xx and 4xx. What the receiver did wrong is listed as findings at the end.

Without credentials the test ones are used: client id `sim-client-id`, client secret `sim-client-secret`, \
secret token `sim-secret-token`.

Ctrl-C and SIGTERM end the meeting in order within 15 s, with all that is said at the end; a second one leaves at once.

Exit codes: 0 every stream was joined, and went as its scenario expects; 1 one was or did not, or it could not start; 2 wrong \
arguments; 130 a second Ctrl-C. With --grade, 0 means that the client passed: a finding that is a fault is 1 as well.";

/// How long a meeting that is to stop may take to come to its end.
const FINISH_WITHIN: Duration = Duration::from_secs(12);

/// The same with all that is printed then.
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// Play Zoom: one meeting with people who speak, share and chat, over real sockets.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
#[command(group = ArgGroup::new("announce").required(true).multiple(true).args(["webhook", "print_webhook", "event_websocket", "list", "serve"]))]
pub(crate) struct SimulateArgs {
    /// Post the webhooks to this URL (http or https), signed as Zoom signs them
    #[arg(long, value_name = "URL", conflicts_with_all = ["print_webhook", "event_websocket", "list"])]
    webhook: Option<Uri>,
    /// Trust the certificate authorities in this PEM file for --webhook, beside the system's
    #[arg(long, value_name = "FILE", requires = "webhook")]
    ca: Vec<PathBuf>,
    /// Print the start webhook's body as one JSON line on standard output, one for each meeting, and post nothing. With --scenario,
    /// later webhooks of starts and interruptions follow, a line each, at their time
    #[arg(long, visible_alias = "print-webhooks", conflicts_with_all = ["event_websocket", "list", "serve"])]
    print_webhook: bool,
    /// Push the events on an event WebSocket, as to an app that subscribed so, and print the settings of an app for `rtms
    /// serve` on standard output. Waits until somebody has connected
    #[arg(long, conflicts_with_all = ["list", "serve"])]
    event_websocket: bool,
    /// Play this many meetings at once, each with its own seed, ids, path and webhooks
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    meetings: u16,
    /// How often every connection is asked whether it is alive
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = positive_duration)]
    keep_alive_interval: Duration,
    /// Read clients by the letter of Zoom's documents where Zoom was seen to be lenient: refuse L16 asked for as RTP (content_type 1)
    /// with 19, and an instance id under several keys with 4
    #[arg(long, conflicts_with = "load")]
    strict: bool,
    /// Write everything that is sent to this file, a JSON object a line
    #[arg(long, value_name = "FILE")]
    sent: Option<PathBuf>,
    #[command(flatten)]
    meeting: MeetingArgs,
    #[command(flatten)]
    serve: ServeArgs,
    #[command(flatten)]
    scenario: ScenarioArgs,
    #[command(flatten)]
    grade: GradeArgs,
    #[command(flatten)]
    app: AppArgs,
    #[command(flatten)]
    servers: ServerArgs,
    #[command(flatten)]
    webhooks: WebhookArgs,
    #[command(flatten)]
    version_two: VersionTwoArgs,
    #[command(flatten)]
    load: LoadArgs,
    #[command(flatten, next_help_heading = "Replay")]
    replay: ReplayArgs,
}

/// Runs until the meeting is over or a signal asks to stop.
/// `command` is the whole program's, which what is wrong with the arguments is told by.
pub(crate) async fn run(args: SimulateArgs, command: clap::Command) -> anyhow::Result<ExitCode> {
    if let Err(wrong) = args.check(command) {
        wrong.print()?;
        return Ok(crate::exit_code::wrong_arguments());
    }
    if args.scenario.list {
        return scenario::list();
    }
    let mut signals = Signals::listen(STOP_WITHIN)?;
    if args.load.load {
        let print = args.print_webhook;
        return load::run(load_config(args)?, print, signals).await;
    }
    if args.replay.is_asked() {
        let print = args.print_webhook;
        return replay::run(replay_config(args)?, print, signals).await;
    }
    if args.serve.serve {
        return serve::run(service_config(args)?, signals, FINISH_WITHIN).await;
    }
    let record = args.sent.as_ref().map(create_record).transpose()?;
    let (print, push) = (args.print_webhook, args.event_websocket);
    let meetings = usize::from(args.meetings);
    let scenario = args.scenario.read()?;
    let (mut config, judge) = config(args)?;
    let mut later = None;
    if let Some(scenario) = scenario {
        scenario::announce(&scenario);
        config.play(scenario);
        // A bridge accepts every body that is posted to it.
        config.webhooks.forged_starts &= !push;
        let (unposted, webhooks) = mpsc::unbounded_channel();
        (config.unposted, later) = (Some(unposted), Some(webhooks).filter(|_| print));
    }
    let events = if push { Some(EventWebSocket::start(config.app.clone()).await?) } else { None };
    if let Some(events) = &events {
        let opened = async {
            crate::output::print_apart(events.toml().into_bytes()).await.context("failed to print the settings")?;
            note!("waiting for somebody to open the event WebSocket");
            events.opened().await;
            anyhow::Ok(())
        };
        tokio::select! {
            biased;
            opened = opened => opened?,
            () = signals.stop() => {
                note!("{}", events.report());
                note!("nobody opened the event WebSocket");
                return Ok(ExitCode::FAILURE);
            }
        }
        config.webhook_url = Some(events.webhook_url());
    }
    let simulators = Simulator::start_many(config, meetings, record).await?;
    for simulator in &simulators {
        note!("signaling is at {}", simulator.signaling_url());
    }
    let printed = async {
        if print {
            print_webhooks(&simulators).await.context("failed to print the webhook")?;
        }
        if let Some(webhooks) = later {
            tokio::spawn(print_later_webhooks(webhooks));
        }
        anyhow::Ok(())
    };
    let all_finished = async {
        for simulator in &simulators {
            simulator.finished().await;
        }
        if let Some(events) = &events {
            events.close().await;
            note!("{}", events.report());
        }
    };
    tokio::pin!(all_finished);
    let over = async {
        printed.await?;
        all_finished.as_mut().await;
        anyhow::Ok(())
    };
    let is_asked_to_stop = tokio::select! {
        biased;
        over = over => over.map(|()| false)?,
        () = signals.stop() => true,
    };
    if is_asked_to_stop {
        note!("stopping");
        let stopped = async {
            for simulator in &simulators {
                simulator.stop(StopReason::HostTriggered).await;
            }
            all_finished.await;
        };
        if tokio::time::timeout(FINISH_WITHIN, stopped).await.is_err() {
            let within = humantime::format_duration(FINISH_WITHIN);
            note!("connections or webhooks are left open: they did not end within {within}");
        }
    }
    match judge {
        Some(judge) => judge.tell(&simulators),
        None => Ok(report::all(&simulators, print)),
    }
}

impl SimulateArgs {
    /// Finds options that would have no effect. What needs another option says so to clap as well, which lets it pass when the
    /// other one could not be given beside a third that is there.
    fn check(&self, mut command: clap::Command) -> Result<(), clap::Error> {
        let needs = [
            ("--speed", self.replay.speed.is_some(), "--replay FILE", self.replay.is_asked()),
            ("--streams", self.load.streams.is_some(), "--load", self.load.load),
            ("--rate", self.load.rate.is_some(), "--load", self.load.load),
            ("--control", self.serve.control.is_some(), "--serve", self.serve.serve),
            ("--report", self.grade.report.is_some(), "--grade", self.grade.grade),
        ];
        let mut wrong = |kind, why: String| {
            // The usage then names the whole command.
            command.build();
            command.find_subcommand_mut("simulate").unwrap_or(&mut clap::Command::new("simulate")).error(kind, why)
        };
        if let Some((option, _, needed, _)) = needs.into_iter().find(|(_, given, _, is_met)| *given && !is_met) {
            let why = format!("{option} has no effect without {needed}: add that, or leave {option} out");
            return Err(wrong(ErrorKind::MissingRequiredArgument, why));
        }
        if let Some(why) = self.scenario.unknown() {
            return Err(wrong(ErrorKind::InvalidValue, why));
        }
        if self.replay.is_asked() && self.servers.hosts.len() > 1 {
            let why = "--replay is played by one server: give it one --host".to_owned();
            return Err(wrong(ErrorKind::ArgumentConflict, why));
        }
        Ok(())
    }
}

fn load_config(args: SimulateArgs) -> anyhow::Result<LoadConfig> {
    Ok(LoadConfig {
        app: args.app.app()?,
        listen: args.servers.listen,
        media_listen: args.servers.media_listen,
        streams: usize::try_from(args.load.streams.unwrap_or(load::STREAMS))?,
        rate: args.load.rate.unwrap_or(load::RATE),
        duration: args.meeting.duration,
        webhook_url: args.webhook,
        webhook_ca: args.ca,
        product: args.meeting.product,
        seed: args.meeting.seed,
        keep_alive: args.keep_alive_interval,
    })
}

fn replay_config(args: SimulateArgs) -> anyhow::Result<ReplayConfig> {
    let app = args.app.app()?;
    let wire_log = args.replay.replay.context("--replay names a file")?;
    let as_it_was = ReplayConfig::new(wire_log);
    let mut places = SimulatorConfig::default();
    args.servers.configure(&mut places);
    Ok(ReplayConfig {
        app,
        listen: places.listen,
        media_listen: places.media_listen,
        host: places.hosts.into_iter().next(),
        tls: places.tls,
        ca_dir: places.ca_dir,
        ca_out: places.ca_out,
        webhook_url: args.webhook,
        webhook_ca: args.ca,
        speed: args.replay.speed.unwrap_or(as_it_was.speed),
        ..as_it_was
    })
}

fn service_config(mut args: SimulateArgs) -> anyhow::Result<ServiceConfig> {
    let serve = std::mem::take(&mut args.serve);
    Ok(serve.config(config(args)?.0))
}

fn config(args: SimulateArgs) -> anyhow::Result<(SimulatorConfig, Option<Judge>)> {
    let mut config = SimulatorConfig {
        webhook_url: args.webhook,
        webhook_ca: args.ca,
        webhooks: args.webhooks.options(),
        product: args.meeting.product,
        meeting: args.meeting.options()?,
        app: args.app.app()?,
        granted: args.meeting.granted(),
        temper: Temper { strict: args.strict, ..args.version_two.temper() },
        timing: Timing { keep_alive: args.keep_alive_interval, ..Timing::default() },
        // What was sent goes to the file; a long meeting would fill the memory.
        keep_sent: false,
        linger: args.grade.linger(),
        ..SimulatorConfig::default()
    };
    args.servers.configure(&mut config);
    Ok((config, args.grade.judge()?))
}

/// A body a line.
async fn print_webhooks(simulators: &[Simulator]) -> std::io::Result<()> {
    let mut lines = Vec::new();
    for simulator in simulators {
        lines.extend_from_slice(simulator.start_webhook());
        lines.push(b'\n');
    }
    crate::output::print_apart(lines).await
}

/// What a story goes on to tell by webhooks. The end is left out: it is told on signaling, and what reads these lines is to join.
async fn print_later_webhooks(mut webhooks: mpsc::UnboundedReceiver<WebhookPost>) {
    while let Some(post) = webhooks.recv().await {
        let is_to_join = post.event.ends_with("rtms_started") || post.event.ends_with("rtms_interrupted");
        if is_to_join && let Err(error) = crate::output::print_apart([&post.body, &b"\n"[..]].concat()).await {
            return note!("failed to print a webhook: {error}");
        }
    }
}

fn create_record(path: &PathBuf) -> anyhow::Result<Box<dyn Write + Send>> {
    let file = File::create(path).with_context(|| format!("failed to create {}", path.display()))?;
    Ok(Box::new(LineWriter::new(file)))
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("it must be longer than nothing".to_owned()) } else { Ok(duration) }
}
