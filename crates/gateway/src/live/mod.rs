//! A running stream: the registry of all that run here, the task of each, and what follows its events: figures, log,
//! envelopes, ledger, recording and wire log.

mod envelopes;
mod event_log;
mod figures;
pub(crate) mod ledger_input;
mod packet_fields;
pub(crate) mod progress;
mod reached;
mod recorded_events;
pub(crate) mod recording;
pub mod registry;
pub(crate) mod repeats;
pub(crate) mod retry;
pub(crate) mod revoked;
pub(crate) mod stream_task;
pub(crate) mod summary;
pub(crate) mod tenure;
mod unknown_messages;
mod waiting_room;
pub(crate) mod wire_log;
