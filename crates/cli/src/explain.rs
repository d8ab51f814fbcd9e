//! `rtms explain`: what a number or a name of Zoom's means, and what to do about it.

use std::process::ExitCode;

use clap::Args;
use rtms_guide::explain::{all, entry::Entry, kind::Kind, lookup};
use serde::Serialize;

use crate::{
    logging::note,
    output::{self, paragraph, shown},
    table::{self, Column},
};

const EXAMPLES: &str = "\
Examples:
  Every meaning of a number, by kind:
    rtms explain 19

  A number of one kind:
    rtms explain stop 19
    rtms explain status 3
    rtms explain delivery -1

  A name, with or without Zoom's prefix:
    rtms explain STATUS_INVALID_SIGNATURE
    rtms explain invalid_signature

  Everything, or all of one kind:
    rtms explain --list
    rtms explain --list close

Kinds: status, stop, stream-state, session-state, answer (HTTP status that a webhook is answered with), delivery (Zoom's
internal code for one that failed), rest, oauth, close (WebSocket), sdk (Zoom's SDK), event, legacy-status (numbering of
2025).

Exit codes: 0 explained; 1 no such number or name; 2 wrong arguments.";

/// Characters of a question that are repeated in an answer.
const QUESTION_CHARS: usize = 80;

/// Explain a status code, stop reason, close code, error or event, and what to do
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// A number or a name, behind its kind if that is known
    #[arg(value_name = "CODE|NAME", num_args = 1.., allow_negative_numbers = true, required_unless_present = "list")]
    question: Vec<String>,
    /// List what can be explained: all, or one kind
    #[arg(long)]
    list: bool,
    /// A JSON object a line
    #[arg(long)]
    json: bool,
}

/// A line of `--json`. Words and fields are only ever added.
#[derive(Serialize)]
struct Line {
    kind: &'static str,
    number: Option<i64>,
    name: &'static str,
    meaning: &'static str,
    causes: &'static [&'static str],
    remedy: &'static str,
    retry: &'static str,
    basis: &'static str,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    today: Option<Today>,
}

/// What an old status code is called today.
#[derive(Serialize)]
struct Today {
    number: i64,
    name: &'static str,
}

pub(crate) fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let (kind, rest) = match args.question.split_first() {
        Some((word, rest)) if args.list || !rest.is_empty() => match Kind::from_word(word) {
            Some(kind) => (Some(kind), rest),
            None => (None, args.question.as_slice()),
        },
        Some(_) | None => (None, args.question.as_slice()),
    };
    let question = rest.join(" ");
    let found: Vec<&Entry> = if args.list && rest.is_empty() {
        all().filter(|entry| kind.is_none_or(|kind| kind == entry.kind)).collect()
    } else {
        lookup::find(&question, kind)
    };
    if found.is_empty() {
        note!("error: {}", unknown(&question, kind));
        return Ok(crate::exit_code::failed());
    }
    let text = if args.json {
        found
            .iter()
            .map(|entry| Ok(serde_json::to_string(&Line::of(entry))? + "\n"))
            .collect::<anyhow::Result<String>>()?
    } else if args.list {
        listed(&found)
    } else {
        explained(&found)
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

impl Line {
    fn of(entry: &Entry) -> Self {
        let Entry { kind, number, name, meaning, causes, remedy, retry, basis, source, today } = *entry;
        let today = today.map(|code| Today { number: code.code(), name: code.name() });
        let (kind, retry, basis) = (kind.word(), retry.word(), basis.word());
        Self { kind, number, name, meaning, causes, remedy, retry, basis, source, today }
    }
}

/// Whole explanations, under a heading for each kind.
fn explained(entries: &[&Entry]) -> String {
    let mut text = String::new();
    let mut kind = None;
    for entry in entries {
        if kind != Some(entry.kind) {
            let between = if kind.is_some() { "\n" } else { "" };
            text += &format!("{between}{}\n", entry.kind.heading());
            kind = Some(entry.kind);
        }
        let number = entry.number.map(|number| format!("{number}  ")).unwrap_or_default();
        text += &format!("\n  {number}{}\n", entry.name);
        text += &paragraph("  ", entry.meaning);
        if let Some(code) = entry.today {
            let today = lookup::find(&code.code().to_string(), Some(Kind::StatusCode));
            let meaning = today.first().map_or("", |entry| entry.meaning);
            text += &paragraph("  Today:   ", &format!("{} {}. {meaning}", code.code(), code.name()));
        }
        for (position, cause) in entry.causes.iter().enumerate() {
            text += &paragraph(if position == 0 { "  Causes:  " } else { "           " }, cause);
        }
        text += &paragraph("  Remedy:  ", entry.remedy);
        text += &paragraph("  Retry:   ", entry.retry.sentence());
        text += &paragraph("  Basis:   ", &format!("{}: {}", entry.basis.word(), entry.source));
    }
    text
}

/// A line for each.
fn listed(entries: &[&Entry]) -> String {
    let mut rows = vec![["KIND", "NUMBER", "NAME"].map(str::to_owned).to_vec()];
    rows.extend(entries.iter().map(|entry| {
        let number = entry.number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        vec![entry.kind.word().to_owned(), number, entry.name.to_owned()]
    }));
    let kind = |column| if column == 1 { Column::Number } else { Column::Text };
    table::table(&rows, kind, table::width())
}

/// What is known of numbers, and names that are near.
fn unknown(question: &str, kind: Option<Kind>) -> String {
    let asked = shown(question, QUESTION_CHARS);
    if question.trim().parse::<i64>().is_ok() {
        let ranges = Kind::ALL.into_iter().filter(|it| kind.is_none_or(|kind| kind == *it));
        let ranges: Vec<_> = ranges.filter_map(|it| Some(format!("{} {}", it.word(), it.range()?))).collect();
        return format!(
            "{asked} is not known. Known numbers: {}. A number beyond its list is new: rtms keeps it and passes it on; Zoom's pages \
             may explain it",
            ranges.join("; ")
        );
    }
    let near = lookup::near(question, kind);
    if near.is_empty() {
        format!("nothing is called {asked:?}; `rtms explain --list` has every name")
    } else {
        format!("nothing is called {asked:?}; is it {}?", near.join(" or "))
    }
}
