//! A bounded set of slots for requests that are being read. When it is full, a newcomer evicts the oldest holder.
//!
//! So a crowd of requests that are never finished does not keep out a request that finishes in time.

use std::{collections::VecDeque, sync::Mutex};

use tokio::sync::oneshot;

use crate::lock::locked;

/// The slots for requests.
#[derive(Debug)]
pub(crate) struct RequestSlots {
    most: usize,
    /// The holders, oldest first. A slot whose other half is dropped is free.
    taken: Mutex<VecDeque<oneshot::Sender<()>>>,
}

/// A slot for one request. Dropping it frees it.
#[derive(Debug)]
pub(crate) struct RequestSlot(oneshot::Receiver<()>);

impl RequestSlots {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, taken: Mutex::default() }
    }

    /// Takes a slot. If none is free, the oldest holder is evicted.
    pub(crate) fn take(&self) -> RequestSlot {
        let (evict, evicted) = oneshot::channel();
        let mut taken = locked(&self.taken);
        if taken.len() >= self.most {
            taken.retain(|slot| !slot.is_closed());
        }
        if taken.len() >= self.most {
            taken.pop_front();
        }
        taken.push_back(evict);
        RequestSlot(evicted)
    }
}

impl RequestSlot {
    /// Waits until a newcomer takes the slot over.
    pub(crate) async fn evicted(&mut self) {
        // The other half is dropped and sends nothing.
        let _ = (&mut self.0).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn the_oldest_gives_its_place_and_only_if_none_is_free() {
        let is_evicted = async |slot: &mut RequestSlot| timeout(Duration::ZERO, slot.evicted()).await.is_ok();
        let slots = RequestSlots::new(2);
        let mut first = slots.take();
        for _ in 0..10 {
            drop(slots.take());
        }
        assert!(!is_evicted(&mut first).await, "the others had left");

        let mut second = slots.take();
        let mut third = slots.take();

        assert!(is_evicted(&mut first).await);
        assert!(!is_evicted(&mut second).await && !is_evicted(&mut third).await);
    }
}
