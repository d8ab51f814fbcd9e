//! The TLS of every connection that we open: 1.2 or newer, certificates and names checked by the system's rules, and more
//! authorities from PEM files.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::error::TlsSetupError;

/// Returns the configuration that trusts the system's certificate authorities and those in the PEM files.
///
/// # Errors
/// [`TlsSetupError`] when a file cannot be read or the system's store is unusable.
pub fn client_config(extra_ca: &[PathBuf]) -> Result<ClientConfig, TlsSetupError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = Vec::new();
    for path in extra_ca {
        roots.extend(read_ca(path)?);
    }
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(roots, provider.clone())?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous() // rustls calls any verifier of one's own that; this one is the system's.
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

fn read_ca(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    let unreadable = |source| TlsSetupError::ReadCa { path: path.into(), source };
    let found: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect::<Result<_, _>>().map_err(unreadable)?;
    if found.is_empty() { Err(TlsSetupError::NoCertificate(path.into())) } else { Ok(found) }
}
