//! `cargo xtask sdk`: Zoom's SDK as a judge of the simulator. What it judges is written in `conformance/zoom_sdk`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::Context;
use serde_json::Value;

use crate::{
    deadline, setup,
    step::{self, Missing},
    table::{Outcome, Row, Table, Tally},
    workspace::Workspace,
};

const NAME: &str = "zoom sdk judge";

/// Builds the program and no more.
pub(crate) const BUILD: &[&str] = &["build", "--workspace", "--all-features", "--bins"];

/// The same, next to the tests. Their features are in it too, so nothing is built anew right after the tests.
pub(crate) const BUILD_AFTER_TESTS: &[&str] = &["build", "--workspace", "--all-features", "--bins", "--tests"];

/// Adds the judge's row.
pub(crate) fn run(workspace: &Workspace, table: &mut Table) {
    table.add(row(workspace, setup::sdk_python(workspace), BUILD));
}

/// The judge's row where the tests were built and Zoom's SDK was installed before.
pub(crate) fn after_tests(workspace: &Workspace, python: Result<PathBuf, Missing>) -> Row {
    row(workspace, python, BUILD_AFTER_TESTS)
}

fn row(workspace: &Workspace, python: Result<PathBuf, Missing>, build: &[&str]) -> Row {
    let begun = step::begin(NAME);
    match python {
        Ok(python) => judge(workspace, &python, build, begun),
        Err(missing) => step::missing(NAME, begun, missing),
    }
}

fn judge(workspace: &Workspace, python: &Path, build: &[&str], begun: Instant) -> Row {
    if let Err(why) = step::run(workspace.cargo().args(build)) {
        return step::single(NAME, begun, Err(why));
    }
    let program = program(workspace);
    let work = workspace.scratch().join("zoom-sdk");
    let verdicts = work.join("verdicts.json");
    if let Err(error) = fs::create_dir_all(&work).and_then(|()| remove(&verdicts)) {
        return step::single(NAME, begun, Err(format!("{}: {error}", work.display())));
    }

    let mut judge = Command::new(python);
    judge.arg("-B").arg(workspace.root.join("conformance/zoom_sdk/judge.py"));
    judge.arg("--rtms").arg(program).arg("--work").arg(&work).arg("--json").arg(&verdicts);
    let ended = step::run_within(&mut judge, deadline::of_steps());
    match read(&verdicts) {
        Ok((tally, failed)) => {
            let outcome =
                if ended.is_ok() && failed.is_empty() && tally.passed > 0 { Outcome::Ok } else { Outcome::Failed };
            let note = if failed.is_empty() { ended.err().unwrap_or_default() } else { failed.join("; ") };
            Row { name: NAME.to_owned(), outcome, begun, took: begun.elapsed(), tally, note }
        }
        Err(error) => step::single(NAME, begun, Err(format!("{error:#}"))),
    }
}

/// The program that a build leaves.
pub(crate) fn program(workspace: &Workspace) -> PathBuf {
    workspace.target.join("debug").join(format!("rtms{}", std::env::consts::EXE_SUFFIX))
}

fn remove(path: &Path) -> std::io::Result<()> {
    if path.exists() { fs::remove_file(path) } else { Ok(()) }
}

/// How many checks held, and those that did not in words.
fn read(verdicts: &Path) -> anyhow::Result<(Tally, Vec<String>)> {
    let text = fs::read_to_string(verdicts).context("the judge left no verdicts")?;
    let verdicts: Value = serde_json::from_str(&text).context("the judge's verdicts are no JSON")?;
    let checks = verdicts["checks"].as_array().context("the judge's verdicts have no checks")?;
    let mut tally = Tally::default();
    let mut failed = Vec::new();
    for check in checks {
        if check["ok"] == true {
            tally += Tally::of(Outcome::Ok);
        } else {
            tally += Tally::of(Outcome::Failed);
            let word = |key: &str| check[key].as_str().unwrap_or("?");
            failed.push(format!("{}: expected {}, seen {}", word("name"), word("expected"), word("seen")));
        }
    }
    Ok((tally, failed))
}
