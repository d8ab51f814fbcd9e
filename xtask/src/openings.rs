//! Every Rust file opens with `//!`: its first line says what it is for.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

use crate::workspace::Workspace;

/// Every file that opens with something else.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    for folder in ["crates", "xtask", "fuzz/src", "fuzz/fuzz_targets"] {
        for path in rust_files(&workspace.root.join(folder))? {
            let text = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
            if !text.starts_with("//!") {
                let name = path.strip_prefix(&workspace.root).unwrap_or(&path);
                findings.push(format!("{} does not open with //!", name.display()));
            }
        }
    }
    Ok(findings)
}

fn rust_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("failed to list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
