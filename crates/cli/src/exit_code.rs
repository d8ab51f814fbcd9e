//! The exit codes of `rtms`, which scripts may rely on: 0 it is done, 1 it is not and standard error says why, 2 the
//! arguments are wrong. What "done" means stands in the help of each subcommand.

use std::process::ExitCode;

/// It could not be done.
pub(crate) fn failed() -> ExitCode {
    ExitCode::from(1)
}

/// The arguments contradict each other in a way that only the command itself can tell.
pub(crate) fn wrong_arguments() -> ExitCode {
    ExitCode::from(2)
}

/// A second Ctrl-C: the program left without finishing what the first one had asked for.
pub(crate) fn interrupted() -> ExitCode {
    ExitCode::from(130)
}
