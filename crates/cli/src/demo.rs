//! `rtms demo`: gateway and simulator in one process over real loopback sockets, captions in the terminal.

mod captions;
mod earlier;
mod report;
mod screen;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, anyhow};
use captions::Captions;
use clap::Args;
use cpu_time::ThreadTime;
use rtms_gateway::{
    apps::{Apps, secrets::App},
    config::{Config, listen::ApiListen},
    server::{Server, StartError},
    telemetry::Metrics,
};
use rtms_sim::{config::App as SimApp, meeting::MeetingOptions};
use rtms_sim_server::{Simulator, SimulatorConfig};
use rtms_sink::delivery::{DEFAULT_QUEUE, Delivery};
use rtms_store::error::StoreError;
use screen::Screen;
use tokio::sync::{oneshot, watch};

use crate::{logging, signals::Signals};

const EXAMPLES: &str = "\
Examples:
  See a meeting of 20 seconds arrive:
    rtms demo

  A longer one, kept elsewhere, always the same:
    rtms demo --duration 2m --data-dir /tmp/demo --seed 7

Exit codes: 0 the meeting was recorded to its end; 1 it was not, or it did not stop within 5 s; 2 wrong arguments; \
130 Ctrl-C.
Whoever closes standard output, as `head` does, ends it early too: exit code 1.";

/// See it work: a simulated meeting, received, captioned and recorded.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// How long the meeting lasts, such as 20s or 2m
    #[arg(long, default_value = "20s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Keep the store and the recordings here
    #[arg(long, value_name = "DIR", default_value = "rtms-demo")]
    data_dir: PathBuf,
    /// Serve the gateway on this port of 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// How many people take part
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    participants: u16,
    /// The same seed is the same meeting; another one each time if absent
    #[arg(long)]
    seed: Option<u64>,
}

/// How long the end of the stream may follow the end of the meeting.
const END_WITHIN: Duration = Duration::from_secs(15);

/// How long the demo may take to leave after Ctrl-C.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// How long the last text may take to be written after Ctrl-C.
const LAST_TEXT: Duration = Duration::from_millis(250);

/// How often the line of counters is printed.
const COUNTERS_EVERY: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen(STOP_WITHIN)?;
    let (ended, end) = watch::channel(None);
    let screen = Screen::start()?;
    let gateway = Gateway::start(&args, Captions::new(screen.clone(), ended)).await?;
    let url = format!("http://{}/webhook", gateway.address);
    report::opening(&screen, &url, args.duration);

    let seed = args
        .seed
        .unwrap_or_else(|| SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |since| since.as_secs()));
    let simulator = Simulator::start(SimulatorConfig {
        webhook_url: Some(url.parse()?),
        meeting: MeetingOptions {
            seed,
            participants: args.participants,
            duration: args.duration,
            ..MeetingOptions::default()
        },
        keep_sent: false,
        ..SimulatorConfig::default()
    })
    .await?;

    let started = Instant::now();
    let mut ending = end.clone();
    let over = async {
        tokio::select! {
            _ = ending.wait_for(Option::is_some) => {
                // The stop webhook may be on its way still: signaling tells the end, too.
                let _ = tokio::time::timeout(END_WITHIN, simulator.finished()).await;
            }
            () = async { simulator.finished().await; tokio::time::sleep(END_WITHIN).await } => {}
        }
    };
    tokio::pin!(over);
    let mut tick = tokio::time::interval_at((started + COUNTERS_EVERY).into(), COUNTERS_EVERY);
    let mut is_interrupted = false;
    let cut_short = loop {
        tokio::select! {
            biased;
            () = signals.stop() => {
                is_interrupted = true;
                break Some(crate::exit_code::interrupted());
            }
            () = &mut over => break None,
            // Nobody looks any more; nor would they read why it ends.
            () = screen.closed() => break Some(crate::exit_code::failed()),
            _ = tick.tick() => report::counters(&screen, &gateway.metrics, started.elapsed()),
        }
    };
    let stream = simulator.stream().clone();
    let (metrics, cpu) = gateway.stop().await?;
    report::counters(&screen, &metrics, started.elapsed());
    report::cpu(&screen, &metrics, cpu);
    report::files(&screen, &recordings(&args.data_dir), &stream);
    // A terminal that takes nothing is left at Ctrl-C, before or now; everything else is done.
    let left = async {
        if is_interrupted {
            tokio::time::sleep(LAST_TEXT).await;
        } else {
            signals.stop().await;
        }
    };
    tokio::select! {
        biased;
        written = screen.written() => written.context("failed to print")?,
        () = left => return Ok(crate::exit_code::interrupted()),
    }
    let ended = end.borrow().clone();
    Ok(match (cut_short, ended) {
        (Some(code), _) => code,
        (None, Some(_)) => ExitCode::SUCCESS,
        (None, None) => {
            logging::print_error("the stream did not end with the meeting; run again with --log debug to see why");
            crate::exit_code::failed()
        }
    })
}

/// The gateway on a thread of its own, so that its CPU time can be told from the simulator's.
struct Gateway {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<Duration>,
}

impl Gateway {
    async fn start(args: &DemoArgs, captions: Captions) -> anyhow::Result<Self> {
        let mut config = Config::load(None)?;
        config.server.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
        config.server.data_dir.clone_from(&args.data_dir);
        config.api.listen = ApiListen::Off;
        config.server.stop_within = STOP_WITHIN;
        config.zoom.allow_loopback = true;
        let sim = SimApp::default();
        let app = App::new("demo", vec![sim.secret_token], sim.client_id, sim.client_secret);

        let (started, starting) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("gateway".into()).spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = started.send(Err(anyhow!(error)));
                    return Duration::ZERO;
                }
            };
            let cpu = runtime.block_on(async {
                let captions = Delivery::lossy(captions, DEFAULT_QUEUE);
                let starting = async {
                    let store = earlier::open_store(&config.server.data_dir, &app.name).await?;
                    Ok(Server::start_on(config, Apps::fixed(vec![app]), vec![captions], store).await?)
                };
                match starting.await {
                    Ok(server) => {
                        let _ = started.send(Ok((server.address(), server.metrics())));
                        // Between start and stop: what a packet costs must not depend on how the program opens its files.
                        let running = ThreadTime::now();
                        let _ = stopped.await;
                        let cpu = running.elapsed();
                        server.stop().await;
                        cpu
                    }
                    Err(error) => {
                        let _ = started.send(Err(cannot_start(error)));
                        Duration::ZERO
                    }
                }
            });
            // What hangs is not waited for.
            runtime.shutdown_background();
            cpu
        })?;
        let (address, metrics) = starting.await.context("the gateway's thread broke")??;
        Ok(Self { address, metrics, stop, thread })
    }

    /// Stops it; gives what it counted and the CPU time of its thread.
    async fn stop(self) -> anyhow::Result<(Arc<Metrics>, Duration)> {
        let _ = self.stop.send(());
        let cpu = tokio::task::spawn_blocking(move || self.thread.join()).await?;
        Ok((self.metrics, cpu.map_err(|_| anyhow!("the gateway's thread broke"))?))
    }
}

/// The server's own words but for its flags, which the demo has others of.
fn cannot_start(error: anyhow::Error) -> anyhow::Error {
    let known = error.downcast_ref::<StartError>();
    if let Some(StartError::Listen { address, source }) = known {
        return anyhow!(
            "cannot listen on {address}: {source}; choose another with --port, or leave it out for a free one"
        );
    }
    let is_locked = matches!(known, Some(StartError::Store(StoreError::Locked { .. })));
    if is_locked { error.context("choose another folder with --data-dir") } else { error }
}

/// Where the recordings of a data folder are.
fn recordings(data_dir: &Path) -> PathBuf {
    data_dir.join(rtms_gateway::server::RECORDINGS)
}
