//! The errors of a request, and of the TLS set-up.

use std::{io, path::PathBuf};

use rustls::CertificateError;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The URL names no host, or a scheme other than `http` and `https`.
    #[error("\"{0}\" is not an http or https URL with a host")]
    Url(String),
    /// The host has no address, or no TCP connection to it can be made.
    #[error("cannot connect to {host}: {source}")]
    Tcp {
        /// The host and port.
        host: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// TLS cannot be agreed upon; mostly the certificate is not trusted.
    #[error("TLS with {host}: {source}")]
    Tls {
        /// The host and port.
        host: String,
        /// A [`rustls::Error`] inside, unless the connection broke.
        source: io::Error,
    },
    /// A step took longer than its limit.
    #[error("{0}: no answer in time")]
    TimedOut(Phase),
    /// The request cannot be written, or the answer is not HTTP or breaks off.
    #[error("the exchange broke off: {0}")]
    Exchange(#[from] hyper::Error),
    /// The body of the answer is longer than the limit.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

/// The steps of a request that have a time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Name look-up and TCP connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// From the request to the end of the answer.
    Answer,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "TCP connection",
            Self::Tls => "TLS handshake",
            Self::Answer => "HTTP request",
        })
    }
}

impl HttpError {
    /// Returns what is wrong with the server's certificate, if that is the fault.
    pub fn certificate(&self) -> Option<&CertificateError> {
        let rustls::Error::InvalidCertificate(error) = self.rustls()? else { return None };
        Some(error)
    }

    /// Returns the fault of TLS, if it is one.
    pub fn rustls(&self) -> Option<&rustls::Error> {
        match self {
            Self::Tls { source, .. } => source.get_ref()?.downcast_ref(),
            Self::Url(_) | Self::Tcp { .. } | Self::TimedOut(_) | Self::Exchange(_) | Self::TooLong(_) => None,
        }
    }
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// The file with extra certificate authorities cannot be read.
    #[error("cannot read the certificate authorities in {path}: {source}")]
    ReadCa {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: rustls::pki_types::pem::Error,
    },
    /// The file holds no certificate.
    #[error("{0} holds no certificate in PEM form")]
    NoCertificate(PathBuf),
    /// rustls refuses the configuration.
    #[error("TLS set-up: {0}")]
    Tls(#[from] rustls::Error),
}
