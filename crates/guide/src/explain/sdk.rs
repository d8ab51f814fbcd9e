//! What Zoom's own RTMS SDK reports to its application.

use crate::explain::{
    entry::{Basis, Entry, Retry},
    kind::Kind,
};

/// Results of joining and leaving that were seen, and the SDK's constants.
pub(super) const ENTRIES: &[Entry] = &[
    row(
        Some(0),
        "JOIN_OK",
        "Joined: signaling and every media connection are up.",
        &[],
        "Nothing to do.",
        Retry::NotNeeded,
        Basis::Observed,
    ),
    row(
        Some(1),
        "JOIN_NO_ANSWER",
        "Nothing answered the signaling handshake within 10 s. In the SDK's numbers, not a status of Zoom's.",
        &[
            "the server does not speak RTMS",
            "a proxy between swallows frames",
            "a server that answers with other fields than the SDK wants",
        ],
        "Check the address in `server_urls`; against the simulator, look at its findings.",
        Retry::Later,
        Basis::Observed,
    ),
    row(
        Some(502),
        "CONNECTION_FAILED",
        "A connection could not be opened.",
        &["nobody listens there", "a firewall", "an srt:// URL, which the SDK does not speak"],
        "Check that the host and the port of the URL can be reached. The SDK tries again after 1 s, 2 s, and so on.",
        Retry::Later,
        Basis::Observed,
    ),
    row(
        Some(610),
        "UNKNOWN_CA",
        "The server's certificate is signed by an authority that the SDK does not know.",
        &[
            "a test server with an authority of its own",
            "a proxy that intercepts TLS",
            "no list of authorities on the machine",
        ],
        "Name a PEM file with the authority in the variable ZM_RTMS_CA.",
        Retry::OperatorFirst,
        Basis::Observed,
    ),
    row(
        Some(960),
        "CONNECTION_LOST",
        "The server closed a connection with a close frame, or offered no URL for a medium. The SDK gives the stream up and \
         does not come back.",
        &[
            "Zoom's server was restarted",
            "`media_server.server_urls` has `all` only, where the SDK wants a URL per medium",
        ],
        "Join again, or use a client that comes back by itself, as rtms does.",
        Retry::Later,
        Basis::Observed,
    ),
    constant("RTMS_SDK_OK", "The call succeeded.", "Nothing to do.", Retry::NotNeeded),
    constant("RTMS_SDK_FAILURE", "The call failed.", "The SDK's log says why.", Retry::Unknown),
    constant("RTMS_SDK_TIMEOUT", "The call took too long.", "Check the network, then try again.", Retry::Later),
    constant("RTMS_SDK_NOT_EXIST", "What was asked for does not exist.", "Check the ids.", Retry::AfterChange),
    constant("RTMS_SDK_WRONG_TYPE", "An argument has the wrong type.", "Check the arguments.", Retry::AfterChange),
    constant("RTMS_SDK_INVALID_STATUS", "The call is not allowed in this state.", "Join first.", Retry::AfterCleanup),
    constant(
        "RTMS_SDK_INVALID_ARGS",
        "An argument has a value that is not accepted.",
        "Check the arguments.",
        Retry::AfterChange,
    ),
];

const fn row(
    number: Option<i64>,
    name: &'static str,
    meaning: &'static str,
    causes: &'static [&'static str],
    remedy: &'static str,
    retry: Retry,
    basis: Basis,
) -> Entry {
    Entry {
        kind: Kind::SdkResult,
        number,
        name,
        meaning,
        causes,
        remedy,
        retry,
        basis,
        source: "Zoom's SDK (PyPI rtms 1.1.0) run against a stand-in server; names of numbers are ours. Any other number of \
                 its join callback is a status code of message 2 or 4",
        today: None,
    }
}

/// A constant of the SDK whose number its public sources do not show.
const fn constant(name: &'static str, meaning: &'static str, remedy: &'static str, retry: Retry) -> Entry {
    Entry {
        source: "the public sources of Zoom's SDK, which do not show its number; the meaning follows from the name",
        ..row(None, name, meaning, &[], remedy, retry, Basis::VendorCode)
    }
}
