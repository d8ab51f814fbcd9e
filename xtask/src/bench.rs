//! `cargo xtask bench`: every benchmark, or those whose name is given.

use std::process::ExitCode;

use crate::{step, workspace::Workspace};

/// Runs them; what they print goes through.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> anyhow::Result<ExitCode> {
    let mut cargo = workspace.cargo();
    cargo.args(["bench", "--workspace", "--all-features", "--benches", "--"]).args(arguments);
    step::run(&mut cargo).map_err(anyhow::Error::msg)?;
    Ok(ExitCode::SUCCESS)
}
