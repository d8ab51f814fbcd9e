//! What waits for a slow sink can be taken back: nothing of a stream whose consent was withdrawn leaves any more.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod common;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use common::envelope;
use rtms_sink::{delivery::Delivery, envelope::Envelope, error::SinkError, recall::Recall, sink::Sink};
use tokio::sync::Semaphore;

#[tokio::test]
async fn what_was_taken_back_is_not_delivered_and_what_is_beside_it_is() {
    let gate = Arc::new(Semaphore::new(0));
    let delivered = Arc::<Mutex<Vec<u64>>>::default();
    let delivery = Delivery::lossy(Slow { gate: gate.clone(), delivered: delivered.clone() }, 16);
    let (revoked, other) = (Recall::default(), Recall::default());
    let weak = revoked.downgrade();
    delivery.offer_under(envelope("3f6a0c9e", 1), &other);
    delivery.offer_under(envelope("3f6a0c9e", 2), &revoked);
    delivery.offer_under(envelope("3f6a0c9e", 3), &other);
    drop(revoked);
    assert!(weak.is_of_use(), "one waits");

    weak.recall();
    delivery.offer(envelope("3f6a0c9e", 4));
    gate.add_permits(10);
    delivery.finish().await;

    assert_eq!(*delivered.lock().unwrap(), [1, 3, 4]);
    assert!(!weak.is_of_use(), "nothing waits any more");
}

struct Slow {
    gate: Arc<Semaphore>,
    delivered: Arc<Mutex<Vec<u64>>>,
}

#[async_trait]
impl Sink for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    async fn deliver(&mut self, batch: &[Arc<Envelope>]) -> Result<(), SinkError> {
        self.gate.acquire().await.unwrap().forget();
        self.delivered.lock().unwrap().extend(batch.iter().map(|envelope| envelope.sequence));
        Ok(())
    }
}
