//! The names of webhook events.

use crate::explain::{
    entry::{Basis, Entry, Retry},
    kind::Kind,
};

const STARTED: &str =
    "A stream begins; for a stream that runs already, Zoom's server failed over and the new URLs count.";
const STOPPED: &str = "A stream is over; `stop_reason` says why.";
const INTERRUPTED: &str = "Zoom lost our signaling connection and waits about 60 s for another one.";
const JOIN: &str =
    "rtms connects by itself, once per stream. If it does not come at all, see `rtms doctor --checklist`.";
const END: &str = "Look up the reason with `rtms explain stop N`.";
const BACK: &str = "rtms connects again by itself.";

/// The events of all products, of the account, and of the address.
pub(super) const ENTRIES: &[Entry] = &[
    row("meeting.rtms_started", STARTED, JOIN, Basis::Documented),
    row("meeting.rtms_stopped", STOPPED, END, Basis::Documented),
    row("meeting.rtms_interrupted", INTERRUPTED, BACK, Basis::Documented),
    row("webinar.rtms_started", STARTED, JOIN, Basis::Documented),
    row("webinar.rtms_stopped", STOPPED, END, Basis::Documented),
    row("webinar.rtms_interrupted", INTERRUPTED, BACK, Basis::Documented),
    row("session.rtms_started", STARTED, JOIN, Basis::Documented),
    row("session.rtms_stopped", STOPPED, END, Basis::Documented),
    row("session.rtms_interrupted", INTERRUPTED, BACK, Basis::Documented),
    row("contact_center.voice_rtms_started", STARTED, JOIN, Basis::Documented),
    row("contact_center.voice_rtms_stopped", STOPPED, END, Basis::Documented),
    row("contact_center.voice_rtms_interrupted", INTERRUPTED, BACK, Basis::Documented),
    row("phone.rtms_started", STARTED, JOIN, Basis::VendorCode),
    row("phone.rtms_stopped", STOPPED, END, Basis::VendorCode),
    row("phone.rtms_interrupted", INTERRUPTED, BACK, Basis::VendorCode),
    row(
        "rtms.concurrency_near_limit",
        "More than 80 % of the streams that the account may have at a time run. It is repeated.",
        "Raise the limit (it depends on the Developer Pack), or let fewer streams run.",
        Basis::Documented,
    ),
    row(
        "rtms.concurrency_limited",
        "The account's limit of streams at a time is reached: no further stream starts.",
        "Raise the limit, or end streams that nobody needs: `rtms streams stop`.",
        Basis::Documented,
    ),
    row(
        "rtms.start_failed",
        "A stream could not be started, by its name. Its fields are not published.",
        "Read the body with `rtms receipts --body ENTRY`.",
        Basis::Reconstructed,
    ),
    row(
        "rtms.request_status",
        "The state of a request for streaming, by its name. Announced on 30 October 2026; its fields are not published.",
        "Read the body with `rtms receipts --body ENTRY`.",
        Basis::Reconstructed,
    ),
    row(
        "endpoint.url_validation",
        "Zoom asks whether the secret token is known here: when the URL is saved, and every 72 hours.",
        "rtms answers by itself. If it fails, run `rtms doctor URL`; after six failures in a row Zoom disables the subscription.",
        Basis::Documented,
    ),
];

const fn row(name: &'static str, meaning: &'static str, remedy: &'static str, basis: Basis) -> Entry {
    Entry {
        kind: Kind::Event,
        number: None,
        name,
        meaning,
        causes: &[],
        remedy,
        retry: Retry::NotNeeded,
        basis,
        source: "Zoom's reference of RTMS events, samples for Phone; docs/protocol.md#events",
        today: None,
    }
}
