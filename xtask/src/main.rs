//! `cargo xtask <recipe>`: what is run at a desk and in CI, in the same words.
//!
//! A recipe is a list of steps. Each step leaves a row in a table that is printed at the end and says what ran, what did not, and
//! why. The exit code is 1 if a step failed; with `CI=true` in the environment also if something that a step needs is missing.

#![expect(clippy::print_stdout, reason = "a program for the terminal: its table goes to stdout")]

mod bench;
mod binaries;
mod check;
mod circles;
mod deadline;
mod deny;
mod documents;
mod floors;
mod openings;
mod plain_logs;
mod pytest;
mod report;
mod sdk;
mod setup;
mod sim;
mod step;
mod symbols;
mod table;
mod test;
mod workspace;

use std::process::ExitCode;

use crate::{table::Table, workspace::Workspace};

const HELP: &str = "\
cargo xtask <recipe>

  check   format, lints, documentation, the floors of the crates, the paths and items that documents name
  test    all of check, every test, Zoom's SDK as a judge of the simulator, and the pytest of docs/simulator.md; installs or names
          what it needs
  pytest  the pytest of docs/simulator.md, alone
  sdk     Zoom's SDK as a judge of the simulator, alone
  sim     our client against random trouble: cargo xtask sim --seeds 100000 --from 30000
  bench   every benchmark; what follows is passed on: cargo xtask bench decode
  deny    licences, bans and sources of the dependencies, by cargo-deny
  help    this text
";

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let recipe = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let steps = match recipe.as_str() {
        "check" => check::run,
        "test" => test::run,
        "pytest" => pytest::run,
        "sdk" => sdk::run,
        "deny" => deny::run,
        "bench" => return bench::run(&Workspace::find()?, &rest),
        "sim" => return sim::run(&Workspace::find()?, &rest),
        "help" | "--help" | "-h" | "" => {
            print!("{HELP}");
            return Ok(ExitCode::SUCCESS);
        }
        unknown => {
            eprint!("no recipe `{unknown}`\n\n{HELP}");
            return Ok(ExitCode::FAILURE);
        }
    };
    if !rest.is_empty() {
        eprintln!("`{recipe}` takes no arguments, but was given: {}", rest.join(" "));
        return Ok(ExitCode::FAILURE);
    }

    let mut table = Table::new(std::env::var_os("CI").is_some_and(|value| value == "true"));
    steps(&Workspace::find()?, &mut table);
    print!("{table}");
    Ok(if table.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
