//! `cargo xtask test`: the one test command. Everything that `check` says, every test, random trouble in virtual time, Zoom's SDK
//! as a judge, and the pytest of the documents.
//!
//! Steps that wait and steps that compute run beside each other. Tools are installed while the tests are built. Lints,
//! documentation and the simulation compute while tests and judge wait for sockets.

use std::{path::PathBuf, process::Command, thread};

use crate::{
    binaries::{self, Programs},
    check, pytest,
    report::Report,
    sdk, setup, sim,
    step::{self, Missing},
    table::{Row, Table, Tally},
    workspace::Workspace,
};

/// What is installed while the tests are built.
struct Installed {
    rows: Vec<Row>,
    programs: Programs,
    sdk: Result<PathBuf, Missing>,
    pytest: Result<PathBuf, Missing>,
}

/// Adds a row for every step.
pub(crate) fn run(workspace: &Workspace, table: &mut Table) {
    check::read(workspace, table);
    let begun = step::begin("build");
    let (binaries, installed) = thread::scope(|scope| {
        let installing = scope.spawn(|| install(workspace));
        let binaries = binaries::build(workspace);
        let built = step::single("build", begun, binaries.as_ref().map(|_| ()).map_err(|error| format!("{error:#}")));
        table.add(built);
        (binaries.unwrap_or_default(), installing.join())
    });
    let Installed { rows, programs, sdk, pytest } = match installed {
        Ok(installed) => installed,
        Err(panic) => std::panic::resume_unwind(panic),
    };
    rows.into_iter().for_each(|row| table.add(row));

    thread::scope(|scope| {
        let computing = scope.spawn(|| {
            let mut rows = check::aside(workspace);
            rows.push(examples(workspace));
            rows.push(sim::after_tests(workspace));
            rows
        });
        table.add(binaries::run("tests", binaries, &programs));
        table.add(sdk::after_tests(workspace, sdk));
        table.add(pytest::after_tests(workspace, pytest));
        match computing.join() {
            Ok(rows) => rows.into_iter().for_each(|row| table.add(row)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
}

fn install(workspace: &Workspace) -> Installed {
    let mut rows = Vec::new();
    let mut programs = Programs::new();
    for tool in setup::TOOLS {
        let begun = step::begin(tool.name);
        let program = tool.find(workspace);
        rows.push(match &program {
            // Having a tool is no test, so it is not counted as one.
            Ok(_) => {
                let note = tool.purpose.to_owned();
                Row { tally: Tally::default(), note, ..step::single(tool.name, begun, Ok(())) }
            }
            Err(missing) => step::missing(tool.name, begun, missing.clone()),
        });
        programs.push((tool.variable, program.ok()));
    }
    Installed { rows, programs, sdk: setup::sdk_python(workspace), pytest: setup::pytest_python(workspace) }
}

/// The examples in the documentation. Cargo builds them itself, so they are no binaries of the list.
fn examples(workspace: &Workspace) -> Row {
    const NAME: &str = "doc examples";
    let begun = step::begin(NAME);
    let mut cargo: Command = workspace.cargo_in_background();
    cargo.args(["test", "--workspace", "--all-features", "--no-fail-fast", "--doc"]);
    let mut report = Report::default();
    let ended = step::read_lines(&mut cargo, |line| report.read(line));
    if let Err(why) = ended {
        report.ended_badly(NAME, &why);
    }
    report.row(NAME, begun)
}
