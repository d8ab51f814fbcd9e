//! Asking a server that runs, over HTTP.

use std::time::Duration;

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode, body::Bytes, header};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use rtms_wire::Uri;

use crate::output::{REASON_CHARS, shown};

/// How long a server may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The longest answer that is read: room for as many receipts as may be asked for, with long reasons.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// A server, and what helps whoever finds nobody there.
pub(crate) struct Server {
    pub(crate) url: Uri,
    pub(crate) way_out: &'static str,
}

/// Reads the URL of something near by that is spoken to without TLS.
pub(crate) fn http_url(text: &str) -> Result<Uri, String> {
    let url: Uri = text.parse().map_err(|error| format!("{error}"))?;
    match (url.scheme_str(), url.host()) {
        (Some("http"), Some(host)) if !host.is_empty() => Ok(url),
        (Some(_) | None, _) => Err("it is not an http URL, as in http://127.0.0.1:8080".to_owned()),
    }
}

/// Asks for something; anything but success is an error with what the server said.
pub(crate) async fn get(server: &Server, path: &str) -> anyhow::Result<Bytes> {
    request(server, Method::GET, path, None).await
}

/// The same, and none if the server says that there is no such thing.
pub(crate) async fn find(server: &Server, path: &str) -> anyhow::Result<Option<Bytes>> {
    let (status, answer) = exchange(server, Method::GET, path, None).await?;
    if status == StatusCode::NOT_FOUND { Ok(None) } else { success(server, status, answer).map(Some) }
}

/// Sends a request, with a JSON body if there is one; anything but success is an error with what the server said.
pub(crate) async fn request(server: &Server, method: Method, path: &str, json: Option<Bytes>) -> anyhow::Result<Bytes> {
    let (status, answer) = exchange(server, method, path, json).await?;
    success(server, status, answer)
}

fn success(server: &Server, status: StatusCode, answer: Bytes) -> anyhow::Result<Bytes> {
    if !status.is_success() {
        bail!("{} answered {status}: {}", server.url, shown(String::from_utf8_lossy(&answer).trim(), REASON_CHARS));
    }
    Ok(answer)
}

async fn exchange(
    server: &Server,
    method: Method,
    path: &str,
    json: Option<Bytes>,
) -> anyhow::Result<(StatusCode, Bytes)> {
    let Server { url, way_out } = server;
    let uri: Uri = format!("{}{path}", url.to_string().trim_end_matches('/')).parse()?;
    let exchange = async {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let request = Request::builder().method(method).uri(uri);
        let request = match &json {
            Some(_) => request.header(header::CONTENT_TYPE, "application/json"),
            None => request,
        };
        let request = request.body(Full::new(json.unwrap_or_default()))?;
        let response = client.request(request).await.map_err(|error| {
            let is_running = if error.is_connect() { format!("; is it running? {way_out}") } else { String::new() };
            anyhow::Error::from(error).context(format!("cannot ask {url}{is_running}"))
        })?;
        let status = response.status();
        let answer = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        // `Limited` has a boxed error, which is no `std::error::Error` by itself.
        let answer = answer.map_err(anyhow::Error::from_boxed).context("the answer broke off")?.to_bytes();
        Ok((status, answer))
    };
    let answered = tokio::time::timeout(ANSWER_WITHIN, exchange).await;
    answered.with_context(|| format!("{url} did not answer within {} s", ANSWER_WITHIN.as_secs()))?
}
