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

/// Asks for something; anything but success is an error with what the server said.
pub(crate) async fn get(server: &Uri, path: &str) -> anyhow::Result<Bytes> {
    request(server, Method::GET, path, None).await
}

/// The same, and none if the server says that there is no such thing.
pub(crate) async fn find(server: &Uri, path: &str) -> anyhow::Result<Option<Bytes>> {
    let (status, answer) = exchange(server, Method::GET, path, None).await?;
    if status == StatusCode::NOT_FOUND { Ok(None) } else { success(server, status, answer).map(Some) }
}

/// Sends a request, with a JSON body if there is one; anything but success is an error with what the server said.
pub(crate) async fn request(server: &Uri, method: Method, path: &str, json: Option<Bytes>) -> anyhow::Result<Bytes> {
    let (status, answer) = exchange(server, method, path, json).await?;
    success(server, status, answer)
}

fn success(server: &Uri, status: StatusCode, answer: Bytes) -> anyhow::Result<Bytes> {
    if !status.is_success() {
        bail!("{server} answered {status}: {}", shown(String::from_utf8_lossy(&answer).trim(), REASON_CHARS));
    }
    Ok(answer)
}

async fn exchange(
    server: &Uri,
    method: Method,
    path: &str,
    json: Option<Bytes>,
) -> anyhow::Result<(StatusCode, Bytes)> {
    if server.scheme_str() != Some("http") {
        bail!("{server} is not an http URL: a server is asked on its own machine, without TLS");
    }
    let uri: Uri = format!("{}{path}", server.to_string().trim_end_matches('/')).parse()?;
    let exchange = async {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let request = Request::builder().method(method).uri(uri);
        let request = match &json {
            Some(_) => request.header(header::CONTENT_TYPE, "application/json"),
            None => request,
        };
        let request = request.body(Full::new(json.unwrap_or_default()))?;
        let response = client.request(request).await.with_context(|| format!("cannot ask {server}"))?;
        let status = response.status();
        let answer = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        // `Limited` has a boxed error, which is no `std::error::Error` by itself.
        let answer = answer.map_err(anyhow::Error::from_boxed).context("the answer broke off")?.to_bytes();
        Ok((status, answer))
    };
    let answered = tokio::time::timeout(ANSWER_WITHIN, exchange).await;
    answered.with_context(|| format!("{server} did not answer within {} s", ANSWER_WITHIN.as_secs()))?
}
