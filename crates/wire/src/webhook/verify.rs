//! Whether a request is Zoom's: signature over the raw bytes, then freshness.

use std::time::Duration;

use crate::{secret::SecretToken, signature::webhook_signature_matches, time::UnixMillis};

/// The header with Unix seconds, 10 digits.
pub const TIMESTAMP_HEADER: &str = "x-zm-request-timestamp";

/// The header with `v0=` and 64 hex digits.
pub const SIGNATURE_HEADER: &str = "x-zm-signature";

/// How far the timestamp may be from now, either way. Zoom states none; its samples use this.
pub const DEFAULT_TOLERANCE: Duration = Duration::from_secs(300);

/// A request as anybody may have sent it. Nothing in it can be read before [`Delivery::verify`].
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The header [`TIMESTAMP_HEADER`].
    pub timestamp: Option<&'a str>,
    /// The header [`SIGNATURE_HEADER`].
    pub signature: Option<&'a str>,
    /// The raw body.
    pub body: &'a [u8],
}

/// A request that Zoom signed.
#[derive(Clone, Copy, Debug)]
pub struct Verified<'a> {
    secret: &'a SecretToken,
    position: usize,
    body: &'a [u8],
}

impl<'a> Verified<'a> {
    /// The raw body.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Which of the secrets matched, by position in what was given to [`Delivery::verify`].
    pub fn secret_position(&self) -> usize {
        self.position
    }

    pub(super) fn secret(&self) -> &'a SecretToken {
        self.secret
    }
}

/// Why a request is not taken for Zoom's. The sender is told nothing of it; log and counter are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFromZoom {
    /// One of the two headers is missing.
    #[error("the {0} header is missing")]
    MissingHeader(&'static str),
    /// The timestamp is not 10 digits.
    #[error("the timestamp is not 10 digits of Unix seconds")]
    BadTimestamp,
    /// No secret gives this signature.
    #[error("the signature matches none of the secret tokens")]
    BadSignature,
    /// The signature is right, but the timestamp is too far from now: a replay, or a clock that is wrong.
    #[error("the signature is right but the timestamp is {} s {}", .seconds.unsigned_abs(), if *.seconds > 0 { "old" } else { "ahead" })]
    Stale {
        /// Seconds behind now; negative when ahead of it.
        seconds: i64,
    },
}

impl<'a> Delivery<'a> {
    /// Verifies against each secret, in constant time each.
    ///
    /// # Errors
    /// [`NotFromZoom`]; freshness is judged only after the signature, so that "stale" always means "signed but stale".
    pub fn verify(
        &self,
        secrets: impl IntoIterator<Item = &'a SecretToken>,
        now: UnixMillis,
        tolerance: Duration,
    ) -> Result<Verified<'a>, NotFromZoom> {
        let timestamp = self.timestamp.ok_or(NotFromZoom::MissingHeader(TIMESTAMP_HEADER))?;
        let signature = self.signature.ok_or(NotFromZoom::MissingHeader(SIGNATURE_HEADER))?;
        if timestamp.len() != 10 || !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotFromZoom::BadTimestamp);
        }
        let (position, secret) = secrets
            .into_iter()
            .enumerate()
            .find(|(_, secret)| webhook_signature_matches(secret, timestamp, self.body, signature))
            .ok_or(NotFromZoom::BadSignature)?;

        let sent: i64 = timestamp.parse().map_err(|_| NotFromZoom::BadTimestamp)?;
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX) - sent;
        if seconds.unsigned_abs() > tolerance.as_secs() {
            return Err(NotFromZoom::Stale { seconds });
        }
        Ok(Verified { secret, position, body: self.body })
    }
}
