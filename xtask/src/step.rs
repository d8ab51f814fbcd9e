//! Runs one step and turns its end into a row of the table.

use std::{
    io::{self, BufRead, BufReader, Write as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    deadline::{self, Running},
    table::{Outcome, Row, Tally},
};

/// Something that is not there and that we cannot install; the text says what the reader can do.
#[derive(Clone, Debug)]
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
    single(name, begun, result)
}

/// Runs a command as a step beside others: what it prints is kept together and printed when it has ended.
pub(crate) fn aside(name: &str, command: &mut Command) -> Row {
    let begun = begin(name);
    let result = read_lines(command, |_| ()).map_err(|why| format!("{}: {why}", words(command)));
    single(name, begun, result)
}

/// Runs a command to its end or its deadline, hands each line that it prints on, and prints them together at the end.
pub(crate) fn read_lines(command: &mut Command, mut read: impl FnMut(&str)) -> Result<(), String> {
    let mut printed = Vec::new();
    let ended = lines_of(command, &mut read, &mut printed);
    // A terminal that is gone changes nothing: the table counts what ran.
    let _ = io::stderr().write_all(&printed);
    ended
}

fn lines_of(command: &mut Command, read: &mut dyn FnMut(&str), printed: &mut Vec<u8>) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let (reader, writer) = io::pipe().map_err(text)?;
    command.stdin(Stdio::null()).stdout(writer.try_clone().map_err(text)?).stderr(writer);
    let running = Running::start(command, deadline::of_steps()).map_err(text)?;
    // The command holds ends of the pipe, and the reader waits until all are closed.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    // Bytes, because a test may print what is no UTF-8.
    while reader.read_until(b'\n', &mut line).map_err(text)? > 0 {
        read(String::from_utf8_lossy(&line).trim_end());
        printed.append(&mut line);
    }
    running.wait()
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
    single(name, begun, result)
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
pub(crate) fn single(name: &str, begun: Instant, result: Result<(), String>) -> Row {
    let outcome = if result.is_ok() { Outcome::Ok } else { Outcome::Failed };
    let (tally, note) = (Tally::of(outcome), result.err().unwrap_or_default());
    Row { name: name.to_owned(), outcome, begun, took: begun.elapsed(), tally, note }
}

/// A row for a step that did not run.
pub(crate) fn missing(name: &str, begun: Instant, Missing(note): Missing) -> Row {
    let outcome = Outcome::Missing;
    Row { name: name.to_owned(), outcome, begun, took: begun.elapsed(), tally: Tally::of(outcome), note }
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
