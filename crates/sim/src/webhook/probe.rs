//! Validations that Zoom never sends, to see whether a receiver answers them.

/// A validation that Zoom never sends: a receiver that answers it with an HMAC signs for strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Probe {
    /// An ordinary token without any signature.
    Unsigned,
    /// An ordinary token with a signature that no secret made.
    WronglySigned,
    /// Without a signature, and the token is the base string of a webhook: its HMAC is that webhook's signature.
    SigningOracle,
}

impl Probe {
    /// All of them, mildest first.
    pub const ALL: [Self; 3] = [Self::Unsigned, Self::WronglySigned, Self::SigningOracle];
}
