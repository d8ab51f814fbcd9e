//! `rtms simulate`: Zoom, played on this machine, for a client of any make.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{LineWriter, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use clap::{ArgGroup, Args};
use rtms_sim::{
    config::{App, Timing, WebhookOptions},
    meeting::MeetingOptions,
    serve::{Simulator, SimulatorConfig},
    webhook::{Outcome, Probe, Purpose, WebhookId},
};
use rtms_wire::{
    Uri,
    codes::{product::Product, stop_reason::StopReason},
    media::medium::{MediaTypes, Medium},
};

const EXAMPLES: &str = "\
Examples:
  Play a meeting of 20 s to a gateway that runs here:
    rtms simulate --webhook http://127.0.0.1:8080/webhook

  Let any client join by itself; the webhook's body is the only line on standard output:
    rtms simulate --print-webhook --duration 1m > webhook.json

  A call with its own credentials, and a record of everything that was sent:
    ZOOM_CLIENT_SECRET=s3cret rtms simulate --print-webhook --product contact_center --client-id me --sent sent.jsonl

  Try a webhook receiver as Zoom would: validation, repeats, strangers, and retries after 5, 25 and 85 s (minutes at Zoom):
    rtms simulate --webhook http://127.0.0.1:8080/webhook --validate-url --deliver-twice --probe-oracle \
      --time-compression 60 --wait-for-retries

  Validate the URL every 3 s (72 hours at Zoom) until six failures in a row disable it:
    rtms simulate --webhook http://127.0.0.1:8080/webhook --validate-url --time-compression 86400 --duration 30s

A webhook is delivered by any 2xx within 3 s. It is sent again after 5xx, no answer in 3 s and a failed connection, and lost
after 3xx and 4xx. What the receiver did wrong is listed as findings at the end.

Without credentials the test ones are used: client id `sim-client-id`, client secret `sim-client-secret`,
secret token `sim-secret-token`.

Exit codes: 0 somebody joined; 1 nobody did, or it could not start; 2 wrong arguments.";

/// Play Zoom: one meeting with people who speak, share and chat, over real sockets.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
#[command(group = ArgGroup::new("announce").required(true).args(["webhook", "print_webhook"]))]
pub(crate) struct SimulateArgs {
    /// Post the webhooks to this URL (http), signed as Zoom signs them
    #[arg(long, value_name = "URL")]
    webhook: Option<Uri>,
    /// Print the start webhook's body as one JSON line on standard output, and post nothing
    #[arg(long)]
    print_webhook: bool,
    /// Shorten the waits before a webhook's next attempt and before the next URL validation by this factor, and nothing else
    #[arg(long, value_name = "FACTOR", default_value_t = 1, conflicts_with = "print_webhook")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    time_compression: u32,
    /// Send endpoint.url_validation at the start and every 72 hours, check the answers, and stop after six failures in a row
    #[arg(long, conflicts_with = "print_webhook")]
    validate_url: bool,
    /// Post every webhook twice at once, as Zoom does after its internal code -10
    #[arg(long, conflicts_with = "print_webhook")]
    deliver_twice: bool,
    /// Send URL validations that Zoom did not sign, one of them made to get a webhook's signature, and report answers
    #[arg(long, conflicts_with = "print_webhook")]
    probe_oracle: bool,
    /// Stay after the end of the stream until every webhook is delivered or given up
    #[arg(long, conflicts_with = "print_webhook")]
    wait_for_retries: bool,
    /// Serve signaling and media here; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Sign webhooks with this token
    #[arg(long, value_name = "TOKEN", env = "ZOOM_SECRET_TOKEN", hide_env_values = true, default_value = App::TEST_SECRET_TOKEN)]
    secret_token: String,
    /// Expect handshakes of this app
    #[arg(long, value_name = "ID", env = "ZOOM_CLIENT_ID", default_value = App::TEST_CLIENT_ID)]
    client_id: String,
    /// Expect handshakes signed with this secret
    #[arg(long, value_name = "SECRET", env = "ZOOM_CLIENT_SECRET", hide_env_values = true, default_value = App::TEST_CLIENT_SECRET)]
    client_secret: String,
    /// What streams: meeting, webinar, session, contact_center or phone
    #[arg(long, default_value = "meeting")]
    product: Product,
    /// How many people take part
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    participants: u16,
    /// How long the stream lasts, such as 20s or 5m
    #[arg(long, default_value = "20s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// The same seed is the same meeting
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What the app was granted, such as audio,transcript; all that the product has if absent
    #[arg(long, value_name = "MEDIA", value_delimiter = ',')]
    media: Vec<Medium>,
    /// How often every connection is asked whether it is alive
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = positive_duration)]
    keep_alive_interval: Duration,
    /// Write everything that is sent to this file, a JSON object a line
    #[arg(long, value_name = "FILE")]
    sent: Option<PathBuf>,
}

/// Runs until the meeting is over or somebody presses Ctrl-C.
pub(crate) async fn run(args: SimulateArgs) -> anyhow::Result<ExitCode> {
    let record = args.sent.as_ref().map(create_record).transpose()?;
    let print = args.print_webhook;
    let simulator = Simulator::start_recording(config(args)?, record).await?;
    eprintln!("signaling is at {}", simulator.signaling_url());
    if print {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(simulator.start_webhook()).context("failed to print the webhook")?;
        stdout.write_all(b"\n").and_then(|()| stdout.flush()).context("failed to print the webhook")?;
    }

    tokio::select! {
        biased;
        () = simulator.finished() => {}
        pressed = tokio::signal::ctrl_c() => {
            pressed.context("failed to listen for Ctrl-C")?;
            eprintln!("stopping");
            simulator.stop(StopReason::HostTriggered).await;
            simulator.finished().await;
        }
    }
    Ok(report(&simulator, print))
}

fn config(args: SimulateArgs) -> anyhow::Result<SimulatorConfig> {
    let app = App::new(&args.client_id, &args.client_secret, &args.secret_token)
        .context("the client secret and the secret token must not be empty")?;
    Ok(SimulatorConfig {
        listen: args.listen,
        webhook_url: args.webhook,
        webhooks: WebhookOptions {
            time_compression: args.time_compression,
            validate_url: args.validate_url,
            deliver_twice: args.deliver_twice,
            probe_oracle: args.probe_oracle,
            wait_for_retries: args.wait_for_retries,
        },
        product: args.product,
        meeting: MeetingOptions { seed: args.seed, participants: args.participants, duration: args.duration },
        app,
        granted: (!args.media.is_empty()).then(|| MediaTypes::of(args.media)),
        timing: Timing { keep_alive: args.keep_alive_interval, ..Timing::default() },
        // What was sent goes to the file; a long meeting would fill the memory.
        keep_sent: false,
        ..SimulatorConfig::default()
    })
}

fn create_record(path: &PathBuf) -> anyhow::Result<Box<dyn Write + Send>> {
    let file = File::create(path).with_context(|| format!("failed to create {}", path.display()))?;
    Ok(Box::new(LineWriter::new(file)))
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("it must be longer than nothing".to_owned()) } else { Ok(duration) }
}

fn report(simulator: &Simulator, printed: bool) -> ExitCode {
    let counts = simulator.counts();
    let webhooks =
        if printed { "no webhooks (one was printed)".to_owned() } else { format!("{} webhooks", counts.webhooks) };
    eprintln!(
        "sent: {}, {} audio, {} video, {} deskshare, {} transcript, {} chat, {} events, {} keep-alives; {} joined, {} media connections",
        webhooks,
        counts.audio,
        counts.video,
        counts.deskshare,
        counts.transcript,
        counts.chat,
        counts.events,
        counts.keep_alives,
        counts.joins,
        counts.media_connections,
    );
    report_deliveries(simulator);
    let findings = simulator.findings();
    for finding in findings.iter() {
        let seconds = finding.at.since(simulator.start_time()).as_secs_f64();
        let connection =
            finding.connection.map(|connection| format!(" connection {}", connection.0)).unwrap_or_default();
        eprintln!("finding at {seconds:.3} s{connection}: the client {}", finding.mistake);
    }
    if findings.dropped() > 0 {
        eprintln!("and {} findings more", findings.dropped());
    }
    if counts.joins == 0 {
        eprintln!("nobody joined");
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// A line for each webhook with all its attempts.
fn report_deliveries(simulator: &Simulator) {
    let deliveries = simulator.deliveries();
    if deliveries.dropped() > 0 {
        eprintln!("{} earlier attempts at webhooks are left out", deliveries.dropped());
    }
    let mut lines: BTreeMap<WebhookId, String> = BTreeMap::new();
    for delivery in deliveries.iter() {
        let line = lines.entry(delivery.webhook).or_insert_with(|| {
            let what = match delivery.purpose {
                Purpose::Event | Purpose::Validation => "",
                Purpose::Again => ", the same again",
                Purpose::Probe(Probe::Unsigned) => ", a probe without signature",
                Purpose::Probe(Probe::WronglySigned) => ", a probe with a wrong signature",
                Purpose::Probe(Probe::SigningOracle) => ", a probe for a signing oracle",
            };
            format!("webhook {}{what}", delivery.event)
        });
        let seconds = delivery.at.since(simulator.start_time()).as_secs_f64();
        if delivery.outcome == Outcome::Withheld {
            line.push_str(&format!("; at {seconds:.3} s {delivery}"));
        } else {
            line.push_str(&format!("; attempt {} at {seconds:.3} s: {delivery}", delivery.attempt));
        }
    }
    for line in lines.values() {
        eprintln!("{line}");
    }
}
