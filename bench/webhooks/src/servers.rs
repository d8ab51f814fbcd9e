//! The three receivers: how each is started, and what it says of itself.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::{figures, load::SECRET_TOKEN};

/// What Zoom's SDK is installed from; the version stands there.
const SDK_REQUIREMENTS: &str = "conformance/zoom_sdk/requirements.txt";
/// How long a receiver may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// One of the receivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Ours,
    Express,
    Sdk,
}

impl Which {
    pub(crate) const ALL: [Self; 3] = [Self::Ours, Self::Express, Self::Sdk];

    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Express => "express",
            Self::Sdk => "sdk",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "`rtms serve`: verified, on disk",
            Self::Express => "Express 5: verified, not stored",
            Self::Sdk => "Zoom's SDK 1.1.0: neither",
        }
    }
}

/// A receiver that runs, on a port of its own.
pub(crate) struct Server {
    address: SocketAddr,
    /// Where ours serves its metrics.
    api: Option<SocketAddr>,
    child: Child,
}

/// What our store has done so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    /// Webhooks made durable.
    pub(crate) appends: u64,
    /// Commits that were synced.
    pub(crate) syncs: u64,
    /// Webhooks folded into their stream's record, behind the door.
    pub(crate) folded: u64,
}

impl Server {
    pub(crate) async fn start(which: Which, root: &Path, scratch: &Path) -> anyhow::Result<Self> {
        match which {
            Which::Ours => Self::ours(scratch).await,
            Which::Express => Self::express(root, scratch).await,
            Which::Sdk => Self::sdk(root, scratch).await,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    async fn ours(scratch: &Path) -> anyhow::Result<Self> {
        // Built with the same profile, so it lies beside this program.
        let program = std::env::current_exe()?.with_file_name("rtms");
        ensure!(program.exists(), "`rtms` of the same build is not there: start this by `cargo xtask bench webhooks`");
        let data_dir = new_data_dir(scratch)?;
        let (address, api) = (free_address().await?, free_address().await?);
        let child = Command::new(program)
            .args(["serve", "--listen", &address.to_string(), "--api-listen", &api.to_string(), "--data-dir"])
            .arg(&data_dir)
            .env("ZOOM_SECRET_TOKEN", SECRET_TOKEN)
            .env("ZOOM_CLIENT_ID", "bench-client-id")
            .env("ZOOM_CLIENT_SECRET", "bench-client-secret")
            // It logs as it does by default, but a reader of the log would take CPU from both sides.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        reachable(address).await?;
        Ok(Self { address, api: Some(api), child })
    }

    async fn express(root: &Path, scratch: &Path) -> anyhow::Result<Self> {
        let folder = scratch.join("express");
        fs::create_dir_all(&folder)?;
        for file in ["package.json", "package-lock.json", "server.js"] {
            fs::copy(root.join("bench/webhooks/express").join(file), folder.join(file))?;
        }
        if !folder.join("node_modules/express").exists() {
            let mut npm = Command::new("npm");
            npm.args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder);
            run(&mut npm).await.context("npm installs Express")?;
        }
        let mut child = Command::new("node")
            .arg("server.js")
            .current_dir(&folder)
            .env("NODE_ENV", "production")
            .env("ZOOM_SECRET_TOKEN", SECRET_TOKEN)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("node")?;
        let said = child.stdout.take().context("its output is a pipe")?;
        let port: u16 = first(said, |line| line.strip_prefix("listening ")?.parse().ok()).await?;
        Ok(Self { address: ([127, 0, 0, 1], port).into(), api: None, child })
    }

    async fn sdk(root: &Path, scratch: &Path) -> anyhow::Result<Self> {
        // `cargo xtask test` may have made one already.
        let found = ["../xtask/venv", "venv"].map(|venv| scratch.join(venv).join("bin/python"));
        let python = match found.into_iter().find(|python| python.exists()) {
            Some(python) => python,
            None => {
                let venv = scratch.join("venv");
                run(Command::new("python3").args(["-m", "venv"]).arg(&venv)).await.context("python makes a venv")?;
                let mut pip = Command::new(venv.join("bin/pip"));
                pip.args(["install", "--quiet", "--requirement"]).arg(root.join(SDK_REQUIREMENTS));
                run(&mut pip).await.context("pip installs the SDK")?;
                venv.join("bin/python")
            }
        };
        let address = free_address().await?;
        let child = Command::new(python)
            .arg(root.join("bench/webhooks/sdk_server.py"))
            .arg(address.port().to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        reachable(address).await?;
        Ok(Self { address, api: None, child })
    }

    /// CPU time that it has taken so far.
    pub(crate) fn cpu_seconds(&self) -> Option<f64> {
        figures::cpu_seconds(self.child.id()?)
    }

    /// What its store has done so far, if it has one.
    pub(crate) async fn stored(&self) -> anyhow::Result<Option<Stored>> {
        let Some(api) = self.api else { return Ok(None) };
        let mut socket = TcpStream::connect(api).await?;
        socket.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
        let mut text = String::new();
        socket.read_to_string(&mut text).await?;
        let sum = |name: &str| -> u64 {
            let lines = text.lines().filter(|line| line.starts_with(name));
            lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
        };
        ensure!(text.contains("\nrtms_store_syncs_total "), "/metrics does not count the syncs of the store");
        Ok(Some(Stored {
            appends: sum("rtms_store_appends_total "),
            syncs: sum("rtms_store_syncs_total "),
            folded: sum("rtms_webhook_classes_total{"),
        }))
    }

    pub(crate) async fn stop(mut self) {
        // It is gone either way.
        let _ = self.child.kill().await;
    }
}

/// Removes what the rounds have left. Not between them: freeing much room on a disk slows its syncs for a while.
pub(crate) fn remove_data(scratch: &Path) -> anyhow::Result<()> {
    let folder = scratch.join("data");
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

fn new_data_dir(scratch: &Path) -> anyhow::Result<PathBuf> {
    let folder = scratch.join("data");
    let number = fs::read_dir(&folder).map_or(0, Iterator::count);
    let new = folder.join(number.to_string());
    fs::create_dir_all(&new)?;
    Ok(new)
}

/// An address that nobody has now, for receivers that do not say which one they chose.
async fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?)
}

async fn reachable(address: SocketAddr) -> anyhow::Result<()> {
    let reached = timeout(PATIENCE, async {
        while TcpStream::connect(address).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    });
    reached.await.context("the server does not listen")
}

/// The first line that says something; what comes after it is read and thrown away.
async fn first<T>(
    output: impl AsyncRead + Unpin + Send + 'static,
    says: impl Fn(&str) -> Option<T>,
) -> anyhow::Result<T> {
    let mut output = BufReader::new(output);
    let mut seen = String::new();
    loop {
        let begin = seen.len();
        let read = timeout(PATIENCE, output.read_line(&mut seen)).await.context("the server does not listen")??;
        if read == 0 {
            bail!("the server left without listening:\n{seen}");
        }
        if let Some(said) = says(seen[begin..].trim_end()) {
            tokio::spawn(async move { tokio::io::copy(&mut output, &mut tokio::io::sink()).await });
            return Ok(said);
        }
    }
}

async fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.stdout(Stdio::null()).status().await?;
    ensure!(status.success(), "{status}");
    Ok(())
}
