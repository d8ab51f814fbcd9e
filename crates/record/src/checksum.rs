//! Sizes and checksums of files, as the manifest of a finished recording has them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;

use crate::{error::RecordError, file::failed, layout::Layout, manifest::FileEntry};

/// Size and checksum of every file but the manifest, by path. Once `may_read` is false, sizes alone.
pub(crate) fn checksums(layout: &Layout, may_read: &dyn Fn() -> bool) -> Result<Vec<FileEntry>, RecordError> {
    paths(layout)?.iter().map(|path| checksum(path, layout, may_read)).collect()
}

/// Every file of a recording but its manifest, in the order of their relative paths.
pub(crate) fn paths(layout: &Layout) -> Result<Vec<PathBuf>, RecordError> {
    let mut files = Vec::new();
    let mut folders = vec![layout.folder().to_owned()];
    while let Some(folder) = folders.pop() {
        let list = fs::read_dir(&folder).map_err(|source| failed("list", &folder, source))?;
        for found in list {
            let found = found.map_err(|source| failed("list", &folder, source))?;
            let path = found.path();
            let kind = found.file_type().map_err(|source| failed("look at", &path, source))?;
            if kind.is_dir() {
                folders.push(path);
            } else if path != layout.manifest() && path != layout.manifest_draft() {
                files.push(path);
            }
        }
    }
    files.sort_by_cached_key(|path| layout.relative(path));
    Ok(files)
}

/// Size and checksum of a file; its size alone if `may_read` gets false before its end.
pub(crate) fn checksum(path: &Path, layout: &Layout, may_read: &dyn Fn() -> bool) -> Result<FileEntry, RecordError> {
    use std::io::Read;
    let unsummed = || {
        let bytes = fs::metadata(path).map_err(|source| failed("look at", path, source))?.len();
        Ok(FileEntry { path: layout.relative(path), bytes, sha256: String::new() })
    };
    if !may_read() {
        return unsummed();
    }
    let mut file = fs::File::open(path).map_err(|source| failed("open", path, source))?;
    let mut sum = Context::new(&SHA256);
    let mut piece = vec![0; 256 << 10];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut piece).map_err(|source| failed("read", path, source))?;
        if count == 0 {
            break;
        }
        sum.update(piece.get(..count).unwrap_or_default());
        bytes += count as u64;
        if !may_read() {
            return unsummed();
        }
    }
    Ok(FileEntry { path: layout.relative(path), bytes, sha256: HEXLOWER.encode(sum.finish().as_ref()) })
}
