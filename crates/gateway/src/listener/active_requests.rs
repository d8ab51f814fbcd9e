//! Counts the active requests of each connection and of all: those whose body is complete and whose handler has not
//! answered.
//!
//! A stop waits for these, and a connection that has one is not evicted. A peer that does not send the rest of a
//! request, or does not read an answer, holds up nothing.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    Request,
    body::{Body as _, Frame, Incoming, SizeHint},
    service::Service,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

/// The number of active requests of all connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct ActiveRequests(Arc<AtomicUsize>);

/// A service whose active requests are counted.
pub(crate) struct CountingService<S> {
    service: S,
    counters: Counters,
}

/// The counter of one connection's active requests.
#[derive(Clone)]
pub(crate) struct ConnectionRequests(watch::Sender<Activity>);

/// The reader of that counter.
#[derive(Clone)]
pub(crate) struct RequestActivity(watch::Receiver<Activity>);

/// The requests of one connection.
#[derive(Clone, Copy, Default)]
pub(crate) struct Activity {
    active: usize,
    /// When the last of them ended.
    ended: Option<Instant>,
}

/// The body of a request. Once it ends, the request is active.
pub(crate) struct Body {
    body: Incoming,
    stage: Arc<Stage>,
}

#[derive(Clone)]
struct Counters {
    connection: ConnectionRequests,
    all: ActiveRequests,
}

/// The stage of a request.
struct Stage {
    stage: AtomicU8,
    counters: Counters,
}

/// The handler of a request. Dropping it ends the request.
struct Handler(Arc<Stage>);

const READING: u8 = 0;
const ACTIVE: u8 = 1;
const OVER: u8 = 2;

/// Counts the active requests of a connection.
pub(crate) fn watch<S>(service: S, connection: ConnectionRequests, all: ActiveRequests) -> CountingService<S> {
    CountingService { service, counters: Counters { connection, all } }
}

impl ConnectionRequests {
    /// Returns the counter of a new connection, and its reader.
    pub(crate) fn new() -> (Self, RequestActivity) {
        let (sender, receiver) = watch::channel(Activity::default());
        (Self(sender), RequestActivity(receiver))
    }

    /// Returns a reader of this counter.
    pub(crate) fn activity(&self) -> RequestActivity {
        RequestActivity(self.0.subscribe())
    }

    /// Begins a request, which is active until it is dropped.
    #[cfg(test)]
    pub(crate) fn begin(&self) -> impl Drop + use<> {
        let counters = Counters { connection: self.clone(), all: ActiveRequests::default() };
        let stage = Arc::new(Stage { stage: AtomicU8::new(READING), counters });
        stage.begin();
        Handler(stage)
    }
}

impl ActiveRequests {
    /// Whether any request is active.
    pub(crate) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl RequestActivity {
    /// Waits until no request has been active for this long.
    pub(crate) async fn idle_for(mut self, limit: Duration) {
        loop {
            // Without a service there is no request either.
            let _ = self.0.wait_for(|activity| activity.active == 0).await;
            if !matches!(timeout(limit, self.0.changed()).await, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// Whether the connection has had no active request so far.
    pub(crate) fn is_unused(&self) -> bool {
        let activity = self.0.borrow();
        activity.active == 0 && activity.ended.is_none()
    }

    /// Whether no request has been active for this long.
    pub(crate) fn is_idle_for(&self, limit: Duration) -> bool {
        let activity = self.0.borrow();
        activity.active == 0 && activity.ended.is_none_or(|ended| ended.elapsed() >= limit)
    }

    /// Whether the connection is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.has_changed().is_err()
    }
}

impl Stage {
    fn begin(&self) {
        if self.stage.compare_exchange(READING, ACTIVE, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.counters.all.0.fetch_add(1, Ordering::Relaxed);
            self.counters.connection.0.send_modify(|activity| activity.active += 1);
        }
    }

    fn end(&self) {
        if self.stage.swap(OVER, Ordering::Relaxed) == ACTIVE {
            self.counters.all.0.fetch_sub(1, Ordering::Relaxed);
            self.counters.connection.0.send_modify(|activity| {
                activity.active -= 1;
                activity.ended = Some(Instant::now());
            });
        }
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl<S: Service<Request<Body>>> Service<Request<Incoming>> for CountingService<S>
where
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let stage = Arc::new(Stage { stage: AtomicU8::new(READING), counters: self.counters.clone() });
        let handler = Handler(stage.clone());
        let request = request.map(|body| Body { body, stage });
        request.body().note_end();
        let answer = self.service.call(request);
        Box::pin(async move {
            let _handler = handler;
            answer.await
        })
    }
}

impl Body {
    fn note_end(&self) {
        if self.body.is_end_stream() {
            self.stage.begin();
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) {
            self.stage.begin();
        }
        self.note_end();
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Body {
    /// Begins the request: a handler that reads no further works with what it has.
    fn drop(&mut self) {
        self.stage.begin();
    }
}
