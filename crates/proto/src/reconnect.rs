//! When to dial again and when to give up: Zoom's windows as fixed deadlines, and the waits between tries.
//!
//! A window opens when something was lost and closes at a moment that nothing moves: neither a try that fails nor a
//! word that comes later. Inside it the first try follows at once and the others after waits that grow and jitter, and
//! the last one begins early enough to succeed.

use std::time::Duration;

use crate::{error::StreamError, pace::Pace, time::Moment};

/// From the start webhook to the signaling handshake; later the stream is gone. Basis: reported; Zoom's documents
/// only name the 60 s of sound that are kept.
pub const FIRST_CONNECT_WINDOW: Duration = Duration::from_secs(60);

/// From the loss of signaling to the handshake of the next one. Media is interrupted with it. Basis: documented.
pub const SIGNALING_WINDOW: Duration = Duration::from_secs(60);

/// From the loss of a medium to the handshake that brings it back. Basis: documented since March 2026; 30 s before.
pub const MEDIA_WINDOW: Duration = Duration::from_secs(65);

/// How long a lost signaling connection waits for the word that explains it, before it is dialed again.
///
/// State 4 and a stop webhook travel on other sockets than the one whose end they explain, and may be read after it; a
/// newer start brings better URLs.
pub const EXPLANATION_LIMIT: Duration = Duration::from_secs(2);

/// A connection that stood for so long was no flicker: after it, the waits begin anew.
pub(crate) const STABLE_AFTER: Duration = Duration::from_secs(10);

/// What the last try of a window is left with: a TLS connection and a handshake over a bad network.
const LAST_TRY: Duration = Duration::from_secs(3);

/// Waits shorter than this bring no other answer.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);

/// What a join is tried for when its window ought to be closed already: clocks differ, and Zoom's decides.
const LATE_JOIN: Duration = Duration::from_secs(10);

/// The way back of one connection, from the moment it is wanted to the moment it is there.
#[derive(Clone, Debug)]
pub(crate) struct Recovery {
    /// When the window closes.
    pub(crate) until: Moment,
    /// When the next try is due; none while one is under way, and after the last.
    pub(crate) next: Option<Moment>,
    /// How many tries there were since the connection last stood for a while.
    pub(crate) tries: u32,
    /// Why the last try failed.
    pub(crate) error: Option<StreamError>,
}

impl Recovery {
    pub(crate) fn until(until: Moment) -> Self {
        Self { until, next: None, tries: 0, error: None }
    }

    /// The first connect, so long after the window opened.
    pub(crate) fn of_start(age: Duration, now: Moment) -> Self {
        Self::until(now + FIRST_CONNECT_WINDOW.saturating_sub(age).max(LATE_JOIN))
    }

    /// A try failed: sets when the next is due and returns how long that is, unless it could not succeed any more.
    pub(crate) fn again(&mut self, pace: Pace, now: Moment, jitter: &mut Jitter) -> Option<Duration> {
        let wait = jitter.around(pace.wait(self.tries));
        let left = self.until.since(now).saturating_sub(LAST_TRY);
        let wait = if wait <= left { wait } else { left };
        self.next = (wait >= SHORTEST_WAIT).then(|| now + wait);
        self.next.map(|_| wait)
    }

    pub(crate) fn deadline(&self) -> Moment {
        self.next.map_or(self.until, |next| next.min(self.until))
    }
}

/// Waits that differ between streams, so that a server that comes back is not run over. The same seed gives the same.
#[derive(Clone, Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    /// `stream` sets streams apart that have the same seed.
    pub(crate) fn new(seed: u64, stream: &str) -> Self {
        // FNV-1a.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(stream.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, mix))
    }

    /// Between four and six fifths of it.
    fn around(&mut self, wait: Duration) -> Duration {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let share = u32::try_from((z ^ (z >> 31)) % 401).unwrap_or_default();
        wait * (800 + share) / 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_try_of_a_window_is_left_with_three_seconds() {
        let mut recovery = Recovery::until(Moment(Duration::from_secs(60)));
        let mut jitter = Jitter::new(1, "s");
        let mut tries = vec![Duration::ZERO];
        let mut now = Moment::default();
        loop {
            recovery.tries += 1;
            let Some(wait) = recovery.again(Pace::Backoff, now, &mut jitter) else { break };
            now = now + wait;
            tries.push(now.0);
        }
        assert_eq!(tries.last(), Some(&Duration::from_secs(57)));
        assert!((12..=20).contains(&tries.len()), "{tries:?}");
    }

    #[test]
    fn waits_differ_between_streams_and_stay_near_what_they_are_around() {
        let (mut one, mut two) = (Jitter::new(1, "one"), Jitter::new(1, "two"));
        let second = Duration::from_secs(1);
        let waits: Vec<_> = (0..100).map(|_| (one.around(second), two.around(second))).collect();
        assert!(waits.iter().all(|(one, _)| (second * 4 / 5..=second * 6 / 5).contains(one)));
        assert!(waits.iter().filter(|(one, two)| one == two).count() < 10);
    }
}
