//! `cargo xtask deny`: licences, bans and sources of the dependencies. Not part of `test`, because building cargo-deny takes longer
//! than everything else there.

use crate::{
    step::{self, Missing},
    table::Table,
    workspace::Workspace,
};

/// Adds its row.
pub(crate) fn run(workspace: &Workspace, table: &mut Table) {
    const NAME: &str = "deny";
    let begun = step::begin(NAME);
    let there = workspace.cargo().args(["deny", "--version"]).output().is_ok_and(|output| output.status.success());
    table.add(if there {
        step::command(NAME, workspace.cargo().args(["deny", "--all-features", "check", "licenses", "bans", "sources"]))
    } else {
        step::missing(NAME, begun, Missing("run `cargo install --locked cargo-deny`".to_owned()))
    });
}
