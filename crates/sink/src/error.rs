//! Why a batch was not taken.

use std::{error::Error, time::Duration};

/// What went wrong underneath, for logs.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a sink did not take a batch, and so what becomes of it.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Not now: the same batch is delivered again after a pause.
    #[error("{why}")]
    Retry {
        /// The pause, if the other end named one.
        after: Option<Duration>,
        /// What went wrong.
        why: Cause,
    },
    /// Never: the batch counts as failed, and the next one is delivered. Of a batch of several, each envelope is then
    /// delivered by itself, so that one that is refused costs none of its neighbours.
    #[error("{why}")]
    Reject {
        /// What is wrong with it.
        why: Cause,
    },
    /// Nothing that comes later can be delivered either: the reader is gone and does not come back.
    #[error("{why}")]
    Gone {
        /// How that showed.
        why: Cause,
    },
}

impl SinkError {
    /// Returns the error of a batch that may be taken later.
    pub fn retry(why: impl Into<Cause>) -> Self {
        Self::Retry { after: None, why: why.into() }
    }

    /// Returns the error of a batch that will never be taken.
    pub fn reject(why: impl Into<Cause>) -> Self {
        Self::Reject { why: why.into() }
    }
}
