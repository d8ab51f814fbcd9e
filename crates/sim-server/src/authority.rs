//! The certificate authority behind `wss://`: made for one run, or kept in a folder over many.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use memchr::memmem;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

/// In the folder of an authority that is kept: what clients trust.
const CERTIFICATE: &str = "ca.pem";

/// The file with the key that certificates are signed with. Its holder can be anybody to those who trust the
/// certificate.
const KEY: &str = "ca-key.pem";

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Its certificate cannot be made.
    #[error("no authority can be made: {0}")]
    Made(#[from] rcgen::Error),
    /// Its folder or a file in it cannot be read or written.
    #[error("cannot keep an authority in {}", path.display())]
    Io {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The key is none, or damaged.
    #[error("{} is no private key; remove it and ca.pem beside it for a new authority, which clients have to trust anew", path.display())]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// The certificate is none, or belongs to another key.
    #[error("{} is not the certificate of the key beside it; remove it to have it written again from the key", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
    },
    /// There is a certificate and no key for it.
    #[error("there is no {KEY} for {}; remove that for a new authority, which clients have to trust anew", path.display())]
    NoKey {
        /// The certificate's file.
        path: PathBuf,
    },
}

/// Signs certificates.
pub(crate) struct Authority {
    /// Its own certificate, for clients to trust.
    pub(crate) pem: String,
    pub(crate) issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// For this run only.
    pub(crate) fn made() -> Result<Self, AuthorityError> {
        Ok(Self::of(KeyPair::generate()?, "rtms simulator: made for one run")?)
    }

    /// The one in this folder, which is made together with it if it is not there. Nobody but its owner can read the
    /// key.
    pub(crate) fn kept(folder: &Path) -> Result<Self, AuthorityError> {
        let (certificate, key) = (folder.join(CERTIFICATE), folder.join(KEY));
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| AuthorityError::Io { path, source }
        };
        fs::create_dir_all(folder).map_err(failed(folder))?;
        let known = read(&certificate).map_err(failed(&certificate))?;
        let pair = match read(&key).map_err(failed(&key))? {
            Some(pem) => KeyPair::from_pem(&pem).map_err(|_| AuthorityError::Key { path: key })?,
            None if known.is_some() => return Err(AuthorityError::NoKey { path: certificate }),
            None => {
                let pair = KeyPair::generate()?;
                write_for_the_owner(&key, &pair.serialize_pem()).map_err(failed(&key))?;
                pair
            }
        };
        let public = pair.subject_public_key_info();
        let made = Self::of(pair, "rtms simulator: kept in a folder")?;
        let Some(known) = known else {
            fs::write(&certificate, &made.pem).map_err(failed(&certificate))?;
            return Ok(made);
        };
        // Key and name are all that a signature is checked by, so the certificate on disk serves as well as a new one.
        let is_of_the_key =
            CertificateDer::from_pem_slice(known.as_bytes()).is_ok_and(|der| memmem::find(&der, &public).is_some());
        if is_of_the_key {
            Ok(Self { pem: known, ..made })
        } else {
            Err(AuthorityError::Certificate { path: certificate })
        }
    }

    fn of(key: KeyPair, name: &str) -> Result<Self, rcgen::Error> {
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, name);
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = authority.self_signed(&key)?.pem();
        Ok(Self { pem, issuer: Issuer::new(authority, key) })
    }
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a file that was not there, readable by its owner alone from its first moment on.
fn write_for_the_owner(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}
