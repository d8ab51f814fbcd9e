//! `cargo xtask test`: the one test command. Everything that `check` says, every test, random trouble in virtual time, and Zoom's
//! SDK as a judge.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::Context;

use crate::{
    check,
    deadline::{self, Running},
    sdk, setup, sim, step,
    table::{Outcome, Row, Table, Tally},
    workspace::Workspace,
};

/// Tests find `ffprobe` under this name; without it they say that they did not run.
const FFPROBE: &str = "RTMS_FFPROBE";

/// What a test binary says of a test that takes its time.
const SLOW: &str = " has been running for over 60 seconds";

/// Adds a row for every step.
pub(crate) fn run(workspace: &Workspace, table: &mut Table) {
    let begun = step::begin("ffprobe");
    let ffprobe = match setup::ffprobe(workspace) {
        Ok(path) => {
            // Having a tool is no test, so it is not counted as one.
            let row = step::single("ffprobe", begun.elapsed(), Ok(()));
            table.add(Row { tally: Tally::default(), note: "for the tests that read recordings".to_owned(), ..row });
            Some(path)
        }
        Err(missing) => {
            table.add(step::missing("ffprobe", begun.elapsed(), missing));
            None
        }
    };
    check::run(workspace, table);
    table.add(tests(workspace, ffprobe.as_deref()));
    sim::run_after_tests(workspace, table);
    sdk::run_after_tests(workspace, table);
}

/// Every test of every crate, those in documentation too.
fn tests(workspace: &Workspace, ffprobe: Option<&Path>) -> Row {
    const NAME: &str = "tests";
    let begun = step::begin(NAME);
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--workspace", "--all-features", "--no-fail-fast"]);
    match ffprobe {
        Some(path) => cargo.env(FFPROBE, path),
        None => cargo.env_remove(FFPROBE),
    };
    let mut report = Report::default();
    let ended = stream(&mut cargo, &mut report).map_err(|error| format!("{error:#}"));
    let took = begun.elapsed();

    let mut tally = report.tally;
    if ended.is_err() && tally.failed == 0 {
        // Something did not build, or a test binary died: no result line counts it.
        tally.failed = 1;
    }
    let outcome = if ended.is_ok() && tally.failed == 0 && tally.passed > 0 { Outcome::Ok } else { Outcome::Failed };
    let mut notes = Vec::new();
    if !report.failed.is_empty() {
        notes.push(format!("failed: {}", report.failed.join(", ")));
    } else if let Err(why) = ended {
        notes.push(why);
    }
    if !report.ignored.is_empty() {
        notes.push(format!("ignored: {}", report.ignored.join(", ")));
    }
    Row { name: NAME.to_owned(), outcome, took, tally, note: notes.join("; ") }
}

/// Runs the tests and passes on what they print, line by line, on its way through the report.
fn stream(cargo: &mut Command, report: &mut Report) -> anyhow::Result<()> {
    let mut running =
        Running::start(cargo.stdout(Stdio::piped()), deadline::of_steps()).context("failed to run cargo test")?;
    let mut lines = BufReader::new(running.child.stdout.take().context("cargo test has no stdout")?);
    let mut line = Vec::new();
    // Bytes, because a test may print what is no UTF-8.
    while lines.read_until(b'\n', &mut line).context("failed to read from cargo test")? > 0 {
        let text = String::from_utf8_lossy(&line);
        print!("{text}");
        report.read(text.trim_end());
        line.clear();
    }
    running.wait().map_err(|why| match report.slow.as_slice() {
        [] => anyhow::anyhow!("cargo test: {why}"),
        slow => anyhow::anyhow!("cargo test: {why}; still running: {}", slow.join(", ")),
    })
}

/// What the test binaries say of themselves.
#[derive(Debug, Default)]
struct Report {
    tally: Tally,
    failed: Vec<String>,
    ignored: Vec<String>,
    /// Those that run for longer than a minute.
    slow: Vec<String>,
}

impl Report {
    fn read(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result: ") {
            for part in result.split([';', '.']) {
                if let Some((number, word)) = part.trim().split_once(' ') {
                    let number: u64 = number.parse().unwrap_or_default();
                    match word {
                        "passed" => self.tally.passed += number,
                        "failed" => self.tally.failed += number,
                        "ignored" => self.tally.skipped += number,
                        _ => {}
                    }
                }
            }
        } else if let Some(name) = line.strip_prefix("test ").and_then(|test| test.strip_suffix(SLOW)) {
            self.slow.push(name.to_owned());
        } else if let Some((name, result)) = line.strip_prefix("test ").and_then(|test| test.rsplit_once(" ... ")) {
            self.slow.retain(|slow| slow != name);
            if result == "FAILED" {
                self.failed.push(name.to_owned());
            } else if result.starts_with("ignored") {
                self.ignored.push(name.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_binaries_are_added_up() {
        let mut report = Report::default();
        for line in [
            "running 3 tests",
            "test a::holds ... ok",
            "test a::does_not ... FAILED",
            "test a::slow ... ignored, needs an hour",
            "test a::hangs has been running for over 60 seconds",
            "test a::takes_its_time has been running for over 60 seconds",
            "test a::takes_its_time ... ok",
            "test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: ok. 20 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.25s",
        ] {
            report.read(line);
        }
        assert_eq!(report.tally, Tally { passed: 21, failed: 1, skipped: 1 });
        assert_eq!(report.failed, ["a::does_not"]);
        assert_eq!(report.ignored, ["a::slow"]);
        assert_eq!(report.slow, ["a::hangs"]);
    }
}
