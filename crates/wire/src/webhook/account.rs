//! Account events: they belong to no stream.

use crate::webhook::fields::Fields;

/// `rtms.concurrency_near_limit`: more than 80 % of the allowed streams are running. Basis: documented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConcurrencyNearLimit {
    /// Streams allowed at once.
    pub concurrency_limit: Option<u64>,
    /// The number of streams that run now.
    pub concurrency_number: Option<u64>,
    /// The one as a percentage of the other.
    pub percentage: Option<u64>,
}

impl ConcurrencyNearLimit {
    pub(super) fn from_fields(fields: &Fields<'_>) -> Self {
        Self {
            concurrency_limit: fields.number("concurrency_limit"),
            concurrency_number: fields.number("concurrency_number"),
            percentage: fields.number("percentage"),
        }
    }
}

/// `rtms.concurrency_limited`: the limit is reached; a stream did not start. Basis: documented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConcurrencyLimited {
    /// The number of streams that run now.
    pub concurrency_number: Option<u64>,
}

impl ConcurrencyLimited {
    pub(super) fn from_fields(fields: &Fields<'_>) -> Self {
        Self { concurrency_number: fields.number("concurrency_number") }
    }
}
