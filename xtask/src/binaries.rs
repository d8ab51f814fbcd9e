//! The test binaries: built once, then run several at a time, because most of their time is spent waiting for sockets.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::Instant,
};

use anyhow::Context;
use serde_json::Value;

use crate::{
    deadline::{self, Running},
    floors,
    report::Report,
    step,
    table::Row,
    workspace::Workspace,
};

/// Tests find the programs of others under these names; without one they say that they did not run.
pub(crate) type Programs = Vec<(&'static str, Option<PathBuf>)>;

/// Binaries that run at a time for each processor.
const PER_PROCESSOR: usize = 2;

/// One test binary.
#[derive(Debug)]
pub(crate) struct Binary {
    /// Package and target.
    name: String,
    program: PathBuf,
    /// Tests run in the folder of their package, as under `cargo test`.
    folder: PathBuf,
}

/// Builds them all. What does not build is the error.
pub(crate) fn build(workspace: &Workspace) -> anyhow::Result<Vec<Binary>> {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--workspace", "--all-features", "--no-run", "--message-format", "json-render-diagnostics"]);
    let mut running =
        Running::start(cargo.stdout(Stdio::piped()), deadline::of_steps()).context("failed to run cargo test")?;
    let lines = BufReader::new(running.child.stdout.take().context("cargo test has no stdout")?);
    let mut binaries = Vec::new();
    for line in lines.lines() {
        let message: Value = serde_json::from_str(&line?).context("cargo printed no JSON")?;
        binaries.extend(binary(workspace, &message)?);
    }
    running.wait().map_err(anyhow::Error::msg)?;
    // The upper floors start whole programs and wait the longest.
    binaries.sort_by_key(|(floor, _)| std::cmp::Reverse(*floor));
    Ok(binaries.into_iter().map(|(_, binary)| binary).collect())
}

/// The binary that a message of Cargo tells of, if it does, with the floor of its package.
fn binary(workspace: &Workspace, message: &Value) -> anyhow::Result<Option<(usize, Binary)>> {
    let (Some(program), Some(true)) = (message["executable"].as_str(), message["profile"]["test"].as_bool()) else {
        return Ok(None);
    };
    let manifest = message["manifest_path"].as_str().context("a test binary without a package")?;
    let package = workspace.packages.iter().find(|package| package["manifest_path"] == manifest);
    let package =
        package.and_then(|package| package["name"].as_str()).context("a test binary of no package of ours")?;
    let target = message["target"]["name"].as_str().context("a test binary without a name")?;
    let folder = PathBuf::from(manifest).parent().context("a manifest in no folder")?.to_owned();
    let binary = Binary { name: format!("{package} {target}"), program: program.into(), folder };
    Ok(Some((floors::height(package), binary)))
}

/// Runs them all and adds up what they say.
pub(crate) fn run(name: &str, binaries: Vec<Binary>, programs: &Programs) -> Row {
    let begun = step::begin(name);
    let waiting = Mutex::new(VecDeque::from(binaries));
    let report = Mutex::new(Report::default());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let lanes = thread::available_parallelism().map_or(1, std::num::NonZero::get) * PER_PROCESSOR;
    thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(|| {
                while let Some(binary) = next() {
                    let of_one = binary.run(programs);
                    report.lock().unwrap_or_else(PoisonError::into_inner).add(of_one);
                }
            });
        }
    });
    report.into_inner().unwrap_or_else(PoisonError::into_inner).row(name, begun)
}

impl Binary {
    fn run(&self, programs: &Programs) -> Report {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        for (name, program) in programs {
            match program {
                Some(program) => command.env(name, program),
                None => command.env_remove(name),
            };
        }
        let begun = Instant::now();
        let mut report = Report::default();
        let ended = step::read_lines(&mut command, |line| report.read(line));
        eprintln!("== {}, {:.1} s", self.name, begun.elapsed().as_secs_f64());
        if let Err(why) = ended {
            report.ended_badly(&self.name, &why);
        }
        report
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::table::Outcome;

    fn shell(script: &str) -> Binary {
        let folder = std::env::temp_dir();
        let program = folder.join(format!("xtask-binary-{}-{}", std::process::id(), script.len()));
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("the temporary folder can be written");
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&program, executable).expect("it is ours");
        Binary { name: script.to_owned(), program, folder }
    }

    #[test]
    fn what_all_binaries_print_is_added_up_and_one_that_dies_is_named() {
        let good = "echo 'test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out'";
        let dies = "echo dying; exit 7";
        let binaries = vec![shell(good), shell(dies)];
        let paths: Vec<PathBuf> = binaries.iter().map(|binary| binary.program.clone()).collect();

        let row = run("tests", binaries, &Programs::new());

        assert_eq!((row.outcome, row.tally.passed, row.tally.failed), (Outcome::Failed, 3, 1));
        assert!(row.note.contains(dies) && row.note.contains('7'), "{}", row.note);
        for path in paths {
            std::fs::remove_file(path).expect("it is there");
        }
    }
}
