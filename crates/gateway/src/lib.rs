//! The server: webhooks in at the door, streams joined, recordings and envelopes out.
//!
//! A webhook's way: [`http::webhook`] verifies it and appends it to the store's inbox, and Zoom is answered. `dispatcher`
//! reads the inbox, folds each entry into its stream's record and settles it. `worker` compares the records with what
//! runs, claims what should run and does not, and starts a `stream_task` for it, which takes the client's events to
//! `recording` and to the sinks. It runs one way; nothing calls back up.
//!
//! [`streams`] is what is known of the streams that run, for whoever asks at [`http::streams`], and hands on what they
//! want of one: its end, or one person's camera.

mod accounting;
pub mod apps;
mod capture;
mod clock;
pub mod config;
mod dispatcher;
mod doing;
pub mod http;
pub mod intake;
mod odd;
mod packet_fields;
mod recording;
mod repeats;
mod retry;
mod revoked;
pub mod server;
pub mod stop;
mod stream_task;
pub mod streams;
mod summary;
pub mod telemetry;
mod trouble;
mod watched_files;
mod worker;
