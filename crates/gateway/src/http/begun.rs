//! Which requests a stop waits for: those whose body is complete and whose handler has not answered. Peers that do not send
//! the rest of a request, or do not read an answer, hold up nothing.

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
use tokio::{sync::watch, time::timeout};

/// The begun requests of all connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work(Arc<AtomicUsize>);

/// A service whose begun requests are counted.
pub(crate) struct Counted<S> {
    service: S,
    counters: Counters,
}

/// The begun requests of one connection.
pub(crate) struct Here(watch::Receiver<usize>);

/// The body of a request; its end begins the request.
pub(crate) struct Body {
    body: Incoming,
    stage: Arc<Stage>,
}

#[derive(Clone)]
struct Counters {
    here: watch::Sender<usize>,
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
pub(crate) fn watch<S>(service: S, all: Work) -> (Counted<S>, Here) {
    let (here, count) = watch::channel(0);
    (Counted { service, counters: Counters { here, all } }, Here(count))
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
            let _ = self.0.wait_for(|begun| *begun == 0).await;
            if !matches!(timeout(limit, self.0.changed()).await, Ok(Ok(()))) {
                return;
            }
        }
    }
}

impl Stage {
    fn begin(&self) {
        if self.stage.compare_exchange(READING, BEGUN, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.counters.all.0.fetch_add(1, Ordering::Relaxed);
            self.counters.here.send_modify(|begun| *begun += 1);
        }
    }

    fn end(&self) {
        if self.stage.swap(OVER, Ordering::Relaxed) == BEGUN {
            self.counters.all.0.fetch_sub(1, Ordering::Relaxed);
            self.counters.here.send_modify(|begun| *begun -= 1);
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
