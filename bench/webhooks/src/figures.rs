//! What is measured: how long answers took, what they cost, and how fast the disk is meanwhile.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;

/// What a generator saw.
#[derive(Debug)]
pub(crate) struct Figures {
    /// Answers of 200 in the measured time.
    pub(crate) answered: usize,
    /// With those of the warm-up.
    pub(crate) all_answered: usize,
    pub(crate) elapsed: Duration,
    /// The statuses of answers that were not 200, warm-up included.
    pub(crate) refused: Vec<u16>,
    /// Connections that were refused, broke, or did not answer in time, warm-up included.
    pub(crate) unanswered: usize,
    /// How long each answer took, sorted.
    sorted: Vec<Duration>,
}

impl Figures {
    pub(crate) fn new(mut took: Vec<Duration>, elapsed: Duration) -> Self {
        took.sort_unstable();
        let answered = took.len();
        Self { answered, all_answered: answered, elapsed, refused: Vec::new(), unanswered: 0, sorted: took }
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64()
    }

    /// The time within which so many of a thousand answers came.
    pub(crate) fn permille(&self, permille: usize) -> Duration {
        let rank = (self.sorted.len() * permille).div_ceil(1000).saturating_sub(1);
        self.sorted.get(rank).copied().unwrap_or_default()
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [p50, p99, p999] = [500, 990, 999].map(|permille| millis(self.permille(permille).as_secs_f64()));
        let (refused, unanswered) = (self.refused.len(), self.unanswered);
        write!(f, "{:.0}/s, p50 {p50} ms, p99 {p99} ms, p99.9 {p999} ms, ", self.per_second())?;
        write!(f, "{refused} not 200, {unanswered} not answered")
    }
}

/// Seconds as milliseconds, with as many digits as mean something.
pub(crate) fn millis(seconds: f64) -> String {
    let millis = seconds * 1000.0;
    if millis < 10.0 { format!("{millis:.2}") } else { format!("{millis:.0}") }
}

/// The one in the middle; of an even number the upper one of the two.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// CPU time that a process has taken so far, in user mode and in the kernel. None where there is no `/proc`.
pub(crate) fn cpu_seconds(process: u32) -> Option<f64> {
    // Of `man proc_pid_stat`: the 14th and 15th field, in ticks, which are hundredths of a second on every Linux.
    const TICKS_PER_SECOND: f64 = 100.0;
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut after_name = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let user: f64 = after_name.nth(11)?.parse().ok()?;
    let system: f64 = after_name.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

/// How long the disk takes to make 4 KiB durable: the floor under every durable answer.
#[derive(Debug)]
pub(crate) struct Disk {
    /// At the end of a file that grows, so that the file system's journal is written too.
    pub(crate) appended: Figures,
    /// In a file that is long enough, as SQLite's log is once it began anew.
    pub(crate) overwritten: Figures,
}

impl Disk {
    const WRITES: u64 = 300;

    pub(crate) fn measure(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("disk");
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let writes = || {
            let mut took = Vec::new();
            for number in 0..Self::WRITES {
                let begun = Instant::now();
                file.write_all_at(&[7; 4096], number * 4096)?;
                file.sync_data()?;
                took.push(begun.elapsed());
            }
            anyhow::Ok(Figures::new(took, Duration::ZERO))
        };
        let measured = Self { appended: writes()?, overwritten: writes()? };
        fs::remove_file(path)?;
        Ok(measured)
    }
}

impl std::fmt::Display for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let say = |figures: &Figures| {
            let [p50, p99] = [500, 990].map(|permille| millis(figures.permille(permille).as_secs_f64()));
            format!("p50 {p50} ms, p99 {p99} ms")
        };
        write!(f, "4 KiB and fdatasync: appended {}; overwritten {}", say(&self.appended), say(&self.overwritten))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let took = (1..=1000).rev().map(Duration::from_millis).collect();
        let figures = Figures::new(took, Duration::from_secs(2));
        assert_eq!([500, 990, 999].map(|permille| figures.permille(permille).as_millis()), [500, 990, 999]);
        assert!((figures.per_second() - 500.0).abs() < f64::EPSILON);
        assert_eq!(Figures::new(Vec::new(), Duration::from_secs(1)).permille(999), Duration::ZERO);
    }

    #[test]
    fn a_median_does_not_care_for_the_order() {
        assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!(median([]).abs() < f64::EPSILON);
    }
}
