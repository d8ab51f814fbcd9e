//! `cargo xtask bench`: every benchmark, or the one whose name is given; `--list` says which there are.
//!
//! What follows a name is passed on to it. A word that is no name is passed to those made with criterion, as a filter.
//! Those in `bench/` are programs of their own.

use std::{
    fs,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::Context;
use serde_json::Value;

use crate::{step, workspace::Workspace};

/// The profile of what is packaged, and so of what is measured.
const PROFILE: &str = "dist";

/// Those that `cargo bench` cannot start, because they start other programs.
const PROGRAMS: [Program; 2] = [
    Program { name: "webhooks", package: "bench-webhooks", measured: Some("rtms") },
    Program { name: "simulator", package: "bench-simulator", measured: None },
];

/// A benchmark that is a program of its own.
struct Program {
    name: &'static str,
    /// Its folder in `bench/` has the benchmark's name.
    package: &'static str,
    /// The package whose program it starts, if not its own alone.
    measured: Option<&'static str>,
}

/// A benchmark that `cargo bench` can start.
struct Bench {
    package: String,
    name: String,
    /// What it says of itself.
    about: String,
}

/// Runs them; what they print goes through.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> anyhow::Result<ExitCode> {
    let benches = benches(&workspace.packages)?;
    let is_list = matches!(arguments, [list] if list == "--list");
    if !is_list {
        println!("built with the profile `{PROFILE}`, as a package is");
    }
    match arguments {
        _ if is_list => {
            for bench in &benches {
                println!("{:10} {}", bench.name, bench.about);
            }
            for Program { name, .. } in &PROGRAMS {
                let main = workspace.root.join("bench").join(name).join("src/main.rs");
                println!("{name:10} {}", opening(&main)?);
            }
        }
        [name, rest @ ..] if PROGRAMS.iter().any(|program| program.name == name) => {
            for program in PROGRAMS.iter().filter(|program| program.name == name) {
                program.run(workspace, rest)?;
            }
        }
        [name, rest @ ..] if benches.iter().any(|bench| bench.name == *name) => {
            for Bench { package, name, .. } in benches.iter().filter(|bench| bench.name == *name) {
                let mut cargo = workspace.cargo();
                finish(
                    cargo
                        .args([
                            "bench",
                            "--profile",
                            PROFILE,
                            "--package",
                            package,
                            "--all-features",
                            "--bench",
                            name,
                            "--",
                        ])
                        .args(rest),
                )?;
            }
        }
        filters => {
            let mut cargo = workspace.cargo();
            cargo.args(["bench", "--profile", PROFILE, "--workspace", "--all-features", "--benches", "--"]);
            finish(cargo.args(filters))?;
            if filters.is_empty() {
                for program in &PROGRAMS {
                    program.run(workspace, &[])?;
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Program {
    fn run(&self, workspace: &Workspace, arguments: &[String]) -> anyhow::Result<()> {
        let mut build = workspace.cargo();
        build.args(["build", "--profile", PROFILE, "--package", self.package]);
        if let Some(measured) = self.measured {
            build.args(["--package", measured]);
        }
        finish(&mut build)?;
        finish(Command::new(workspace.target.join(PROFILE).join(self.package)).args(arguments))
    }
}

fn finish(command: &mut Command) -> anyhow::Result<()> {
    step::run(command).map_err(anyhow::Error::msg)
}

fn benches(packages: &[Value]) -> anyhow::Result<Vec<Bench>> {
    let mut benches = Vec::new();
    for package in packages {
        for target in package["targets"].as_array().context("a package without a list of targets")? {
            if target["kind"] == Value::from(vec!["bench"]) {
                let text = |value: &Value| value.as_str().map(str::to_owned).context("cargo metadata lacks a name");
                let about = opening(Path::new(&text(&target["src_path"])?))?;
                benches.push(Bench { package: text(&package["name"])?, name: text(&target["name"])?, about });
            }
        }
    }
    Ok(benches)
}

/// The first paragraph of what a file says of itself.
fn opening(path: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    let lines = text.lines().map_while(|line| line.strip_prefix("//! "));
    Ok(lines.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn benchmarks_are_found_with_what_they_say_of_themselves() {
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bench.rs");
        let target = |kind: &str| json!({"kind": [kind], "name": format!("a-{kind}"), "src_path": own});
        let packages = [json!({"name": "package", "targets": [target("lib"), target("bench")]})];

        let found = benches(&packages).expect("the metadata is complete");

        let [bench] = found.as_slice() else { panic!("one target is a benchmark") };
        assert_eq!((&*bench.package, &*bench.name), ("package", "a-bench"));
        assert!(bench.about.starts_with("`cargo xtask bench`"));
    }
}
