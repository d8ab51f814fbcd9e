//! What becomes of each envelope is counted, what goes wrong is logged once, and a sink that hangs holds nobody up.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use rtms_sink::{
    delivery::{Delivery, DeliveryCounts},
    envelope::{Body, Envelope, VERSION},
    jsonl::Jsonl,
};
use rtms_wire::{
    codes::product::Product,
    ids::{InstanceId, InstanceIdField, StreamId},
    time::UnixMillis,
};
use tokio::{io::AsyncWrite, time::timeout};

/// What the other end does with what is written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Behaviour {
    Takes,
    Hangs,
    Fails(io::ErrorKind),
}

#[derive(Clone)]
struct End {
    behaviour: Arc<Mutex<Behaviour>>,
    tries: Arc<Mutex<u64>>,
}

impl End {
    fn new(behaviour: Behaviour) -> Self {
        Self { behaviour: Arc::new(Mutex::new(behaviour)), tries: Arc::default() }
    }

    fn answer(&self) -> Poll<io::Result<()>> {
        *self.tries.lock().unwrap() += 1;
        match *self.behaviour.lock().unwrap() {
            Behaviour::Takes => Poll::Ready(Ok(())),
            Behaviour::Hangs => Poll::Pending,
            Behaviour::Fails(kind) => Poll::Ready(Err(kind.into())),
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.answer().map_ok(|()| bytes.len())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn what_is_taken_counts_as_delivered_and_what_does_not_fit_as_dropped() {
    let delivery = Delivery::start(Jsonl::new("stdout", End::new(Behaviour::Takes)), 5);
    // The task that empties the queue has not run yet.
    for number in 0..8 {
        delivery.offer(envelope(number));
    }
    delivery.finish().await;
    let counts = DeliveryCounts { offered: 8, delivered: 5, dropped: 3, ..DeliveryCounts::default() };
    assert_eq!(delivery.counts(), counts);

    delivery.offer(envelope(9));
    delivery.finish().await;
    assert_eq!(delivery.counts(), DeliveryCounts { offered: 9, dropped: 4, ..counts }, "it takes nothing more");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_reader_that_hangs_is_known_and_is_not_called_delivered() {
    let end = End::new(Behaviour::Hangs);
    let delivery = Delivery::start(Jsonl::new("stdout", end), 100);
    for number in 0..7 {
        delivery.offer(envelope(number));
    }

    assert!(timeout(Duration::from_secs(5), delivery.finish()).await.is_err());

    assert_eq!(delivery.counts(), DeliveryCounts { offered: 7, ..DeliveryCounts::default() });
    assert_eq!(delivery.counts().waiting(), 7);
}

#[tokio::test]
async fn a_reader_that_is_gone_is_not_tried_again_and_all_for_it_fails() {
    let end = End::new(Behaviour::Fails(io::ErrorKind::BrokenPipe));
    let delivery = Delivery::start(Jsonl::new("stdout", end.clone()), 100);
    delivery.offer(envelope(0));
    while delivery.counts().failed == 0 {
        tokio::task::yield_now().await;
    }
    let tries = *end.tries.lock().unwrap();
    for number in 1..40 {
        delivery.offer(envelope(number));
    }
    delivery.finish().await;

    assert_eq!(delivery.counts(), DeliveryCounts { offered: 40, failed: 40, ..DeliveryCounts::default() });
    assert_eq!(*end.tries.lock().unwrap(), tries);
}

#[tokio::test]
async fn a_disk_that_was_full_is_tried_again() {
    let end = End::new(Behaviour::Fails(io::ErrorKind::StorageFull));
    let delivery = Delivery::start(Jsonl::new("stdout", end.clone()), 100);
    delivery.offer(envelope(0));
    while delivery.counts().failed == 0 {
        tokio::task::yield_now().await;
    }
    *end.behaviour.lock().unwrap() = Behaviour::Takes;
    for number in 1..4 {
        delivery.offer(envelope(number));
    }
    delivery.finish().await;

    assert_eq!(delivery.counts(), DeliveryCounts { offered: 4, failed: 1, delivered: 3, ..DeliveryCounts::default() });
}

fn envelope(sequence: u64) -> Arc<Envelope> {
    Arc::new(Envelope {
        version: VERSION,
        rtms_stream_id: StreamId::from("3f6a0c9e"),
        product: Product::Meeting,
        instance: InstanceId::new(InstanceIdField::MeetingUuid, "gPkqeuK3m0UGeK+QdgAH/Q=="),
        sequence,
        received_at: UnixMillis(1_795_420_800_000),
        body: Body::Started,
    })
}
