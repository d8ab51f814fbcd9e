//! Posts one webhook as Zoom does: one request, three seconds, no redirects.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use rtms_wire::Uri;
use tokio::net::TcpStream;

use crate::{
    serve::StartError,
    webhook::{ANSWER_WITHIN, WebhookAnswer, WebhookPost},
};

/// Where webhooks go.
#[derive(Clone, Debug)]
pub(super) struct Target {
    url: Uri,
    host: String,
    port: u16,
}

impl Target {
    pub(super) fn new(url: Uri) -> Result<Self, StartError> {
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
}

/// Posts it and waits for the status.
pub(super) async fn post(target: Target, post: WebhookPost) -> WebhookAnswer {
    let event = post.event.clone();
    let attempt = post.attempt;
    let answer = match tokio::time::timeout(ANSWER_WITHIN, exchange(&target, post)).await {
        Ok(Ok(status)) => WebhookAnswer::Status(status),
        Ok(Err(error)) => WebhookAnswer::Failed(error.to_string()),
        Err(_) => WebhookAnswer::Failed(format!("no answer in {} s", ANSWER_WITHIN.as_secs())),
    };
    if answer.is_accepted() {
        tracing::info!(event, attempt, "webhook delivered");
    } else {
        tracing::warn!(event, attempt, ?answer, "webhook not accepted");
    }
    answer
}

async fn exchange(target: &Target, post: WebhookPost) -> Result<u16, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let path = target.url.path_and_query().map_or("/", |path| path.as_str());
    let authority = target.url.authority().map_or(target.host.as_str(), |authority| authority.as_str());
    let mut request = Request::builder().method(Method::POST).uri(path).header(header::HOST, authority);
    for (name, value) in &post.headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::<Bytes>::new(post.body))?;
    let exchange = sender.send_request(request);
    tokio::pin!(exchange);
    tokio::pin!(connection);
    // The connection has to be driven while the answer is awaited, and is done with after it.
    tokio::select! {
        biased;
        response = &mut exchange => Ok(response?.status().as_u16()),
        ended = &mut connection => {
            ended?;
            Ok(exchange.await?.status().as_u16())
        }
    }
}
