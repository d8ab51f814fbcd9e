//! The API for this machine: streams, receipts, metrics, health.

mod answer;
pub(crate) mod health;
mod metrics;
mod receipts;
pub(crate) mod router;
pub(crate) mod state;
mod streams;
