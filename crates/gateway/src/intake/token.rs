//! The access token that opens an event WebSocket: asked for with the app's client id and secret.

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

use crate::{apps::secrets::App, config::websocket::WebSocketConfig};

/// The time before its expiry at which a token is renewed, enough for retries; or a quarter of its life, if shorter.
const MARGIN: Duration = Duration::from_secs(300);

/// A token's shortest and longest life, whatever the answer says: neither a flood nor an overflow.
const LIFE: std::ops::RangeInclusive<u64> = 1..=86_400;

/// The life of Zoom's tokens in seconds, if the answer does not name it. Basis: documented.
const USUAL_LIFE: u64 = 3600;

/// A token, and the time to renew it.
pub(super) struct Token {
    pub(super) secret: AccessToken,
    pub(super) renew_at: Instant,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoToken {
    #[error("{0}")]
    Http(#[from] HttpError),
    #[error("the answer is {status}, {said}: check client id, client secret, grant and account_id")]
    Refused { status: StatusCode, said: String },
    #[error("the answer holds no token")]
    Unreadable,
    #[error("the request cannot be made: {0}")]
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

/// Asks for a token.
pub(super) async fn fetch(http: &HttpClient, app: &App, config: &WebSocketConfig) -> Result<Token, NoToken> {
    let request = request(url(config), app)?;
    let asked_at = Instant::now();
    let (head, body) = http.send(request, Limits::default()).await?.into_parts();
    let status = head.status;
    if !status.is_success() {
        let said: Refusal = serde_json::from_slice(&body).unwrap_or_default();
        let short = |text: String| text.chars().take(100).collect::<String>();
        return Err(NoToken::Refused { status, said: format!("{}: {}", short(said.error), short(said.reason)) });
    }
    let answer: Answer = serde_json::from_slice(&body).map_err(|_| NoToken::Unreadable)?;
    let secret = AccessToken::new(&answer.access_token).map_err(|_| NoToken::Unreadable)?;
    let seconds = answer.expires_in.unwrap_or(USUAL_LIFE).clamp(*LIFE.start(), *LIFE.end());
    let life = Duration::from_secs(seconds);
    Ok(Token { secret, renew_at: asked_at + life - MARGIN.min(life / 4) })
}

fn url(config: &WebSocketConfig) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("grant_type", config.grant.as_str());
    if let Some(account) = &config.account_id {
        query.append_pair("account_id", account);
    }
    format!("{}?{}", config.token_url, query.finish())
}

/// The request for a token, with the app's id and secret.
fn request(url: String, app: &App) -> Result<Request<Bytes>, NoToken> {
    let mut authorization =
        header::HeaderValue::try_from(app.basic_authorization()).map_err(hyper::http::Error::from)?;
    authorization.set_sensitive(true);
    let request = Request::post(url)
        .header(header::AUTHORIZATION, authorization)
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::CONTENT_LENGTH, 0);
    Ok(request.body(Bytes::new())?)
}
