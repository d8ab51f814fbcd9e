//! Files and folders for nobody but their owner: the store holds who streams what, and when.
//!
//! On Unix new files get the mode 0600 and new folders 0700, less what the process's umask takes. What is there already keeps
//! its mode.

use std::{
    fs::{DirBuilder, OpenOptions},
    io,
    path::Path,
};

/// How to open a file, so that one that is made by it is its owner's only.
pub(super) fn file() -> OpenOptions {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only Unix has modes"))]
    let mut how = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut how, 0o600);
    how
}

/// Makes a folder, and those above it that are missing.
pub(super) fn make_folders(path: &Path) -> io::Result<()> {
    let mut how = DirBuilder::new();
    how.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut how, 0o700);
    how.create(path)
}
