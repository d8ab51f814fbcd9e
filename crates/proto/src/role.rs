//! What a connection is for: signaling, or some of the media.

use rtms_wire::media::medium::MediaTypes;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Handshake, events, states.
    Signaling,
    /// These media.
    Media(MediaTypes),
}

impl Role {
    /// Returns the kind of the connection: `signaling` or `media`.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Signaling => "signaling",
            Self::Media(_) => "media",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Signaling => f.write_str("signaling"),
            Self::Media(types) => {
                f.write_str("media")?;
                for (position, medium) in types.iter().enumerate() {
                    write!(f, "{}{medium}", if position == 0 { " " } else { "+" })?;
                }
                Ok(())
            }
        }
    }
}
