//! Runs one step and turns its end into a row of the table.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    deadline::{self, Running},
    table::{Outcome, Row, Tally},
};

/// Something that is not there and that we cannot install; the text says what the reader can do.
pub(crate) struct Missing(pub(crate) String);

/// Says on stderr that a step begins, and remembers when.
pub(crate) fn begin(name: &str) -> Instant {
    eprintln!("\n== {name}");
    Instant::now()
}

/// Runs a command as a step of its own. What it prints goes through.
pub(crate) fn command(name: &str, command: &mut Command) -> Row {
    let begun = begin(name);
    let result = run_within(command, deadline::of_steps());
    single(name, begun.elapsed(), result)
}

/// Runs a check of ours as a step. Each finding is a line of its own on stderr.
pub(crate) fn findings(name: &str, check: impl FnOnce() -> anyhow::Result<Vec<String>>) -> Row {
    let begun = begin(name);
    let result = match check() {
        Ok(findings) => {
            for finding in &findings {
                eprintln!("{finding}");
            }
            match findings.as_slice() {
                [] => Ok(()),
                [one] => Err(one.clone()),
                [first, rest @ ..] => Err(format!("{first}; and {} more", rest.len())),
            }
        }
        Err(error) => Err(format!("{error:#}")),
    };
    single(name, begun.elapsed(), result)
}

/// Runs a command to its end. Whatever is not success is a reason in words.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    run_within(command, None)
}

/// The same, but not for longer than that.
pub(crate) fn run_within(command: &mut Command, within: Option<Duration>) -> Result<(), String> {
    let running = Running::start(command, within).map_err(|error| error.to_string());
    running.and_then(Running::wait).map_err(|why| format!("{}: {why}", words(command)))
}

/// A row for one check that held or did not.
pub(crate) fn single(name: &str, took: Duration, result: Result<(), String>) -> Row {
    let outcome = if result.is_ok() { Outcome::Ok } else { Outcome::Failed };
    Row { name: name.to_owned(), outcome, took, tally: Tally::of(outcome), note: result.err().unwrap_or_default() }
}

/// A row for a step that did not run.
pub(crate) fn missing(name: &str, took: Duration, Missing(note): Missing) -> Row {
    let outcome = Outcome::Missing;
    Row { name: name.to_owned(), outcome, took, tally: Tally::of(outcome), note }
}

/// A command as somebody would type it: the program's name and its arguments.
fn words(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut words = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        words.push(' ');
        words.push_str(&argument.to_string_lossy());
    }
    words
}
