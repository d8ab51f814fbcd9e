//! Places for connections: a bounded number. When all are taken, a newcomer gets the place of a connection that asks for
//! nothing, so a crowd of idle connections keeps out nobody.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    listener::active_requests::{Here, Requests},
    stop::{self, Stop, StopSender},
};

/// How long a connection keeps its place after an answer in any case: the answer has to be written.
const ANSWER_WRITTEN: Duration = Duration::from_millis(200);

/// How often a newcomer looks again whether one of the others rests.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The places of a listener.
pub(crate) struct Places {
    most: usize,
    free: Arc<Semaphore>,
    /// By the time of their coming; some are gone already.
    taken: Mutex<VecDeque<Taken>>,
}

struct Taken {
    requests: Here,
    leave: StopSender,
}

/// A place; dropping it frees it.
pub(crate) struct Place {
    /// Counts the requests of the connection.
    pub(crate) requests: Requests,
    /// Given when the place is lost to a newcomer.
    pub(crate) lost: Stop,
    pub(crate) permit: OwnedSemaphorePermit,
}

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        Self { most, free: Arc::new(Semaphore::new(most)), taken: Mutex::default() }
    }

    /// Takes a place, from a connection that rests if none is free. Waits while all are busy.
    pub(crate) async fn take(&self) -> Place {
        let permit = loop {
            if let Ok(permit) = self.free.clone().try_acquire_owned() {
                break permit;
            }
            self.evict();
            // Nobody closes it.
            if let Ok(Ok(permit)) = timeout(LOOK_AGAIN, self.free.clone().acquire_owned()).await {
                break permit;
            }
        };
        let (requests, here) = Requests::new();
        let (leave, lost) = stop::channel();
        let mut taken = self.taken();
        if taken.len() >= self.most.saturating_mul(2) {
            taken.retain(|place| !place.requests.are_over());
        }
        taken.push_back(Taken { requests: here, leave });
        drop(taken);
        Place { requests, lost, permit }
    }

    /// Waits until all places are free.
    pub(crate) async fn all_free(&self) {
        // Nobody closes it.
        let _ = self.free.acquire_many(u32::try_from(self.most).unwrap_or(u32::MAX)).await;
    }

    /// Has one connection leave: the oldest that never asked for anything, or else the oldest that has its answer.
    fn evict(&self) {
        let mut taken = self.taken();
        taken.retain(|place| !place.requests.are_over());
        let silent = taken.iter().position(|place| place.requests.never_came());
        let resting = silent.or_else(|| taken.iter().position(|place| place.requests.rested_for(ANSWER_WRITTEN)));
        if let Some(place) = resting.and_then(|place| taken.remove(place)) {
            place.leave.send_replace(true);
        }
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, VecDeque<Taken>> {
        // It is whole after every statement, so a panic elsewhere does not spoil it.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_lost(place: &mut Place) -> bool {
        timeout(Duration::ZERO, place.lost.given()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_newcomer_gets_the_place_of_the_oldest_that_never_asked_then_of_the_oldest_that_has_its_answer() {
        let places = Places::new(3);
        let [mut busy, mut answered, mut silent] = [places.take().await, places.take().await, places.take().await];
        let request = busy.requests.begin();
        drop(answered.requests.begin());
        tokio::time::sleep(ANSWER_WRITTEN).await;

        let newcomer = tokio::join!(places.take(), async {
            silent.lost.given().await;
            drop(silent);
        });
        assert!(!is_lost(&mut busy).await && !is_lost(&mut answered).await);
        let asking = newcomer.0.requests.begin();
        let newcomer = tokio::join!(places.take(), async {
            answered.lost.given().await;
            drop(answered);
        });
        let asking = (asking, newcomer.0.requests.begin());

        assert!(timeout(Duration::from_secs(60), places.take()).await.is_err(), "all are busy");
        assert!(!is_lost(&mut busy).await);
        drop((request, asking));
        let waits = tokio::join!(places.take(), async {
            busy.lost.given().await;
            drop(busy);
        });
        drop(waits);
    }

    #[tokio::test]
    async fn places_of_those_that_have_left_are_forgotten() {
        let places = Places::new(2);
        for _ in 0..1000 {
            drop(places.take().await);
        }
        assert!(places.taken().len() <= places.most * 2, "{}", places.taken().len());
    }
}
