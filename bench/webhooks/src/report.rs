//! The table, and its place in `docs/performance.md`.

use std::{fmt::Write, fs, path::Path};

use anyhow::Context;

use crate::{
    figures::{Disk, Figures, median, millis},
    rounds::Row,
    servers::Which,
};

/// The lines between which the document holds what this program writes.
const BEGIN: &str = "<!-- bench/webhooks: begin, written by the program -->";
const END: &str = "<!-- bench/webhooks: end -->";

/// What is wanted of us, from the design. Each is looked up in our row with so many connections.
pub(crate) const BUDGETS: [Budget; 3] = [
    Budget { figure: Figure::P50, connections: 8, limit: 0.001, text: "p50 at 8 connections ≤ 1 ms" },
    Budget { figure: Figure::P99, connections: 64, limit: 0.015, text: "p99 at 64 connections ≤ 15 ms" },
    Budget {
        figure: Figure::PerSecond,
        connections: 64,
        limit: 15_000.0,
        text: "≥ 15 000 requests/s at 64 connections",
    },
];

/// A promise about one figure.
pub(crate) struct Budget {
    pub(crate) figure: Figure,
    pub(crate) connections: usize,
    /// In requests a second, or in seconds.
    pub(crate) limit: f64,
    text: &'static str,
}

/// What is promised, and drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    PerSecond,
    P50,
    P99,
}

impl Figure {
    /// In requests a second, or in seconds.
    pub(crate) fn of(self, row: &Row) -> f64 {
        match self {
            Self::PerSecond => row.per_second(),
            Self::P50 => row.permille(500),
            Self::P99 => row.permille(990),
        }
    }
}

/// What else is to be known of the run.
pub(crate) struct Machine {
    seconds: u64,
    rounds: usize,
    disks: Vec<Disk>,
    /// The load average of the last minute, at the start.
    load: String,
}

impl Machine {
    pub(crate) fn new(seconds: u64, rounds: usize) -> Self {
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown").to_owned();
        Self { seconds, rounds, disks: Vec::new(), load }
    }

    /// Measures the disk once more.
    pub(crate) fn measure(&mut self, folder: &Path) -> anyhow::Result<()> {
        let disk = Disk::measure(folder)?;
        eprintln!("disk: {disk}");
        self.disks.push(disk);
        Ok(())
    }

    fn disk(&self, of: impl Fn(&Disk) -> &Figures, permille: usize) -> String {
        millis(median(self.disks.iter().map(|disk| of(disk).permille(permille).as_secs_f64())))
    }
}

/// The figures as Markdown.
pub(crate) fn section(rows: &[Row], machine: &Machine) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let Machine { seconds, rounds, load, .. } = machine;
    // Writing into a string does not fail, here and below.
    let mut text = String::new();
    // Both programs lie in the folder of their profile.
    let program = std::env::current_exe().unwrap_or_default();
    let profile = program.parent().and_then(|folder| folder.file_name()).unwrap_or_default().to_string_lossy();
    let _ = writeln!(
        text,
        "{cores} cores, shared by generator and receiver; load average before: {load}. Medians of {rounds} rounds of \
         {seconds} s each. Ours is built with the profile `{profile}`."
    );
    text += "\n| The disk in the same run: write 4 KiB, then `fdatasync` | p50 ms | p99 ms |\n|---|---:|---:|\n";
    let appended = [500, 990].map(|permille| machine.disk(|disk| &disk.appended, permille)).join(" | ");
    let overwritten = [500, 990].map(|permille| machine.disk(|disk| &disk.overwritten, permille)).join(" | ");
    let _ = writeln!(text, "| at the end of a growing file | {appended} |\n| over what is there | {overwritten} |");

    text += "\n| Budget | Figure | Kept |\n|---|---:|---|\n";
    for budget in &BUDGETS {
        let Some(row) = find(rows, Which::Ours, budget.connections) else { continue };
        let figure = budget.figure.of(row);
        let (shown, kept) = match budget.figure {
            Figure::PerSecond => (format!("{figure:.0}/s"), figure >= budget.limit),
            Figure::P50 | Figure::P99 => (format!("{} ms", millis(figure)), figure <= budget.limit),
        };
        let _ = writeln!(text, "| {} | {shown} | {} |", budget.text, if kept { "yes" } else { "**no**" });
    }

    text += "\n| Connections | Receiver | Requests/s | slowest–fastest round | × Express | p50 ms | p99 ms | p99.9 ms | CPU µs | of the generator |\n";
    text += "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|\n";
    for row in rows {
        let [p50, p99, p999] = [500, 990, 999].map(|permille| millis(row.permille(permille)));
        let ratio = find(rows, Which::Express, row.connections)
            .map_or("–".into(), |express| format!("{:.2}", row.per_second() / express.per_second()));
        let (slowest, fastest) = row.per_second_range();
        let (receiver, generator) = row.cpu_micros().map_or(("–".into(), "–".into()), |(receiver, generator)| {
            (format!("{receiver:.0}"), format!("{generator:.0}"))
        });
        let _ = writeln!(
            text,
            "| {} | {} | {:.0} | {slowest:.0}–{fastest:.0} | {ratio} | {p50} | {p99} | {p999} | {receiver} | {generator} |",
            row.connections,
            row.which.name(),
            row.per_second(),
        );
    }

    text += "\n| Connections, `rtms serve` | Syncs per webhook | Webhooks per sync | Folded by the end |\n|---:|---:|---:|---:|\n";
    for row in rows {
        let Some((syncs, folded)) = row.syncs().zip(row.folded()) else { continue };
        let percent = 100.0 * folded;
        let _ = writeln!(text, "| {} | {syncs:.2} | {:.1} | {percent:.0} % |", row.connections, 1.0 / syncs);
    }

    let refused: usize = rows.iter().map(Row::refused).sum();
    let _ = write!(text, "\nAnswers other than 200: {refused}. Requests without an answer:");
    for which in Which::ALL {
        let unanswered: usize = rows.iter().filter(|row| row.which == which).map(Row::unanswered).sum();
        let _ = write!(text, "{} {unanswered} ({})", if which == Which::Ours { "" } else { "," }, which.key());
    }
    text + ".\n"
}

fn find(rows: &[Row], which: Which, connections: usize) -> Option<&Row> {
    rows.iter().find(|row| row.which == which && row.connections == connections)
}

/// Puts the section between its lines in the document.
pub(crate) fn put(document: &Path, section: &str) -> anyhow::Result<()> {
    let text = fs::read_to_string(document).with_context(|| format!("cannot read {}", document.display()))?;
    let text = replaced(&text, section).with_context(|| format!("{} lacks the lines to put it", document.display()))?;
    fs::write(document, text).with_context(|| format!("cannot write {}", document.display()))
}

fn replaced(text: &str, section: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{section}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_lines_is_replaced() {
        let text = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        assert_eq!(replaced(&text, "new").as_deref(), Some(&*format!("before\n{BEGIN}\nnew\n{END}\nafter\n")));
        assert_eq!(replaced("nothing", "new"), None);
    }
}
