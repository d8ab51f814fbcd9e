//! The errors of a stream. Their names say who is at fault.

use rtms_wire::{codes::status_code::StatusCode, media::params::ParamsRefused};

use crate::{
    refusal::{self, Remedy},
    role::Role,
};

/// Why a stream, or a medium of it, cannot be had.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StreamError {
    /// Zoom said no.
    #[error("{role}: Zoom refused with {status}{}", explained(reason))]
    Refused {
        /// The connection.
        role: Role,
        /// Zoom's status.
        status: StatusCode,
        /// Zoom's text beside the status.
        reason: String,
    },
    /// Zoom broke the protocol.
    #[error("{role}: Zoom {what}")]
    Misbehaved {
        /// The connection.
        role: Role,
        /// Zoom's deviation, as what follows "Zoom" in a sentence.
        what: &'static str,
    },
    /// None of the addresses could be reached.
    #[error("{role}: could not connect: {why}")]
    Unreachable {
        /// The purpose of the connection.
        role: Role,
        /// The error of the last attempt.
        why: String,
    },
    /// No answer in time.
    #[error("{role}: no answer to the handshake in time")]
    TimedOut {
        /// The connection.
        role: Role,
    },
    /// A connection that stood is gone.
    #[error("{role}: the connection was lost: {why}")]
    Lost {
        /// The connection.
        role: Role,
        /// The reason, for people.
        why: String,
    },
    /// Zoom granted other media and not this one: its answer on signaling names no server for it, or that on a connection for
    /// several media leaves it out.
    #[error("{role}: Zoom left it out of what it granted")]
    LeftOut {
        /// The connection.
        role: Role,
    },
    /// Zoom encrypts the payloads of a medium, and there is no key for them: what comes would be noise.
    #[error(
        "{role}: Zoom encrypts its payloads, and version 1 of the protocol has no key for them; have Zoom turn payload encryption off for this app"
    )]
    Encrypted {
        /// The connection.
        role: Role,
    },
    /// Zoom names servers of another transport alone, such as SRT, which needs version 2 of the protocol.
    #[error(
        "{role}: Zoom names no WebSocket server for it, but one of another transport ({scheme}), which is not supported"
    )]
    OtherTransport {
        /// The connection.
        role: Role,
        /// The scheme of its URL.
        scheme: String,
    },
    /// Nothing of what is wanted was granted.
    #[error("Zoom granted none of the wanted media")]
    NothingGranted,
}

impl StreamError {
    /// The words of [`StreamError::kind`].
    pub const KINDS: [&'static str; 9] = [
        "refused",
        "misbehaved",
        "unreachable",
        "timed_out",
        "lost",
        "left_out",
        "encrypted",
        "other_transport",
        "nothing_granted",
    ];

    /// Returns the kind in one of a few fixed words, by which such errors are counted.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::Misbehaved { .. } => "misbehaved",
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { .. } => "timed_out",
            Self::Lost { .. } => "lost",
            Self::LeftOut { .. } => "left_out",
            Self::Encrypted { .. } => "encrypted",
            Self::OtherTransport { .. } => "other_transport",
            Self::NothingGranted => "nothing_granted",
        }
    }

    /// Whether the same attempt may go better later. A refusal of what we are or ask for never does.
    ///
    /// If it may, it was made again for as long as the window allowed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused { role: Role::Signaling, status, .. } => {
                matches!(refusal::of_signaling(*status), Remedy::Retry(_))
            }
            Self::Refused { role: Role::Media(_), status, .. } => {
                matches!(refusal::of_media(*status), Remedy::Retry(_))
            }
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Lost { .. } => true,
            Self::Misbehaved { .. }
            | Self::LeftOut { .. }
            | Self::Encrypted { .. }
            | Self::OtherTransport { .. }
            | Self::NothingGranted => false,
        }
    }
}

fn explained(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

/// A request that we would not send: the caller's mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// No medium is wanted.
    #[error("no medium is wanted")]
    NoMedia,
    /// Zoom's matrix does not have the combination.
    #[error(transparent)]
    Params(ParamsRefused),
    /// The start names no place to connect to.
    #[error("the start names no server URL")]
    NoServerUrl,
}
