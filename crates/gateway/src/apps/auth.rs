//! The authentication that a subscription can demand beside the signature: Basic, a token of ours, or a header. Chosen
//! per app.
//!
//! The signature is always demanded too; this is an optional second lock. Basis: documented,
//! docs/protocol.md#webhooks.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use axum::http::{HeaderMap, HeaderName, header};
use data_encoding::HEXLOWER;
use rtms_wire::{
    base64,
    secret::ClientSecret,
    time::UnixMillis,
    webhook::verify::{SIGNATURE_HEADER, TIMESTAMP_HEADER},
};
use serde::Serialize;

use crate::config::app::AuthConfig;

/// The lifetime of a token. Zoom demands at least 3599 s.
const TOKEN_SECONDS: u64 = 3600;

/// The second lock, with its secret.
#[derive(Clone)]
pub(crate) enum Auth {
    Basic { expected: ClientSecret },
    Token { expected: ClientSecret, key: ClientSecret },
    Header { name: HeaderName, expected: ClientSecret },
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Auth::Basic",
            Self::Token { .. } => "Auth::Token",
            Self::Header { .. } => "Auth::Header",
        })
    }
}

/// Why `[app.auth]` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthUnusable {
    /// The secret is empty.
    #[error("the secret in the file is empty")]
    Empty,
    /// No header can have this name.
    #[error("\"{0}\" is not the name of a header")]
    HeaderName(String),
    /// The header has another use.
    #[error("the header \"{0}\" carries the signature: choose another name in the event subscription, and here")]
    HeaderTaken(String),
}

/// The answer to a token request, as OAuth has it.
#[derive(Serialize)]
pub(crate) struct TokenAnswer {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
}

impl Auth {
    pub(crate) fn new(config: &AuthConfig, secret: &str) -> Result<Self, AuthUnusable> {
        let secret_of = |text: &str| ClientSecret::new(text).map_err(|_| AuthUnusable::Empty);
        let basic = |user: &str| {
            let secret = secret.trim();
            if secret.is_empty() { Err(AuthUnusable::Empty) } else { secret_of(&basic_credentials(user, secret)) }
        };
        Ok(match config {
            AuthConfig::Basic { user, .. } => Self::Basic { expected: basic(user)? },
            AuthConfig::Token { client_id, .. } => Self::Token { expected: basic(client_id)?, key: secret_of(secret)? },
            AuthConfig::Header { name, .. } => Self::Header { name: header_name(name)?, expected: secret_of(secret)? },
        })
    }

    /// Whether a webhook carries the demanded authentication, compared in constant time.
    pub(crate) fn admits(&self, headers: &HeaderMap, now: UnixMillis) -> bool {
        let value = |name: &HeaderName| headers.get(name).map(|value| value.as_bytes()).unwrap_or_default();
        match self {
            Self::Basic { expected } => {
                let credentials = of_scheme("Basic", value(&header::AUTHORIZATION));
                credentials.is_some_and(|credentials| same(credentials, expected.expose()))
            }
            Self::Header { name, expected } => same(value(name), expected.expose()),
            Self::Token { key, .. } => {
                let token = of_scheme("Bearer", value(&header::AUTHORIZATION));
                let token = token.and_then(|token| std::str::from_utf8(token).ok());
                token.is_some_and(|token| is_valid(token, key, now))
            }
        }
    }

    /// Answers a token request that carries the right credentials; none if it does not, or if tokens are not used.
    ///
    /// A token is its expiry and an HMAC over it, so that nothing is kept and a restart makes none invalid.
    pub(crate) fn issue(&self, headers: &HeaderMap, now: UnixMillis) -> Option<TokenAnswer> {
        let Self::Token { expected, key } = self else { return None };
        let authorization = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
        let credentials = of_scheme("Basic", authorization)?;
        same(credentials, expected.expose()).then(|| {
            // A little longer than the answer promises: the clock of the client may be behind.
            let expiry = now.as_secs() + TOKEN_SECONDS + 60;
            let access_token = format!("{expiry}.{}", mac(key, expiry));
            TokenAnswer { access_token, token_type: "bearer", expires_in: TOKEN_SECONDS }
        })
    }
}

/// Returns the credentials after the name of the scheme, which may be written in any case.
fn of_scheme<'a>(scheme: &str, authorization: &'a [u8]) -> Option<&'a [u8]> {
    let (word, rest) = authorization.split_at_checked(scheme.len())?;
    rest.strip_prefix(b" ").filter(|_| word.eq_ignore_ascii_case(scheme.as_bytes())).map(<[u8]>::trim_ascii_start)
}

fn is_valid(token: &str, key: &ClientSecret, now: UnixMillis) -> bool {
    let Some((expiry, received)) = token.split_once('.') else { return false };
    let Ok(expiry) = expiry.parse::<u64>() else { return false };
    same(received.as_bytes(), mac(key, expiry).as_bytes()) && now.as_secs() < expiry
}

fn header_name(name: &str) -> Result<HeaderName, AuthUnusable> {
    let is_taken = [SIGNATURE_HEADER, TIMESTAMP_HEADER].iter().any(|taken| name.eq_ignore_ascii_case(taken));
    if is_taken {
        return Err(AuthUnusable::HeaderTaken(name.to_owned()));
    }
    name.parse().map_err(|_| AuthUnusable::HeaderName(name.to_owned()))
}

fn mac(key: &ClientSecret, expiry: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
    let tag = hmac::sign(&key, format!("rtms webhook token {expiry}").as_bytes());
    HEXLOWER.encode(tag.as_ref())
}

fn same(received: &[u8], expected: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(received, expected).is_ok()
}

fn basic_credentials(user: &str, password: &str) -> String {
    base64::encode(format!("{user}:{password}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_428_000_000);

    #[test]
    fn basic_admits_only_the_right_user_and_password() {
        let auth = auth(AuthConfig::Basic { user: "zoom".into(), password_file: "x".into() }, "s3cret\n");

        assert!(auth.admits(&headers("authorization", "Basic em9vbTpzM2NyZXQ="), NOW));
        assert!(auth.admits(&headers("authorization", "basic em9vbTpzM2NyZXQ="), NOW));
        assert!(!auth.admits(&headers("authorization", "em9vbTpzM2NyZXQ="), NOW));
        assert!(!auth.admits(&headers("authorization", "Basic em9vbTpvdGhlcg=="), NOW));
        assert!(!auth.admits(&HeaderMap::new(), NOW));
    }

    #[test]
    fn a_token_is_issued_for_the_right_credentials_and_admits_until_it_expires() {
        let auth = auth(AuthConfig::Token { client_id: "id".into(), client_secret_file: "x".into() }, "s3cret");
        let right = headers("authorization", &format!("Basic {}", basic_credentials("id", "s3cret")));
        let wrong = headers("authorization", &format!("Basic {}", basic_credentials("id", "other")));

        assert!(auth.issue(&wrong, NOW).is_none());
        let token = auth.issue(&right, NOW).unwrap();
        // As the answer spells it.
        let carried = headers("authorization", &format!("{} {}", token.token_type, token.access_token));

        assert!(auth.admits(&carried, NOW));
        assert!(auth.admits(&carried, UnixMillis(NOW.0 + token.expires_in * 1000)));
        assert!(!auth.admits(&carried, UnixMillis(NOW.0 + (token.expires_in + 61) * 1000)));
        let forged = format!("Bearer 9{}", token.access_token);
        assert!(!auth.admits(&headers("authorization", &forged), NOW));
    }

    #[test]
    fn a_header_of_ones_own_is_compared_as_it_is() {
        let auth = auth(AuthConfig::Header { name: "x-lock".into(), value_file: "x".into() }, "open");

        assert!(auth.admits(&headers("x-lock", "open"), NOW));
        assert!(!auth.admits(&headers("x-lock", "Open"), NOW));
    }

    #[test]
    fn an_empty_secret_locks_nothing_and_is_refused() {
        let config = AuthConfig::Basic { user: "zoom".into(), password_file: "x".into() };
        assert_eq!(Auth::new(&config, " \n").unwrap_err(), AuthUnusable::Empty);
    }

    #[test]
    fn a_header_that_carries_the_signature_is_no_second_lock() {
        let config = AuthConfig::Header { name: "X-Zm-Signature".into(), value_file: "x".into() };
        assert_eq!(Auth::new(&config, "open").unwrap_err(), AuthUnusable::HeaderTaken("X-Zm-Signature".into()));
    }

    fn auth(config: AuthConfig, secret: &str) -> Auth {
        Auth::new(&config, secret).unwrap()
    }

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())])
    }
}
