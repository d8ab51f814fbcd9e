//! The sources of connections: TCP, or a Unix socket in the data folder.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
};

/// Connections that may wait to be accepted: a burst of webhooks must not wait for the system to try again after a
/// second.
const BACKLOG: u32 = 4096;

/// A socket that accepts connections.
pub(crate) trait Listener: Send {
    /// One connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Accepts the next connection. A peer without an address is on the other end of a Unix socket.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Option<SocketAddr>)>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Option<SocketAddr>)> {
        let (stream, peer) = Self::accept(self).await?;
        // An answer is one small packet that must not wait for more. A peer that has left needs no answer.
        let _ = stream.set_nodelay(true);
        Ok((stream, Some(peer)))
    }
}

/// Takes over a socket that listens already.
pub(crate) fn passed(socket: std::net::TcpListener) -> io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

/// Listens on a TCP address.
pub(crate) fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A successor takes the address over at once.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
