//! One connection: TLS if the listener has it, HTTP/1.1 or HTTP/2, and a limit on every wait.

use std::{convert::Infallible, io, pin::pin, time::Duration};

use axum::response::Response;
use hyper::{Request, body::Incoming, server::conn::http2, service::Service};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use crate::{http::idle, stop::Stop};

/// Headers that a request may have. Zoom sends about fifteen.
const MAX_HEADERS: usize = 64;

/// Bytes of request line and headers that a connection may hold.
const MAX_HEADER_BYTES: usize = 16 << 10;

/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;

/// What an HTTP/2 connection opens with, and no HTTP/1.1 request does: there is no method PRI.
const HTTP2_OPENING: &[u8] = b"PRI";

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error("nothing was sent in time")]
    Silent,
    #[error("what was asked last was not answered in time")]
    Unfinished,
    #[error("TLS: {0}")]
    Tls(#[source] io::Error),
    #[error("read: {0}")]
    Read(#[from] io::Error),
    #[error("HTTP: {0}")]
    Http(#[from] hyper::Error),
}

/// Serves one connection to its end, or until it is told to stop and its open requests are answered. `within` limits the
/// TLS handshake, the first bytes, each request's headers, and how long nothing may be asked.
pub(crate) async fn serve<I, S>(
    stream: I,
    tls: Option<TlsAcceptor>,
    service: S,
    within: Duration,
    stop: Stop,
) -> Result<(), ConnectionError>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
{
    match tls {
        Some(tls) => {
            let accepted = timeout(within, tls.accept(stream)).await.map_err(|_| ConnectionError::Silent)?;
            serve_either(accepted.map_err(ConnectionError::Tls)?, service, within, stop).await
        }
        None => serve_either(stream, service, within, stop).await,
    }
}

async fn serve_either<I, S>(stream: I, service: S, within: Duration, mut stop: Stop) -> Result<(), ConnectionError>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
{
    let (mut reader, writer) = tokio::io::split(stream);
    let mut opening = [0; HTTP2_OPENING.len()];
    let mut read = 0;
    let first_bytes = async {
        while read < opening.len() {
            let count = reader.read(&mut opening[read..]).await?;
            if count == 0 {
                break;
            }
            read += count;
        }
        Ok::<_, io::Error>(())
    };
    tokio::select! {
        first_bytes = timeout(within, first_bytes) => first_bytes.map_err(|_| ConnectionError::Silent)??,
        () = stop.given() => return Ok(()),
    }
    let opening = opening[..read].to_vec();
    let is_http2 = opening == HTTP2_OPENING;
    let whole = TokioIo::new(tokio::io::join(io::Cursor::new(opening).chain(reader), writer));

    if is_http2 {
        let (service, idle) = idle::watch(service);
        let mut connection = pin!(
            http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(MAX_STREAMS)
                .max_header_list_size(MAX_HEADER_BYTES as u32)
                .keep_alive_interval(within)
                .keep_alive_timeout(within)
                .serve_connection(whole, service)
        );
        tokio::select! {
            biased;
            served = connection.as_mut() => return Ok(served?),
            () = idle.lasts(within) => {}
            () = stop.given() => {}
        }
        connection.as_mut().graceful_shutdown();
        finish(connection, within).await
    } else {
        // It closes idle connections by itself: headers that do not come are too slow.
        let mut connection = pin!(
            hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(within)
                .max_headers(MAX_HEADERS)
                .max_buf_size(MAX_HEADER_BYTES)
                .serve_connection(whole, service)
        );
        tokio::select! {
            biased;
            served = connection.as_mut() => return Ok(served?),
            () = stop.given() => {}
        }
        connection.as_mut().graceful_shutdown();
        finish(connection, within).await
    }
}

/// Lets a connection that takes no more requests answer those that it has.
async fn finish(connection: impl Future<Output = hyper::Result<()>>, within: Duration) -> Result<(), ConnectionError> {
    Ok(timeout(within, connection).await.map_err(|_| ConnectionError::Unfinished)??)
}
