//! The client of a running server's API, over HTTP: at a URL, or at the socket in its data folder.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header,
};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use rtms_wire::Uri;

use crate::output::{REASON_CHARS, shown};

/// How long a server may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The longest answer that is read: room for as many receipts as may be asked for, with long reasons.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// Why a path of the API is not found.
const NOT_THE_API: &str =
    "the API is not served there; its address is `api` in the log line `listening` of `rtms serve`";

/// A server that runs.
#[derive(Clone, Debug)]
pub(crate) enum Server {
    /// The one whose API is at this URL.
    At(Uri),
    /// The one that runs on this data folder.
    On(PathBuf),
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(url) => write!(f, "{url}"),
            Self::On(folder) => write!(f, "the server on {}", folder.display()),
        }
    }
}

/// Reads the URL of something near by that is spoken to without TLS.
pub(crate) fn http_url(text: &str) -> Result<Uri, String> {
    let url: Uri = text.parse().map_err(|error| format!("{error}"))?;
    match (url.scheme_str(), url.host()) {
        (Some("http"), Some(host)) if !host.is_empty() => Ok(url),
        (Some("https"), _) => {
            Err("it is not an http URL, as in http://127.0.0.1:PORT; this command does not speak TLS".to_owned())
        }
        (Some(_) | None, _) => Err("it is not an http URL, as in http://127.0.0.1:PORT".to_owned()),
    }
}

/// Sends a GET request. An answer without success is an error with its text.
pub(crate) async fn get(server: &Server, path: &str) -> anyhow::Result<Bytes> {
    request(server, Method::GET, path, None).await
}

/// Sends a GET request. None if the server answers that there is no such thing.
pub(crate) async fn find(server: &Server, path: &str) -> anyhow::Result<Option<Bytes>> {
    let (status, answer) = exchange(server, Method::GET, path, None).await?;
    if status == StatusCode::NOT_FOUND { Ok(None) } else { success(server, status, answer).map(Some) }
}

/// Sends a request, with a JSON body if there is one. An answer without success is an error with its text.
pub(crate) async fn request(server: &Server, method: Method, path: &str, json: Option<Bytes>) -> anyhow::Result<Bytes> {
    let (status, answer) = exchange(server, method, path, json).await?;
    success(server, status, answer)
}

fn success(server: &Server, status: StatusCode, answer: Bytes) -> anyhow::Result<Bytes> {
    if !status.is_success() {
        // The API has words for everything that it does not have.
        let is_elsewhere = status == StatusCode::NOT_FOUND && answer.is_empty();
        let why = if is_elsewhere { NOT_THE_API.into() } else { String::from_utf8_lossy(&answer) };
        bail!("{server} answered {status}: {}", shown(why.trim(), REASON_CHARS));
    }
    Ok(answer)
}

async fn exchange(
    server: &Server,
    method: Method,
    path: &str,
    json: Option<Bytes>,
) -> anyhow::Result<(StatusCode, Bytes)> {
    let exchange = async {
        let request = Request::builder().method(method);
        let request = match &json {
            Some(_) => request.header(header::CONTENT_TYPE, "application/json"),
            None => request,
        };
        let body = Full::new(json.unwrap_or_default());
        let response = match server {
            Server::At(url) => {
                let uri = format!("{}{path}", url.to_string().trim_end_matches('/'));
                at_url(url, request.uri(uri).body(body)?).await?
            }
            Server::On(folder) => {
                let request = request.uri(path).header(header::HOST, "localhost").body(body)?;
                at_socket(folder, request).await.with_context(|| format!("cannot ask {server}"))?
            }
        };
        let status = response.status();
        let answer = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        // `Limited` has a boxed error, which is no `std::error::Error` by itself.
        let answer = answer.map_err(anyhow::Error::from_boxed).context("the answer broke off")?.to_bytes();
        Ok((status, answer))
    };
    let answered = tokio::time::timeout(ANSWER_WITHIN, exchange).await;
    answered.with_context(|| format!("{server} did not answer within {} s", ANSWER_WITHIN.as_secs()))?
}

async fn at_url(url: &Uri, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Incoming>> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    client.request(request).await.map_err(|error| {
        let way_out = if error.is_connect() {
            "; is it running? name the address of its API (`api` in its log line `listening`) with --server, or its data folder with \
             --data-dir or --config"
        } else {
            "; is that the webhook address, with TLS? the API is served without TLS: name its address (`api` in the server's \
             log line `listening`) with --server, or the server's data folder with --data-dir or --config"
        };
        anyhow::Error::from(error).context(format!("cannot ask {url}{way_out}"))
    })
}

#[cfg(unix)]
async fn at_socket(folder: &Path, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Incoming>> {
    let stream = rtms_gateway::listener::socket::connect(folder).await?;
    let stream = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    // It ends with the answer, or with this program.
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

#[cfg(not(unix))]
async fn at_socket(_: &Path, _: Request<Full<Bytes>>) -> anyhow::Result<Response<Incoming>> {
    bail!("this system has no such sockets; name the server with --server")
}
