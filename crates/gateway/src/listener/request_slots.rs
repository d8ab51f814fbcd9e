//! Who is in the middle of a request. There are places for so many; whoever comes when all are taken gets that of whoever has had
//! one for longest. So a crowd of requests that are never finished keeps out nobody who finishes in time.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use tokio::sync::oneshot;

/// The places.
#[derive(Debug)]
pub(crate) struct Crowd {
    most: usize,
    /// By the time of their coming. One whose other half is gone is free.
    taken: Mutex<VecDeque<oneshot::Sender<()>>>,
}

/// A place; dropping it frees it.
#[derive(Debug)]
pub(crate) struct Place(oneshot::Receiver<()>);

impl Crowd {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, taken: Mutex::default() }
    }

    /// Takes a place, from whoever has had one for longest if none is free.
    pub(crate) fn enter(&self) -> Place {
        let (place, mine) = oneshot::channel();
        // It is whole after every statement, so a panic elsewhere does not spoil it.
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.len() >= self.most {
            taken.retain(|place| !place.is_closed());
        }
        if taken.len() >= self.most {
            taken.pop_front();
        }
        taken.push_back(place);
        Place(mine)
    }
}

impl Place {
    /// Waits until somebody else has it.
    pub(crate) async fn lost(&mut self) {
        // The other half is dropped and says nothing.
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
        let is_lost = async |place: &mut Place| timeout(Duration::ZERO, place.lost()).await.is_ok();
        let crowd = Crowd::new(2);
        let mut first = crowd.enter();
        for _ in 0..10 {
            drop(crowd.enter());
        }
        assert!(!is_lost(&mut first).await, "the others had left");

        let mut second = crowd.enter();
        let mut third = crowd.enter();

        assert!(is_lost(&mut first).await);
        assert!(!is_lost(&mut second).await && !is_lost(&mut third).await);
    }
}
