//! Posts one webhook as Zoom does: one request, three seconds, no redirects.

use std::{path::PathBuf, time::Duration};

use hyper::{Request, header};
use rtms_http::{
    client::{HttpClient, Limits},
    error::HttpError,
};
use rtms_sim::webhook::{ANSWER_WITHIN, LISTEN_ON_FOR, Purpose, WebhookAnswer, WebhookPost};
use rtms_wire::Uri;
use tokio::sync::mpsc;

use crate::{from_connection::FromConnection, start_error::StartError};

/// The bounds of one post. The answer is awaited longer than Zoom does it, to report how late it was; a validation's answer has
/// less than a kilobyte.
const LIMITS: Limits = Limits {
    connect_within: ANSWER_WITHIN,
    answer_within: Duration::from_secs(ANSWER_WITHIN.as_secs() + LISTEN_ON_FOR.as_secs()),
    max_body_bytes: 64 * 1024,
};

/// The receiver of webhooks.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    url: Uri,
    http: HttpClient,
}

impl Target {
    /// Checks the URL, `http` or `https`. The certificate authorities in the PEM files are trusted beside the system's.
    pub(crate) fn new(url: Uri, extra_ca: &[PathBuf]) -> Result<Self, StartError> {
        if !matches!(url.scheme_str(), Some("http" | "https")) {
            return Err(StartError::WebhookUrl { url, why: "only http:// and https:// can be posted to" });
        }
        if url.host().is_none_or(str::is_empty) {
            return Err(StartError::WebhookUrl { url, why: "it names no host" });
        }
        Ok(Self { url, http: HttpClient::new(extra_ca)? })
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

async fn exchange(target: &Target, post: WebhookPost) -> Result<WebhookAnswer, HttpError> {
    let wants_body = post.wants_body();
    let mut request = Request::post(target.url.clone());
    for (name, value) in &post.headers {
        request = request.header(*name, value);
    }
    let request = request.body(post.body).map_err(|_| HttpError::Url(target.url.to_string()))?;
    if !wants_body {
        let answer = target.http.send_for_head(request, LIMITS).await?;
        return Ok(WebhookAnswer::Status(answer.status().as_u16()));
    }
    let (head, body) = target.http.send(request, LIMITS).await?.into_parts();
    let content_type = head.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    Ok(WebhookAnswer::Body { status: head.status.as_u16(), content_type, body })
}
