//! `cargo xtask sim`: our client against the simulated Zoom, with trouble drawn from as many seeds as are wanted.
//!
//! `--seeds N` says how many, `--from S` from which on. What must hold is in `crates/proto/tests/model`.

use std::process::{Command, ExitCode};

use anyhow::Context;

use crate::{step, table::Row, workspace::Workspace};

const NAME: &str = "simulation";

/// As many as two processors play in about three minutes.
const SEEDS_AFTER_TESTS: u64 = 30_000;

/// As many as are played while somebody has lunch.
const SEEDS: u64 = 500_000;

/// The test that plays them.
const TEST: &str = "whatever_goes_wrong_every_seed_keeps_what_must_hold";

/// The row of the normal run, where the tests were built before.
pub(crate) fn after_tests(workspace: &Workspace) -> Row {
    let row = step::aside(NAME, &mut play(workspace.cargo_in_background(), 0, SEEDS_AFTER_TESTS));
    let note = if row.note.is_empty() { format!("{SEEDS_AFTER_TESTS} seeds") } else { row.note };
    Row { note, ..row }
}

/// Plays as many as the arguments say.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> anyhow::Result<ExitCode> {
    let (from, seeds) = read(arguments)?;
    step::run(&mut play(workspace.cargo(), from, seeds)).map_err(anyhow::Error::msg)?;
    Ok(ExitCode::SUCCESS)
}

/// With the features of all tests, so that nothing is built twice.
fn play(mut cargo: Command, from: u64, seeds: u64) -> Command {
    cargo.args(["test", "--workspace", "--all-features", "--test", "model", "--", "--exact", TEST, "--nocapture"]);
    cargo.env("RTMS_FROM", from.to_string()).env("RTMS_SEEDS", seeds.to_string());
    cargo
}

fn read(arguments: &[String]) -> anyhow::Result<(u64, u64)> {
    let (mut from, mut seeds) = (0, SEEDS);
    let mut rest = arguments.iter();
    while let Some(name) = rest.next() {
        let place = match name.as_str() {
            "--from" => &mut from,
            "--seeds" => &mut seeds,
            unknown => anyhow::bail!("`sim` knows --seeds and --from, but was given: {unknown}"),
        };
        let value = rest.next().with_context(|| format!("{name} lacks its number"))?;
        *place = value.parse().with_context(|| format!("{name} takes a number, but was given: {value}"))?;
    }
    Ok((from, seeds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_say_how_many_and_from_where() {
        let arguments = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();

        assert_eq!(read(&arguments("")).expect("none is needed"), (0, SEEDS));
        assert_eq!(read(&arguments("--seeds 7 --from 100")).expect("both are known"), (100, 7));
        assert!(read(&arguments("--seeds")).is_err());
        assert!(read(&arguments("--seeds many")).is_err());
        assert!(read(&arguments("--fast")).is_err());
    }
}
