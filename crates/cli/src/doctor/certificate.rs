//! The certificate of the door, in files or as a server presents it: whether it is valid, will stay so, and brings its chain.

use std::{path::Path, sync::Arc, time::Duration};

use rtms_gateway::{config::Server, listener::tls};
use rustls::{
    CertificateError, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use crate::doctor::finding::Findings;

const CHECK: &str = "door TLS";

/// A certificate that expires within this time should have been renewed: most are renewed a month before.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// What a chain is, apart from whether its last authority is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    Valid,
    ExpiresSoon,
    Expired,
    NotYetValid,
    /// Its certificates do not lead from one to the next, or the authority's is missing.
    Broken,
}

/// Checks the files with which the door speaks TLS itself, if it does.
pub(super) fn files(findings: &mut Findings, server: &Server) {
    // Settings that have one without the other cannot be used at all.
    if let (Some(certificate), Some(key)) = (&server.tls_certificate, &server.tls_key) {
        pair(findings, certificate, key);
    }
}

fn pair(findings: &mut Findings, certificate: &Path, key: &Path) {
    let shown = certificate.display();
    let pair = match tls::read(certificate, key) {
        Ok(pair) => pair,
        Err(tls::DoorTlsError::Pair(error)) => {
            let found = format!("the key in {} does not fit the certificate in {shown}: {error}", key.display());
            findings.fault(
                CHECK,
                found,
                "name the key that the certificate was made for; the server's own certificate comes first in its file",
            );
            return;
        }
        Err(error @ tls::DoorTlsError::File { .. }) => {
            findings.fault(CHECK, error.to_string(), "name PEM files that the user that runs rtms can read");
            return;
        }
    };
    match judge(&pair.cert) {
        Chain::Valid => findings.ok(CHECK, format!("{shown}: {} certificates, with its key", pair.cert.len())),
        Chain::ExpiresSoon => {
            findings.warning(
                CHECK,
                format!("the certificate in {shown} expires within 14 days"),
                "renew it; the file is read again on change",
            );
        }
        Chain::Expired => {
            findings.fault(
                CHECK,
                format!("the certificate in {shown} has expired"),
                "renew it; the file is read again on change",
            );
        }
        Chain::NotYetValid => {
            findings.fault(
                CHECK,
                format!("the certificate in {shown} is not valid yet"),
                "check this machine's clock, or wait",
            );
        }
        Chain::Broken => {
            let found = format!("the chain in {shown} is not whole: Zoom could not verify it");
            findings.fault(
                CHECK,
                found,
                "name the file with the whole chain (fullchain.pem), the server's own certificate first",
            );
        }
    }
}

/// Judges a chain by itself: its last certificate is taken for the authority, and the name is not looked at.
pub(super) fn judge(chain: &[CertificateDer<'_>]) -> Chain {
    let now = UnixTime::now();
    match verify(chain, now) {
        Ok(()) => {
            let soon = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + SOON);
            if matches!(verify(chain, soon), Err(error) if is_expired(&error)) {
                Chain::ExpiresSoon
            } else {
                Chain::Valid
            }
        }
        Err(error) if is_expired(&error) => Chain::Expired,
        Err(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => Chain::NotYetValid,
        // No name was asked for, so a wrong one is none.
        Err(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => Chain::Valid,
        Err(_) => Chain::Broken,
    }
}

fn is_expired(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Expired | CertificateError::ExpiredContext { .. })
}

fn verify(chain: &[CertificateDer<'_>], at: UnixTime) -> Result<(), CertificateError> {
    let broken = || CertificateError::BadEncoding;
    let ([own, between @ ..], Some(last)) = (chain, chain.last()) else { return Err(broken()) };
    let mut roots = RootCertStore::empty();
    roots.add(last.clone().into_owned()).map_err(|_| broken())?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().map_err(|_| broken())?;
    let name = ServerName::try_from("name.is.not.checked.invalid").map_err(|_| broken())?;
    match verifier.verify_server_cert(own, between, &name, &[], at) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InvalidCertificate(error)) => Err(error),
        Err(_) => Err(broken()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test, a panic is the answer")]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn a_chain_is_judged_by_time_and_by_what_signs_what() {
        let (authority, root) = authority();
        let (stranger, other_root) = self::authority();
        let leaf = |from, to| leaf(&authority, from, to);
        let good = leaf(2020, 2090);

        assert_eq!(judge(&[good.clone(), root.clone()]), Chain::Valid);
        assert_eq!(judge(&[leaf(2020, 2021), root.clone()]), Chain::Expired);
        assert_eq!(judge(&[leaf(2089, 2090), root.clone()]), Chain::NotYetValid);
        assert_eq!(judge(std::slice::from_ref(&good)), Chain::Broken, "the authority's certificate is missing");
        assert_eq!(judge(&[good, other_root]), Chain::Broken, "another authority's");
        assert_eq!(judge(&[]), Chain::Broken);
        drop((stranger, root));
    }

    fn authority() -> (Issuer<'static, KeyPair>, CertificateDer<'static>) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        (Issuer::new(params, key), root.into())
    }

    fn leaf(authority: &Issuer<'static, KeyPair>, from: i32, to: i32) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        params.signed_by(&KeyPair::generate().unwrap(), authority).unwrap().into()
    }
}
