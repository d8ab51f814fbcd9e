//! What the owner of a running stream can look at.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rtms_sim::{
    findings::Findings,
    judge::StreamReport,
    sent::{Sent, SentCounts},
    webhook::Deliveries,
};

/// What the pump leaves for the owner to look at.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    pub(crate) sent: Vec<Sent>,
    pub(crate) counts: SentCounts,
    pub(crate) findings: Findings,
    pub(crate) deliveries: Deliveries,
    pub(crate) report: Option<StreamReport>,
}

pub(crate) fn lock(seen: &Mutex<Observed>) -> MutexGuard<'_, Observed> {
    // What is behind the lock is whole after every statement, so a panic elsewhere does not spoil it.
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
