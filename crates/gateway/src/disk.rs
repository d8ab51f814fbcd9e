//! The disk of the data folder: how much of it is free, and whether it is full. It is watched, so that people hear of it once,
//! and before it is too late.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use rtms_store::store::Store;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{error, info, warn};

use crate::{config::DiskLimits, lock::locked, telemetry::Metrics, trouble::Trouble};

/// The time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The time for which a write that found no space counts. One that is tried again and again counts anew each time.
const REFUSED_FOR: Duration = Duration::from_secs(10);

/// The part of a small disk, in hundredths, below which it is nearly full, whatever the limit is.
const LOW_PERCENT: u64 = 5;

/// The part of a small disk, in hundredths, below which it is full, whatever the limit is.
const FULL_PERCENT: u64 = 1;

/// The disk of the data folder.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
    limits: DiskLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    space: Option<Space>,
    /// When a write last found no space.
    refused_at: Option<Instant>,
    low: Trouble,
    full: Trouble,
}

/// The bytes of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Space {
    /// What this user may still write.
    free: u64,
    total: u64,
}

/// Why a disk counts as full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// Less than the limit is free.
    Free(u64),
    /// A write found no space, or a quota was reached.
    Refused,
}

/// A change that people hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Low(Space),
    LowNoMore,
    Full(Full),
    FullNoMore,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free(bytes) => write!(f, "{} free", Mebibytes(*bytes)),
            Self::Refused => f.write_str("a write found no space left"),
        }
    }
}

impl Disk {
    /// Watches the disk that has this folder.
    pub(crate) fn new(folder: &Path, limits: DiskLimits) -> Self {
        Self { folder: folder.to_owned(), limits, state: Mutex::default() }
    }

    /// Notes that a write found no space.
    pub(crate) fn refused(&self) {
        locked(&self.state).refused_at = Some(Instant::now());
    }

    /// Returns why the disk is full now; none if it is not.
    pub(crate) fn full(&self) -> Option<Full> {
        self.cause(&locked(&self.state), Instant::now())
    }

    /// Looks at the disk again and again.
    pub(crate) async fn watch(&self, store: &dyn Store, metrics: &Metrics) {
        let mut every = interval(LOOK_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            let folder = self.folder.clone();
            // A disk that does not answer must hold up nothing else.
            let space = tokio::task::spawn_blocking(move || space(&folder)).await.ok().flatten();
            if let Some(Space { free, total }) = space {
                metrics.disk_space(free, total);
            }
            if store.stats().is_full {
                self.refused();
            }
            for news in self.look(space, Instant::now()) {
                self.log(news);
            }
        }
    }

    fn look(&self, space: Option<Space>, now: Instant) -> Vec<News> {
        let mut state = locked(&self.state);
        let mut news = Vec::new();
        state.space = space;
        let full = self.cause(&state, now);
        match full {
            Some(cause) => news.extend(state.full.begins(now).then_some(News::Full(cause))),
            None => news.extend(state.full.ends(now).then_some(News::FullNoMore)),
        }
        let low = space.filter(|space| space.free < part(self.limits.warn_below_bytes, LOW_PERCENT, space.total));
        match low {
            // That it is full says as much.
            Some(space) => news.extend((state.low.begins(now) && full.is_none()).then_some(News::Low(space))),
            None => news.extend(state.low.ends(now).then_some(News::LowNoMore)),
        }
        news
    }

    fn cause(&self, state: &State, now: Instant) -> Option<Full> {
        let is_little = |space: &Space| space.free < part(self.limits.full_below_bytes, FULL_PERCENT, space.total);
        if let Some(space) = state.space.filter(is_little) {
            return Some(Full::Free(space.free));
        }
        let is_recent = |at: Instant| now.saturating_duration_since(at) < REFUSED_FOR;
        state.refused_at.is_some_and(is_recent).then_some(Full::Refused)
    }

    fn log(&self, news: News) {
        let folder = self.folder.display();
        match news {
            News::Low(Space { free, total }) => {
                let (free, total) = (Mebibytes(free), Mebibytes(total));
                warn!(%folder, %free, %total, "the disk of the data folder is nearly full; make space on it, or move old recordings");
            }
            News::LowNoMore => info!(%folder, "the disk of the data folder has space enough again"),
            News::Full(cause) => error!(
                %folder,
                %cause,
                "the disk of the data folder is full: not ready, webhooks that cannot be stored are answered 503, and recordings \
                 lose what does not fit in memory; make space on it, no restart is needed"
            ),
            News::FullNoMore => info!(%folder, "the disk of the data folder is not full any more"),
        }
    }
}

/// The limit, or a part of the disk if that is less: a small disk can be full of use below a limit that is made for large ones.
fn part(limit: u64, percent: u64, total: u64) -> u64 {
    limit.min(total / 100 * percent)
}

#[cfg(unix)]
fn space(folder: &Path) -> Option<Space> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    Some(Space { free: bytes(disk.f_bavail), total: bytes(disk.f_blocks) })
}

#[cfg(not(unix))]
fn space(_: &Path) -> Option<Space> {
    None
}

struct Mebibytes(u64);

impl fmt::Display for Mebibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tenths, rounded down: a disk with nothing left has nothing.
        let tenths = self.0.saturating_mul(10) >> 20;
        write!(f, "{}.{} MiB", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const LIMITS: DiskLimits = DiskLimits { warn_below_bytes: 1024 * MIB, full_below_bytes: 64 * MIB };

    fn of(free: u64) -> Option<Space> {
        Some(Space { free: free * MIB, total: 1024 * 1024 * MIB })
    }

    #[test]
    fn people_hear_once_that_a_disk_gets_full_that_it_is_and_that_it_is_over() {
        let (disk, begin) = (Disk::new(Path::new("data"), LIMITS), Instant::now());
        let mut heard = Vec::new();
        let free = [5000, 1023, 1025, 1000, 500, 63, 0, 65, 63, 0, 200];
        for (second, free) in free.into_iter().chain([2000; 15]).enumerate() {
            let now = begin + Duration::from_secs(second as u64 * 2);
            heard.extend(disk.look(of(free), now).into_iter().map(|news| (second, news)));
        }

        let low = Space { free: 1023 * MIB, total: 1024 * 1024 * MIB };
        assert_eq!(
            heard,
            [(1, News::Low(low)), (5, News::Full(Full::Free(63 * MIB))), (14, News::FullNoMore), (15, News::LowNoMore)]
        );
    }

    #[test]
    fn a_disk_that_fills_at_once_is_reported_as_full_only() {
        let (disk, begin) = (Disk::new(Path::new("data"), LIMITS), Instant::now());

        assert_eq!(disk.look(of(5000), begin), []);
        assert_eq!(disk.look(of(0), begin + LOOK_EVERY), [News::Full(Full::Free(0))]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_found_no_space_counts_until_none_has_for_a_while() {
        let disk = Disk::new(Path::new("data"), LIMITS);

        disk.refused();
        assert_eq!(disk.full(), Some(Full::Refused), "a quota may be reached on a disk that has space");
        assert_eq!(disk.look(of(5000), Instant::now()), [News::Full(Full::Refused)]);
        tokio::time::advance(REFUSED_FOR).await;
        assert_eq!(disk.full(), None);
    }

    #[test]
    fn a_small_disk_is_judged_by_parts_of_it() {
        let (disk, now) = (Disk::new(Path::new("data"), LIMITS), Instant::now());
        let small = |free| Some(Space { free, total: 16 * MIB });

        assert_eq!(disk.look(small(2 * MIB), now), []);
        assert!(matches!(disk.look(small(MIB / 2), now)[..], [News::Low(_)]));
        assert!(matches!(disk.look(small(MIB / 8), now)[..], [News::Full(_)]));
    }

    #[test]
    fn a_size_is_shown_in_mebibytes() {
        assert_eq!(
            [0, MIB / 4, 12 * MIB].map(|bytes| Mebibytes(bytes).to_string()),
            ["0.0 MiB", "0.2 MiB", "12.0 MiB"]
        );
    }

    #[cfg(unix)]
    #[test]
    fn the_system_says_how_much_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let space = space(folder.path()).unwrap();

        assert!(space.total > 0 && space.free <= space.total, "{space:?}");
    }
}
