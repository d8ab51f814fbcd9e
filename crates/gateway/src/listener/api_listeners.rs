//! The listeners of the API: a Unix socket in the data folder, and an address of this machine.
//!
//! The webhook address has nothing of it, so no proxy in front of that address can open it. A listener that cannot be
//! opened costs a line in the log, not the server: webhooks matter more.

use std::{io, net, net::SocketAddr, path::Path};

use tokio::net::TcpListener;
use tracing::{info, warn};

#[cfg(unix)]
use crate::listener::socket::{self, Socket};
use crate::{config::listen::ApiListen, listener::accept};

/// The listeners of the API.
pub(crate) struct ApiListeners {
    pub(crate) tcp: Option<TcpListener>,
    #[cfg(unix)]
    pub(crate) socket: Option<Socket>,
}

impl ApiListeners {
    /// Opens the listeners, and logs each that cannot be opened. A socket that was passed takes the place of the address.
    pub(crate) fn open(listen: ApiListen, passed: Option<net::TcpListener>, data_dir: &Path) -> Self {
        #[cfg(unix)]
        let socket = Socket::bind(data_dir)
            .inspect_err(|error| {
                let path = data_dir.join(socket::FILE_NAME);
                warn!(path = %path.display(), %error, "cannot create the socket of the API; commands need `--server URL`");
            })
            .ok();
        #[cfg(not(unix))]
        let _ = data_dir;
        Self {
            tcp: passed.map_or_else(|| tcp(listen), take_over),
            #[cfg(unix)]
            socket,
        }
    }

    /// Returns the address, if the API has one.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref()?.local_addr().ok()
    }

    /// Returns the path of the socket, or `off`.
    pub(crate) fn socket_text(&self) -> String {
        #[cfg(unix)]
        if let Some(socket) = &self.socket {
            return socket.path().display().to_string();
        }
        "off".into()
    }
}

fn take_over(passed: net::TcpListener) -> Option<TcpListener> {
    let listener = accept::passed(passed).and_then(|listener| Ok((listener.local_addr()?, listener)));
    match listener {
        Ok((address, listener)) => {
            info!(%address, "the API listens on the socket from systemd, and api.listen is ignored");
            Some(listener)
        }
        Err(error) => {
            warn!(%error, "cannot use the API's socket from systemd; the API is served on its socket in the data folder only");
            None
        }
    }
}

fn tcp(listen: ApiListen) -> Option<TcpListener> {
    let ApiListen::At(address) = listen else { return None };
    accept::tcp(address)
        .inspect_err(|error| {
            let why = if error.kind() == io::ErrorKind::AddrInUse {
                "the port is taken".to_owned()
            } else {
                error.to_string()
            };
            warn!(%address, why, "the API has no address of its own and is served on its socket only; choose another address with --api-listen");
        })
        .ok()
}
