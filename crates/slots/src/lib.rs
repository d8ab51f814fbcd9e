//! A bounded set of slots that is never closed: a newcomer who finds it full takes the slot of the oldest holder.
//!
//! So a crowd of connections or requests that never finish does not keep out one that finishes in time.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let slots = rtms_slots::Slots::new(1);
//! let mut first = slots.take();
//! let second = slots.take();
//! first.evicted().await;
//! assert!(second.has_evicted() && !first.has_evicted());
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use tokio::sync::oneshot;

/// A bounded set of slots.
#[derive(Debug)]
pub struct Slots {
    most: usize,
    /// The holders, oldest first. A slot whose other half is dropped is free.
    taken: Mutex<VecDeque<oneshot::Sender<()>>>,
}

/// One slot. Dropping it frees it.
#[derive(Debug)]
pub struct Slot {
    evicted: oneshot::Receiver<()>,
    has_evicted: bool,
}

impl Slots {
    /// Returns as many free slots, at least one.
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), taken: Mutex::default() }
    }

    /// Takes a slot. If none is free, the oldest holder is evicted.
    pub fn take(&self) -> Slot {
        let (evict, evicted) = oneshot::channel();
        // What is behind the lock is whole after every statement, so a panic elsewhere does not spoil it.
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.len() >= self.most {
            taken.retain(|slot| !slot.is_closed());
        }
        let has_evicted = taken.len() >= self.most;
        if has_evicted {
            taken.pop_front();
        }
        taken.push_back(evict);
        Slot { evicted, has_evicted }
    }
}

impl Slot {
    /// Waits until a newcomer takes the slot over.
    pub async fn evicted(&mut self) {
        // The other half is dropped and sends nothing.
        let _ = (&mut self.evicted).await;
    }

    /// Whether all slots were taken, so that another holder lost its slot to this one.
    pub fn has_evicted(&self) -> bool {
        self.has_evicted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn the_oldest_gives_its_place_and_only_if_none_is_free() {
        let is_evicted = async |slot: &mut Slot| timeout(Duration::ZERO, slot.evicted()).await.is_ok();
        let slots = Slots::new(2);
        let mut first = slots.take();
        for _ in 0..10 {
            drop(slots.take());
        }
        assert!(!is_evicted(&mut first).await, "the others had left");

        let mut second = slots.take();
        let mut third = slots.take();

        assert!(is_evicted(&mut first).await);
        assert!(!is_evicted(&mut second).await && !is_evicted(&mut third).await);
        assert!(!second.has_evicted() && third.has_evicted());
    }
}
