//! Where things are, as Cargo tells it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context;
use serde_json::Value;

/// Folders with nothing but sources: those of `fuzz` by name, since a run leaves a target folder and findings beside
/// them.
const FOLDERS_OF_RUST: [&str; 4] = ["crates", "xtask", "fuzz/src", "fuzz/fuzz_targets"];

/// The workspace that this program belongs to.
pub(crate) struct Workspace {
    /// The folder with the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
    /// The packages, as `cargo metadata` describes them.
    pub(crate) packages: Vec<Value>,
}

impl Workspace {
    /// Asks Cargo.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let own = std::env::var_os("CARGO_MANIFEST_DIR").context("not run by Cargo; run `cargo xtask help`")?;
        let root = Path::new(&own).parent().context("xtask stands in a workspace")?.to_owned();
        let output = cargo_in(&root)
            .args(["metadata", "--format-version", "1", "--no-deps"])
            .stderr(Stdio::inherit())
            .output()
            .context("failed to run cargo metadata")?;
        anyhow::ensure!(output.status.success(), "cargo metadata: {}", output.status);
        let mut metadata: Value = serde_json::from_slice(&output.stdout).context("failed to read cargo metadata")?;
        let target = metadata["target_directory"].as_str().context("cargo metadata names no target folder")?.into();
        let packages =
            metadata["packages"].as_array_mut().map(std::mem::take).context("cargo metadata names no packages")?;
        Ok(Self { root, target, packages })
    }

    /// Cargo, in the root folder.
    pub(crate) fn cargo(&self) -> Command {
        cargo_in(&self.root)
    }

    /// Cargo for work that keeps the processors busy beside tests that wait for sockets: those come first.
    pub(crate) fn cargo_in_background(&self) -> Command {
        if cfg!(not(unix)) {
            return self.cargo();
        }
        let mut nice = Command::new("nice");
        nice.args(["-n", "10"]).arg(self.cargo().get_program()).current_dir(&self.root);
        nice
    }

    /// A file's path from the root, as a finding names it.
    pub(crate) fn name_of(&self, file: &Path) -> String {
        file.strip_prefix(&self.root).unwrap_or(file).display().to_string()
    }

    /// Every Rust file of ours.
    ///
    /// # Errors
    /// A folder cannot be listed.
    pub(crate) fn rust_files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        let mut folders: Vec<PathBuf> = FOLDERS_OF_RUST.iter().map(|folder| self.root.join(folder)).collect();
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

    /// A folder for what recipes leave behind.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.target.join("xtask")
    }
}

fn cargo_in(root: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root);
    cargo
}
