//! `RTMS_STOP_REASON`: why a stream or a session ended, and what Zoom asks of an app then.

use rtms_wire::codes::stop_reason::StopReason as R;

use crate::explain::{
    entry::{Basis, Entry, Retry},
    kind::Kind,
};

const FINISH: &str = "Finish the recording. rtms does so by itself.";
const FINISH_SESSION: &str =
    "Finish what belongs to that session; other sessions of the stream go on. rtms does so by itself.";
const ANEW: &str = "Ask Zoom for a new stream while the meeting goes on: `rtms zoom start`, or have rtms do it with \
                    `[zoom] request_again = true`.";

/// Every stop reason, by number.
pub(super) const ENTRIES: &[Entry] = &[
    row(R::Undefined, "Zoom gives no reason.", &["unknown"], ANEW, Retry::NewStream),
    row(R::HostTriggered, "The host stopped it.", &[], FINISH, Retry::Unwanted),
    row(R::UserTriggered, "The user of the app stopped it.", &[], FINISH, Retry::Unwanted),
    row(
        R::UserLeft,
        "The user of the app left the meeting.",
        &[],
        "Finish that session. If the user returns, Zoom sends a new start webhook.",
        Retry::Unwanted,
    ),
    row(R::UserEjected, "The host removed the user of the app from the meeting.", &[], FINISH_SESSION, Retry::Unwanted),
    row(
        R::HostDisabledApp,
        "The host switched the app off. Older texts call it APP_DISABLED_BY_HOST.",
        &[],
        "Finish, and do not ask again.",
        Retry::Unwanted,
    ),
    row(
        R::MeetingEnded,
        "The meeting, webinar or session is over. It is the normal end.",
        &[],
        FINISH,
        Retry::Unwanted,
    ),
    row(
        R::StreamCanceled,
        "A participant asked for the stream to be cancelled.",
        &[],
        "Finish, do not ask again, and apply your rules for keeping recordings.",
        Retry::Unwanted,
    ),
    row(
        R::StreamRevoked,
        "Consent was withdrawn. Everything that was received of this stream must go.",
        &["a participant withdrew consent"],
        "Delete every stored asset of the stream at once, copies and derived data too. rtms deletes its recording, wire logs \
         and waiting envelopes by itself; your own copies and backups are yours to delete.",
        Retry::Unwanted,
    ),
    row(R::AllAppsDisabled, "The host switched all apps off.", &[], "Finish, and do not ask again.", Retry::Unwanted),
    row(R::InternalException, "Zoom's server had a fault.", &["unknown"], ANEW, Retry::NewStream),
    row(
        R::ConnectionTimeout,
        "The app did not connect in time.",
        &["the start webhook arrived late", "a firewall blocks connections to Zoom's servers"],
        "Ask for a new stream, and find out what took so long: `rtms receipts` has the times of each step. Outgoing \
         connections to *.zoom.us, port 443, must be open.",
        Retry::NewStream,
    ),
    row(
        R::InstanceConnectionInterrupted,
        "Zoom's streaming server lost the meeting. Older texts call it MEETING_CONNECTION_INTERRUPTED.",
        &["a fault inside Zoom"],
        ANEW,
        Retry::NewStream,
    ),
    row(
        R::SignalConnectionInterrupted,
        "The signaling connection was lost and did not come back.",
        &["the network", "a process that was stopped for more than a minute"],
        ANEW,
        Retry::NewStream,
    ),
    row(
        R::DataConnectionInterrupted,
        "A media connection was lost and did not come back. It comes with stream state 2 as well.",
        &["the network", "a reader that was too slow"],
        ANEW,
        Retry::NewStream,
    ),
    row(
        R::SignalConnectionClosedAbnormally,
        "The app closed the signaling connection without asking for the end first.",
        &["the client was killed", "a client that closes the socket instead of sending message 21"],
        "Ask for a new stream. To end one in order, use `rtms streams stop`.",
        Retry::NewStream,
    ),
    row(
        R::DataConnectionClosedAbnormally,
        "The app closed a media connection without asking for the end first.",
        &["the client was killed", "a client that closes the socket instead of sending message 21"],
        "Ask for a new stream. To end one in order, use `rtms streams stop`.",
        Retry::NewStream,
    ),
    row(R::ExitSignal, "Zoom's server was told to leave.", &["an upgrade on Zoom's side"], ANEW, Retry::NewStream),
    row(
        R::AuthenticationFailure,
        "Authentication failed. It was seen about a second after a successful join.",
        &["the client secret is wrong", "the id that was signed is not the one that was sent", "a scope is missing"],
        "Check client id, client secret and scopes first (`rtms doctor`, `rtms doctor --checklist`); then ask for a new \
         stream.",
        Retry::OperatorFirst,
    ),
    row(
        R::AwaitReconnectionTimeout,
        "Zoom waited for the app to come back, and the window closed: 60 s for signaling, 65 s for media.",
        &["the network was away for longer", "the process was not restarted in time"],
        ANEW,
        Retry::NewStream,
    ),
    row(R::ReceiverRequestClose, "We asked for the end by message 21.", &[], "Nothing to do.", Retry::Unwanted),
    row(R::CustomerDisconnected, "Contact Center: the customer left.", &[], FINISH, Retry::Unwanted),
    row(R::AgentDisconnected, "Contact Center: the agent left.", &[], FINISH, Retry::Unwanted),
    row(
        R::AdminDisabledApp,
        "An administrator of the account switched the app off.",
        &[],
        "Ask the administrator; no stream starts until the app is allowed again.",
        Retry::OperatorFirst,
    ),
    row(
        R::KeepAliveTimeout,
        "Three keep-alives in a row were not answered.",
        &["a client whose event loop was blocked", "a machine that was suspended"],
        "Ask for a new stream, and find out what blocked the client.",
        Retry::NewStream,
    ),
    row(R::ManualApiTriggered, "Contact Center: it was stopped through the API.", &[], FINISH, Retry::Unwanted),
    row(
        R::StreamingNotSupported,
        "Contact Center: the queue does not stream.",
        &["the app is not assigned to the queue"],
        "Assign the app to the queue in the Contact Center's settings.",
        Retry::OperatorFirst,
    ),
];

const fn row(
    code: R,
    meaning: &'static str,
    causes: &'static [&'static str],
    remedy: &'static str,
    retry: Retry,
) -> Entry {
    Entry {
        kind: Kind::StopReason,
        number: Some(code.code()),
        name: code.name(),
        meaning,
        causes,
        remedy,
        retry,
        basis: Basis::Documented,
        source: "Zoom's page of RTMS data types; what follows is documented for 8, 10 to 19 and 24 \
                 (failover and reconnection), and inferred for the others",
        today: None,
    }
}
