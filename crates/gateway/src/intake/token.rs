//! The access token that opens an event WebSocket: asked for with the app's client id and secret.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rtms_client::{connect::TcpConnector, error::ConnectError};
use rtms_wire::secret::AccessToken;
use serde::Deserialize;
use tokio::time::{Instant, timeout};

use crate::{apps::secrets::App, config::websocket::WebSocketConfig};

/// The longest wait for the answer once the connection stands.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// The longest answer read; a token has about a kilobyte.
const MAX_ANSWER_BYTES: usize = 64 << 10;

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
    Connect(#[from] ConnectError),
    #[error("no answer in time")]
    TimedOut,
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("the answer is too long or broke off: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
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
pub(super) async fn fetch(connector: &TcpConnector, app: &App, config: &WebSocketConfig) -> Result<Token, NoToken> {
    let url = url(config);
    let stream = connector.connect_http(&url).await?;
    let asked_at = Instant::now();
    let (status, body) = timeout(ANSWER_LIMIT, exchange(stream, &url, app)).await.map_err(|_| NoToken::TimedOut)??;
    if !status.is_success() {
        let said: Refusal = serde_json::from_slice(&body).unwrap_or_default();
        let short = |text: String| text.chars().take(100).collect::<String>();
        return Err(NoToken::Refused { status, said: format!("{:?} {:?}", short(said.error), short(said.reason)) });
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

async fn exchange(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    url: &str,
    app: &App,
) -> Result<(StatusCode, Bytes), NoToken> {
    let url: hyper::Uri = url.parse().map_err(hyper::http::Error::from)?;
    let mut authorization =
        header::HeaderValue::try_from(app.basic_authorization()).map_err(hyper::http::Error::from)?;
    authorization.set_sensitive(true);
    let request = Request::builder()
        .method(Method::POST)
        .uri(url.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, url.authority().map_or("", |authority| authority.as_str()))
        .header(header::AUTHORIZATION, authorization)
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::CONTENT_LENGTH, 0)
        .body(Empty::<Bytes>::new())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await.map_err(NoToken::Body)?;
        Ok((status, body.to_bytes()))
    };
    tokio::pin!(exchange);
    tokio::pin!(connection);
    // The connection has to be driven while the answer is awaited, and is done with after it.
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // The exchange reports its error, too, unless the answer was whole before.
        _ = &mut connection => exchange.await,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rtms_wire::secret::ClientSecret;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    // Elsewhere a reset may overtake the bytes before it.
    #[tokio::test]
    async fn an_answer_counts_if_the_connection_is_reset_right_behind_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        tokio::spawn(async move {
            let (mut peer, _) = listener.accept().await.unwrap();
            peer.read_buf(&mut Vec::with_capacity(1024)).await.unwrap();
            peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
            peer.set_zero_linger().unwrap();
        });
        let app = App::new("a", Vec::new(), "id", ClientSecret::new("secret").unwrap());

        let (status, body) = exchange(stream, "http://zoom.test/oauth/token", &app).await.unwrap();

        assert_eq!((status, &body[..]), (StatusCode::OK, &b"{}"[..]));
    }
}
