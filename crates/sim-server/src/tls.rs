//! `wss://`: a server's certificate, made on the spot, gone with the process, and vouched for by an authority.

use std::{net::IpAddr, path::Path, sync::Arc};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::authority::{Authority, AuthorityError};

/// Names that always are this machine. Many clients take no wildcard right below a top-level name, so hosts are listed
/// as well.
const LOCAL_NAMES: [&str; 4] = ["localhost", "*.localhost", "127.0.0.1", "::1"];

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// There is no authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A name is none that a certificate can carry, or the library refuses.
    #[error("no certificate can be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The certificate cannot be served.
    #[error("the certificate cannot be served: {0}")]
    Server(#[from] rustls::Error),
}

/// A server, and the authority that vouches for its certificate.
pub(crate) struct Tls {
    /// The authority's certificate, for clients to trust.
    pub(crate) ca_pem: String,
    /// The server's half, TLS 1.2 and 1.3.
    pub(crate) acceptor: TlsAcceptor,
}

impl Tls {
    /// For loopback, everything below `localhost`, this address and these names. The authority is kept in a folder, or
    /// made for this run if none is named.
    pub(crate) fn new(address: IpAddr, hosts: &[String], kept_in: Option<&Path>) -> Result<Self, TlsError> {
        let Authority { pem: ca_pem, issuer } = kept_in.map_or_else(Authority::made, Authority::kept)?;

        let mut names: Vec<String> = LOCAL_NAMES.map(str::to_owned).into();
        for name in hosts.iter().cloned().chain([address.to_string()]) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let key = KeyPair::generate()?;
        let mut server = CertificateParams::new(names)?;
        server.distinguished_name.push(DnType::CommonName, "rtms simulator");
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        let certificate = server.signed_by(&key, &issuer)?;

        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())?;
        Ok(Self { ca_pem, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }
}
