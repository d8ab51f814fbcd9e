//! Requests a second and latency of three receivers of webhooks, driven with the same signed bodies by the same generator:
//! `rtms serve` (verified, on disk before the answer), Express with verification (nothing stored), and the webhook server
//! of Zoom's own SDK (neither). README.md beside `Cargo.toml` says how to run it.

mod figures;
mod load;
mod plot;
mod report;
mod rounds;
mod servers;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail, ensure};

use crate::{
    report::Machine,
    rounds::{CONNECTIONS, Round, Row},
    servers::{Server, Stored, Which},
};

const USAGE: &str = "bench-webhooks [--seconds N] [--rounds N] [--only ours|express|sdk] [--write]";

struct Arguments {
    /// How long each round is measured.
    seconds: u64,
    rounds: usize,
    only: Option<String>,
    write: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = arguments()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let scratch = scratch()?;
    servers::remove_data(&scratch)?;
    let chosen = |which: &Which| arguments.only.as_ref().is_none_or(|only| only == which.key());
    let mut rows: Vec<Row> = CONNECTIONS
        .into_iter()
        .flat_map(|connections| Which::ALL.map(|which| Row { which, connections, rounds: Vec::new() }))
        .filter(|row| chosen(&row.which))
        .collect();

    let mut machine = Machine::new(arguments.seconds, arguments.rounds);
    for _ in 0..arguments.rounds {
        machine.measure(&scratch)?;
        // Side by side, so that a slow moment of the machine hits all of them.
        for row in &mut rows {
            let round = measure(row.which, row.connections, &arguments, &root, &scratch).await?;
            eprintln!("{:7} {:3} connections: {round}", row.which.key(), row.connections);
            row.rounds.push(round);
        }
    }
    machine.measure(&scratch)?;
    servers::remove_data(&scratch)?;

    let section = report::section(&rows, &machine);
    #[expect(clippy::print_stdout, reason = "it is what this program makes")]
    {
        println!("{section}");
    }
    for row in &rows {
        let statuses: Vec<_> = row.rounds.iter().flat_map(|round| round.figures.refused.iter().take(3)).collect();
        ensure!(statuses.is_empty(), "{} answered other than 200: {statuses:?} …", row.which.name());
        // How many connections the SDK's server loses is a figure; of the others it is a fault.
        let is_fault = row.unanswered() > 0 && row.which != Which::Sdk;
        ensure!(!is_fault, "{} left {} requests unanswered", row.which.name(), row.unanswered());
    }
    if arguments.write {
        ensure!(arguments.only.is_none(), "--write needs all three receivers");
        report::put(&root.join("docs/performance.md"), &section)?;
        fs::write(root.join("docs/webhooks.svg"), plot::svg(&rows)).context("cannot write docs/webhooks.svg")?;
    }
    Ok(())
}

/// Starts a receiver, drives it, and stops it.
async fn measure(
    which: Which,
    connections: usize,
    arguments: &Arguments,
    root: &Path,
    scratch: &Path,
) -> anyhow::Result<Round> {
    let time = Duration::from_secs(arguments.seconds);
    let server = Server::start(which, root, scratch).await?;
    let requests = load::signed(server.address(), time)?;
    let cpu = || server.cpu_seconds().zip(figures::cpu_seconds(std::process::id()));
    let (stored_before, cpu_before) = (server.stored().await?, cpu());
    let figures = load::drive(server.address(), requests, connections, time).await?;
    let (stored_after, cpu_after) = (server.stored().await?, cpu());
    server.stop().await;

    let micros = |before: f64, after: f64| (after - before) * 1e6 / figures.all_answered.max(1) as f64;
    let cpu_micros =
        cpu_before.zip(cpu_after).map(|(before, after)| (micros(before.0, after.0), micros(before.1, after.1)));
    let stored = stored_before.zip(stored_after).map(|(before, after)| Stored {
        appends: after.appends - before.appends,
        syncs: after.syncs - before.syncs,
        folded: after.folded - before.folded,
    });
    Ok(Round { figures, cpu_micros, stored })
}

/// A folder for what is installed and stored meanwhile, beside the folder of builds.
fn scratch() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(2).context("this program is not where Cargo puts it")?;
    let scratch = target.join("bench-webhooks");
    fs::create_dir_all(&scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
    Ok(scratch)
}

fn arguments() -> anyhow::Result<Arguments> {
    let mut arguments = Arguments { seconds: 4, rounds: 3, only: None, write: false };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        let mut value = || given.next().with_context(|| format!("{argument} needs a value; usage: {USAGE}"));
        match argument.as_str() {
            "--seconds" => arguments.seconds = value()?.parse().context("--seconds needs a number")?,
            "--rounds" => arguments.rounds = value()?.parse().context("--rounds needs a number")?,
            "--only" => arguments.only = Some(value()?),
            "--write" => arguments.write = true,
            other => bail!("unknown argument {other}; usage: {USAGE}"),
        }
    }
    ensure!(arguments.seconds > 0 && arguments.rounds > 0, "nothing to measure; usage: {USAGE}");
    if let Some(only) = &arguments.only {
        ensure!(Which::ALL.iter().any(|which| which.key() == only), "no receiver {only}; usage: {USAGE}");
    }
    Ok(arguments)
}
