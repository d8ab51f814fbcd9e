//! What test binaries print of themselves, added up.

use std::time::Instant;

use crate::table::{Outcome, Row, Tally};

/// What a test binary says of a test that takes its time.
const SLOW: &str = " has been running for over 60 seconds";

/// What the test binaries say of themselves.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) tally: Tally,
    pub(crate) failed: Vec<String>,
    pub(crate) ignored: Vec<String>,
    /// Those that run for longer than a minute.
    pub(crate) slow: Vec<String>,
}

impl Report {
    /// Adds what another binary said.
    pub(crate) fn add(&mut self, other: Self) {
        let Self { tally, failed, ignored, slow } = other;
        self.tally += tally;
        self.failed.extend(failed);
        self.ignored.extend(ignored);
        self.slow.extend(slow);
    }

    /// Counts a binary that did not end well and named no test: it died, or it did not build.
    pub(crate) fn ended_badly(&mut self, name: &str, why: &str) {
        if self.tally.failed == 0 {
            self.tally.failed = 1;
            let during = if self.slow.is_empty() { String::new() } else { format!(", in {}", self.slow.join(", ")) };
            self.failed.push(format!("{name} ({why}{during})"));
        }
    }

    /// The row of the step.
    pub(crate) fn row(self, name: &str, begun: Instant) -> Row {
        let Self { tally, failed, ignored, .. } = self;
        let outcome = if tally.failed == 0 && tally.passed > 0 { Outcome::Ok } else { Outcome::Failed };
        let mut notes = Vec::new();
        if !failed.is_empty() {
            notes.push(format!("failed: {}", failed.join(", ")));
        }
        if !ignored.is_empty() {
            notes.push(format!("ignored: {}", ignored.join(", ")));
        }
        Row { name: name.to_owned(), outcome, begun, took: begun.elapsed(), tally, note: notes.join("; ") }
    }

    /// Takes one line that a test binary printed.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result: ") {
            for part in result.split([';', '.']) {
                if let Some((number, word)) = part.trim().split_once(' ') {
                    let number: u64 = number.parse().unwrap_or_default();
                    match word {
                        "passed" => self.tally.passed += number,
                        "failed" => self.tally.failed += number,
                        "ignored" => self.tally.skipped += number,
                        _ => {}
                    }
                }
            }
        } else if let Some(name) = line.strip_prefix("test ").and_then(|test| test.strip_suffix(SLOW)) {
            self.slow.push(name.to_owned());
        } else if let Some((name, result)) = line.strip_prefix("test ").and_then(|test| test.rsplit_once(" ... ")) {
            self.slow.retain(|slow| slow != name);
            if result == "FAILED" {
                self.failed.push(name.to_owned());
            } else if result.starts_with("ignored") {
                self.ignored.push(name.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_binaries_are_added_up() {
        let mut report = Report::default();
        for line in [
            "running 3 tests",
            "test a::holds ... ok",
            "test a::does_not ... FAILED",
            "test a::slow ... ignored, needs an hour",
            "test a::hangs has been running for over 60 seconds",
            "test a::takes_its_time has been running for over 60 seconds",
            "test a::takes_its_time ... ok",
            "test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: ok. 20 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.25s",
        ] {
            report.read(line);
        }
        assert_eq!(report.tally, Tally { passed: 21, failed: 1, skipped: 1 });
        assert_eq!(report.failed, ["a::does_not"]);
        assert_eq!(report.ignored, ["a::slow"]);
        assert_eq!(report.slow, ["a::hangs"]);
    }

    #[test]
    fn a_binary_that_dies_counts_as_a_failure_and_names_what_it_was_at() {
        let mut all = Report::default();
        let mut died = Report::default();
        died.read("test a::hangs has been running for over 60 seconds");
        died.ended_badly("rtms streams", "signal: 9");
        all.add(Report { tally: Tally { passed: 7, ..Tally::default() }, ..Report::default() });
        all.add(died);

        let row = all.row("tests", Instant::now());

        assert_eq!((row.outcome, row.tally.failed), (Outcome::Failed, 1));
        assert_eq!(row.note, "failed: rtms streams (signal: 9, in a::hangs)");
    }
}
