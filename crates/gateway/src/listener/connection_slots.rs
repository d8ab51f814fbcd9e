//! A bounded set of slots for connections. When it is full, a newcomer evicts a connection that has no request under
//! way, so a crowd of idle connections does not keep out a newcomer.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    listener::active_requests::{ConnectionRequests, RequestActivity},
    lock::locked,
    stop::{self, Stop, StopSender},
};

/// The time for which a connection keeps its slot after an answer in any case, so that the answer can be written.
const ANSWER_WRITTEN: Duration = Duration::from_millis(200);

/// The time between two looks of a newcomer for an idle connection.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The slots of a listener.
pub(crate) struct ConnectionSlots {
    most: usize,
    free: Arc<Semaphore>,
    /// The holders, oldest first; some have left already.
    occupied: Mutex<VecDeque<Occupied>>,
}

struct Occupied {
    activity: RequestActivity,
    leave: StopSender,
}

/// A slot for one connection. Dropping it frees it.
pub(crate) struct ConnectionSlot {
    /// Counts the requests of the connection.
    pub(crate) requests: ConnectionRequests,
    /// Given when a newcomer evicts the connection.
    pub(crate) evicted: Stop,
    pub(crate) permit: OwnedSemaphorePermit,
}

impl ConnectionSlots {
    pub(crate) fn new(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        Self { most, free: Arc::new(Semaphore::new(most)), occupied: Mutex::default() }
    }

    /// Takes a slot. If none is free, an idle connection is evicted; waits while all are busy.
    pub(crate) async fn take(&self) -> ConnectionSlot {
        let permit = loop {
            if let Ok(permit) = self.free.clone().try_acquire_owned() {
                break permit;
            }
            self.evict();
            // The semaphore is never closed.
            if let Ok(Ok(permit)) = timeout(LOOK_AGAIN, self.free.clone().acquire_owned()).await {
                break permit;
            }
        };
        let (requests, activity) = ConnectionRequests::new();
        let (leave, evicted) = stop::channel();
        let mut occupied = locked(&self.occupied);
        if occupied.len() >= self.most.saturating_mul(2) {
            occupied.retain(|slot| !slot.activity.is_closed());
        }
        occupied.push_back(Occupied { activity, leave });
        drop(occupied);
        ConnectionSlot { requests, evicted, permit }
    }

    /// Waits until all slots are free.
    pub(crate) async fn all_free(&self) {
        // The semaphore is never closed.
        let _ = self.free.acquire_many(u32::try_from(self.most).unwrap_or(u32::MAX)).await;
    }

    /// Evicts one connection: the oldest without any request so far, or else the oldest whose answer is written.
    fn evict(&self) {
        let mut occupied = locked(&self.occupied);
        occupied.retain(|slot| !slot.activity.is_closed());
        let unused = occupied.iter().position(|slot| slot.activity.is_unused());
        let idle = unused.or_else(|| occupied.iter().position(|slot| slot.activity.is_idle_for(ANSWER_WRITTEN)));
        if let Some(slot) = idle.and_then(|position| occupied.remove(position)) {
            slot.leave.send_replace(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_evicted(slot: &mut ConnectionSlot) -> bool {
        timeout(Duration::ZERO, slot.evicted.given()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_newcomer_gets_the_place_of_the_oldest_that_never_asked_then_of_the_oldest_that_has_its_answer() {
        let slots = ConnectionSlots::new(3);
        let [mut busy, mut answered, mut silent] = [slots.take().await, slots.take().await, slots.take().await];
        let request = busy.requests.begin();
        drop(answered.requests.begin());
        tokio::time::sleep(ANSWER_WRITTEN).await;

        let newcomer = tokio::join!(slots.take(), async {
            silent.evicted.given().await;
            drop(silent);
        });
        assert!(!is_evicted(&mut busy).await && !is_evicted(&mut answered).await);
        let asking = newcomer.0.requests.begin();
        let newcomer = tokio::join!(slots.take(), async {
            answered.evicted.given().await;
            drop(answered);
        });
        let asking = (asking, newcomer.0.requests.begin());

        assert!(timeout(Duration::from_secs(60), slots.take()).await.is_err(), "all are busy");
        assert!(!is_evicted(&mut busy).await);
        drop((request, asking));
        let waits = tokio::join!(slots.take(), async {
            busy.evicted.given().await;
            drop(busy);
        });
        drop(waits);
    }

    #[tokio::test]
    async fn places_of_those_that_have_left_are_forgotten() {
        let slots = ConnectionSlots::new(2);
        for _ in 0..1000 {
            drop(slots.take().await);
        }
        assert!(locked(&slots.occupied).len() <= slots.most * 2, "{}", locked(&slots.occupied).len());
    }
}
