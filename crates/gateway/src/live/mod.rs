//! A running stream: the registry of all that run here, the task of each, and its hub with all that
//! subscribes to it.

mod books;
mod envelopes;
mod event_log;
mod figures;
mod hub;
mod journal;
mod last_words;
pub(crate) mod ledger_input;
pub(crate) mod new_streams;
mod packet_fields;
pub(crate) mod progress;
mod reached;
pub(crate) mod recording;
pub mod registry;
pub(crate) mod repeats;
pub(crate) mod retry;
pub(crate) mod revoked;
pub(crate) mod stream_span;
pub(crate) mod stream_task;
pub(crate) mod summary;
pub(crate) mod tenure;
mod unknown_messages;
mod waiting_room;
pub(crate) mod wire_log;
mod words;
