//! One explanation.

use rtms_wire::codes::status_code::StatusCode;

use crate::explain::kind::Kind;

/// What a number or a name means, and what to do about it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The list that it is from.
    pub kind: Kind,
    /// Its number; none if it has a name only.
    pub number: Option<i64>,
    /// Its name: Zoom's constant where there is one.
    pub name: &'static str,
    /// What it means, as a sentence.
    pub meaning: &'static str,
    /// What may lead to it, the likeliest first. Empty where nothing is wrong, or nothing is known.
    pub causes: &'static [&'static str],
    /// What to do, as a sentence.
    pub remedy: &'static str,
    /// Whether trying again helps.
    pub retry: Retry,
    /// How sure this is.
    pub basis: Basis,
    /// Where it stands.
    pub source: &'static str,
    /// What an old status code is called today.
    pub today: Option<StatusCode>,
}

/// Whether trying again helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Nothing failed.
    NotNeeded,
    /// Somebody wanted the end, so nothing is to be tried.
    Unwanted,
    /// The same request fails again.
    Never,
    /// At once, with another request.
    AfterChange,
    /// After what stands in the way is closed or done.
    AfterCleanup,
    /// The same later, with growing pauses.
    Later,
    /// A new stream has to be requested from Zoom.
    NewStream,
    /// A person has to change something first.
    OperatorFirst,
    /// Zoom tries again by itself.
    ByZoom,
    /// Nothing is known.
    Unknown,
}

impl Retry {
    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotNeeded => "not_needed",
            Self::Unwanted => "unwanted",
            Self::Never => "never",
            Self::AfterChange => "after_change",
            Self::AfterCleanup => "after_cleanup",
            Self::Later => "later",
            Self::NewStream => "new_stream",
            Self::OperatorFirst => "operator_first",
            Self::ByZoom => "by_zoom",
            Self::Unknown => "unknown",
        }
    }

    /// The sentence for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NotNeeded => "not needed",
            Self::Unwanted => "no: the end was wanted",
            Self::Never => "no: the same request fails again",
            Self::AfterChange => "at once, with a changed request",
            Self::AfterCleanup => "after what stands in the way is closed or done",
            Self::Later => "later, with growing pauses",
            Self::NewStream => "ask Zoom for a new stream; it announces it by a start webhook",
            Self::OperatorFirst => "not before somebody has changed something",
            Self::ByZoom => "Zoom tries again by itself after 5, 20 and 60 minutes",
            Self::Unknown => "not known",
        }
    }
}

/// How sure a fact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Zoom's own reference, guide or changelog says so.
    Documented,
    /// Zoom's SDK or service was seen to do so.
    Observed,
    /// Samples, libraries or helper texts that Zoom publishes say so.
    VendorCode,
    /// Third parties report it.
    ThirdParty,
    /// Inferred from names and neighbours.
    Reconstructed,
    /// A standard that is not Zoom's.
    Standard,
}

impl Basis {
    /// The word for people and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Documented => "documented",
            Self::Observed => "observed",
            Self::VendorCode => "vendor code",
            Self::ThirdParty => "third party",
            Self::Reconstructed => "reconstructed",
            Self::Standard => "standard",
        }
    }
}
