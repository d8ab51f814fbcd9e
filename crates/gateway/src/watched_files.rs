//! Files that are checked at intervals, and read again when they change.

use std::{
    fmt::Display,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::stop::Stop;

/// The time and size of a file, which change when it is written or replaced; none if it is missing.
type Stamp = Option<(SystemTime, u64)>;

/// Files as they were when they were last read.
#[derive(Clone)]
pub(crate) struct WatchedFiles {
    paths: Vec<PathBuf>,
    read: Vec<Stamp>,
}

impl WatchedFiles {
    /// Notes the state of files that are about to be read, so that a change from here on is noticed.
    pub(crate) fn before_reading(paths: Vec<PathBuf>) -> Self {
        let read = stamps(&paths);
        Self { paths, read }
    }

    /// Checks the files, one system call each, and calls `read_again` when one changed, until the server stops.
    ///
    /// A failure is logged once for each change and tried again with every look: files are replaced one after the
    /// other, and may be half-written.
    pub(crate) async fn watch<E: Display>(
        mut self,
        what: &'static str,
        every: Duration,
        mut stop: Stop,
        mut read_again: impl FnMut() -> Result<(), E>,
    ) {
        let mut look = interval(every);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut warned_of = None;
        loop {
            tokio::select! {
                biased;
                () = stop.given() => return,
                _ = look.tick() => {}
            }
            // Taken before the files are read: what changes meanwhile is seen at the next look.
            let stamps = stamps(&self.paths);
            if stamps == self.read {
                continue;
            }
            match read_again() {
                Ok(()) => {
                    info!(what, "files changed on disk, reloaded");
                    self.read = stamps;
                }
                Err(error) if warned_of.as_ref() != Some(&stamps) => {
                    warn!(what, %error, "files changed on disk but cannot be used, keeping what they held before");
                    warned_of = Some(stamps);
                }
                Err(_) => {}
            }
        }
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    paths.iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio::sync::mpsc;

    use super::*;
    use crate::stop;

    #[tokio::test]
    async fn a_change_before_the_first_look_is_noticed_and_a_failure_is_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        fs::write(&file, "first").unwrap();
        let files = WatchedFiles::before_reading(vec![file.clone()]);
        fs::write(&file, "second one").unwrap();
        let (asked, mut asks) = mpsc::unbounded_channel();
        let (stop, stopped) = stop::channel();

        let mut results = [Err("half-written"), Err("half-written"), Ok(())].into_iter();
        let watching = tokio::spawn(files.watch("secrets", Duration::from_millis(1), stopped, move || {
            asked.send(fs::read_to_string(&file).unwrap()).unwrap();
            results.next().expect("no change, no reading")
        }));

        for _ in 0..3 {
            assert_eq!(asks.recv().await.as_deref(), Some("second one"));
        }
        stop.send_replace(true);
        watching.await.unwrap();
    }
}
