//! Files and folders for nobody but their owner: recordings, the store, wire logs, the socket of the API.
//!
//! On Unix new files get the mode 0600 and new folders 0700, less what the process's umask takes. Elsewhere they are as
//! their folder has it. What is there already keeps its mode, which somebody may have chosen.
//!
//! ```
//! use std::io::Write;
//!
//! let root = tempfile_folder();
//! rtms_private::make_folders(&root.join("recordings"))?;
//! let mut file = rtms_private::file().create_new(true).write(true).open(root.join("recordings/words.txt"))?;
//! file.write_all(b"only their owner reads them")?;
//! # std::fs::remove_dir_all(&root)?;
//! # fn tempfile_folder() -> std::path::PathBuf {
//! #     std::env::temp_dir().join(format!("rtms-private-{}", std::process::id()))
//! # }
//! # Ok::<(), std::io::Error>(())
//! ```

use std::{
    fs::{DirBuilder, OpenOptions},
    io,
    path::Path,
};

/// Returns the options to open a file such that one that is made by it is its owner's only. Whether it is made, and
/// what may be done with it, is the caller's to add.
pub fn file() -> OpenOptions {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only Unix has modes"))]
    let mut how = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut how, 0o600);
    how
}

/// Makes a folder, and those above it that are missing, that only their owner can enter. One that is there already is
/// left as it is.
///
/// # Errors
/// What the system says.
pub fn make_folders(path: &Path) -> io::Result<()> {
    builder().recursive(true).create(path)
}

/// Makes a folder that only its owner can enter.
///
/// # Errors
/// What the system says; [`io::ErrorKind::AlreadyExists`] if it is there.
pub fn make_folder(path: &Path) -> io::Result<()> {
    builder().create(path)
}

fn builder() -> DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only Unix has modes"))]
    let mut how = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut how, 0o700);
    how
}
