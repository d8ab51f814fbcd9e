//! What recipes need beyond Rust: installs it where that is this project's to do, and otherwise names what to run.
//!
//! On Debian as root, system packages are installed. Python packages go into environments of their own under the target folder.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    step::{self, Missing},
    workspace::Workspace,
};

/// What Zoom's SDK is installed from; the version stands there.
const SDK_REQUIREMENTS: &str = "conformance/zoom_sdk/requirements.txt";

/// What the pytest of the documents is installed from.
const PYTEST_REQUIREMENTS: &str = "conformance/pytest/requirements.txt";

/// What proxies and linters are installed from that Debian lacks or has in an old version.
const TOOL_REQUIREMENTS: &str = "deploy/requirements.txt";

/// A program that tests run. Without it they say that they did not run.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    origin: Origin,
    /// Where tests find its path.
    pub(crate) variable: &'static str,
    pub(crate) purpose: &'static str,
}

/// Where a tool comes from.
enum Origin {
    /// The path, or this package of Debian's.
    Debian(&'static str),
    /// Packages of Python's that hold programs.
    Python,
}

/// All of them.
pub(crate) const TOOLS: [Tool; 5] = [
    Tool {
        name: "ffprobe",
        origin: Origin::Debian("ffmpeg"),
        variable: "RTMS_FFPROBE",
        purpose: "for the tests that read recordings",
    },
    Tool {
        name: "nginx",
        origin: Origin::Debian("nginx-light"),
        variable: "RTMS_NGINX",
        purpose: "for the tests of the door behind it",
    },
    Tool {
        name: "systemd-analyze",
        origin: Origin::Debian("systemd"),
        variable: "RTMS_SYSTEMD_ANALYZE",
        purpose: "for the tests of the systemd units",
    },
    Tool {
        name: "caddy",
        origin: Origin::Python,
        variable: "RTMS_CADDY",
        purpose: "for the tests of the door behind it",
    },
    Tool {
        name: "hadolint",
        origin: Origin::Python,
        variable: "RTMS_HADOLINT",
        purpose: "for the test of the Dockerfile",
    },
];

impl Tool {
    /// Where it is, after it was installed if need be.
    pub(crate) fn find(&self, workspace: &Workspace) -> Result<PathBuf, Missing> {
        match self.origin {
            Origin::Debian(package) => program(workspace, self.name, package),
            Origin::Python => {
                let works = |python: &Path| quiet(Command::new(python.with_file_name(self.name)).arg("--version"));
                Ok(environment(workspace, "tools", TOOL_REQUIREMENTS, works)?.with_file_name(self.name))
            }
        }
    }
}

/// A Python that has Zoom's SDK.
pub(crate) fn sdk_python(workspace: &Workspace) -> Result<PathBuf, Missing> {
    environment(workspace, "venv", SDK_REQUIREMENTS, has_module("rtms"))
}

/// A Python that has pytest.
pub(crate) fn pytest_python(workspace: &Workspace) -> Result<PathBuf, Missing> {
    environment(workspace, "venv-pytest", PYTEST_REQUIREMENTS, has_module("pytest"))
}

/// Whether a Python can import a module.
fn has_module(name: &str) -> impl Fn(&Path) -> bool {
    move |python| quiet(Command::new(python).args(["-c", &format!("import {name}")]))
}

/// The Python of an environment that has these requirements, and works.
fn environment(
    workspace: &Workspace,
    name: &str,
    requirements_file: &str,
    works: impl Fn(&Path) -> bool,
) -> Result<PathBuf, Missing> {
    let requirements = workspace.root.join(requirements_file);
    let wanted = fs::read_to_string(&requirements)
        .map_err(|error| Missing(format!("{requirements_file} cannot be read: {error}")))?;
    let folder = workspace.scratch().join(name);
    let python = folder.join("bin/python");
    let marker = folder.join("installed-requirements.txt");
    let installed = fs::read_to_string(&marker).is_ok_and(|text| text == wanted);
    if installed && works(&python) {
        return Ok(python);
    }

    eprintln!("installing {} into {}", wanted.split_whitespace().collect::<Vec<_>>().join(", "), folder.display());
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
    step::run(&mut pip).map_err(|why| Missing(format!("{why}; not every system has all of {requirements_file}")))?;
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
