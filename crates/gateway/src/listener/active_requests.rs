//! Which requests a stop waits for, and a newcomer who needs a place: those whose body is complete and whose handler has not
//! answered. Peers that do not send the rest of a request, or do not read an answer, hold up nothing.

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

/// The begun requests of all connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work(Arc<AtomicUsize>);

/// A service whose begun requests are counted.
pub(crate) struct Counted<S> {
    service: S,
    counters: Counters,
}

/// Where the begun requests of one connection are counted.
#[derive(Clone)]
pub(crate) struct Requests(watch::Sender<Activity>);

/// Where that count is read.
#[derive(Clone)]
pub(crate) struct Here(watch::Receiver<Activity>);

/// What a connection is asked.
#[derive(Clone, Copy, Default)]
pub(crate) struct Activity {
    begun: usize,
    /// When its last request ended.
    ended: Option<Instant>,
}

/// The body of a request; its end begins the request.
pub(crate) struct Body {
    body: Incoming,
    stage: Arc<Stage>,
}

#[derive(Clone)]
struct Counters {
    here: Requests,
    all: Work,
}

/// How far a request is.
struct Stage {
    stage: AtomicU8,
    counters: Counters,
}

/// The handler of a request; dropping it ends the request.
struct Handler(Arc<Stage>);

const READING: u8 = 0;
const BEGUN: u8 = 1;
const OVER: u8 = 2;

/// Has the begun requests of a connection counted.
pub(crate) fn watch<S>(service: S, here: Requests, all: Work) -> Counted<S> {
    Counted { service, counters: Counters { here, all } }
}

impl Requests {
    /// For a connection that was asked nothing yet.
    pub(crate) fn new() -> (Self, Here) {
        let (sender, count) = watch::channel(Activity::default());
        (Self(sender), Here(count))
    }

    pub(crate) fn here(&self) -> Here {
        Here(self.0.subscribe())
    }

    /// A begun request, until it is dropped.
    #[cfg(test)]
    pub(crate) fn begin(&self) -> impl Drop + use<> {
        let counters = Counters { here: self.clone(), all: Work::default() };
        let stage = Arc::new(Stage { stage: AtomicU8::new(READING), counters });
        stage.begin();
        Handler(stage)
    }
}

impl Work {
    /// Whether any request is begun and not answered.
    pub(crate) fn is_under_way(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Here {
    /// Returns once no request has been under way for this long.
    pub(crate) async fn rests(mut self, limit: Duration) {
        loop {
            // Without a service there is no request either.
            let _ = self.0.wait_for(|activity| activity.begun == 0).await;
            if !matches!(timeout(limit, self.0.changed()).await, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// Whether no request of it was begun so far.
    pub(crate) fn never_came(&self) -> bool {
        let activity = self.0.borrow();
        activity.begun == 0 && activity.ended.is_none()
    }

    /// Whether no request has been under way for this long.
    pub(crate) fn rested_for(&self, limit: Duration) -> bool {
        let activity = self.0.borrow();
        activity.begun == 0 && activity.ended.is_none_or(|ended| ended.elapsed() >= limit)
    }

    /// Whether the connection is gone.
    pub(crate) fn are_over(&self) -> bool {
        self.0.has_changed().is_err()
    }
}

impl Stage {
    fn begin(&self) {
        if self.stage.compare_exchange(READING, BEGUN, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.counters.all.0.fetch_add(1, Ordering::Relaxed);
            self.counters.here.0.send_modify(|activity| activity.begun += 1);
        }
    }

    fn end(&self) {
        if self.stage.swap(OVER, Ordering::Relaxed) == BEGUN {
            self.counters.all.0.fetch_sub(1, Ordering::Relaxed);
            self.counters.here.0.send_modify(|activity| {
                activity.begun -= 1;
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

impl<S: Service<Request<Body>>> Service<Request<Incoming>> for Counted<S>
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
    /// A handler that reads no further works with what it has.
    fn drop(&mut self) {
        self.stage.begin();
    }
}
