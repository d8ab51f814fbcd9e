//! Why a connection cannot be made or kept.

use std::io;

use rtms_wire::webhook::server_url::UrlRefused;

/// Why a connection could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL is none, or none that may be connected to.
    #[error("cannot connect to {url}: {source}")]
    Refused {
        /// The URL that came.
        url: String,
        /// What is wrong with it.
        source: UrlRefused,
    },
    /// No TCP connection.
    #[error("TCP connection to {host}: {source}")]
    Tcp {
        /// The destination.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody answered in time.
    #[error("{0}: no answer in time")]
    TimedOut(&'static str),
    /// TLS or the upgrade failed: an unknown certificate, another HTTP status than 101.
    #[error("TLS or WebSocket upgrade: {0}")]
    Upgrade(#[source] tokio_websockets::Error),
}

/// Why a connection that stood is gone, and not by a close frame.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The other side ended it, or the network did.
    #[error("cut without a close frame")]
    Cut,
    /// It cannot be read or written, or what came is no WebSocket frame.
    #[error(transparent)]
    WebSocket(#[from] tokio_websockets::Error),
}
