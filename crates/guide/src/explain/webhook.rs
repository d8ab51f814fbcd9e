//! What Zoom makes of the answer to a webhook, and its own codes for a delivery that failed.

use crate::explain::{
    entry::{Basis, Entry, Retry},
    kind::Kind,
};

/// The statuses that `rtms serve`, or a proxy in front of it, may answer a webhook with.
pub(super) const ANSWERS: &[Entry] = &[
    answer(
        200,
        "OK",
        "The webhook is signed, fresh, readable and stored. Zoom counts it as delivered, as any 2xx within 3 s.",
        &["if nothing is stored: a proxy in front answers by itself and passes nothing on"],
        "Nothing to do. `rtms doctor URL` finds a proxy that answers by itself.",
        Retry::NotNeeded,
    ),
    answer(
        204,
        "NO_CONTENT",
        "Zoom counts it as delivered. A URL validation cannot be answered so, for it needs a body.",
        &["rtms never answers 204: another program does"],
        "Let the proxy pass the request on to rtms.",
        Retry::NotNeeded,
    ),
    answer(301, "MOVED_PERMANENTLY", REDIRECT, &REDIRECTS, FOLLOW, Retry::OperatorFirst),
    answer(302, "FOUND", REDIRECT, &REDIRECTS, FOLLOW, Retry::OperatorFirst),
    answer(303, "SEE_OTHER", REDIRECT, &REDIRECTS, FOLLOW, Retry::OperatorFirst),
    answer(307, "TEMPORARY_REDIRECT", REDIRECT, &REDIRECTS, FOLLOW, Retry::OperatorFirst),
    answer(308, "PERMANENT_REDIRECT", REDIRECT, &REDIRECTS, FOLLOW, Retry::OperatorFirst),
    answer(
        400,
        "BAD_REQUEST",
        "The body is signed, but no JSON object, or lacks `event`; or a validation has an unsafe token; or the request names two hosts. The event is lost.",
        &["a proxy that sends another Host than it received, beside it", "a test that sent no JSON"],
        "Let the proxy send one Host header. `rtms doctor URL` shows what arrives.",
        Retry::OperatorFirst,
    ),
    answer(
        401,
        "UNAUTHORIZED",
        "The webhook is not signed with a secret token of ours, or its timestamp is too old. The event is lost.",
        &[
            "the secret token is wrong, or the client secret stands in its place",
            "a proxy changes the body or drops the x-zm-* headers",
            "the clock of this machine is wrong",
            "the authentication of [app.auth] is missing",
            "it is not Zoom",
        ],
        "Read `suspect` and `advice` in the log line, or run `rtms doctor URL`.",
        Retry::OperatorFirst,
    ),
    answer(
        403,
        "FORBIDDEN",
        "Something in front of rtms refused it: at its webhook address rtms itself never answers 403. The event is lost.",
        &[
            "a web application firewall",
            "a list of allowed addresses, which Zoom advises against",
            "the request went to the API address",
        ],
        "Exempt the webhook path from that rule; the signature protects it.",
        Retry::OperatorFirst,
    ),
    answer(
        404,
        "NOT_FOUND",
        "The path is not served. The event is lost.",
        &[
            "the URL at Zoom lacks /webhook",
            "/webhook/NAME names no app of the settings",
            "a proxy that strips or adds a part of the path",
        ],
        "Point the subscription at https://YOUR-HOST/webhook, and let the proxy pass the path on as it is.",
        Retry::OperatorFirst,
    ),
    answer(
        405,
        "METHOD_NOT_ALLOWED",
        "The path takes another method. Zoom sends POST. The event is lost.",
        &["a redirect turned the POST into a GET", "a browser opened the URL"],
        "Let the proxy pass POST on; do not redirect.",
        Retry::OperatorFirst,
    ),
    answer(
        408,
        "REQUEST_TIMEOUT",
        "The body did not arrive within `webhook.read_within`. The event is lost.",
        &["a proxy that holds the body back"],
        "Let the proxy send the body at once.",
        Retry::OperatorFirst,
    ),
    answer(
        413,
        "PAYLOAD_TOO_LARGE",
        "The body is longer than `webhook.max_body_bytes`, or than the proxy allows. The event is lost.",
        &["a limit that is too low; Zoom's webhooks have a few hundred bytes", "it is not Zoom"],
        "Set the limit back to its default.",
        Retry::OperatorFirst,
    ),
    answer(
        415,
        "UNSUPPORTED_MEDIA_TYPE",
        "Something in front of rtms refused the content type; rtms itself judges none. The event is lost.",
        &["a firewall or framework in front"],
        "Let it pass application/json on.",
        Retry::OperatorFirst,
    ),
    answer(
        429,
        "TOO_MANY_REQUESTS",
        "Something in front of rtms limits the rate; rtms itself never answers 429. Zoom does not send it again: the event is lost.",
        &["a rate limit of a proxy or a hosting service"],
        "Exempt the webhook path, or let the limiter answer 503, after which Zoom tries again.",
        Retry::OperatorFirst,
    ),
    answer(
        500,
        "INTERNAL_SERVER_ERROR",
        "Something in front of rtms has a fault; rtms itself answers 503.",
        &["a proxy, or another program"],
        "Read the log of what stands in front.",
        Retry::ByZoom,
    ),
    answer(
        502,
        "BAD_GATEWAY",
        "The proxy cannot reach rtms, or got no sense from it.",
        &BEHIND,
        BEHIND_REMEDY,
        Retry::ByZoom,
    ),
    answer(
        503,
        "SERVICE_UNAVAILABLE",
        "rtms could not store the webhook, or has no room for more requests; or the proxy finds nobody behind it.",
        &["the disk is full or failing", "the process is stopping", "rtms does not run"],
        "Look at /readyz and the log of rtms; make room on the disk.",
        Retry::ByZoom,
    ),
    answer(504, "GATEWAY_TIMEOUT", "The proxy waited for rtms in vain.", &BEHIND, BEHIND_REMEDY, Retry::ByZoom),
];

const REDIRECT: &str = "Zoom does not follow redirects and does not send the webhook again: the event is lost.";
const REDIRECTS: [&str; 3] = [
    "the URL at Zoom begins with http:// or with another host",
    "a slash at the end of the path",
    "a login page in front",
];
const FOLLOW: &str = "Give Zoom the address that the redirect points to, and exempt the webhook path from it.";
const BEHIND: [&str; 3] = [
    "rtms does not run",
    "the proxy has another address or port",
    "the proxy speaks TLS to a plain port, or the other way round",
];
const BEHIND_REMEDY: &str = "Start rtms, and give the proxy its `server.listen` address.";

/// Zoom's codes for a delivery that failed before there was an answer.
pub(super) const DELIVERY_CODES: &[Entry] = &[
    delivery(
        -1,
        "SOCKET_TIMEOUT",
        "No answer came within 3 s.",
        &["rtms or its proxy is too slow or down", "a firewall drops the packets"],
        "Run `rtms doctor URL` from outside; it measures the time.",
    ),
    delivery(-2, "DELIVERY_CODE_2", OTHER, &OTHERS, OUTSIDE),
    delivery(-3, "DELIVERY_CODE_3", OTHER, &OTHERS, OUTSIDE),
    delivery(-4, "DELIVERY_CODE_4", OTHER, &OTHERS, OUTSIDE),
    delivery(-5, "DELIVERY_CODE_5", OTHER, &OTHERS, OUTSIDE),
    delivery(-7, "DELIVERY_CODE_7", OTHER, &OTHERS, OUTSIDE),
    delivery(-8, "DELIVERY_CODE_8", OTHER, &OTHERS, OUTSIDE),
    delivery(
        -10,
        "INSTANT_REINVOKE",
        "The delivery failed and is repeated at once.",
        &["not known more exactly"],
        "Nothing to do: repeats are recognised. If it goes on, run `rtms doctor URL`.",
    ),
    delivery(-13, "DELIVERY_CODE_13", OTHER, &OTHERS, OUTSIDE),
    delivery(
        -14,
        "TOKEN_NOT_FETCHED",
        "Zoom could not fetch the token that the subscription demands.",
        &[
            "the token URL is wrong or cannot be reached",
            "id or secret of `[app.auth]` are not those of the subscription",
        ],
        "The token URL is https://YOUR-HOST/webhook/NAME/token; compare id and secret. `rtms doctor URL` fetches a token.",
    ),
    delivery(
        -15,
        "CUSTOM_HEADER_UNREADABLE",
        "Zoom could not read its own setting of the custom header.",
        &["a fault on Zoom's side"],
        "Enter the header again in the event subscription.",
    ),
];

const OTHER: &str = "The delivery failed before there was an answer. Which of the causes has this code is not known.";
const OTHERS: [&str; 3] =
    ["the connection was refused", "the name could not be resolved in time", "an error of the remote side"];
const OUTSIDE: &str =
    "Run `rtms doctor URL` from outside your network: it tries name, connection, certificate and answer.";

const fn answer(
    number: i64,
    name: &'static str,
    meaning: &'static str,
    causes: &'static [&'static str],
    remedy: &'static str,
    retry: Retry,
) -> Entry {
    Entry {
        kind: Kind::WebhookAnswer,
        number: Some(number),
        name,
        meaning,
        causes,
        remedy,
        retry,
        basis: Basis::Documented,
        source: "Zoom's webhook reference for what Zoom does; docs/protocol.md#answers for what rtms answers",
        today: None,
    }
}

const fn delivery(
    number: i64,
    name: &'static str,
    meaning: &'static str,
    causes: &'static [&'static str],
    remedy: &'static str,
) -> Entry {
    Entry {
        kind: Kind::DeliveryCode,
        number: Some(number),
        name,
        meaning,
        causes,
        remedy,
        retry: Retry::ByZoom,
        basis: Basis::Documented,
        source: "Zoom's webhook reference, which has the codes; names are ours",
        today: None,
    }
}
