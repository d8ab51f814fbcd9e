//! `cargo xtask check`: what can be said of the source without running it.

use crate::{documents, floors, openings, step, table::Table, workspace::Workspace};

/// Adds a row for every check.
pub(crate) fn run(workspace: &Workspace, table: &mut Table) {
    let clippy = ["clippy", "--workspace", "--all-targets", "--all-features", "--keep-going", "--", "-D", "warnings"];
    let doc = ["doc", "--workspace", "--all-features", "--keep-going", "--no-deps"];

    table.add(step::command("format", workspace.cargo().args(["fmt", "--all", "--check"])));
    table.add(step::findings("floors", || floors::check(workspace)));
    table.add(step::findings("file openings", || openings::check(workspace)));
    table.add(step::findings("document paths", || documents::check(workspace)));
    table.add(step::command("clippy", workspace.cargo().args(clippy)));
    table.add(step::command("doc", workspace.cargo().env("RUSTDOCFLAGS", "-D warnings").args(doc)));
}
