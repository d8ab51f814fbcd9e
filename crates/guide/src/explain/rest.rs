//! Errors of Zoom's REST API, for the calls that start and stop streams.

use crate::explain::{
    entry::{Basis, Entry, Retry},
    kind::Kind,
};

const TABLE: &str = "Zoom's RTMS troubleshooting page";
const HTTP: &str = "HTTP; how Zoom uses it here is inferred";
const UNREAD: &str = "no page of Zoom's that was read; seen in the answers of its API elsewhere";

/// HTTP statuses and codes of Zoom's, by number.
pub(super) const ENTRIES: &[Entry] = &[
    row(
        124,
        "INVALID_ACCESS_TOKEN",
        "The access token is not valid, or has expired.",
        &["it is older than an hour", "it is of another app"],
        "Fetch a new one, and check client id and secret.",
        Retry::AfterChange,
        Basis::Reconstructed,
        UNREAD,
    ),
    row(
        400,
        "BAD_REQUEST",
        "The request is not accepted; `code` in the body says why.",
        &[
            "2310 in the body: no Developer Pack",
            "an id that needs percent-encoding twice, because it begins with `/` or holds `//`",
        ],
        "Look up `code` with `rtms explain rest N`.",
        Retry::AfterChange,
        Basis::Standard,
        HTTP,
    ),
    row(
        401,
        "UNAUTHORIZED",
        "The access token is missing, wrong or expired.",
        &["it is older than an hour", "it lacks a scope; then `code` is 4711"],
        "Fetch a new one; add the scope for control and authorise the app again.",
        Retry::AfterChange,
        Basis::Standard,
        HTTP,
    ),
    row(
        403,
        "FORBIDDEN",
        "The user of the token may not do this.",
        &["not the host of the meeting", "a role without that right"],
        "Use the token of the host, or of an administrator with an `:admin` scope.",
        Retry::OperatorFirst,
        Basis::Standard,
        HTTP,
    ),
    row(
        404,
        "NOT_FOUND",
        "There is no such meeting, session, engagement or call, or it is over.",
        &["the meeting has not begun", "the UUID was given where the number is wanted"],
        "Check the id, and that the meeting runs.",
        Retry::AfterChange,
        Basis::Standard,
        HTTP,
    ),
    row(
        429,
        "TOO_MANY_REQUESTS",
        "The rate limit is reached.",
        &["too many calls in a second or a day"],
        "Wait as long as Retry-After says, or with growing pauses.",
        Retry::Later,
        Basis::Standard,
        HTTP,
    ),
    row(
        500,
        "INTERNAL_SERVER_ERROR",
        "Zoom's server has a fault.",
        &["unknown"],
        "Try again.",
        Retry::Later,
        Basis::Standard,
        HTTP,
    ),
    row(
        503,
        "SERVICE_UNAVAILABLE",
        "Zoom's server is overloaded or being restarted.",
        &["unknown"],
        "Try again.",
        Retry::Later,
        Basis::Standard,
        HTTP,
    ),
    row(
        2308,
        "NOT_ALLOWED_TO_START_RTMS",
        "The user may not start a stream in this meeting.",
        &["neither host nor alternative host", "joined by a link without being invited"],
        "Let the host or an alternative host start it, or invite the user to the meeting.",
        Retry::OperatorFirst,
        Basis::Documented,
        TABLE,
    ),
    row(
        2310,
        "RTMS_OPERATION_FAILED",
        "The account may not stream.",
        &[
            "no active Zoom Developer Pack, or its trial has expired",
            "a Basic account",
            "bought a moment ago: it takes a minute or two",
        ],
        "Buy or renew the Developer Pack; upgrade a Basic account.",
        Retry::OperatorFirst,
        Basis::Documented,
        TABLE,
    ),
    row(
        3000,
        "CODE_3000",
        "Not documented for these calls. A third-party client takes it for a passing fault.",
        &["not known"],
        "Try again with growing pauses.",
        Retry::Later,
        Basis::ThirdParty,
        "a third-party client",
    ),
    row(
        3001,
        "MEETING_DOES_NOT_EXIST",
        "There is no such meeting, or it has expired.",
        &["a wrong number", "the meeting is over"],
        "Check the meeting number.",
        Retry::Never,
        Basis::Reconstructed,
        UNREAD,
    ),
    row(
        4711,
        "TOKEN_LACKS_SCOPES",
        "The access token does not have the scope that the call needs; the message names it.",
        &[
            "the scope for control is not added to the app",
            "it was added, and the user has not authorised the app again",
        ],
        "Add the scope that the message names; `rtms doctor --checklist` lists those for control. Then authorise again.",
        Retry::OperatorFirst,
        Basis::Reconstructed,
        UNREAD,
    ),
];

#[expect(clippy::too_many_arguments, reason = "a row of a table, each cell in its column")]
const fn row(
    number: i64,
    name: &'static str,
    meaning: &'static str,
    causes: &'static [&'static str],
    remedy: &'static str,
    retry: Retry,
    basis: Basis,
    source: &'static str,
) -> Entry {
    Entry {
        kind: Kind::RestError,
        number: Some(number),
        name,
        meaning,
        causes,
        remedy,
        retry,
        basis,
        source,
        today: None,
    }
}
