//! The server: webhooks in at the door, streams joined, recordings and envelopes out.
//!
//! A webhook's way: [`door::webhook`] verifies it and appends it to the store's inbox, and Zoom is answered.
//! `dispatcher` reads the inbox, folds each entry into its stream's record and settles it. `worker` compares the
//! records with what runs, claims what should run and does not, and starts a stream task in `live` for it, which takes
//! the client's events to the recording and to the sinks. It runs one way; nothing calls back up.
//!
//! The rooms, from the top down: [`server`] builds the parts, and `parts` runs and stops them. `listener`, `door`, `api`, `intake`,
//! `dispatcher` and `worker` are those parts. `live` holds the streams that run here. [`apps`] holds secrets, and
//! [`config`] is the ground. A room uses only what lies below it.

pub mod api;
pub mod apps;
mod backlog;
mod clock;
pub mod config;
mod disk;
mod dispatcher;
pub mod door;
mod housekeeping;
pub mod intake;
mod label;
pub mod listener;
pub mod live;
mod lock;
mod parts;
pub mod server;
mod sinks;
pub mod stop;
pub mod telemetry;
mod trouble;
mod watched_files;
mod worker;
