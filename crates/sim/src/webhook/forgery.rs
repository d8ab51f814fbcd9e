//! Start webhooks that Zoom did not send, each of a stream of its own: a receiver that accepts one connects wherever
//! anybody wants.

use std::time::Duration;

use aws_lc_rs::hmac;
use rtms_wire::{ids::StreamId, secret::SecretToken, signature::webhook_signature, time::UnixMillis};

/// From the real start webhook to the forged ones, so that a client has joined the real stream first.
pub(super) const AFTER_THE_START: Duration = Duration::from_secs(1);

/// How old a stale one is. Zoom tries again for up to 85 minutes, perhaps with the first signature; a day is beyond all
/// doubt.
const STALE_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// What is wrong with a forged start webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Forgery {
    /// It has no signature.
    Unsigned,
    /// It is signed with another secret.
    WronglySigned,
    /// It was signed by Zoom, and a day ago: somebody sends again what was overheard.
    Stale,
}

/// The stream of a forged start webhook.
#[derive(Clone, Debug)]
pub(crate) struct Forged {
    pub(crate) stream: StreamId,
    pub(crate) forgery: Forgery,
    /// Whether somebody tried to join it.
    pub(crate) is_joined: bool,
}

impl Forgery {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Unsigned, Self::WronglySigned, Self::Stale];

    /// What is wrong with it, in words that fit after "came".
    pub fn how(self) -> &'static str {
        match self {
            Self::Unsigned => "without a signature",
            Self::WronglySigned => "with a wrong signature",
            Self::Stale => "a day after it was signed",
        }
    }

    /// When it claims to have been sent.
    pub(super) fn sent_at(self, now: UnixMillis) -> UnixMillis {
        match self {
            Self::Unsigned | Self::WronglySigned => now,
            Self::Stale => UnixMillis(now.0.saturating_sub(STALE_FOR.as_millis() as u64)),
        }
    }

    /// The signature that it carries, if any.
    pub(super) fn signature(self, secret: &SecretToken, timestamp: &str, body: &[u8]) -> Option<String> {
        match self {
            Self::Unsigned => None,
            Self::WronglySigned => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, b"a secret of somebody else");
                let tag = hmac::sign(&key, &[b"v0:", timestamp.as_bytes(), b":", body].concat());
                Some(format!("v0={}", tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
            }
            Self::Stale => Some(webhook_signature(secret, timestamp, body)),
        }
    }
}
