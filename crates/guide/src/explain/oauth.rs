//! Errors of Zoom's OAuth service: the words of the standard, and Zoom's numbers.

use crate::explain::{
    entry::{Basis, Entry, Retry},
    kind::Kind,
};

/// Words first, then numbers.
pub(super) const ENTRIES: &[Entry] = &[
    word(
        "invalid_client",
        "Client id and client secret do not belong together, or the app does not exist.",
        &[
            "they are of different apps",
            "the secret was regenerated",
            "the secret token stands in the place of the client secret",
        ],
        "Copy both from the page of the app's credentials. `rtms doctor` finds swapped ones.",
        Retry::OperatorFirst,
    ),
    word(
        "unsupported_grant_type",
        "The app cannot fetch a token in this way.",
        &[
            "account_credentials for an app that is not Server-to-Server",
            "the grant in the body where Zoom wants it in the query",
        ],
        "Use account_credentials for a Server-to-Server app, client_credentials otherwise (`grant` of [app.websocket]).",
        Retry::AfterChange,
    ),
    word(
        "invalid_request",
        "Something is missing in the token request.",
        &["no grant_type", "no account_id with account_credentials"],
        "Set `account_id` for a Server-to-Server app.",
        Retry::AfterChange,
    ),
    word(
        "invalid_grant",
        "The code or the refresh token is not valid any more.",
        &["it was used before, or has expired"],
        "Let the user authorise the app again.",
        Retry::OperatorFirst,
    ),
    word(
        "invalid_scope",
        "A scope is not one of the app's.",
        &["it is not ticked in the Marketplace"],
        "Add the scope to the app, then authorise again.",
        Retry::OperatorFirst,
    ),
    word(
        "unauthorized_client",
        "The app may not fetch a token in this way.",
        &["another app type is needed", "the app is deactivated"],
        "Check the type of the app, and activate it.",
        Retry::OperatorFirst,
    ),
    number(
        4700,
        "TOKEN_MISSING",
        "The token is missing, or an unexpected error happened.",
        &["no token in the header"],
        "Send the token; otherwise ask Zoom with the tracking id of the answer.",
        Retry::Unknown,
    ),
    number(
        4702,
        "INVALID_CLIENT",
        "Client id or client secret is wrong, or the app does not exist.",
        &["they are of different apps"],
        "Copy both from the page of the app's credentials.",
        Retry::OperatorFirst,
    ),
    number(
        4704,
        "INVALID_CLIENT_SECRET",
        "Client id or client secret is wrong, or the app does not exist.",
        &["the secret was regenerated"],
        "Copy both from the page of the app's credentials.",
        Retry::OperatorFirst,
    ),
    number(
        4705,
        "GRANT_TYPE_NOT_SUPPORTED",
        "The token endpoint does not take this grant.",
        &["a misspelled grant_type"],
        "Use account_credentials, client_credentials, authorization_code or refresh_token.",
        Retry::AfterChange,
    ),
    number(
        4706,
        "CLIENT_OR_GRANT_MISSING",
        "Client id, client secret or grant type is missing.",
        &["no Authorization header"],
        "Send client id and secret by Basic, and grant_type in the query.",
        Retry::AfterChange,
    ),
    number(
        4709,
        "REDIRECT_URI_MISMATCH",
        "The redirect URI is missing or another one than in the Marketplace.",
        &["a slash or a scheme that differs"],
        "Enter the same URI in both places, letter by letter.",
        Retry::AfterChange,
    ),
    number(
        4711,
        "REFRESH_TOKEN_INVALID",
        "The scopes of the token do not match those of the app.",
        &["scopes were changed after the user had authorised the app"],
        "Let the user authorise the app again.",
        Retry::OperatorFirst,
    ),
    number(
        4717,
        "APP_DISABLED",
        "The app has been disabled.",
        &["by its owner, an administrator, or Zoom"],
        "Enable the app in the Marketplace.",
        Retry::OperatorFirst,
    ),
    Entry {
        basis: Basis::Reconstructed,
        source: "no page of Zoom's that was read",
        ..number(
            4741,
            "TOKEN_REVOKED",
            "The token was revoked.",
            &["a newer token was fetched", "the user removed the app"],
            "Fetch a new token; let the user add the app again.",
            Retry::AfterChange,
        )
    },
];

const fn word(
    name: &'static str,
    meaning: &'static str,
    causes: &'static [&'static str],
    remedy: &'static str,
    retry: Retry,
) -> Entry {
    Entry {
        kind: Kind::OauthError,
        number: None,
        name,
        meaning,
        causes,
        remedy,
        retry,
        basis: Basis::Standard,
        source: "RFC 6749; causes by Zoom's guide on token errors",
        today: None,
    }
}

const fn number(
    number: i64,
    name: &'static str,
    meaning: &'static str,
    causes: &'static [&'static str],
    remedy: &'static str,
    retry: Retry,
) -> Entry {
    Entry {
        number: Some(number),
        basis: Basis::Documented,
        source: "Zoom's page of OAuth error messages; names are ours",
        ..word(name, meaning, causes, remedy, retry)
    }
}
