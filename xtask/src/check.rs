//! `cargo xtask check`: what can be said of the source without running it.

use std::process::Command;

use crate::{
    circles, documents, floors, openings, plain_logs, step,
    table::{Row, Table},
    workspace::Workspace,
};

/// Adds a row for every check.
pub(crate) fn run(workspace: &Workspace, table: &mut Table) {
    read(workspace, table);
    table.add(step::command(CLIPPY, clippy(&mut workspace.cargo())));
    table.add(step::command(DOC, doc(&mut workspace.cargo())));
}

/// Adds the rows of checks that compile nothing.
pub(crate) fn read(workspace: &Workspace, table: &mut Table) {
    table.add(step::command("format", workspace.cargo().args(["fmt", "--all", "--check"])));
    table.add(step::findings("floors", || floors::check(workspace)));
    table.add(step::findings("circles", || circles::check(workspace)));
    table.add(step::findings("file openings", || openings::check(workspace)));
    table.add(step::findings("plain logs", || plain_logs::check(workspace)));
    table.add(step::findings("document paths", || documents::check(workspace)));
}

/// The rows of checks that compile, beside other steps.
pub(crate) fn aside(workspace: &Workspace) -> Vec<Row> {
    vec![
        step::aside(CLIPPY, clippy(&mut workspace.cargo_in_background())),
        step::aside(DOC, doc(&mut workspace.cargo_in_background())),
    ]
}

const CLIPPY: &str = "clippy";
const DOC: &str = "doc";

fn clippy(cargo: &mut Command) -> &mut Command {
    cargo.args(["clippy", "--workspace", "--all-targets", "--all-features", "--keep-going", "--", "-D", "warnings"])
}

fn doc(cargo: &mut Command) -> &mut Command {
    cargo.env("RUSTDOCFLAGS", "-D warnings").args(["doc", "--workspace", "--all-features", "--keep-going", "--no-deps"])
}
