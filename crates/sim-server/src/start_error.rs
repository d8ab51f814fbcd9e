//! Why the simulator cannot start.

use std::{net::SocketAddr, path::PathBuf};

use rtms_http::error::TlsSetupError;
use rtms_wire::Uri;

use crate::tls::TlsError;

/// Why the simulator cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// The webhook URL is none that can be posted to.
    #[error("cannot post webhooks to {url}: {why}")]
    WebhookUrl {
        /// The URL.
        url: Uri,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The certificate authorities that the receiver of webhooks needs cannot be used.
    #[error(transparent)]
    WebhookCa(#[from] TlsSetupError),
    /// There is no certificate.
    #[error("cannot serve TLS")]
    Tls(#[from] TlsError),
    /// The authority's certificate cannot be written.
    #[error("cannot write the certificate of the authority to {}", path.display())]
    CaOut {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
}
