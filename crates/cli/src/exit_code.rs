//! The exit codes of `rtms`, which scripts may rely on: 0 it is done, 1 it is not and standard error says why, 2 the
//! arguments are wrong. What "done" means stands in the help of each subcommand.

use std::process::ExitCode;

/// It could not be done.
pub(crate) const FAILED: u8 = 1;

/// A second Ctrl-C: the program left without finishing what the first one had asked for.
pub(crate) const INTERRUPTED: u8 = 130;

/// It could not be done.
pub(crate) fn failed() -> ExitCode {
    ExitCode::from(FAILED)
}

/// The arguments contradict each other in a way that only the command itself can tell.
pub(crate) fn wrong_arguments() -> ExitCode {
    ExitCode::from(2)
}

/// It was interrupted before it was done.
pub(crate) fn interrupted() -> ExitCode {
    ExitCode::from(INTERRUPTED)
}
