//! Why the store did not do what it was asked.

use std::{error::Error, path::PathBuf, sync::Arc};

use rtms_wire::ids::StreamId;
use smol_str::SmolStr;

use crate::entry::EntryId;

/// Why the store did not do what it was asked. Nothing was changed, unless the variant says otherwise.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Storage failed: an I/O error, a full disk, a commit that did not go through.
    ///
    /// Nothing was acknowledged, but what was being written may still turn up after a restart.
    #[error("storage is unavailable")]
    Unavailable(#[source] Cause),
    /// More work is queued than may be; storage is slower than what comes in.
    #[error("storage is busy: {queued} jobs wait already")]
    Busy {
        /// The bound that was reached.
        queued: usize,
    },
    /// Another process uses the same directory.
    #[error("{} is held by another process", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// What is on disk is not what was written there.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How it showed.
        #[source]
        source: Cause,
    },
    /// The file was written by a newer version of this program.
    #[error("{} has format {found}; this program knows formats up to {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// The file was written by an older version of this program, and reading alone does not change it.
    #[error("{} has format {found}; `rtms serve` brings it to {known}", path.display())]
    Older {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The format that is read here.
        known: i64,
    },
    /// There is no store to read.
    #[error("there is no store at {}", path.display())]
    Absent {
        /// The file that is not there.
        path: PathBuf,
    },
    /// The lease ran out or somebody else has the stream: stop talking to Zoom.
    #[error("the lease {token} on stream {stream_id} is lost")]
    LeaseLost {
        /// The stream.
        stream_id: StreamId,
        /// The token of the lease that is lost.
        token: u64,
    },
    /// The record of a stream changed again and again while it was to be changed.
    #[error("the record of stream {0} changes too fast")]
    Contended(StreamId),
    /// A queue of jobs holds as much as it may. Nothing was added; some have to be done first.
    #[error("the queue {queue} is full: it may hold {jobs} jobs and {bytes} bytes")]
    QueueFull {
        /// The queue.
        queue: SmolStr,
        /// Its bound on jobs.
        jobs: u64,
        /// Its bound on bytes of payload.
        bytes: u64,
    },
    /// A job has more payload than any may have.
    #[error("a job of {bytes} bytes is too large; at most {at_most} are stored")]
    JobTooLarge {
        /// What it has.
        bytes: usize,
        /// What it may have.
        at_most: usize,
    },
    /// There is no such entry; it may have been pruned.
    #[error("there is no entry {0}")]
    NoSuchEntry(EntryId),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether the same call may succeed later without anybody changing the call.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unavailable(_)
            | Self::Busy { .. }
            | Self::Locked { .. }
            | Self::Contended(_)
            | Self::QueueFull { .. } => true,
            Self::Damaged { .. }
            | Self::Newer { .. }
            | Self::Older { .. }
            | Self::Absent { .. }
            | Self::LeaseLost { .. }
            | Self::JobTooLarge { .. }
            | Self::NoSuchEntry(_)
            | Self::Closed => false,
        }
    }
}

/// What went wrong underneath: one cause, told to all who waited for the same commit.
#[derive(Clone, Debug)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl Cause {
    pub(crate) fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::from(error.into()))
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
