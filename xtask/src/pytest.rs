//! `cargo xtask pytest`: the pytest of `docs/simulator.md`, whose files are in `conformance/pytest`.

use std::{path::PathBuf, process::Command};

use crate::{
    deadline, sdk, setup,
    step::{self, Missing},
    table::{Row, Table},
    workspace::Workspace,
};

const NAME: &str = "pytest";

/// Adds its row.
pub(crate) fn run(workspace: &Workspace, table: &mut Table) {
    table.add(row(workspace, setup::pytest_python(workspace), sdk::BUILD));
}

/// Its row where the tests were built and pytest was installed before.
pub(crate) fn after_tests(workspace: &Workspace, python: Result<PathBuf, Missing>) -> Row {
    row(workspace, python, sdk::BUILD_AFTER_TESTS)
}

fn row(workspace: &Workspace, python: Result<PathBuf, Missing>, build: &[&str]) -> Row {
    let begun = step::begin(NAME);
    let python = match python {
        Ok(python) => python,
        Err(missing) => return step::missing(NAME, begun, missing),
    };
    let played = step::run(workspace.cargo().args(build)).and_then(|()| {
        let mut pytest = Command::new(python);
        pytest.args(["-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"]);
        pytest.arg(workspace.root.join("conformance/pytest")).env("RTMS", sdk::program(workspace));
        step::run_within(&mut pytest, deadline::of_steps())
    });
    step::single(NAME, begun, played)
}
