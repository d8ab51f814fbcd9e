//! The API for this machine: streams, receipts, metrics, health.

pub mod health;
pub(crate) mod metrics;
pub mod receipts;
pub mod streams;
