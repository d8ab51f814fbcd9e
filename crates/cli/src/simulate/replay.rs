//! `rtms simulate --replay`: a wire log of `rtms serve --capture`, played to a client of any make.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Args;
use rtms_sim::{
    replay::{Absence, Played, wire_log::Contents},
    webhook::WebhookAnswer,
};
use rtms_sim_server::replay::{ReplayConfig, ReplayEnding, Replaying, Speed, Summary};
use rtms_wire::media::medium::Medium;

use crate::{logging::note, signals::Signals};

/// How often it is said how far it has come.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// A wire log in place of a meeting.
#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// Play back a wire log that `rtms serve --capture` wrote, in place of a meeting: the same frames, at the same distances in
    /// time, from handshakes with the client's own signature on. Exits with 1 if nobody joined, or left before the end
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "load", "scenario", "event_websocket", "meetings", "servers", "product", "participants", "duration", "seed", "media",
        "everything", "audio_from", "video_from", "flash_and_beep", "keep_alive_interval", "sent", "grade", "time_compression",
        "validate_url", "deliver_twice", "probe_oracle", "probe_forged_starts", "wait_for_retries", "strict", "version_two",
    ])]
    pub(super) replay: Option<PathBuf>,
    /// Play it so many times as fast, such as 0.5 or 10, or as fast as the client reads: max. Times inside of messages stay
    /// [default: 1]
    #[arg(long, value_name = "N|max", requires = "replay")]
    pub(super) speed: Option<Speed>,
}

impl ReplayArgs {
    /// Whether a wire log is to be played.
    pub(super) fn is_asked(&self) -> bool {
        self.replay.is_some()
    }
}

/// Runs until the wire log is over or a signal asks to stop.
pub(super) async fn run(config: ReplayConfig, print: bool, mut signals: Signals) -> anyhow::Result<ExitCode> {
    let mut replaying = Replaying::start(config).await?;
    let length_ms = replaying.contents().length_ms;
    tell_contents(replaying.contents());
    note!("signaling is at {}", replaying.signaling_url());
    let line = if print { [replaying.start_webhook(), b"\n".as_slice()].concat() } else { Vec::new() };
    let printed = crate::output::print_apart(line);
    tokio::pin!(printed);
    let mut is_printed = false;
    let mut every = tokio::time::interval(TELL_EVERY);
    // The first tick comes at once.
    every.tick().await;
    let summary = loop {
        tokio::select! {
            biased;
            summary = replaying.finished() => break summary?,
            printed = &mut printed, if !is_printed => {
                printed.context("failed to print the webhook")?;
                is_printed = true;
            }
            () = signals.stop() => {
                note!("stopping");
                replaying.stop();
                break replaying.finished().await?;
            }
            _ = every.tick() => {
                note!("at {} of {}", clock(replaying.progress_ms()), clock(length_ms));
            }
        }
    };
    Ok(tell(&summary, length_ms))
}

fn tell_contents(contents: &Contents) {
    let header = &contents.header;
    note!(
        "the wire log of {} stream {}, {} long, by {}",
        header.product,
        crate::output::one_line(header.rtms_stream_id.as_str()),
        clock(contents.length_ms),
        crate::output::one_line(&header.program),
    );
    if contents.lost > 0 {
        note!("{} lines were lost when it was written", contents.lost);
    }
    if !contents.is_whole {
        note!("it ends before the stream did");
    }
}

fn tell(summary: &Summary, length_ms: u64) -> ExitCode {
    let Summary { at_ms, ending, played, stop_webhook } = summary;
    let Played { signaling, media, passed_over, joins, media_connections, refusals } = played;
    note!(
        "played: {signaling} frames on signaling{}; {joins} joined, {media_connections} media connections",
        Medium::ALL.iter().filter_map(|it| Some(format!(", {} {it}", media.get(it)?))).collect::<String>(),
    );
    if !passed_over.is_empty() {
        let media: Vec<_> = passed_over.iter().map(|(medium, frames)| format!("{frames} {medium}")).collect();
        note!("passed over, as the client had no connection for it: {}", media.join(", "));
    }
    for refusal in refusals {
        note!("refused: {}", crate::output::one_line(refusal));
    }
    if let Some(answer) = stop_webhook.as_ref().filter(|answer| !answer.is_accepted()) {
        note!("the stop webhook was not accepted: {}", why_not(answer));
    }
    match ending {
        ReplayEnding::Played | ReplayEnding::Stopped if *joins > 0 => return ExitCode::SUCCESS,
        ReplayEnding::Played | ReplayEnding::Stopped | ReplayEnding::Absent(Absence::NobodyCame) => {
            note!("nobody joined");
        }
        ReplayEnding::Absent(Absence::Left) => {
            note!("the client left at {} of {} and did not come back", clock(*at_ms), clock(length_ms));
        }
    }
    ExitCode::FAILURE
}

fn why_not(answer: &WebhookAnswer) -> String {
    match answer {
        WebhookAnswer::Status(status) | WebhookAnswer::Body { status, .. } => format!("it was answered with {status}"),
        WebhookAnswer::TimedOut => "there was no answer in 3 s".to_owned(),
        WebhookAnswer::Failed(why) => crate::output::one_line(why),
    }
}

/// Minutes and seconds of the wire log.
fn clock(ms: u64) -> String {
    format!("{:02}:{:02}.{:03}", ms / 60_000, ms / 1000 % 60, ms % 1000)
}
