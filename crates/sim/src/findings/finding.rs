//! What a run has of mistakes, in the order in which they were noticed.

use rtms_wire::time::UnixMillis;
use serde::Serialize;

use crate::{connection::ConnectionId, findings::mistake::Mistake};

/// One thing that a client should not have done, or should have and did not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// When it was noticed.
    pub at: UnixMillis,
    /// On which connection, if on one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionId>,
    /// What it was.
    #[serde(flatten)]
    pub mistake: Mistake,
}

/// All findings of a run, in order, up to a bound: a hostile client must not fill the memory with its mistakes.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    dropped: u64,
}

impl Findings {
    /// How many are kept; more than anybody reads.
    const MOST: usize = 1_000;

    /// Adds one, or counts it if there are too many.
    pub(crate) fn push(&mut self, finding: Finding) {
        if self.kept.len() < Self::MOST {
            tracing::debug!(connection = finding.connection.map(|it| it.0), "finding: {}", finding.mistake);
            self.kept.push(finding);
        } else {
            self.dropped += 1;
        }
    }

    /// Those that are kept, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.kept.iter()
    }

    /// How many were not kept.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether there was nothing to find.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}
