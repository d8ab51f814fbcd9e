//! Files held open up to a bound, and the two ways they are written: appended to, and replaced as a whole.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::error::RecordError;

/// What is collected for a file before it is written. Sync writes it earlier.
const BUFFER_BYTES: usize = 64 << 10;

/// The open files of one recording, at most so many: the one unused for longest is closed for the next.
#[derive(Debug)]
pub(crate) struct Files {
    /// The recording's folder, which is never made again once it is gone: somebody may have deleted it on purpose.
    folder: PathBuf,
    open: Vec<Open>,
    max_open: usize,
    wait_for_disk: bool,
    uses: u64,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    last_use: u64,
    written: bool,
}

impl Files {
    pub(crate) fn new(folder: &Path, max_open: usize, wait_for_disk: bool) -> Self {
        Self { folder: folder.to_owned(), open: Vec::new(), max_open: max_open.max(1), wait_for_disk, uses: 0 }
    }

    /// How many are open now.
    pub(crate) fn open_count(&self) -> usize {
        self.open.len()
    }

    /// Writes all of the bytes at this place; what lies between the file's end and it becomes zeros.
    pub(crate) fn write_at(&mut self, path: &Path, offset: u64, bytes: &[u8]) -> Result<(), RecordError> {
        let open = self.get(path)?;
        open.written = true;
        let file = &mut open.file;
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.write_all(bytes))
            .map_err(|source| failed("write", path, source))
    }

    /// Reads at this place; what the file does not have are zeros.
    pub(crate) fn read_at(&mut self, path: &Path, offset: u64, bytes: &mut [u8]) -> Result<(), RecordError> {
        let file = &mut self.get(path)?.file;
        let mut filled = 0;
        file.seek(SeekFrom::Start(offset)).map_err(|source| failed("read", path, source))?;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read(rest) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(failed("read", path, source)),
            }
        }
        if let Some(rest) = bytes.get_mut(filled..) {
            rest.fill(0);
        }
        Ok(())
    }

    /// Cuts the file here, or prolongs it with zeros that take no space.
    pub(crate) fn set_len(&mut self, path: &Path, length: u64) -> Result<(), RecordError> {
        let open = self.get(path)?;
        open.written = true;
        open.file.set_len(length).map_err(|source| failed("set the length of", path, source))
    }

    /// Takes room on the disk that [`Files::remove`] gives back, if there is any.
    pub(crate) fn reserve(&mut self, path: &Path, bytes: usize) {
        // Not zeros, which some file systems do not store.
        if self.write_whole(path, &vec![0xA5; bytes], false).is_err() {
            // What there is no room for now is missing at the end as well, and is reported then.
        }
    }

    /// Writes a whole file that is not touched again.
    pub(crate) fn create(&mut self, path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
        self.write_whole(path, bytes, self.wait_for_disk)
    }

    fn write_whole(&mut self, path: &Path, bytes: &[u8], wait_for_disk: bool) -> Result<(), RecordError> {
        self.make_folders(path)?;
        let write = || {
            let mut file = rtms_private::file().write(true).create(true).truncate(true).open(path)?;
            file.write_all(bytes)?;
            if wait_for_disk { file.sync_data() } else { Ok(()) }
        };
        write().map_err(|source| {
            // A part of it serves nobody, and takes room that others need.
            let _ = fs::remove_file(path);
            failed("write", path, source)
        })
    }

    /// Puts new content in a file's place: a reader sees the old or the new, never a part, also after a power cut.
    pub(crate) fn replace(&mut self, draft: &Path, path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
        self.write_whole(draft, bytes, true)?;
        fs::rename(draft, path).map_err(|source| failed("replace", path, source))
    }

    /// Removes a file that may be open.
    pub(crate) fn remove(&mut self, path: &Path) -> Result<(), RecordError> {
        self.open.retain(|open| open.path != path);
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(|source| failed("remove", path, source)),
        }
    }

    /// Waits for the disk, if that is wanted.
    pub(crate) fn sync(&mut self) -> Result<(), RecordError> {
        for open in self.open.iter_mut().filter(|open| open.written) {
            if self.wait_for_disk {
                open.file.sync_data().map_err(|source| failed("sync", &open.path, source))?;
            }
            open.written = false;
        }
        Ok(())
    }

    fn get(&mut self, path: &Path) -> Result<&mut Open, RecordError> {
        self.uses += 1;
        let found = match self.open.iter().position(|open| open.path == path) {
            Some(found) => found,
            None => self.open(path)?,
        };
        // `found` is the place of what was just found or pushed.
        let open = &mut self.open[found];
        open.last_use = self.uses;
        Ok(open)
    }

    fn open(&mut self, path: &Path) -> Result<usize, RecordError> {
        if self.open.len() >= self.max_open {
            let oldest = self.open.iter().enumerate().min_by_key(|(_, open)| open.last_use);
            if let Some((place, open)) = oldest {
                if self.wait_for_disk && open.written {
                    open.file.sync_data().map_err(|source| failed("sync", &open.path, source))?;
                }
                self.open.swap_remove(place);
            }
        }
        let mut how = rtms_private::file();
        how.read(true).write(true).create(true).truncate(false);
        let file = match how.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_folders(path)?;
                how.open(path)
            }
            opened => opened,
        };
        let file = file.map_err(|source| failed("open", path, source))?;
        self.open.push(Open { path: path.to_owned(), file, last_use: self.uses, written: false });
        Ok(self.open.len() - 1)
    }

    fn make_folders(&self, path: &Path) -> Result<(), RecordError> {
        let Some(parent) = path.parent().and_then(|parent| parent.strip_prefix(&self.folder).ok()) else {
            return Ok(());
        };
        let mut folder = self.folder.clone();
        for part in parent.components() {
            folder.push(part);
            match rtms_private::make_folder(&folder) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(failed("make the folder", &folder, source)),
            }
        }
        Ok(())
    }
}

/// A file that only grows, written in large pieces.
///
/// What could not be written stays here and is tried again at the same place, so a write cut short leaves no trace.
#[derive(Debug)]
pub(crate) struct Appender {
    path: PathBuf,
    written: u64,
    waiting: Vec<u8>,
    max_waiting: usize,
}

impl Appender {
    /// Goes on behind what is there.
    pub(crate) fn open(path: PathBuf, max_waiting: usize) -> Result<Self, RecordError> {
        let written = length(&path)?;
        Ok(Self { path, written, waiting: Vec::new(), max_waiting })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the next bytes will lie.
    pub(crate) fn end(&self) -> u64 {
        self.written + self.waiting.len() as u64
    }

    /// Whether the next push writes what waits.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= BUFFER_BYTES
    }

    pub(crate) fn push(&mut self, bytes: &[u8], files: &mut Files) -> Result<(), RecordError> {
        if (self.is_full() || !self.has_room(bytes.len()))
            && let Err(error) = self.flush(files)
            && !self.has_room(bytes.len())
        {
            let source = Box::new(error);
            return Err(RecordError::Backlogged { path: self.path.clone(), held_bytes: self.waiting.len(), source });
        }
        self.waiting.extend_from_slice(bytes);
        Ok(())
    }

    /// Has one line of JSON wait for the next flush. For lines that tell of what must be in another file before.
    pub(crate) fn hold_line(&mut self, line: &impl Serialize) -> Result<(), RecordError> {
        let mut text = serde_json::to_vec(line).map_err(|error| failed("write", &self.path, error.into()))?;
        text.push(b'\n');
        if !self.has_room(text.len()) {
            let source = io::Error::new(io::ErrorKind::StorageFull, "what it tells of cannot be written");
            let source = Box::new(failed("write", &self.path, source));
            return Err(RecordError::Backlogged { path: self.path.clone(), held_bytes: self.waiting.len(), source });
        }
        self.waiting.extend_from_slice(&text);
        Ok(())
    }

    /// Appends one line of JSON.
    pub(crate) fn push_line(&mut self, line: &impl Serialize, files: &mut Files) -> Result<(), RecordError> {
        let mut text = serde_json::to_vec(line).map_err(|error| failed("write", &self.path, error.into()))?;
        text.push(b'\n');
        self.push(&text, files)
    }

    pub(crate) fn flush(&mut self, files: &mut Files) -> Result<(), RecordError> {
        if self.waiting.is_empty() {
            // Nothing came since the last time: a quiet stream holds no memory.
            self.waiting = Vec::new();
            return Ok(());
        }
        files.write_at(&self.path, self.written, &self.waiting)?;
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
        // A disk that was full for a while leaves no memory behind.
        self.waiting.shrink_to(2 * BUFFER_BYTES);
        Ok(())
    }

    /// Lets go of what waits. What a write that failed has brought into the file stays.
    pub(crate) fn give_up(&mut self) -> Result<(), RecordError> {
        let waiting = std::mem::take(&mut self.waiting);
        self.written += length(&self.path)?.saturating_sub(self.written).min(waiting.len() as u64);
        Ok(())
    }

    /// Lets go of the lines that wait, and gives those that are not in the file. A part of a line is cut off there.
    pub(crate) fn give_up_lines(&mut self, files: &mut Files, done: &mut Result<(), RecordError>) -> Vec<Vec<u8>> {
        let waiting = std::mem::take(&mut self.waiting);
        let mut lost = Vec::new();
        let mut end = self.written;
        let there = length(&self.path).unwrap_or_else(|error| {
            keep_first(done, Err(error));
            self.written
        });
        for line in waiting.split_inclusive(|byte| *byte == b'\n') {
            end += line.len() as u64;
            if end <= there {
                self.written = end;
            } else {
                lost.push(line.to_owned());
            }
        }
        if there > self.written {
            keep_first(done, files.set_len(&self.path, self.written));
        }
        lost
    }

    /// Begins again with an empty file; what waits is thrown away.
    pub(crate) fn restart(&mut self, files: &mut Files) -> Result<(), RecordError> {
        self.waiting.clear();
        if self.written > 0 {
            files.set_len(&self.path, 0)?;
            self.written = 0;
        }
        Ok(())
    }

    /// One large message may always wait if nothing else does.
    fn has_room(&self, more: usize) -> bool {
        self.waiting.is_empty() || self.waiting.len() + more <= self.max_waiting
    }
}

/// The size of a file; 0 if there is none.
pub(crate) fn length(path: &Path) -> Result<u64, RecordError> {
    match fs::metadata(path) {
        Ok(found) => Ok(found.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(source) => Err(failed("look at", path, source)),
    }
}

/// Cuts off a last line without its end, as a process killed while writing leaves it; how many bytes that were.
pub(crate) fn cut_torn_line(path: &Path) -> Result<u64, RecordError> {
    let end = length(path)?;
    if end == 0 {
        return Ok(0);
    }
    let mut file =
        rtms_private::file().read(true).write(true).open(path).map_err(|source| failed("open", path, source))?;
    let mut keep = end;
    let mut piece = vec![0; 4096];
    while keep > 0 {
        let from = keep.saturating_sub(piece.len() as u64);
        let length = usize::try_from(keep - from).unwrap_or(piece.len());
        piece.truncate(length);
        file.seek(SeekFrom::Start(from))
            .and_then(|_| file.read_exact(&mut piece))
            .map_err(|source| failed("read", path, source))?;
        if let Some(newline) = piece.iter().rposition(|byte| *byte == b'\n') {
            keep = from + newline as u64 + 1;
            break;
        }
        keep = from;
    }
    if keep < end {
        file.set_len(keep).map_err(|source| failed("cut", path, source))?;
    }
    Ok(end - keep)
}

/// The whole lines among the last bytes of a file; none if there is no file.
pub(crate) fn last_lines(path: &Path, max_bytes: u64) -> Result<Vec<Vec<u8>>, RecordError> {
    let end = length(path)?;
    if end == 0 {
        return Ok(Vec::new());
    }
    let from = end.saturating_sub(max_bytes);
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(|source| failed("open", path, source))?;
    file.seek(SeekFrom::Start(from))
        .and_then(|_| file.take(max_bytes).read_to_end(&mut bytes))
        .map_err(|source| failed("read", path, source))?;
    // The first piece is the end of a line unless it is the beginning of the file; the last is behind the last line.
    let skip = usize::from(from > 0);
    let mut lines: Vec<_> = bytes.split(|byte| *byte == b'\n').skip(skip).map(<[u8]>::to_vec).collect();
    lines.pop();
    Ok(lines)
}

/// How many lines a file has; none if there is no file.
pub(crate) fn count_lines(path: &Path) -> Result<u64, RecordError> {
    if length(path)? == 0 {
        return Ok(0);
    }
    let mut file = File::open(path).map_err(|source| failed("open", path, source))?;
    let mut piece = vec![0; 64 << 10];
    let mut lines = 0;
    loop {
        let read = file.read(&mut piece).map_err(|source| failed("read", path, source))?;
        if read == 0 {
            return Ok(lines);
        }
        lines += piece.iter().take(read).filter(|byte| **byte == b'\n').count() as u64;
    }
}

/// Remembers the first of several failures, where each is to be tried.
pub(crate) fn keep_first(done: &mut Result<(), RecordError>, next: Result<(), RecordError>) {
    if done.is_ok() {
        *done = next;
    }
}

/// Puts path and action to what the system says.
pub(crate) fn failed(action: &'static str, path: &Path, source: io::Error) -> RecordError {
    RecordError::File { path: path.to_owned(), action, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waited_for_a_full_disk_leaves_no_memory_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("not yet");
        let mut files = Files::new(&path, 1, false);
        let mut lines = Appender::open(path.join("lines"), 8 << 20).unwrap();
        for _ in 0..6 << 10 {
            lines.push(&[b'x'; 1 << 10], &mut files).unwrap();
        }
        assert_eq!(lines.waiting.len(), 6 << 20, "it waits for the disk");

        rtms_private::make_folders(&path).unwrap();
        lines.flush(&mut files).unwrap();
        lines.push(b"more", &mut files).unwrap();

        assert!(lines.waiting.capacity() <= 2 * BUFFER_BYTES);
        assert_eq!(std::fs::metadata(path.join("lines")).unwrap().len(), 6 << 20);
    }
}
