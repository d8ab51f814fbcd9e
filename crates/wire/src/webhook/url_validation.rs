//! `endpoint.url_validation`: Zoom asks every 72 hours whether the secret is still known here.
//!
//! The answer is an HMAC over text that the asker chose, with the key that also signs webhooks. Answered without
//! verification, or for any text at all, it is a signing oracle: whoever sends `v0:{timestamp}:{body}` as the token
//! gets a valid webhook signature back. So it is made from a [`Verified`] request only, and for harmless tokens only.

use serde::Serialize;

use crate::{secret::SecretToken, signature::encrypted_token, webhook::verify::Verified};

/// The answer to a URL validation, to be sent as JSON with status 200. Basis: documented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UrlValidationAnswer {
    /// Repeats the question.
    #[serde(rename = "plainToken")]
    pub plain_token: String,
    /// hex(HMAC-SHA256(secret token, plain token)).
    #[serde(rename = "encryptedToken")]
    pub encrypted_token: String,
}

/// A plain token that could be something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plain token is not 1 to 256 characters of base64 or base64url")]
pub struct UnsafePlainToken;

/// The longest token answered; Zoom's have 22 to 24 characters.
const MAX_PLAIN_TOKEN: usize = 256;

impl UrlValidationAnswer {
    /// Answers with the secret that verified the request.
    ///
    /// # Errors
    /// [`UnsafePlainToken`] for a token outside `[A-Za-z0-9_+/=-]{1,256}`; Zoom's never are.
    pub fn new(verified: &Verified<'_>, plain_token: &str) -> Result<Self, UnsafePlainToken> {
        Self::with_secret(verified.secret(), plain_token)
    }

    fn with_secret(secret: &SecretToken, plain_token: &str) -> Result<Self, UnsafePlainToken> {
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"_+/=-".contains(&byte);
        if plain_token.is_empty() || plain_token.len() > MAX_PLAIN_TOKEN || !plain_token.bytes().all(harmless) {
            return Err(UnsafePlainToken);
        }
        Ok(Self { plain_token: plain_token.into(), encrypted_token: encrypted_token(secret, plain_token) })
    }
}
