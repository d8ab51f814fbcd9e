//! `rtms simulate --grade`: a verdict on the client, in words and as JSON.

use std::{fs::File, io::Write, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Args;
use rtms_sim::judge::{Report, Verdict};
use rtms_sim_server::Simulator;

use crate::logging::note;

/// The time after the end for which a client may show that it does not know of it.
const STAY: Duration = Duration::from_secs(5);

/// The judge.
#[derive(Args, Debug)]
#[command(next_help_heading = "Verdict")]
pub(crate) struct GradeArgs {
    /// Judge the client: stay for 5 s after the end, then say what it did right and wrong. Exits with 0 if it passed, and with 1 if
    /// nobody joined, one of the findings is a fault, or something was not as the scenario expects
    #[arg(long, conflicts_with = "load")]
    pub(super) grade: bool,
    /// Write the judgement to this file, too, as one JSON object
    #[arg(long, value_name = "FILE", requires = "grade")]
    pub(super) report: Option<PathBuf>,
}

/// Who says what is to be said of a client.
pub(super) struct Judge {
    report: Option<(PathBuf, File)>,
}

impl GradeArgs {
    /// How long to stay after the end.
    pub(super) fn linger(&self) -> Duration {
        if self.grade { STAY } else { Duration::ZERO }
    }

    /// The judge, if there is to be one.
    ///
    /// # Errors
    /// If the file for the judgement cannot be made. It is made before the meeting, which nobody wants to hold in vain, and
    /// is empty until the end, so that no former judgement is taken for this one.
    pub(super) fn judge(self) -> anyhow::Result<Option<Judge>> {
        let created = self.report.map(|path| {
            let file =
                File::create(&path).with_context(|| format!("cannot write the --report to {}", path.display()))?;
            anyhow::Ok((path, file))
        });
        let report = created.transpose()?;
        Ok(self.grade.then_some(Judge { report }))
    }
}

impl Judge {
    /// Tells what is to be said of streams that are finished.
    pub(super) fn tell(self, simulators: &[Simulator]) -> anyhow::Result<ExitCode> {
        let report = Report::new(simulators.iter().filter_map(Simulator::report).collect());
        note!("{report}");
        if let Some((path, mut file)) = self.report {
            let written = file.write_all(report.to_json().as_bytes());
            written.with_context(|| format!("failed to write {}", path.display()))?;
        }
        Ok(match report.verdict {
            Verdict::Pass => ExitCode::SUCCESS,
            Verdict::Fail => ExitCode::FAILURE,
        })
    }
}
