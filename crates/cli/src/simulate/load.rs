//! `rtms simulate --load`: thousands of streams, so cheap that the client is what is measured, and what that cost.

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Args;
use cpu_time::ProcessTime;
use rtms_sim_server::load::{LoadConfig, LoadCounts, LoadServer};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::{logging::note, signals::Signals};

/// How often a line is printed while it runs.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Open files beside the streams' two connections each: listeners, webhooks, standard streams, the runtime's.
const OTHER_FILES: u64 = 128;

/// Streams, where nothing else is said.
pub(super) const STREAMS: u32 = 100;

/// Packets a second, where nothing else is said: as fast as sound is said.
pub(super) const RATE: u32 = 50;

/// Load in place of a meeting.
#[derive(Args, Debug)]
#[command(next_help_heading = "Load")]
pub(crate) struct LoadArgs {
    /// Serve many streams from prepared packets of sound in place of a meeting, and print what that cost. Handshakes and
    /// keep-alives are checked; there is no other media
    #[arg(long, conflicts_with_all = [
        "event_websocket", "time_compression", "validate_url", "deliver_twice", "probe_oracle", "wait_for_retries", "servers", "hosts",
        "tls", "ca_dir", "ca_out", "meetings", "participants", "media", "audio_from", "video_from", "flash_and_beep", "everything", "sent", "version_two",
    ])]
    pub(super) load: bool,
    /// How many streams [default: 100]
    #[arg(long, value_name = "N", requires = "load", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) streams: Option<u32>,
    /// How many packets a second each is sent; a packet is 640 bytes, 20 ms of sound, so 50 are as fast as it is said [default: 50]
    #[arg(long, value_name = "R", requires = "load", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) rate: Option<u32>,
}

/// Runs until the time is over or a signal asks to stop.
pub(super) async fn run(config: LoadConfig, print: bool, mut signals: Signals) -> anyhow::Result<ExitCode> {
    let streams = config.streams as u64;
    allow_open_files(streams * 2 + OTHER_FILES)?;
    note!("{streams} streams at {} packets a second for {}", config.rate, humantime::format_duration(config.duration));
    let mut meter = Meter::start();
    let server = LoadServer::start(config).await?;
    note!("signaling is at {}, media at {}", server.address(), server.media_address());
    let mut lines = Vec::new();
    if print {
        for webhook in server.start_webhooks() {
            lines.extend_from_slice(webhook);
            lines.push(b'\n');
        }
    }

    let mut ticks = interval_at(Instant::now() + TELL_EVERY, TELL_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (printed, finished) = (crate::output::print_apart(lines), server.finished());
    tokio::pin!(printed, finished);
    let mut is_printed = false;
    loop {
        tokio::select! {
            biased;
            () = &mut finished => break,
            printed = &mut printed, if !is_printed => {
                printed.context("failed to print the webhooks")?;
                is_printed = true;
            }
            () = signals.stop() => {
                note!("stopping");
                server.stop();
            }
            _ = ticks.tick() => note!("{}", meter.lap(&server.counts())),
        }
    }
    let counts = server.counts();
    note!("{}", joined(streams, &counts));
    note!(
        "packets: {} offered, {} sent at once, {} held back by slow readers, {} lost with them; {} were 20 ms late or more, the latest {:.1} ms",
        counts.offered,
        counts.sent,
        counts.held_back,
        counts.lost,
        counts.delayed,
        counts.behind.as_secs_f64() * 1e3,
    );
    note!(
        "{} keep-alives asked for, {} connections ended early; webhooks: {} accepted, {} not",
        counts.keep_alives,
        counts.ended_early,
        counts.webhooks_accepted,
        counts.webhooks_failed,
    );
    note!("{}", meter.total());
    for (finding, times) in server.findings() {
        note!("finding, {times} times: the client {finding}");
    }
    Ok(if counts.joins < streams { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn joined(streams: u64, counts: &LoadCounts) -> String {
    let Some((first, last)) = counts.ready_after else { return "nobody joined".to_owned() };
    let took = (last.saturating_sub(first)).as_secs_f64();
    let pace = if took > 0.0 { format!(", {:.0} a second", counts.ready as f64 / took) } else { String::new() };
    format!(
        "{} of {streams} streams joined; {} were ready for sound {:.2} to {:.2} s after the start{pace}",
        counts.joins.min(streams),
        counts.ready,
        first.as_secs_f64(),
        last.as_secs_f64(),
    )
}

/// What this process costs.
struct Meter {
    start: (Instant, ProcessTime),
    lap: (Instant, ProcessTime),
    offered: u64,
}

impl Meter {
    fn start() -> Self {
        let now = (Instant::now(), ProcessTime::now());
        Self { start: now, lap: now, offered: 0 }
    }

    /// What was done since the last lap, at what cost.
    fn lap(&mut self, counts: &LoadCounts) -> String {
        let (at, cpu) = self.lap;
        let seconds = at.elapsed().as_secs_f64();
        let line = format!(
            "at {:.0} s: {} ready, {:.0} packets a second, {:.2} of a core",
            self.start.0.elapsed().as_secs_f64(),
            counts.ready,
            (counts.offered - self.offered) as f64 / seconds,
            cpu.elapsed().as_secs_f64() / seconds,
        );
        self.lap = (Instant::now(), ProcessTime::now());
        self.offered = counts.offered;
        line
    }

    fn total(&self) -> String {
        let (seconds, cpu) = (self.start.0.elapsed().as_secs_f64(), self.start.1.elapsed().as_secs_f64());
        let profile = env!("RTMS_PROFILE");
        format!(
            "the simulator (a {profile} build) took {cpu:.2} s of CPU in {seconds:.2} s: {:.2} of a core",
            cpu / seconds
        )
    }
}

/// Raises the limit of open files, and finds out whether that is enough.
fn allow_open_files(needed: u64) -> anyhow::Result<()> {
    let limit = crate::open_files::raise();
    anyhow::ensure!(
        limit.is_none_or(|limit| limit >= needed),
        "{needed} open files are needed, and the system allows {}; raise the hard limit (`ulimit -Hn`), or ask for fewer streams",
        limit.unwrap_or_default(),
    );
    Ok(())
}
