//! Explanations of numbers and names, a file per list.

mod close_code;
pub mod entry;
mod event;
pub mod kind;
mod legacy_status;
pub mod lookup;
mod oauth;
mod rest;
mod sdk;
mod state;
mod status_code;
mod stop_reason;
mod webhook;

use crate::explain::entry::Entry;

/// Every entry, list by list, in the order in which a look-up shows them.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    [
        status_code::ENTRIES,
        stop_reason::ENTRIES,
        state::STREAM,
        state::SESSION,
        webhook::ANSWERS,
        webhook::DELIVERY_CODES,
        rest::ENTRIES,
        oauth::ENTRIES,
        close_code::ENTRIES,
        sdk::ENTRIES,
        event::ENTRIES,
        legacy_status::ENTRIES,
    ]
    .into_iter()
    .flatten()
}
