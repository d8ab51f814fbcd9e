//! Deleting a stream's recording when consent is withdrawn (stop reason 8), so that a crash in the middle leaves neither
//! a half nor a doubt.
//!
//! ```text
//! recordings/.deletions/<stream id, escaped>.json      the record: which stream, when, why, what kinds, how many bytes
//! recordings/.deletions/<stream id, escaped>.content   the recording between the second step and the third
//! ```
//!
//! 1. [`Deletion::begin`] writes the record: from now on it will be done.
//! 2. [`Deletion::hide`] moves the folder away, all of it at once: from now on nobody finds the recording.
//! 3. [`Deletion::erase`] removes it from the disk.
//! 4. [`Deletion::close`] notes that it is done. The record stays, and has nothing in it of what was said or shown, nor
//!    who was there.
//!
//! [`finish_pending`] at the start of a program does what an earlier one did not get to, and [`Recorder::open`] of such
//! a stream does the same and refuses: what was revoked is not recorded again.
//!
//! [`Recorder::open`]: crate::Recorder::open

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use rtms_wire::{
    codes::stop_reason::StopReason,
    ids::{AccountId, InstanceId, StreamId},
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};

use crate::{
    error::RecordError,
    file::failed,
    layout::{deletion_content, deletion_contents, deletion_record, deletions, folder, folders, numbered},
    manifest::Manifest,
};

/// The value of [`DeletionRecord::format`].
pub const FORMAT: &str = "rtms-deletion";

/// The version this program writes, and the newest it reads.
pub const VERSION: u32 = 1;

/// What stays of a deleted recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletionRecord {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`] of the program that wrote it.
    pub version: u32,
    /// The stream.
    pub stream_id: StreamId,
    /// Of which meeting, session, engagement or call, if the manifest could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// Whose account, if the manifest said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<AccountId>,
    /// Why, in Zoom's number; none if somebody here asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<StopReason>,
    /// When it was asked for, on our clock.
    pub asked_at: UnixMillis,
    /// When all of it was gone, on our clock; until then the deletion is to be gone on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<UnixMillis>,
    /// What there was, by kind: `audio`, `video`, `deskshare`, `transcript`, `chat`, `events`, `journal`, `aside`,
    /// `manifest`, `other`.
    pub removed: BTreeMap<String, Removed>,
}

/// How much of a kind there was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// The number of files.
    pub files: u64,
    /// The bytes of all files.
    pub bytes: u64,
}

/// A deletion under way. Each step may be done again.
#[derive(Debug)]
pub struct Deletion {
    root: PathBuf,
    record: DeletionRecord,
}

/// Finishes every deletion under this root of recordings that is not done, and tells of each how it went.
///
/// # Errors
/// If the list of deletions cannot be read. One that fails does not hold up the others.
pub fn finish_pending(root: &Path, at: UnixMillis) -> Result<Vec<Result<DeletionRecord, RecordError>>, RecordError> {
    let mut finished = Vec::new();
    for found in all(root)? {
        match found {
            Ok(record) if record.done_at.is_some() => {}
            Ok(record) => finished.push(Deletion { root: root.to_owned(), record }.run(at)),
            Err(error) => finished.push(Err(error)),
        }
    }
    Ok(finished)
}

/// The records of all deletions under this root of recordings, in the order of their names.
///
/// # Errors
/// If the list cannot be read; a single record that cannot be read is an error in the list.
pub fn all(root: &Path) -> Result<Vec<Result<DeletionRecord, RecordError>>, RecordError> {
    let folder = deletions(root);
    let list = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        list => list.map_err(|source| failed("list", &folder, source))?,
    };
    let mut paths = Vec::new();
    for found in list {
        let path = found.map_err(|source| failed("list", &folder, source))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths.into_iter().filter_map(|path| read(&path).transpose()).collect())
}

impl Deletion {
    /// The first step: looks what there is and writes it down, durably. What was begun before is gone on with.
    ///
    /// # Errors
    /// If the record cannot be written. Nothing is deleted then.
    pub fn begin(
        root: &Path,
        stream_id: &StreamId,
        reason: Option<StopReason>,
        at: UnixMillis,
    ) -> Result<Self, RecordError> {
        // So that a folder that cannot be looked at is an error, not a folder that is not there.
        exists(&folder(root, stream_id))?;
        let contents = folders(root, stream_id);
        let is_there = !contents.is_empty();
        let mut record = match read(&deletion_record(root, stream_id))? {
            Some(known) if known.done_at.is_none() || !is_there => {
                return Ok(Self { root: root.to_owned(), record: known });
            }
            Some(known) => DeletionRecord { done_at: None, ..known },
            None => DeletionRecord {
                format: FORMAT.to_owned(),
                version: VERSION,
                stream_id: stream_id.clone(),
                instance: None,
                account_id: None,
                reason,
                asked_at: at,
                done_at: None,
                removed: BTreeMap::new(),
            },
        };
        for content in contents {
            // A manifest that cannot be read is no reason to keep what it describes.
            if let Ok(Some(manifest)) = Manifest::read(&content) {
                record.instance = Some(manifest.about.instance);
                record.account_id = manifest.about.account_id;
            }
            count(&content, &mut record.removed)?;
        }
        let deletion = Self { root: root.to_owned(), record };
        deletion.write()?;
        Ok(deletion)
    }

    /// What is written of it.
    pub fn record(&self) -> &DeletionRecord {
        &self.record
    }

    /// The second step: the recording is gone from its place, all at once.
    ///
    /// # Errors
    /// If it cannot be moved.
    pub fn hide(&self) -> Result<(), RecordError> {
        exists(&folder(&self.root, &self.record.stream_id))?;
        let contents = folders(&self.root, &self.record.stream_id);
        if contents.is_empty() {
            return Ok(());
        }
        // Something of an earlier attempt may lie there.
        self.erase()?;
        let hidden = deletion_content(&self.root, &self.record.stream_id);
        for (content, number) in contents.iter().zip(1..) {
            let hidden = numbered(&hidden, number);
            fs::rename(content, hidden).map_err(|source| failed("move away", content, source))?;
        }
        sync_folder(&self.root)?;
        sync_folder(&deletions(&self.root))
    }

    /// The third step: what was moved away is removed from the disk.
    ///
    /// # Errors
    /// If something of it cannot be removed; the rest may be gone.
    pub fn erase(&self) -> Result<(), RecordError> {
        for hidden in deletion_contents(&self.root, &self.record.stream_id) {
            match fs::remove_dir_all(&hidden) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => {
                    removed.map_err(|source| failed("remove", &hidden, source))?;
                    sync_folder(&deletions(&self.root))?;
                }
            }
        }
        Ok(())
    }

    /// The last step: notes that nothing is left.
    ///
    /// # Errors
    /// If the record cannot be written.
    pub fn close(mut self, at: UnixMillis) -> Result<DeletionRecord, RecordError> {
        if self.record.done_at.is_none() {
            self.record.done_at = Some(at);
            self.write()?;
        }
        Ok(self.record)
    }

    /// All steps after the first.
    ///
    /// # Errors
    /// If one fails; those before it are done.
    pub fn run(self, at: UnixMillis) -> Result<DeletionRecord, RecordError> {
        self.hide()?;
        self.erase()?;
        self.close(at)
    }

    /// Refuses to record a stream whose recording was deleted, after finishing that if it is not done.
    pub(crate) fn refuse(root: &Path, stream_id: &StreamId, at: UnixMillis) -> Result<(), RecordError> {
        let path = deletion_record(root, stream_id);
        let Some(record) = read(&path)? else { return Ok(()) };
        Self { root: root.to_owned(), record }.run(at)?;
        Err(RecordError::Deleted { path, stream_id: stream_id.clone() })
    }

    fn write(&self) -> Result<(), RecordError> {
        let folder = deletions(&self.root);
        rtms_private::make_folders(&folder).map_err(|source| failed("make the folder", &folder, source))?;
        let path = deletion_record(&self.root, &self.record.stream_id);
        let draft = path.with_extension("json.new");
        let text = serde_json::to_vec_pretty(&self.record)
            .map_err(|source| RecordError::BadDeletion { path: path.clone(), source })?;
        // Always durable, since nothing else says that the rest must go.
        let write = || {
            let mut file = rtms_private::file().write(true).create(true).truncate(true).open(&draft)?;
            file.write_all(&text)?;
            file.sync_all()
        };
        write().map_err(|source| failed("write", &draft, source))?;
        fs::rename(&draft, &path).map_err(|source| failed("replace", &path, source))?;
        sync_folder(&folder)?;
        sync_folder(&self.root)
    }
}

/// Makes sure that names which were moved or removed stay so after a power cut.
fn sync_folder(path: &Path) -> Result<(), RecordError> {
    // Elsewhere a folder cannot be opened as a file.
    if cfg!(unix) {
        File::open(path).and_then(|folder| folder.sync_all()).map_err(|source| failed("sync", path, source))?;
    }
    Ok(())
}

fn exists(path: &Path) -> Result<bool, RecordError> {
    // Of a link the link itself: what it points to is not ours to look at.
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(failed("look at", path, source)),
    }
}

fn read(path: &Path) -> Result<Option<DeletionRecord>, RecordError> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|source| failed("read", path, source))?,
    };
    let bad = |source| RecordError::BadDeletion { path: path.to_owned(), source };
    let record: DeletionRecord = serde_json::from_slice(&text).map_err(bad)?;
    if record.version > VERSION {
        return Err(RecordError::NewerFormat { path: path.to_owned(), found: record.version, known: VERSION });
    }
    Ok(Some(record))
}

/// Adds up what lies in a recording, without following links.
fn count(content: &Path, removed: &mut BTreeMap<String, Removed>) -> Result<(), RecordError> {
    let mut folders = vec![(content.to_owned(), None)];
    while let Some((folder, kind)) = folders.pop() {
        let found = fs::symlink_metadata(&folder).map_err(|source| failed("look at", &folder, source))?;
        if !found.is_dir() {
            continue;
        }
        for found in fs::read_dir(&folder).map_err(|source| failed("list", &folder, source))? {
            let found = found.map_err(|source| failed("list", &folder, source))?;
            let path = found.path();
            let kind = kind.unwrap_or_else(|| kind_of(&found.file_name().to_string_lossy()));
            let about = found.metadata().map_err(|source| failed("look at", &path, source))?;
            if about.is_dir() {
                folders.push((path, Some(kind)));
            } else {
                let sum = removed.entry(kind.to_owned()).or_default();
                sum.files += 1;
                sum.bytes += about.len();
            }
        }
    }
    Ok(())
}

/// A word of ours for a name in the recording's folder: names may hold ids of participants.
fn kind_of(name: &str) -> &'static str {
    let kinds = ["audio", "video", "deskshare", "transcript", "chat", "events", "journal", "aside", "manifest"];
    let stem = name.split('.').next().unwrap_or_default();
    kinds.into_iter().find(|kind| *kind == stem).unwrap_or("other")
}
