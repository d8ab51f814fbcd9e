//! TLS on the door itself, for a server without a proxy in front: certificate and key from files, read again on change.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::TlsAcceptor;

use crate::{stop::Stop, watched_files::WatchedFiles};

/// The time between two checks of the files. Certificates are renewed weeks before they expire.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The door's certificate, as it is now.
pub(crate) struct DoorTls {
    certificate: PathBuf,
    key: PathBuf,
    files: WatchedFiles,
    current: Arc<Current>,
}

#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum DoorTlsError {
    /// A file cannot be read, or holds no PEM of that kind.
    #[error("cannot read the {what} for the door from {path}: {source}", path = path.display())]
    File {
        /// Certificate or key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: rustls::pki_types::pem::Error,
    },
    /// Certificate and key do not belong together, or are of a kind that is not supported.
    #[error("the certificate and the key for the door do not work together: {0}")]
    Pair(#[from] rustls::Error),
}

impl DoorTls {
    /// Reads certificate chain and key, PEM both.
    ///
    /// # Errors
    /// [`DoorTlsError`], which names the file.
    pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Self, DoorTlsError> {
        let files = WatchedFiles::before_reading(vec![certificate.into(), key.into()]);
        let current = Arc::new(Current(ArcSwap::from_pointee(read(certificate, key)?)));
        Ok(Self { certificate: certificate.into(), key: key.into(), files, current })
    }

    /// TLS 1.2 and 1.3; HTTP/2 for those who ask for it.
    ///
    /// # Errors
    /// [`DoorTlsError::Pair`], should the library not support these versions.
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, DoorTlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Reads the files again whenever one changes, until the server stops. Open connections keep their certificate.
    pub(crate) async fn watch(self, stop: Stop) {
        let Self { certificate, key, files, current } = self;
        let read_again = || read(&certificate, &key).map(|fresh| current.0.store(Arc::new(fresh)));
        files.watch("the door's certificate", LOOK_EVERY, stop, read_again).await;
    }
}

/// Reads a certificate chain and its key.
///
/// # Errors
/// [`DoorTlsError`], which names the file, or says that the two do not fit.
pub fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, DoorTlsError> {
    let unreadable = |what, path: &Path, source| DoorTlsError::File { what, path: path.to_path_buf(), source };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(|found| found.collect::<Result<Vec<_>, _>>())
        .map_err(|source| unreadable("certificate", certificate, source))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|source| unreadable("key", key, source))?;
    Ok(CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())?)
}
