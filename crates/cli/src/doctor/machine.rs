//! What the machine must give: the time, a folder, open files.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rtms_store::engine;

use crate::{doctor::finding::Findings, output};

const CLOCK: &str = "clock";
const FOLDER: &str = "data folder";
const DISK: &str = "disk";
const DESCRIPTORS: &str = "open files";

/// When this was written: 1 November 2026. An earlier clock is wrong.
const WRITTEN: u64 = 1_793_491_200;

/// A later clock than 1 January 2100 is wrong, too.
const FAR_FUTURE: u64 = 4_102_444_800;

/// Bytes that are needed to work at all, and those below which somebody should look: a stream with video takes about 2 GB an hour.
const LEAST_FREE: u64 = 100 << 20;
const LITTLE_FREE: u64 = 2 << 30;

/// Open files below which hardly a stream runs, and below which a busy server runs out: a stream has up to six sockets and about as
/// many files.
const LEAST_DESCRIPTORS: u64 = 256;
const FEW_DESCRIPTORS: u64 = 4096;

/// Whether the year is plausible. Whether the time is right, only another clock can tell.
pub(super) fn clock(findings: &mut Findings) {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let shown = output::time(seconds * 1000);
    if (WRITTEN..FAR_FUTURE).contains(&seconds) {
        findings.ok(CLOCK, format!("{shown} UTC"));
    } else {
        let found = format!("this machine's clock says {shown} UTC: every webhook would be refused as stale");
        findings.fault(CLOCK, found, "set the clock, and let NTP keep it (timedatectl set-ntp true)");
    }
}

/// Whether the data folder can be written, locked, and has room.
pub(super) fn data_folder(findings: &mut Findings, folder: &Path) {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let shown = folder.display();
    if folder.exists() && !folder.is_dir() {
        findings.fault(
            FOLDER,
            format!("{shown} is a file"),
            "remove it, or name another folder: server.data_dir or --data-dir",
        );
        return;
    }
    let existing = existing(&folder);
    if engine::is_in_use(&folder) {
        findings.ok(FOLDER, format!("{shown}: used by a running rtms"));
    } else {
        match try_out(&existing) {
            Ok(()) => findings.ok(FOLDER, format!("{shown}: can be written and locked")),
            Err(Unusable::Unwritable(error)) => {
                let kind = error.kind();
                let remedy = if kind == io::ErrorKind::PermissionDenied {
                    format!(
                        "run this as the user that runs rtms; or give it the folder: chown USER {}",
                        existing.display()
                    )
                } else if kind == io::ErrorKind::StorageFull {
                    "make room".to_owned()
                } else {
                    "name another folder: server.data_dir or --data-dir".to_owned()
                };
                findings.fault(FOLDER, format!("cannot write in {}: {error}", existing.display()), remedy);
                return;
            }
            Err(Unusable::Unlockable(error)) => {
                let found = format!("files in {} cannot be locked: {error}", existing.display());
                findings.fault(FOLDER, found, "use a local file system: server.data_dir or --data-dir");
            }
        }
    }
    #[cfg(unix)]
    room(findings, &existing);
}

enum Unusable {
    Unwritable(io::Error),
    Unlockable(io::Error),
}

/// The folder, or the nearest one above it that exists.
fn existing(folder: &Path) -> PathBuf {
    folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

/// Makes a file, writes to it, locks it, and removes it.
fn try_out(folder: &Path) -> Result<(), Unusable> {
    let path = folder.join(format!(".rtms-doctor-{}", std::process::id()));
    let tried = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(Unusable::Unwritable)
        .and_then(|file| try_file(&file));
    // What cannot be removed could not be made either, or says so by the next check.
    let _ = std::fs::remove_file(&path);
    tried
}

fn try_file(mut file: &File) -> Result<(), Unusable> {
    io::Write::write_all(&mut file, b"rtms doctor\n").and_then(|()| file.sync_all()).map_err(Unusable::Unwritable)?;
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(Unusable::Unlockable(io::Error::other("somebody else has the lock"))),
        Err(TryLockError::Error(error)) => Err(Unusable::Unlockable(error)),
    }
}

/// Free space, free files, and whether the disk is one.
#[cfg(unix)]
fn room(findings: &mut Findings, folder: &Path) {
    let shown = folder.display();
    let Ok(about) = rustix::fs::statvfs(folder) else { return };
    let free = about.f_bavail.saturating_mul(about.f_frsize);
    let gigabytes = free as f64 / f64::from(1 << 30);
    let remedy = "make room, or name another folder: server.data_dir or --data-dir";
    if free < LEAST_FREE {
        let found =
            format!("{:.0} MB are free in {shown}: webhooks could not be stored", free as f64 / f64::from(1 << 20));
        findings.fault(DISK, found, remedy);
    } else if free < LITTLE_FREE {
        let found = format!("{gigabytes:.1} GB are free in {shown}: about an hour of one stream with video");
        findings.warning(DISK, found, remedy);
    } else {
        findings.ok(DISK, format!("{gigabytes:.1} GB are free"));
    }
    if about.f_files > 0 && about.f_favail < 1000 {
        findings.warning(
            DISK,
            format!("only {} more files can be made in {shown}", about.f_favail),
            "delete files, or make a larger file system",
        );
    }
    #[cfg(target_os = "linux")]
    network(findings, folder);
}

/// File systems on which SQLite's log does not work, or on which nothing lasts.
#[cfg(target_os = "linux")]
fn network(findings: &mut Findings, folder: &Path) {
    const KINDS: [(u64, &str); 5] =
        [(0x6969, "NFS"), (0x517b, "SMB"), (0xff53_4d42, "CIFS"), (0xfe53_4d42, "SMB 2"), (0x0102_1997, "9p")];
    const TMPFS: u64 = 0x0102_1994;

    let Ok(about) = rustix::fs::statfs(folder) else { return };
    let kind = u64::from(about.f_type as u32);
    if let Some((_, name)) = KINDS.iter().find(|(number, _)| *number == kind) {
        let found = format!("{} is on {name}, and the store needs a local file system", folder.display());
        findings.fault(FOLDER, found, "name a folder on a local disk: server.data_dir or --data-dir");
    } else if kind == TMPFS {
        findings.note(FOLDER, "it is in memory (tmpfs): nothing survives a restart of the machine");
    }
}

/// How many files the process may have open, as `rtms serve` would raise it.
pub(super) fn descriptors(findings: &mut Findings) {
    let remedy = "raise the hard limit: LimitNOFILE=65536 in the systemd unit, or ulimit -Hn 65536";
    match crate::open_files::raise() {
        None => findings.ok(DESCRIPTORS, "no limit"),
        Some(limit) if limit < LEAST_DESCRIPTORS => {
            findings.fault(DESCRIPTORS, format!("at most {limit}: not enough for a few streams"), remedy);
        }
        Some(limit) if limit < FEW_DESCRIPTORS => {
            findings.warning(DESCRIPTORS, format!("at most {limit}: enough for about {} streams", limit / 16), remedy);
        }
        Some(limit) => findings.ok(DESCRIPTORS, format!("at most {limit}")),
    }
}
