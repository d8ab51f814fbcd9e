//! The credentials by which an app gets an access token.

use std::fmt;

use rtms_wire::{base64, secret::ClientSecret};
use serde::Deserialize;
use zeroize::Zeroizing;

/// The `grant_type` of OAuth by which an access token is requested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// The grant of a General app.
    #[default]
    ClientCredentials,
    /// The grant of a Server-to-Server OAuth app, which names its account.
    AccountCredentials,
}

impl Grant {
    /// Returns the word of OAuth.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::AccountCredentials => "account_credentials",
        }
    }
}

/// An id and a secret, and the account for [`Grant::AccountCredentials`]. For Video SDK they are SDK key and SDK secret.
#[derive(Clone)]
pub struct Credentials {
    /// The client id, or SDK key.
    pub client_id: String,
    /// The client secret, or SDK secret.
    pub client_secret: ClientSecret,
    /// The account, if the app is a Server-to-Server OAuth app.
    pub account_id: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("account_id", &self.account_id).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Returns the grant that goes with them.
    pub fn grant(&self) -> Grant {
        if self.account_id.is_some() { Grant::AccountCredentials } else { Grant::ClientCredentials }
    }

    /// Returns the value of `authorization` at the token endpoint: `Basic` with id and secret.
    pub(crate) fn basic_authorization(&self) -> Zeroizing<String> {
        let pair = Zeroizing::new([self.client_id.as_bytes(), b":", self.client_secret.expose()].concat());
        Zeroizing::new(format!("Basic {}", base64::encode(&pair)))
    }
}
