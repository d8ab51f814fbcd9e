//! A client that asks for a WebSocket, and one that has it, before there is a connection.

use std::fmt::Debug;

use rtms_sim::zoom::Endpoint;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::OwnedSemaphorePermit,
};

/// A connection's bytes, with TLS or without.
pub(crate) trait Io: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Debug + Send + Unpin> Io for S {}

/// Where a client asks for a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) endpoint: Endpoint,
    /// Which of the servers; 0 is the first.
    pub(crate) server: usize,
}

/// A connection after its upgrade. Dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct UpgradedSocket {
    pub(crate) io: Box<dyn Io>,
    pub(crate) room: OwnedSemaphorePermit,
}
