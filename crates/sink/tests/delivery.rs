//! What becomes of each envelope is counted, what goes wrong is logged once, and a sink that hangs holds nobody up.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use common::envelope;
use rtms_sink::{counts::DeliveryCounts, delivery::Delivery, envelope::Envelope, jsonl::Jsonl};
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
    let delivery = Delivery::lossy(Jsonl::new("stdout", End::new(Behaviour::Takes)), 5);
    // The task that empties the queue has not run yet.
    for number in 0..8 {
        delivery.offer(envelope("3f6a0c9e", number));
    }
    delivery.finish().await;
    let counts = DeliveryCounts { offered: 8, delivered: 5, dropped: 3, ..DeliveryCounts::default() };
    assert_eq!(delivery.counts(), counts);

    delivery.offer(envelope("3f6a0c9e", 9));
    delivery.finish().await;
    assert_eq!(delivery.counts(), DeliveryCounts { offered: 9, dropped: 4, ..counts }, "it takes nothing more");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_reader_that_hangs_is_known_and_is_not_called_delivered() {
    let end = End::new(Behaviour::Hangs);
    let delivery = Delivery::lossy(Jsonl::new("stdout", end), 100);
    for number in 0..7 {
        delivery.offer(envelope("3f6a0c9e", number));
    }

    assert!(timeout(Duration::from_secs(5), delivery.finish()).await.is_err());

    assert_eq!(delivery.counts(), DeliveryCounts { offered: 7, ..DeliveryCounts::default() });
    assert_eq!(delivery.counts().waiting(), 7);
}

#[tokio::test]
async fn a_reader_that_is_gone_is_not_tried_again_and_all_for_it_fails() {
    let end = End::new(Behaviour::Fails(io::ErrorKind::BrokenPipe));
    let delivery = Delivery::lossy(Jsonl::new("stdout", end.clone()), 100);
    delivery.offer(envelope("3f6a0c9e", 0));
    while delivery.counts().failed == 0 {
        tokio::task::yield_now().await;
    }
    let tries = *end.tries.lock().unwrap();
    for number in 1..40 {
        delivery.offer(envelope("3f6a0c9e", number));
    }
    delivery.finish().await;

    assert_eq!(delivery.counts(), DeliveryCounts { offered: 40, failed: 40, ..DeliveryCounts::default() });
    assert_eq!(*end.tries.lock().unwrap(), tries);
}

#[tokio::test(start_paused = true)]
async fn what_a_full_disk_put_off_is_written_when_there_is_room() {
    let end = End::new(Behaviour::Fails(io::ErrorKind::StorageFull));
    let delivery = Delivery::lossy(Jsonl::new("stdout", end.clone()), 100);
    delivery.offer(envelope("3f6a0c9e", 0));
    while delivery.counts().retried == 0 {
        tokio::task::yield_now().await;
    }
    *end.behaviour.lock().unwrap() = Behaviour::Takes;
    for number in 1..4 {
        delivery.offer(envelope("3f6a0c9e", number));
    }
    delivery.finish().await;

    assert_eq!(delivery.counts(), DeliveryCounts { offered: 4, retried: 1, delivered: 4, ..DeliveryCounts::default() });
}

#[tokio::test(start_paused = true)]
async fn a_line_that_a_full_disk_tore_is_ended_and_written_again() {
    let written = Arc::<Mutex<Vec<u8>>>::default();
    let delivery = Delivery::lossy(Jsonl::new("stdout", Tears { written: written.clone(), room: 400 }), 100);
    for number in 1..4 {
        delivery.offer(envelope("3f6a0c9e", number));
    }
    delivery.finish().await;

    let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
    let read = text.lines().filter_map(|line| serde_json::from_str::<Envelope>(line).ok());
    assert_eq!(read.map(|envelope| envelope.sequence).collect::<Vec<_>>(), [1, 1, 2, 3], "{text}");
    assert_eq!(text.lines().count(), 5, "{text}");
}

/// Has room for so many bytes, fails once, and has all the room that is needed.
struct Tears {
    written: Arc<Mutex<Vec<u8>>>,
    room: usize,
}

impl AsyncWrite for Tears {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.room == 0 {
            self.room = usize::MAX;
            return Poll::Ready(Err(io::ErrorKind::StorageFull.into()));
        }
        let some = bytes.len().min(self.room);
        self.room -= some;
        self.written.lock().unwrap().extend(&bytes[..some]);
        Poll::Ready(Ok(some))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
