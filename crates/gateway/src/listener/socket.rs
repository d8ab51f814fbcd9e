//! The API's Unix socket in the data folder: a socket that only the owner of the folder can open.
//!
//! It is made in a private folder, closed to others, and then renamed to its place. So no client can connect before the
//! mode is set, and the socket of a process that died is replaced in one step. The store's lock makes sure that the
//! folder has one owner.

use std::{
    fs::{self, File, Permissions},
    io,
    net::SocketAddr,
    os::{
        fd::AsRawFd,
        unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

use crate::listener::accept::Listener;

/// The name of the socket in the data folder.
pub const FILE_NAME: &str = "api.sock";

/// The folder that the socket is made in.
const NURSERY: &str = ".api.sock.new";

/// A socket that listens; dropping it removes its file.
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode. A file of another process at this path is not removed.
    file: (u64, u64),
}

impl Socket {
    /// Listens in a data folder. A socket that is there already is taken for a dead process's and replaced.
    ///
    /// # Errors
    /// The system's, or that something else than a socket has the name.
    pub(crate) fn bind(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(FILE_NAME);
        if fs::symlink_metadata(&path).is_ok_and(|there| !there.file_type().is_socket()) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is not a socket has its name"));
        }
        let nursery = data_dir.join(NURSERY);
        match fs::remove_dir_all(&nursery) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => rtms_private::make_folders(&nursery)?,
        }
        let bound = Self::bind_in(&nursery, path);
        // What stays is removed by the next process.
        let _ = fs::remove_dir_all(&nursery);
        bound
    }

    fn bind_in(nursery: &Path, path: PathBuf) -> io::Result<Self> {
        let listener = by_short_path(nursery, |path| UnixListener::bind(path))?;
        let fresh = nursery.join(FILE_NAME);
        fs::set_permissions(&fresh, Permissions::from_mode(0o600))?;
        let file = identity(&fresh)?;
        fs::rename(&fresh, &path)?;
        Ok(Self { listener, path, file })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|there| there == self.file) {
            // What stays is replaced by the next process.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Listener for Socket {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Option<SocketAddr>)> {
        let (stream, _) = self.listener.accept().await?;
        Ok((stream, None))
    }
}

/// Connects to the server that runs on a data folder.
///
/// # Errors
/// The system's: [`io::ErrorKind::NotFound`] and [`io::ErrorKind::ConnectionRefused`] if no server runs there,
/// [`io::ErrorKind::PermissionDenied`] if it is another user's.
pub async fn connect(data_dir: &Path) -> io::Result<UnixStream> {
    let stream = by_short_path(data_dir, |path| std::os::unix::net::UnixStream::connect(path))?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// Does something with the socket's path in a folder. A path that is too long for a socket's address, which has about a
/// hundred bytes, goes through a descriptor of the folder where the system has a name for that.
fn by_short_path<T>(folder: &Path, act: impl Fn(&Path) -> io::Result<T>) -> io::Result<T> {
    match act(&folder.join(FILE_NAME)) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput && cfg!(target_os = "linux") => {
            let folder = File::open(folder)?;
            act(&Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(FILE_NAME))
        }
        done => done,
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn a_socket_is_its_owners_only_and_is_gone_when_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let socket = Socket::bind(folder.path()).unwrap();
        assert_eq!(mode(socket.path()), 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing but the socket stays");
        let (client, server) = tokio::join!(connect(folder.path()), Listener::accept(&socket));
        assert!(client.is_ok() && server.is_ok_and(|(_, peer)| peer.is_none()));

        drop(socket);

        assert_eq!(connect(folder.path()).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn the_socket_of_a_dead_process_is_replaced_and_that_of_a_successor_is_left() {
        let folder = tempfile::tempdir().unwrap();
        // Dropping one of the standard library leaves its file, as a process that is killed does.
        drop(std::os::unix::net::UnixListener::bind(folder.path().join(FILE_NAME)).unwrap());
        fs::create_dir(folder.path().join(NURSERY)).unwrap();
        fs::write(folder.path().join(NURSERY).join(FILE_NAME), "left by a crash").unwrap();
        assert_eq!(connect(folder.path()).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);

        let first = Socket::bind(folder.path()).unwrap();
        let successor = Socket::bind(folder.path()).unwrap();
        drop(first);

        assert!(connect(folder.path()).await.is_ok());
        drop(successor);
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE_NAME), "mine").unwrap();

        assert!(Socket::bind(folder.path()).is_err());

        assert_eq!(fs::read_to_string(folder.path().join(FILE_NAME)).unwrap(), "mine");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_folder_with_a_long_path_has_a_socket_too() {
        let folder = tempfile::tempdir().unwrap();
        let long = folder.path().join("x".repeat(120)).join("y".repeat(90));
        fs::create_dir_all(&long).unwrap();

        let socket = Socket::bind(&long).unwrap();

        assert_eq!((socket.path(), mode(socket.path())), (&*long.join(FILE_NAME), 0o600));
        assert!(connect(&long).await.is_ok());
        drop(socket);
        assert_eq!(connect(&long).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
