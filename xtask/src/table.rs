//! What ran, what did not, why, and where the time went: a row per step, printed when all is over.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It ran and holds.
    Ok,
    /// It ran and does not hold, or could not be run for a reason of ours.
    Failed,
    /// It did not run: something outside the project is not there.
    Missing,
}

/// How many single checks or tests a step stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    /// The tally of a step that is one check.
    pub(crate) fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ok => Self { passed: 1, ..Self::default() },
            Outcome::Failed => Self { failed: 1, ..Self::default() },
            Outcome::Missing => Self { skipped: 1, ..Self::default() },
        }
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// One step.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) outcome: Outcome,
    pub(crate) begun: Instant,
    pub(crate) took: Duration,
    pub(crate) tally: Tally,
    /// Why it failed or is missing; otherwise what is worth knowing.
    pub(crate) note: String,
}

/// All steps of a recipe. Some run beside each other, so their times add up to more than the whole.
pub(crate) struct Table {
    begun: Instant,
    rows: Vec<Row>,
    /// Whether a missing thing is a failure.
    strict: bool,
}

impl Table {
    /// An empty table; `strict` where nothing may be missing.
    pub(crate) fn new(strict: bool) -> Self {
        Self { begun: Instant::now(), rows: Vec::new(), strict }
    }

    /// Adds a step.
    pub(crate) fn add(&mut self, mut row: Row) {
        if self.strict && row.outcome == Outcome::Missing {
            row.tally = Tally::of(Outcome::Failed);
        }
        self.rows.push(row);
    }

    /// Whether the recipe may say that all is well.
    pub(crate) fn holds(&self) -> bool {
        self.total().failed == 0 && self.rows.iter().all(|row| row.outcome != Outcome::Failed)
    }

    fn total(&self) -> Tally {
        let mut total = Tally::default();
        for row in &self.rows {
            total += row.tally;
        }
        total
    }
}

impl fmt::Display for Table {
    /// The last line is the one that CI reads, alone on its line: `N passed, N failed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
        writeln!(f, "\n{:width$}  outcome    begun  seconds  passed  failed  skipped  note", "step")?;
        for row in &self.rows {
            let outcome = match row.outcome {
                Outcome::Ok => "ok",
                Outcome::Failed => "FAILED",
                Outcome::Missing => "missing",
            };
            let Tally { passed, failed, skipped } = row.tally;
            let begun = row.begun.saturating_duration_since(self.begun).as_secs_f64();
            let seconds = row.took.as_secs_f64();
            let line = format!(
                "{:width$}  {outcome:7}  {begun:7.1}  {seconds:7.1}  {passed:6}  {failed:6}  {skipped:7}  {}",
                row.name, row.note
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        let whole = self.begun.elapsed().as_secs();
        writeln!(f, "\nall steps took {} min {} s\n\n{}", whole / 60, whole % 60, self.total())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(outcome: Outcome) -> Row {
        Row {
            name: "a step".to_owned(),
            outcome,
            begun: Instant::now(),
            took: Duration::ZERO,
            tally: Tally::of(outcome),
            note: String::new(),
        }
    }

    #[test]
    fn what_is_missing_is_named_at_a_desk_and_fails_in_ci() {
        let mut desk = Table::new(false);
        desk.add(row(Outcome::Ok));
        desk.add(row(Outcome::Missing));
        assert!(desk.holds());
        assert_eq!(desk.to_string().lines().last(), Some("1 passed, 0 failed, 1 skipped"));

        let mut ci = Table::new(true);
        ci.add(row(Outcome::Ok));
        ci.add(row(Outcome::Missing));
        assert!(!ci.holds());
        assert_eq!(ci.to_string().lines().last(), Some("1 passed, 1 failed"));
    }

    #[test]
    fn one_failed_step_is_enough() {
        let mut table = Table::new(false);
        table.add(row(Outcome::Failed));
        table.add(row(Outcome::Ok));
        assert!(!table.holds());
    }
}
