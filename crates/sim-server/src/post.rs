//! Posts one webhook as Zoom does: one request, three seconds, no redirects.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use rtms_sim::webhook::{ANSWER_WITHIN, LISTEN_ON_FOR, Purpose, WebhookAnswer, WebhookPost};
use rtms_wire::Uri;
use tokio::{net::TcpStream, sync::mpsc};

use crate::{from_connection::FromConnection, start_error::StartError};

/// Bytes of an answer that are read; a validation's has less than a kilobyte.
const MAX_BODY: usize = 64 * 1024;

/// Where webhooks go.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    url: Uri,
    host: String,
    port: u16,
}

impl Target {
    pub(crate) fn new(url: Uri) -> Result<Self, StartError> {
        if url.scheme_str() != Some("http") {
            return Err(StartError::WebhookUrl { url, why: "only http:// can be posted to" });
        }
        let Some(host) = url.host() else {
            return Err(StartError::WebhookUrl { url, why: "it names no host" });
        };
        // An IPv6 address stands in brackets in a URL and without them in a socket address.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = url.port_u16().unwrap_or(80);
        Ok(Self { url, host, port })
    }

    pub(crate) fn url(&self) -> &Uri {
        &self.url
    }
}

/// Posts it and waits no longer than Zoom does.
pub(crate) async fn post_once(target: &Target, post: WebhookPost) -> WebhookAnswer {
    match tokio::time::timeout(ANSWER_WITHIN, exchange(target, post)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => WebhookAnswer::Failed(error.to_string()),
        Err(_) => WebhookAnswer::TimedOut,
    }
}

/// Posts it and tells what became of it, and how late an answer was that came too late.
pub(crate) async fn post(target: Target, post: WebhookPost, events: mpsc::Sender<FromConnection>) {
    let (webhook, event, attempt) = (post.id, post.event.clone(), post.attempt);
    let is_probe = matches!(post.purpose, Purpose::Probe(_) | Purpose::Forged(_));
    let exchange = exchange(&target, post);
    tokio::pin!(exchange);
    let answer = match tokio::time::timeout(ANSWER_WITHIN, &mut exchange).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => WebhookAnswer::Failed(error.to_string()),
        Err(_) => WebhookAnswer::TimedOut,
    };
    // Bodies are not logged: they may hold an HMAC.
    match &answer {
        WebhookAnswer::Status(status) | WebhookAnswer::Body { status, .. } if is_probe => {
            tracing::debug!(status, "probe answered");
        }
        WebhookAnswer::Status(status) | WebhookAnswer::Body { status, .. } if answer.is_accepted() => {
            tracing::info!(event, attempt, status, "webhook delivered");
        }
        WebhookAnswer::Status(status) | WebhookAnswer::Body { status, .. } => {
            tracing::warn!(event, attempt, status, "webhook not accepted");
        }
        WebhookAnswer::TimedOut => tracing::warn!(event, attempt, "webhook not answered in time"),
        WebhookAnswer::Failed(why) => tracing::warn!(event, attempt, why, "webhook not delivered"),
    }
    let is_late = answer == WebhookAnswer::TimedOut;
    // Sending fails only when the pump has ended.
    let _ = events.send(FromConnection::WebhookAnswered { webhook, answer }).await;
    if is_late
        && let Ok(Ok(answer)) = tokio::time::timeout(LISTEN_ON_FOR, exchange).await
        && let Some(status) = answer.status()
    {
        let _ = events.send(FromConnection::WebhookAnsweredLate { webhook, attempt, status }).await;
    }
}

async fn exchange(
    target: &Target,
    post: WebhookPost,
) -> Result<WebhookAnswer, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let path = target.url.path_and_query().map_or("/", |path| path.as_str());
    let authority = target.url.authority().map_or(target.host.as_str(), |authority| authority.as_str());
    let wants_body = post.wants_body();
    let mut request = Request::builder().method(Method::POST).uri(path).header(header::HOST, authority);
    for (name, value) in &post.headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::<Bytes>::new(post.body))?;
    let exchange = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let status = head.status.as_u16();
        if !wants_body {
            return Ok(WebhookAnswer::Status(status));
        }
        let content_type = head.headers.get(header::CONTENT_TYPE);
        let content_type = content_type.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let body = Limited::new(body, MAX_BODY).collect().await?.to_bytes();
        Ok(WebhookAnswer::Body { status, content_type, body })
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
