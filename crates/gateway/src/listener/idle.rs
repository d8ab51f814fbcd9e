//! Whether a connection is idle: nothing was asked on it yet, or for long. The library checks by HTTP/2 only that the peer is
//! alive, not that it has requests.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    response::Response,
};
use hyper::{
    Request,
    body::{Body as _, Frame, Incoming, SizeHint},
    service::Service,
};
use tokio::{sync::watch, time::timeout};

/// A service that counts its open requests.
pub(crate) struct OpenCountingService<S> {
    service: S,
    open: watch::Sender<usize>,
}

/// The reader of that count.
pub(crate) struct Idle(watch::Receiver<usize>);

/// One open request. Dropping it ends the request.
struct Open(watch::Sender<usize>);

/// The body of an answer, whose request is open until the library has taken all of it.
struct OpenBody {
    body: Body,
    _open: Open,
}

/// Counts the open requests of a service.
pub(crate) fn watch<S>(service: S) -> (OpenCountingService<S>, Idle) {
    let (open, count) = watch::channel(0);
    (OpenCountingService { service, open }, Idle(count))
}

impl Idle {
    /// Waits until no request has been open for this long.
    pub(crate) async fn lasts(mut self, limit: Duration) {
        loop {
            // Without a service there is no request either.
            let _ = self.0.wait_for(|open| *open == 0).await;
            if timeout(limit, self.0.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl<S: Service<Request<Incoming>, Response = Response>> Service<Request<Incoming>> for OpenCountingService<S>
where
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.open.send_modify(|open| *open += 1);
        let open = Open(self.open.clone());
        let answer = self.service.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            if answer.body().is_end_stream() {
                return Ok(answer);
            }
            Ok(answer.map(|body| Body::new(OpenBody { body, _open: open })))
        })
    }
}

impl hyper::body::Body for OpenBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_idle_when_nothing_was_open_for_as_long_as_the_limit() {
        const LIMIT: Duration = Duration::from_secs(5);
        let (service, idle) = watch(());
        let idle = tokio::spawn(idle.lasts(LIMIT));
        let begun = tokio::time::Instant::now();

        tokio::time::sleep(Duration::from_secs(4)).await;
        service.open.send_modify(|open| *open += 1);
        let open = Open(service.open.clone());
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(!idle.is_finished());
        drop(open);

        idle.await.unwrap();
        assert_eq!(begun.elapsed(), Duration::from_secs(4 + 60) + LIMIT);
    }
}
