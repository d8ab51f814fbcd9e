//! HTTP of the service: connections, and requests with a bound on everything.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Limited};
use hyper::{Request, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};

use crate::service::{exchange::Asked, problem::Problem, router, shared::Shared};

/// Bytes of a request's body; a scenario has a few thousand.
const MAX_BODY: usize = 256 << 10;

/// How long a connection may take for the head of its next request, and for its body.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// Serves until the task is aborted, at most `room` connections at a time; others wait.
pub(super) async fn serve(listener: TcpListener, room: usize, shared: Arc<Shared>) {
    let room = Arc::new(Semaphore::new(room));
    let mut tasks = JoinSet::new();
    // The semaphore is never closed.
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                tasks.spawn(async move {
                    serve_connection(stream, &shared).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                // Out of file descriptors, most likely; without a pause this would spin.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        while tasks.try_join_next().is_some() {}
    }
}

async fn serve_connection(stream: TcpStream, shared: &Shared) {
    // A failure costs latency only.
    let _ = stream.set_nodelay(true);
    let service = service_fn(async |request: Request<Incoming>| {
        let answer = match read(request).await {
            Ok(asked) => router::answer(shared, asked).await,
            Err(problem) => problem.answer(),
        };
        Ok::<_, Infallible>(answer.into_response())
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(READ_WITHIN);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection to the service broke off");
    }
}

async fn read(request: Request<Incoming>) -> Result<Asked, Problem> {
    if request.headers().contains_key(header::ORIGIN) {
        // Any page that a browser shows could send a request here.
        let cause = "the request comes from a page in a browser: it has an Origin header";
        return Err(Problem::new(StatusCode::FORBIDDEN, cause, "send it by curl or by a program"));
    }
    let (head, body) = request.into_parts();
    let body = match timeout(READ_WITHIN, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let cause = format!("the body has more than {MAX_BODY} bytes");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, cause, "send a smaller one"));
        }
        Ok(Err(error)) => return Err(Problem::bad_request(format!("the body broke off: {error}"), "send it again")),
        Err(_) => {
            let cause = format!("the body did not come within {} s", READ_WITHIN.as_secs());
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, cause, "send it again"));
        }
    };
    let authorization = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    Ok(Asked {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        authorization: authorization.map(str::to_owned),
        body,
    })
}
