//! `RTMS_STREAM_STATE` and `RTMS_SESSION_STATE`.

use rtms_wire::codes::state::{SessionState, StreamState};

use crate::explain::{
    entry::{Basis, Entry, Retry},
    kind::Kind,
};

const NORMAL: &str = "Nothing to do.";

/// Every stream state, by number.
pub(super) const STREAM: &[Entry] = &[
    stream(StreamState::Inactive, "The stream has not begun. It is the default.", &[], "Wait.", Retry::NotNeeded),
    stream(StreamState::Active, "Media are being sent.", &[], NORMAL, Retry::NotNeeded),
    stream(
        StreamState::Interrupted,
        "Signaling or a media connection has a problem; `reason` 13 or 14 says which.",
        &["the network", "a fault inside Zoom"],
        "Connect that part again within Zoom's window: 60 s for signaling, 65 s for media. rtms does so by itself.",
        Retry::Later,
    ),
    stream(
        StreamState::Terminating,
        "Zoom is about to end the stream.",
        &[],
        "Keep reading, do not connect again, and begin to close files. rtms does so by itself.",
        Retry::Unwanted,
    ),
    stream(
        StreamState::Terminated,
        "The stream is over; `reason` has the stop reason.",
        &[],
        "Look up the reason with `rtms explain stop N`.",
        Retry::Unwanted,
    ),
    stream(
        StreamState::Paused,
        "The user or the host paused the stream. No media come.",
        &[],
        "Keep the connections and answer keep-alives. rtms does so by itself.",
        Retry::NotNeeded,
    ),
    stream(StreamState::Resumed, "The stream goes on after a pause.", &[], NORMAL, Retry::NotNeeded),
];

/// Every session state, by number.
pub(super) const SESSION: &[Entry] = &[
    session(SessionState::Inactive, "The session has not begun. It is the default.", "Wait.", Retry::NotNeeded),
    session(SessionState::Initialize, "The session is being prepared.", "Wait.", Retry::NotNeeded),
    session(
        SessionState::Started,
        "A new session has started. A stream has about one per user of the app.",
        NORMAL,
        Retry::NotNeeded,
    ),
    session(
        SessionState::Paused,
        "The user or the host paused the session.",
        "Keep the connections.",
        Retry::NotNeeded,
    ),
    session(SessionState::Resumed, "The session goes on after a pause.", NORMAL, Retry::NotNeeded),
    session(
        SessionState::Stopped,
        "The session ended. The stream goes on as long as another session lives.",
        "Look up `stop_reason` with `rtms explain stop N`.",
        Retry::Unwanted,
    ),
];

const fn stream(
    code: StreamState,
    meaning: &'static str,
    causes: &'static [&'static str],
    remedy: &'static str,
    retry: Retry,
) -> Entry {
    Entry {
        kind: Kind::StreamState,
        number: Some(code.code()),
        name: code.name(),
        meaning,
        causes,
        remedy,
        retry,
        basis: Basis::Documented,
        source: "Zoom's page of RTMS data types; docs/protocol.md#8",
        today: None,
    }
}

const fn session(code: SessionState, meaning: &'static str, remedy: &'static str, retry: Retry) -> Entry {
    Entry {
        kind: Kind::SessionState,
        number: Some(code.code()),
        name: code.name(),
        meaning,
        causes: &[],
        remedy,
        retry,
        basis: Basis::Documented,
        source: "Zoom's page of RTMS data types, and \"Working with streams\"; docs/protocol.md#9",
        today: None,
    }
}
