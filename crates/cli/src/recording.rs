//! `rtms recording`: whether a recording is what it says, and what became of every second of it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Args, Subcommand};
use rtms_record::{
    Manifest,
    check::{CheckReport, check},
    ledger::{LedgerReport, Span, What},
    manifest::RecordingState,
};
use serde_json::{Value, json};

use crate::{
    exit_code,
    output::{self, one_line, time},
    table::{self, Column, table},
};

const EXAMPLES: &str = "\
Examples:
  Is everything there, and does it fit together?
    rtms recording check data/recordings/7f3a

  Check all of them, and name the folders that have problems:
    for dir in data/recordings/*/; do rtms recording check \"$dir\" > /dev/null || echo \"$dir\"; done

  What was received, silent, lost, and to whom, second by second:
    rtms recording show data/recordings/7f3a";

const CHECK_EXAMPLES: &str = "\
What is checked: every file that the manifest names is there, with its size and SHA-256; WAV headers fit their files, and \
their files the manifest; lines are JSON, and indexes name bytes that are there; nothing has a time after the end; the \
ledger tiles the time from rtms_started to the end, and tells of as much received sound as the tracks hold.

A recording that goes on, or whose process died, is checked as far as it can be, and it is said that it is not finished.

The first line tells what was lost of the stream: by whom, how long, and how many messages where they were counted. A loss is \
no fault of the files, so the exit code is 0 all the same, unless --complete asks for all of it.

Examples:
  rtms recording check data/recordings/7f3a
  rtms recording check --complete data/recordings/7f3a || echo incomplete
  rtms recording check --json data/recordings/7f3a | jq '.problems, .lost'

Exit codes: 0 nothing is wrong; 1 something is, it cannot be read, or with --complete something was lost or it is not \
finished; 2 wrong arguments.";

const SHOW_EXAMPLES: &str = "\
Times are Zoom's. A recording that goes on is shown as far as it was written: what only went on may be half a minute \
behind.

Examples:
  rtms recording show data/recordings/7f3a
  rtms recording show --json data/recordings/7f3a | jq '.ledger.media.audio.spans'

Exit codes: 0 shown; 1 it cannot be read, or has no ledger; 2 wrong arguments.";

/// Check a recording's folder, or show what became of every second of its stream.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RecordingArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Verify the files against the manifest and the ledger; nothing is changed
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Show the ledger: per medium what was received, silent, paused, interrupted, dropped, off
    #[command(after_help = SHOW_EXAMPLES)]
    Show(FolderArgs),
}

#[derive(Args, Debug)]
struct CheckArgs {
    #[command(flatten)]
    place: FolderArgs,
    /// Exit code 1 if anything was lost, or the recording is not finished
    #[arg(long)]
    complete: bool,
}

#[derive(Args, Debug)]
struct FolderArgs {
    /// The folder with manifest.json in it
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &RecordingArgs) -> anyhow::Result<ExitCode> {
    match &args.action {
        Action::Check(CheckArgs { place: args, complete }) => {
            let report = check(&args.folder);
            let text = if args.json { json_line(&json!(report)) } else { described(&args.folder, &report) };
            output::print(&text)?;
            let is_right = report.is_fine() && (!complete || report.is_complete());
            Ok(if is_right { ExitCode::SUCCESS } else { exit_code::failed() })
        }
        Action::Show(args) => {
            let folder = args.folder.display();
            let manifest = Manifest::read(&args.folder)?.with_context(|| {
                if args.folder.exists() {
                    format!("{folder} has no manifest.json")
                } else {
                    format!("there is no folder {folder}")
                }
            })?;
            let ledger = manifest.ledger_now(&args.folder)?;
            let ledger = ledger.with_context(|| format!("{folder} was recorded by a version that kept no ledger"))?;
            let text = if args.json {
                let (stream, state) = (&manifest.about.stream_id, manifest.state);
                json_line(&json!({ "rtms_stream_id": stream, "state": state, "ledger": ledger }))
            } else {
                shown_ledger(&manifest, &ledger, table::width())
            };
            output::print(&text)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn json_line(value: &Value) -> String {
    format!("{value}\n")
}

/// The report for people.
fn described(folder: &Path, report: &CheckReport) -> String {
    let mut text = verdict(report);
    let stream = report.stream_id.as_ref().map(|stream| format!("stream {}, ", one_line(stream.as_str())));
    let state = match report.state {
        Some(RecordingState::Finished) => "finished",
        Some(RecordingState::Recording) => "not finished",
        None => "not a recording that can be read",
    };
    text.push_str(&format!("{}: {}{state}\n", folder.display(), stream.unwrap_or_default()));
    if let Some(why) = &report.ended {
        text.push_str(&format!("it ended: {}\n", one_line(why)));
    }
    if report.files > 0 {
        text.push_str(&format!("{} files with {} bytes were read\n", report.files, report.bytes));
    }
    for note in &report.notes {
        text.push_str(&format!("note: {}\n", one_line(note)));
    }
    for problem in &report.problems {
        let path = problem.path.as_ref().map(|path| format!("{} ", one_line(path)));
        text.push_str(&format!("problem: {}{}\n", path.unwrap_or_default(), one_line(&problem.what)));
    }
    if report.more_problems > 0 {
        text.push_str(&format!("{} more problems are not listed\n", report.more_problems));
    }
    text
}

/// The first line: `OK: 17 files match; 11.2 s of audio lost (disk)`.
fn verdict(report: &CheckReport) -> String {
    let files = |count| if count == 1 { "1 file matches".to_owned() } else { format!("{count} files match") };
    let found = match report.problems.len() as u64 + report.more_problems {
        0 if report.state == Some(RecordingState::Finished) => format!("OK: {}", files(report.files)),
        0 => "NOT FINISHED: what is there fits together".to_owned(),
        1 => "WRONG: 1 problem".to_owned(),
        count => format!("WRONG: {count} problems"),
    };
    let lost = match &report.lost {
        // What came after that is in no file, and may be lost.
        Some(lost) if report.state != Some(RecordingState::Finished) => format!("up to its last write {lost}"),
        Some(lost) => lost.to_string(),
        None => "what was lost is not known".to_owned(),
    };
    format!("{found}; {lost}\n")
}

fn shown_ledger(manifest: &Manifest, ledger: &LedgerReport, width: Option<usize>) -> String {
    let state = match (&manifest.ending, manifest.state) {
        (Some(ending), _) => format!("finished: {}", one_line(&ending.why)),
        (None, RecordingState::Finished) => "finished".to_owned(),
        (None, RecordingState::Recording) => "not finished: it goes on, or its process died".to_owned(),
    };
    let whole = ledger.to.since(ledger.from).as_millis() as u64;
    let mut text = format!(
        "stream  {}\nstate   {state}\nfrom    {} UTC, Zoom's clock\nto      {} UTC, {} s later\n\n",
        one_line(manifest.about.stream_id.as_str()),
        time(ledger.from.0),
        time(ledger.to.0),
        seconds(whole),
    );

    let head = ["SECONDS".to_owned()].into_iter().chain(What::WORDS.iter().map(|word| word.to_uppercase()));
    let sums = ledger.media.iter().map(|(medium, report)| {
        let totals = What::WORDS.iter().map(|word| match report.total_ms(word) {
            0 => "-".to_owned(),
            ms => seconds(ms),
        });
        [medium.to_string()].into_iter().chain(totals).collect()
    });
    let kind = |column| if column == 0 { Column::Text } else { Column::Number };
    text.push_str(&table(&[head.collect()].into_iter().chain(sums).collect::<Vec<_>>(), kind, width));

    for (medium, report) in &ledger.media {
        text.push_str(&format!("\n{medium}\n"));
        if report.coarsened_ms > 0 {
            let ms = seconds(report.coarsened_ms);
            text.push_str(&format!("  there were too many spans: {ms} s have another word than they had\n"));
        }
        let row = |span: &Span| {
            let after = |at: rtms_wire::time::UnixMillis| seconds(at.0.saturating_sub(ledger.from.0));
            vec![String::new(), after(span.from), after(span.to), seconds(span.ms()), one_line(&span.what.to_string())]
        };
        let head = ["", "FROM", "TO", "SECONDS", "WHAT"].map(str::to_owned).to_vec();
        let rows: Vec<_> = [head].into_iter().chain(report.spans.iter().map(row)).collect();
        let kind = |column| if (1..4).contains(&column) { Column::Number } else { Column::Text };
        text.push_str(&table(&rows, kind, width));
    }
    text
}

/// Seconds with milliseconds.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn seconds_have_their_milliseconds() {
        assert_eq!([0, 1, 61_002].map(seconds), ["0.000", "0.001", "61.002"]);
    }
}
