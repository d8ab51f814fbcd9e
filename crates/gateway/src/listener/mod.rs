//! Listeners: TCP addresses and the socket in the data folder, TLS, connections with a limit on every wait, eviction.

pub(crate) mod accept;
pub(crate) mod active_requests;
pub(crate) mod api_listeners;
mod connection;
mod connection_slots;
pub(crate) mod host;
mod idle;
pub(crate) mod local;
pub mod passed;
pub mod serve;
pub(crate) mod share;
#[cfg(unix)]
pub mod socket;
pub mod tls;
