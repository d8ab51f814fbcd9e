//! `rtms streams retry`: joins a stream again whose run has ended, and waits for what becomes of it.

use std::{process::ExitCode, time::Duration};

use anyhow::bail;
use clap::Args;
use humantime::format_duration;
use hyper::Method;
use rtms_api::{
    standing::StreamStanding,
    stream::{StreamDetail, StreamLine, path_of},
};
use tokio::time::{Instant, sleep};

use crate::{
    api_client, exit_code,
    output::{self, one_line},
    place::PlaceArgs,
    streams::{
        answer::{LOOK_EVERY, json_line, understood},
        arguments::{StreamIdArg, wait},
        ended::why,
    },
};

pub(super) const EXAMPLES: &str = "\
A stream that failed, such as one whose signature Zoom refused, is joined again. Zoom waits about a minute after the start \
webhook, or after a connection is lost; later it is not tried, and the answer tells so. The wish is kept over a restart.

Examples:
  rtms streams retry 'Qm9v/aw+=='
  rtms streams retry --wait 5s 'Qm9v/aw+=='

Exit codes: 0 it is connected; 1 there is no such stream, it is too late, or it failed again; 2 wrong arguments.";

#[derive(Args, Debug)]
pub(super) struct RetryArgs {
    /// The stream
    #[arg(value_name = "ID", allow_hyphen_values = true)]
    stream: StreamIdArg,
    /// Wait this long for the connection, such as 5s or 1m; a number alone is seconds
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = wait)]
    wait: Duration,
    /// Print what became of it as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

pub(super) async fn run(args: &RetryArgs) -> anyhow::Result<ExitCode> {
    let StreamIdArg(stream) = &args.stream;
    let server = args.place.find_server(!args.json).await?;
    let answer = api_client::request(&server, Method::POST, &format!("{}/retry", path_of(stream)), None).await?;
    let mut line: StreamLine = understood(&answer)?;
    let deadline = Instant::now() + args.wait;
    loop {
        match line.state {
            StreamStanding::Connected | StreamStanding::Paused => break,
            state if state.is_over() => break,
            StreamStanding::Wanted
            | StreamStanding::Elsewhere
            | StreamStanding::Claimed
            | StreamStanding::Connecting
            | StreamStanding::Reconnecting
            | StreamStanding::Stopping
            | StreamStanding::Ended
            | StreamStanding::Incomplete
            | StreamStanding::Failed => {}
        }
        if Instant::now() >= deadline {
            bail!("not connected within {}, its state is {}; the wish is kept", format_duration(args.wait), line.state);
        }
        sleep(LOOK_EVERY).await;
        line = understood::<StreamDetail>(&api_client::get(&server, &path_of(stream)).await?)?.line;
    }
    let is_connected = !line.state.is_over();
    output::print(&match &line.ended {
        _ if args.json => json_line(&line)?,
        Some(ended) if !is_connected => format!("{}: {}\n", line.state, why(ended)),
        Some(_) | None => format!("{}\n", one_line(line.state.as_str())),
    })?;
    Ok(if is_connected { ExitCode::SUCCESS } else { exit_code::failed() })
}
