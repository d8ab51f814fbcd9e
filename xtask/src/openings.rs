//! Every Rust file opens with `//!`: its first line says what it is for.

use std::fs;

use anyhow::Context;

use crate::workspace::Workspace;

/// Every file that opens with something else.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    for path in workspace.rust_files()? {
        let text = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        if !text.starts_with("//!") {
            findings.push(format!("{} does not open with //!", workspace.name_of(&path)));
        }
    }
    Ok(findings)
}
