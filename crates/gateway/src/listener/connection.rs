//! One connection: TLS if the listener has it, HTTP/1.1 or HTTP/2 as it begins, and a limit on every wait.

use std::{convert::Infallible, error::Error, io, pin::pin, time::Duration};

use axum::response::Response;
use hyper::{Request, service::Service};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    listener::{
        active_requests::{self, ActiveRequests, ConnectionRequests, RequestActivity},
        connection_slots::ConnectionSlot,
        idle,
    },
    stop::Stop,
};

/// Headers that a request may have. Zoom sends about fifteen.
const MAX_HEADERS: usize = 64;

/// Bytes of request line and headers that a connection may hold.
const MAX_HEADER_BYTES: usize = 16 << 10;

/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;

/// The time for which a connection stays at a stop after its last active request, for the answer to be written.
const LAST_ANSWER: Duration = Duration::from_millis(200);

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error("nothing was sent in time")]
    Silent,
    #[error("the last requests were not answered in time")]
    Unfinished,
    #[error("the server stops or a newcomer evicts it, and it has no active request")]
    Stopping,
    #[error("TLS: {0}")]
    Tls(#[source] io::Error),
    #[error("HTTP: {0}")]
    Http(Box<dyn Error + Send + Sync>),
}

/// The two reasons for which a connection is asked to leave: the server stops, or a newcomer evicts it.
struct Leaving {
    stop: Stop,
    evicted: Stop,
}

impl Leaving {
    /// Waits for either, and returns how long the connection may stay after its last answer.
    async fn asked(&mut self) -> Duration {
        tokio::select! {
            biased;
            () = self.stop.given() => LAST_ANSWER,
            () = self.evicted.given() => Duration::ZERO,
        }
    }
}

/// Serves one connection to its end, or until the server stops or it is evicted, and its active requests are answered.
/// `within` limits the TLS handshake, the first bytes, each request's headers, and how long nothing may be asked.
pub(crate) async fn serve<I, S>(
    stream: I,
    tls: Option<TlsAcceptor>,
    service: S,
    within: Duration,
    active: ActiveRequests,
    slot: ConnectionSlot,
    stop: Stop,
) -> Result<(), ConnectionError>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<active_requests::Body>, Response = Response, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
{
    let ConnectionSlot { requests, evicted, permit: _permit } = slot;
    let mut leaving = Leaving { stop, evicted };
    match tls {
        Some(tls) => {
            let accepted = tokio::select! {
                accepted = timeout(within, tls.accept(stream)) => accepted.map_err(|_| ConnectionError::Silent)?,
                _ = leaving.asked() => return Ok(()),
            };
            let stream = accepted.map_err(ConnectionError::Tls)?;
            serve_either(stream, service, within, requests, active, leaving).await
        }
        None => serve_either(stream, service, within, requests, active, leaving).await,
    }
}

async fn serve_either<I, S>(
    stream: I,
    service: S,
    within: Duration,
    requests: ConnectionRequests,
    active: ActiveRequests,
    mut leaving: Leaving,
) -> Result<(), ConnectionError>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<active_requests::Body>, Response = Response, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
{
    let activity = requests.activity();
    let (service, idle) = idle::watch(active_requests::watch(service, requests, active));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(within)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_BYTES as u32)
        .keep_alive_interval(within)
        .keep_alive_timeout(within);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let is_silent = tokio::select! {
        biased;
        served = connection.as_mut() => return served.map_err(ConnectionError::Http),
        () = idle.lasts(within) => true,
        _ = leaving.asked() => false,
    };
    connection.as_mut().graceful_shutdown();
    match finish(connection, within, activity, leaving).await {
        // It had not sent enough to tell which protocol it speaks.
        Err(ConnectionError::Http(error)) if is_cancelled(&*error) => {
            if is_silent {
                Err(ConnectionError::Silent)
            } else {
                Ok(())
            }
        }
        finished => finished,
    }
}

/// Whether hyper-util ceased to wait for the first bytes because of a shutdown.
fn is_cancelled(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::Interrupted)
}

/// Answers the requests that a connection still has, once it accepts no more; if it has to leave, only the active ones.
async fn finish(
    connection: impl Future<Output = Result<(), Box<dyn Error + Send + Sync>>>,
    within: Duration,
    activity: RequestActivity,
    mut leaving: Leaving,
) -> Result<(), ConnectionError> {
    let nothing_left = async {
        let rest = leaving.asked().await;
        activity.idle_for(rest).await;
    };
    tokio::select! {
        biased;
        served = connection => served.map_err(ConnectionError::Http),
        () = nothing_left => Err(ConnectionError::Stopping),
        () = sleep(within) => Err(ConnectionError::Unfinished),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::Body;
    use http_body_util::BodyExt as _;
    use hyper::service::service_fn;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        sync::Notify,
        task::JoinHandle,
        time::Instant,
    };

    use super::*;
    use crate::{
        listener::connection_slots::ConnectionSlots,
        stop::{self, StopSender},
    };

    const WITHIN: Duration = Duration::from_secs(60);

    /// A connection whose handler reads the body, reports that, and then waits for permission to answer.
    struct Connection {
        client: DuplexStream,
        read: Arc<Notify>,
        leave: Arc<Notify>,
        active: ActiveRequests,
        stop: StopSender,
        served: JoinHandle<Result<(), ConnectionError>>,
    }

    impl Connection {
        async fn with(request: &[u8]) -> Self {
            let (mut client, server) = duplex(1 << 16);
            let (read, leave, active) = (Arc::<Notify>::default(), Arc::<Notify>::default(), ActiveRequests::default());
            let (stop, stopped) = stop::channel();
            let handles = (read.clone(), leave.clone());
            let service = service_fn(move |request: Request<active_requests::Body>| {
                let (read, leave) = handles.clone();
                async move {
                    let whole = request.into_body().collect().await;
                    read.notify_one();
                    leave.notified().await;
                    Ok(Response::new(Body::from(if whole.is_ok() { "whole" } else { "broken" })))
                }
            });
            let slot = ConnectionSlots::new(1).take().await;
            let served = tokio::spawn(serve(server, None, service, WITHIN, active.clone(), slot, stopped));
            client.write_all(request).await.unwrap();
            Self { client, read, leave, active, stop, served }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_begun_request_is_answered_after_the_word_to_stop() {
        let mut connection = Connection::with(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc").await;
        connection.read.notified().await;
        assert!(connection.active.any());

        connection.stop.send_replace(true);
        tokio::time::sleep(LAST_ANSWER * 10).await;
        assert!(!connection.served.is_finished());
        connection.leave.notify_one();

        let mut answer = String::new();
        connection.client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("whole"), "{answer}");
        assert!(connection.served.await.unwrap().is_ok() && !connection.active.any());
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_request_is_not_waited_for() {
        for half in ["POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nab", "POST / HT"] {
            let connection = Connection::with(half.as_bytes()).await;
            let begun = Instant::now();
            tokio::task::yield_now().await;

            connection.stop.send_replace(true);
            let _ = connection.served.await.unwrap();

            assert!(begun.elapsed() <= LAST_ANSWER * 2, "{half}: {:?}", begun.elapsed());
            assert!(!connection.active.any());
        }
    }
}
