//! The access token: requested with an app's id and secret.

use std::time::Duration;

use bytes::Bytes;
use hyper::{Request, StatusCode, header};
use rtms_http::{
    client::{HttpClient, Limits},
    error::HttpError,
};
use rtms_wire::secret::AccessToken;
use serde::Deserialize;
use tokio::time::Instant;

use crate::credentials::Credentials;

/// Zoom's address for access tokens. Basis: documented.
pub const TOKEN_URL: &str = "https://zoom.us/oauth/token";

/// The time before its expiry at which a token is renewed, enough for retries; or a quarter of its life, if shorter.
const MARGIN: Duration = Duration::from_secs(300);

/// A token's shortest and longest life, whatever the answer says: neither a flood nor an overflow.
const LIFE: std::ops::RangeInclusive<u64> = 1..=86_400;

/// The life of Zoom's tokens in seconds, if the answer does not name it. Basis: documented.
const USUAL_LIFE: u64 = 3600;

/// Characters of an answer that an error repeats.
const SHOWN_CHARS: usize = 300;

/// A token, and the time to renew it.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token.
    pub secret: AccessToken,
    /// The time from which a new one should be requested.
    pub renew_at: Instant,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum NoToken {
    /// The endpoint cannot be asked.
    #[error("cannot get an access token: {0}")]
    Http(#[from] HttpError),
    /// The endpoint refuses.
    #[error("no access token: Zoom answered {status}, {reason}; check client id, client secret, grant and account id")]
    Refused {
        /// The status of the answer.
        status: StatusCode,
        /// Zoom's words.
        reason: String,
    },
    /// The answer has another form.
    #[error("no access token: the answer of the token endpoint holds none")]
    Unreadable,
    /// The id or secret cannot be sent.
    #[error("the request for an access token cannot be made: {0}")]
    Request(#[from] hyper::http::Error),
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

/// Why Zoom refuses. Basis: documented for OAuth, vendor code for `reason`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: String,
    reason: String,
}

/// Requests a token.
///
/// # Errors
/// [`NoToken`]. A refusal stays one until id, secret or account are changed.
pub async fn fetch(http: &HttpClient, token_url: &str, credentials: &Credentials) -> Result<Token, NoToken> {
    let request = request(token_url, credentials)?;
    let asked_at = Instant::now();
    let (head, body) = http.send(request, Limits::default()).await?.into_parts();
    if !head.status.is_success() {
        let said: Refusal = serde_json::from_slice(&body).unwrap_or_default();
        let words =
            [said.error, said.reason].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
        let reason = if words.is_empty() { "without a reason".to_owned() } else { short(&words) };
        return Err(NoToken::Refused { status: head.status, reason });
    }
    let answer: Answer = serde_json::from_slice(&body).map_err(|_| NoToken::Unreadable)?;
    let secret = AccessToken::new(&answer.access_token).map_err(|_| NoToken::Unreadable)?;
    let seconds = answer.expires_in.unwrap_or(USUAL_LIFE).clamp(*LIFE.start(), *LIFE.end());
    let life = Duration::from_secs(seconds);
    Ok(Token { secret, renew_at: asked_at + life - MARGIN.min(life / 4) })
}

fn request(token_url: &str, credentials: &Credentials) -> Result<Request<Bytes>, NoToken> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("grant_type", credentials.grant().as_str());
    if let Some(account) = &credentials.account_id {
        query.append_pair("account_id", account);
    }
    let mut authorization =
        header::HeaderValue::try_from(credentials.basic_authorization().as_str()).map_err(hyper::http::Error::from)?;
    authorization.set_sensitive(true);
    let request = Request::post(format!("{token_url}?{}", query.finish()))
        .header(header::AUTHORIZATION, authorization)
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::CONTENT_LENGTH, 0);
    Ok(request.body(Bytes::new())?)
}

/// Returns the beginning of what a server wrote, without control characters.
pub(crate) fn short(text: &str) -> String {
    text.chars().filter(|symbol| !symbol.is_control()).take(SHOWN_CHARS).collect()
}
