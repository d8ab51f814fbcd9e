//! What recipes need beyond Rust: installs it where that is this project's to do, and otherwise names what to run.
//!
//! On Debian as root, system packages are installed. Python packages go into an environment of their own under the target folder.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    step::{self, Missing},
    workspace::Workspace,
};

/// A program that tests run. Without it they say that they did not run.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    package: &'static str,
    /// Where tests find its path.
    pub(crate) variable: &'static str,
    pub(crate) purpose: &'static str,
}

/// All of them.
pub(crate) const TOOLS: [Tool; 3] = [
    Tool {
        name: "ffprobe",
        package: "ffmpeg",
        variable: "RTMS_FFPROBE",
        purpose: "for the tests that read recordings",
    },
    Tool {
        name: "nginx",
        package: "nginx-light",
        variable: "RTMS_NGINX",
        purpose: "for the test of the door behind it",
    },
    Tool { name: "caddy", package: "caddy", variable: "RTMS_CADDY", purpose: "for the test of the door behind it" },
];

impl Tool {
    /// Where it is, after it was installed if need be.
    pub(crate) fn find(&self, workspace: &Workspace) -> Result<PathBuf, Missing> {
        program(workspace, self.name, self.package)
    }
}

/// An environment of Python packages.
struct Environment {
    /// Its folder, below the scratch folder.
    folder: &'static str,
    /// The packages, with their versions.
    requirements: &'static str,
    /// A module that is there when they are.
    module: &'static str,
    /// What to say where they cannot be installed.
    hint: &'static str,
}

/// Zoom's SDK.
const SDK: Environment = Environment {
    folder: "venv",
    requirements: "conformance/zoom_sdk/requirements.txt",
    module: "rtms",
    hint: "it is published for Linux x86-64 and macOS arm64 only",
};

/// What the pytest of the documents needs.
const PYTEST: Environment = Environment {
    folder: "venv-pytest",
    requirements: "conformance/pytest/requirements.txt",
    module: "pytest",
    hint: "PyPI has to be reachable",
};

/// A Python that has Zoom's SDK.
pub(crate) fn sdk_python(workspace: &Workspace) -> Result<PathBuf, Missing> {
    python(workspace, &SDK)
}

/// A Python that has pytest.
pub(crate) fn pytest_python(workspace: &Workspace) -> Result<PathBuf, Missing> {
    python(workspace, &PYTEST)
}

fn python(workspace: &Workspace, environment: &Environment) -> Result<PathBuf, Missing> {
    let requirements = workspace.root.join(environment.requirements);
    let wanted = fs::read_to_string(&requirements)
        .map_err(|error| Missing(format!("{} cannot be read: {error}", environment.requirements)))?;
    let folder = workspace.scratch().join(environment.folder);
    let python = folder.join("bin/python");
    let marker = folder.join("installed-requirements.txt");
    let installed = fs::read_to_string(&marker).is_ok_and(|text| text == wanted);
    if installed && quiet(Command::new(&python).args(["-c", &format!("import {}", environment.module)])) {
        return Ok(python);
    }

    eprintln!("installing {} into {}", wanted.trim().replace('\n', ", "), folder.display());
    let system = program(workspace, "python3", "python3")?;
    if !make_environment(&system, &folder) {
        debian_package(workspace, "python3-venv").map_err(|Missing(why)| {
            Missing(format!("python3 cannot make virtual environments (module `venv`): {why}"))
        })?;
        if !make_environment(&system, &folder) {
            return Err(Missing("python3 cannot make virtual environments (module `venv`)".to_owned()));
        }
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&requirements);
    step::run(&mut pip).map_err(|why| Missing(format!("{why}; {}", environment.hint)))?;
    fs::write(&marker, wanted).map_err(|error| Missing(format!("{} cannot be written: {error}", marker.display())))?;
    Ok(python)
}

/// A fresh environment; whatever was in the folder is gone.
fn make_environment(python: &Path, folder: &Path) -> bool {
    let gone = !folder.exists() || fs::remove_dir_all(folder).is_ok();
    gone && step::run(Command::new(python).args(["-m", "venv"]).arg(folder)).is_ok()
}

/// A program from the path; if it is not there, from a system package.
fn program(workspace: &Workspace, name: &str, package: &str) -> Result<PathBuf, Missing> {
    if let Some(path) = on_path(name) {
        return Ok(path);
    }
    debian_package(workspace, package).map_err(|Missing(why)| Missing(format!("{name} is not installed: {why}")))?;
    on_path(name).ok_or_else(|| Missing(format!("{name} is not there although {package} was installed")))
}

/// Installs a package where that is ours to do. Otherwise the error says what to run.
fn debian_package(workspace: &Workspace, package: &str) -> Result<(), Missing> {
    if cfg!(target_os = "macos") {
        return Err(Missing(format!("run `brew install {package}`")));
    }
    if on_path("apt-get").is_none() {
        return Err(Missing(format!("install the package {package}")));
    }
    if !is_root() {
        return Err(Missing(format!("run `apt-get install {package}` as root")));
    }
    eprintln!("installing {package}");
    apt_get(workspace, &["update"])?;
    apt_get(workspace, &["install", "-y", "--no-install-recommends", package])
}

fn apt_get(workspace: &Workspace, arguments: &[&str]) -> Result<(), Missing> {
    // Another installation may hold the lock for a while.
    let patience = ["-o", "DPkg::Lock::Timeout=300"];
    let scratch = workspace.scratch();
    let log = fs::create_dir_all(&scratch)
        .and_then(|()| fs::OpenOptions::new().create(true).append(true).open(scratch.join("apt-get.log")))
        .map_err(|error| Missing(format!("{} cannot be written: {error}", scratch.display())))?;
    let mut command = Command::new("apt-get");
    command.args(patience).args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).stdout(log);
    step::run(&mut command).map_err(Missing)
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn on_path(name: &str) -> Option<PathBuf> {
    // Servers lie where only root's path leads.
    let folders = env::split_paths(&env::var_os("PATH")?).chain(["/usr/sbin".into()]).collect::<Vec<_>>();
    folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn quiet(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
