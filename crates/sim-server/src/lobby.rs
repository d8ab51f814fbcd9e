//! Where connections wait that have asked for nothing yet. It is never closed: whoever finds it full takes the place of
//! whoever has been there longest, so that no crowd of silent connections keeps a client out.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use tokio::sync::oneshot;

/// The lobby of all listeners together.
#[derive(Debug)]
pub(crate) struct Lobby {
    most: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// By the time of their coming. One whose other half is gone waits no more.
    places: VecDeque<oneshot::Sender<()>>,
    /// Whether it was said that there are too many, and has not been otherwise since.
    is_told: bool,
}

/// A place in the lobby; dropping it makes room.
#[derive(Debug)]
pub(crate) struct Place(oneshot::Receiver<()>);

impl Lobby {
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.max(1), waiting: Mutex::default() }
    }

    /// Takes a place. When all are taken, the oldest holder is evicted.
    pub(crate) fn enter(&self) -> Place {
        let (place, taken) = oneshot::channel();
        // What is behind the lock is whole after every statement, so a panic elsewhere does not spoil it.
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.places.len() >= self.most {
            waiting.places.retain(|place| !place.is_closed());
        }
        let is_full = waiting.places.len() >= self.most;
        if is_full {
            waiting.places.pop_front();
            if !waiting.is_told {
                let most = self.most;
                tracing::warn!(most, "too many connections have not asked for a WebSocket yet; the oldest are closed");
            }
        }
        waiting.is_told = is_full;
        waiting.places.push_back(place);
        Place(taken)
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

    async fn is_lost(place: &mut Place) -> bool {
        timeout(Duration::ZERO, place.lost()).await.is_ok()
    }

    #[tokio::test]
    async fn who_finds_it_full_takes_the_place_of_the_oldest_that_still_waits() {
        let lobby = Lobby::new(2);
        let gone = lobby.enter();
        let mut first = lobby.enter();
        drop(gone);
        let mut second = lobby.enter();
        assert!(!is_lost(&mut first).await);

        let mut third = lobby.enter();

        assert!(is_lost(&mut first).await);
        assert!(!is_lost(&mut second).await && !is_lost(&mut third).await);
    }
}
