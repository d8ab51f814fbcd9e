//! What every sink promises, and what both policies promise of any sink: one that takes, refuses, puts off, hangs or is gone.
//!
//! A new sink needs a [`Fixture`] and a line in the list of `every_sink!`.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use common::{Answer, PATIENCE, Scripted, Shelf, envelope, with_body};
use rtms_sink::{
    delivery::Delivery,
    envelope::{Body, Envelope, Next},
    error::SinkError,
    jsonl::Jsonl,
    recall::Recall,
    sink::Sink,
};
use rtms_wire::ids::StreamId;
use tokio::{
    io::AsyncWrite,
    sync::Semaphore,
    time::{Instant, timeout},
};

/// Makes a sink, and reads what came out at its other end.
trait Fixture {
    fn sink(&self) -> impl Sink;
    fn came_out(&self) -> Vec<Envelope>;
}

macro_rules! every_sink {
    ($($name:ident: $fixture:expr;)+) => {
        $(mod $name {
            #[tokio::test]
            async fn what_is_offered_comes_out_whole_once_and_in_order() {
                super::what_is_offered_comes_out_whole_once_and_in_order(&$fixture).await;
            }

            #[tokio::test]
            async fn the_same_batch_may_be_delivered_again() {
                super::the_same_batch_may_be_delivered_again(&$fixture).await;
            }
        })+
    };
}

every_sink! {
    jsonl: super::Lines::default();
}

async fn what_is_offered_comes_out_whole_once_and_in_order(fixture: &impl Fixture) {
    let bodies = [
        Body::Started,
        Body::Interrupted { why: "a line\nbreak \u{2028} and \"quotes\"".into() },
        Body::Ended { stop_reason: None, why: "x".repeat(70_000), next: Next::Nothing },
    ];
    let offered: Vec<_> = (1..=900).map(|n| with_body("s", n, bodies[n as usize % 400 % 3].clone())).collect();
    let lossy = Delivery::lossy(fixture.sink(), 300);
    let durable = Delivery::durable(fixture.sink(), 300, Shelf::default());

    let mut expected = Vec::new();
    for delivery in [lossy, durable] {
        for some in offered.chunks(300) {
            some.iter().for_each(|envelope| delivery.offer(envelope.clone()));
            expected.extend(some.iter().map(|envelope| (**envelope).clone()));
            until(|| delivery.counts().waiting() == 0).await;
        }
        delivery.finish().await;
        let counts = delivery.counts();
        assert_eq!((counts.offered, counts.delivered, counts.stored), (900, 900, 0), "{counts:?}");
    }
    let came_out = fixture.came_out();
    assert_eq!(came_out.len(), expected.len());
    assert!(came_out == expected);
}

async fn the_same_batch_may_be_delivered_again(fixture: &impl Fixture) {
    let mut sink = fixture.sink();
    assert!(!sink.name().is_empty());
    let batch = [envelope("a", 1), envelope("b", 1)];
    sink.deliver(&batch).await.unwrap();
    sink.deliver(&batch).await.unwrap();
    let came_out: Vec<_> = fixture.came_out().into_iter().map(|envelope| envelope.rtms_stream_id.to_string()).collect();
    assert_eq!(came_out, ["a", "b", "a", "b"]);
}

// The lossy policy.

#[tokio::test]
async fn what_a_slow_sink_loses_is_counted_and_all_adds_up() {
    let (sink, taken) = Scripted::new(|_| Answer::Take);
    let delivery = Delivery::lossy(sink, 10);
    for round in 0..20 {
        (0..17).for_each(|n| delivery.offer(envelope("s", round * 17 + n)));
        if round % 3 == 0 {
            tokio::task::yield_now().await;
        }
    }
    delivery.finish().await;

    let counts = delivery.counts();
    assert_eq!(counts.offered, 340);
    assert!(counts.dropped > 0 && counts.delivered >= 10, "{counts:?}");
    assert_eq!(counts.offered, counts.delivered + counts.dropped);
    let taken = taken.of("s");
    assert_eq!(taken.len() as u64, counts.delivered);
    assert!(taken.is_sorted_by(|one, other| one < other), "{taken:?}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_put_off_comes_again_after_the_pause_and_before_what_is_behind_it() {
    let mut answers = vec![
        Answer::Take,
        Answer::Fail(SinkError::retry("again")),
        Answer::Fail(SinkError::Retry { after: Some(Duration::from_secs(30)), why: "later".into() }),
    ];
    let tries = Arc::<Mutex<Vec<(Instant, u64)>>>::default();
    let noted = tries.clone();
    let (sink, taken) = Scripted::new(move |batch| {
        noted.lock().unwrap().push((Instant::now(), batch[0].sequence));
        answers.pop().unwrap_or(Answer::Take)
    });
    let delivery = Delivery::lossy(sink, 100);
    delivery.offer(envelope("s", 1));
    until(|| delivery.counts().retried == 1).await;
    delivery.offer(envelope("s", 2));
    delivery.finish().await;

    assert_eq!(taken.of("s"), [1, 2]);
    assert_eq!(delivery.counts().retried, 2);
    let tries = tries.lock().unwrap();
    assert_eq!(tries.iter().map(|(_, sequence)| *sequence).collect::<Vec<_>>(), [1, 1, 1, 2]);
    let pauses: Vec<_> = tries.windows(2).map(|two| (two[1].0 - two[0].0).as_millis()).collect();
    // The runtime's clock has milliseconds.
    assert!((30_000..=30_001).contains(&pauses[0]) && (250..=501).contains(&pauses[1]) && pauses[2] == 0, "{pauses:?}");
}

#[tokio::test]
async fn one_that_is_refused_costs_none_of_its_neighbours_under_either_policy() {
    for is_durable in [false, true] {
        let refuses = |batch: &[Arc<Envelope>]| match batch.iter().any(|envelope| envelope.sequence % 5 == 3) {
            true => Answer::Fail(SinkError::reject("three")),
            false => Answer::Take,
        };
        let (sink, taken) = Scripted::new(refuses);
        let delivery = match is_durable {
            true => Delivery::durable(sink, 100, Shelf::default()),
            false => Delivery::lossy(sink, 100),
        };
        (1..=20).for_each(|n| delivery.offer(envelope("s", n)));
        until(|| delivery.counts().waiting() == 0).await;
        delivery.finish().await;

        assert_eq!(taken.of("s"), (1..=20).filter(|n| n % 5 != 3).collect::<Vec<_>>());
        let counts = delivery.counts();
        assert_eq!((counts.delivered, counts.failed, counts.retried, counts.stored), (16, 4, 0, 0), "{is_durable}");
    }
}

#[tokio::test]
async fn all_that_is_meant_for_a_reader_that_is_gone_fails_and_it_is_not_asked_again() {
    let mut tries = 0;
    let (sink, taken) = Scripted::new(move |_| {
        tries += 1;
        assert_eq!(tries, 1);
        Answer::Fail(SinkError::Gone { why: "gone".into() })
    });
    let delivery = Delivery::lossy(sink, 100);
    for n in 1..=40 {
        delivery.offer(envelope("s", n));
        tokio::task::yield_now().await;
    }
    delivery.finish().await;

    assert_eq!((delivery.counts().failed, taken.all().len()), (40, 0));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_hangs_holds_up_neither_who_offers_nor_the_end() {
    let (sink, _) = Scripted::new(|_| Answer::Hang);
    let lossy = Delivery::lossy(sink, 100);
    let (sink, _) = Scripted::new(|_| Answer::Hang);
    let shelf = Shelf::default();
    let durable = Delivery::durable(sink, 100, shelf.clone());
    let begun = Instant::now();
    for n in 1..=150 {
        lossy.offer(envelope("s", n));
        durable.offer(envelope("s", n));
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);

    assert!(timeout(Duration::from_secs(5), lossy.finish()).await.is_err());
    assert_eq!((lossy.counts().dropped, lossy.counts().waiting(), lossy.counts().unstored()), (50, 100, 100));
    timeout(Duration::from_secs(2), durable.finish()).await.unwrap();
    assert_eq!((durable.counts().dropped, durable.counts().waiting(), durable.counts().unstored()), (50, 100, 0));
    assert_eq!(shelf.waiting(), (1..=100).collect::<Vec<_>>());
}

// The durable policy.

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_across_failures_and_restarts_and_order_is_kept_within_a_stream() {
    let shelf = Shelf::default();
    let mut all: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let (mut sequence, mut retried) = (0, 0);
    for process in 0..6_u64 {
        shelf.restart();
        let mut seed = process;
        let (sink, taken) = Scripted::new(move |_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match seed >> 61 {
                0..=2 => Answer::Fail(SinkError::retry("again")),
                3 if process == 3 => Answer::Hang,
                4 if process == 4 => Answer::Fail(SinkError::Gone { why: "gone".into() }),
                _ => Answer::Take,
            }
        });
        let delivery = Delivery::durable(sink, 1000, shelf.clone());
        for _ in 0..30 {
            sequence += 1;
            for stream in ["a", "b", "c"] {
                delivery.offer(envelope(stream, sequence));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if process == 5 {
            // Its time is paused, and a pause is a minute at most.
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
            assert_eq!(delivery.counts().waiting(), 0);
        }
        delivery.finish().await;
        assert_eq!(delivery.counts().unstored(), 0);
        assert_eq!(delivery.counts().dropped + delivery.counts().failed, 0);
        retried += delivery.counts().retried;
        for stream in ["a", "b", "c"] {
            all.entry(stream).or_default().extend(taken.of(stream));
        }
    }

    assert!(retried > 20, "{retried}");
    assert_eq!(shelf.waiting(), [0; 0]);
    for (stream, came) in all {
        let mut firsts = Vec::new();
        for sequence in came {
            if !firsts.contains(&sequence) {
                firsts.push(sequence);
            }
        }
        assert_eq!(firsts, (1..=180).collect::<Vec<_>>(), "{stream}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_put_off_holds_up_no_other() {
    let (sink, taken) = Scripted::new(|batch| match &*batch[0].rtms_stream_id.to_string() {
        "stuck" => Answer::Fail(SinkError::retry("not this one")),
        _ => Answer::Take,
    });
    let delivery = Delivery::durable(sink, 100, Shelf::default());
    let begun = Instant::now();
    for n in 1..=9 {
        delivery.offer(envelope("stuck", n));
        delivery.offer(envelope("well", n));
    }
    taken.reached(9).await;

    assert!(begun.elapsed() < Duration::from_millis(5), "{:?}", begun.elapsed());
    assert_eq!(taken.of("well"), (1..=9).collect::<Vec<_>>());
    tokio::time::sleep(Duration::from_secs(600)).await;
    // A pause doubles to a minute at most, and half of it at least.
    let retries = delivery.counts().retried / 9;
    assert!((12..=26).contains(&retries), "{retries}");
}

#[tokio::test]
async fn what_is_stored_for_a_reader_that_is_gone_waits_for_the_next_process() {
    let shelf = Shelf::default();
    let (sink, _) = Scripted::new(|_| Answer::Fail(SinkError::Gone { why: "gone".into() }));
    let delivery = Delivery::durable(sink, 100, shelf.clone());
    (1..=5).for_each(|n| delivery.offer(envelope("s", n)));
    delivery.finish().await;
    let counts = delivery.counts();
    assert_eq!((counts.failed, counts.waiting(), counts.stored), (0, 5, 5));

    shelf.restart();
    let (sink, taken) = Scripted::new(|_| Answer::Take);
    let delivery = Delivery::durable(sink, 100, shelf);
    delivery.offer(envelope("s", 6));
    taken.reached(6).await;
    delivery.finish().await;

    assert_eq!(taken.of("s"), [1, 2, 3, 4, 5, 6]);
    let counts = delivery.counts();
    assert_eq!((counts.offered, counts.delivered, counts.stored), (6, 6, 0), "what was left counts as offered");
}

#[tokio::test]
async fn what_is_stored_of_a_stream_can_be_taken_back_but_for_the_word_to_delete() {
    let shelf = Shelf::default();
    let (sink, _) = Scripted::new(|_| Answer::Hang);
    let delivery = Delivery::durable(sink, 100, shelf.clone());
    let (revoked, other) = (Recall::default(), Recall::default());
    for n in 1..=3 {
        delivery.offer_under(envelope("revoked", n), &revoked);
        delivery.offer_under(envelope("other", 10 + n), &other);
    }
    until(|| delivery.counts().stored == 6).await;
    delivery.offer_under(envelope("revoked", 4), &revoked);

    revoked.recall();
    delivery.forget(&StreamId::from("revoked")).await.unwrap();
    let delete = Body::Ended { stop_reason: None, why: "revoked".into(), next: Next::Delete };
    delivery.offer(with_body("revoked", 5, delete));
    until(|| delivery.counts().stored == 4).await;
    delivery.forget(&StreamId::from("revoked")).await.unwrap();
    delivery.finish().await;

    assert_eq!(shelf.waiting(), [11, 12, 13, 5]);
    let counts = delivery.counts();
    assert_eq!((counts.recalled, counts.waiting(), counts.stored), (4, 4, 4));
}

#[tokio::test]
async fn what_was_claimed_before_it_was_taken_back_is_not_delivered_after() {
    let gate = Arc::new(Semaphore::new(0));
    let opens = gate.clone();
    let (sink, taken) = Scripted::new(move |batch| match batch[0].sequence {
        1 => Answer::TakeWhen(opens.clone()),
        _ => Answer::Take,
    });
    let delivery = Delivery::durable(sink, 100, Shelf::default());
    // The keeper has not run yet: one push stores both, and one claim has both.
    delivery.offer(envelope("a", 1));
    delivery.offer(envelope("b", 2));
    taken.begun().await;

    delivery.forget(&StreamId::from("b")).await.unwrap();
    gate.add_permits(1);
    delivery.finish().await;

    let counts = delivery.counts();
    assert_eq!((taken.of("a"), taken.of("b")), (vec![1], vec![]));
    assert_eq!((counts.delivered, counts.recalled, counts.waiting()), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn while_the_store_fails_envelopes_wait_in_memory_and_what_does_not_fit_is_counted() {
    let shelf = Shelf::default();
    shelf.fail(true);
    let (sink, taken) = Scripted::new(|_| Answer::Take);
    let delivery = Delivery::durable(sink, 10, shelf.clone());
    (1..=15).for_each(|n| delivery.offer(envelope("s", n)));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((delivery.counts().dropped, delivery.counts().unstored()), (5, 10));
    assert!(timeout(Duration::from_secs(5), delivery.finish()).await.is_err(), "it is not safe yet");

    shelf.fail(false);
    taken.reached(10).await;
    delivery.finish().await;
    assert_eq!((delivery.counts().delivered, delivery.counts().waiting()), (10, 0));
}

#[tokio::test]
async fn one_that_is_too_large_to_be_stored_costs_none_of_its_neighbours() {
    let (sink, taken) = Scripted::new(|_| Answer::Take);
    let delivery = Delivery::durable(sink, 10, Shelf::default());
    for n in 1..=5 {
        let why = if n == 3 { "x".repeat(200_000) } else { String::new() };
        delivery.offer(with_body("s", n, Body::Interrupted { why }));
    }
    taken.reached(4).await;
    delivery.finish().await;

    assert_eq!(taken.of("s"), [1, 2, 4, 5]);
    assert_eq!((delivery.counts().failed, delivery.counts().waiting()), (1, 0));
}

/// Lines of JSON, kept in memory.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Fixture for Lines {
    fn sink(&self) -> impl Sink {
        Jsonl::new("jsonl", self.clone())
    }

    fn came_out(&self) -> Vec<Envelope> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        assert!(text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl AsyncWrite for Lines {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        // A pipe takes what fits.
        let some = bytes.len().min(4096);
        self.0.lock().unwrap().extend(&bytes[..some]);
        Poll::Ready(Ok(some))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Lets the others run until something is so. Time that is paused goes on meanwhile.
async fn until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
