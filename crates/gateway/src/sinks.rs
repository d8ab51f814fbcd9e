//! The sinks that the settings name.

use std::io;

use rtms_sink::{
    delivery::{DEFAULT_QUEUE, Delivery},
    jsonl::Jsonl,
};

use crate::config::Sink;

/// Starts every sink of the settings.
///
/// # Errors
/// The system's, if standard output cannot be had.
pub(crate) fn start(sinks: &[Sink]) -> io::Result<Vec<Delivery>> {
    let start = |sink: &Sink| match sink {
        Sink::Stdout => Ok(Delivery::lossy(Jsonl::new("stdout", stdout()?), DEFAULT_QUEUE)),
    };
    sinks.iter().map(start).collect()
}

/// Standard output without a buffer of its own: at the end of the program nothing is left to be written to a reader that is
/// stuck.
#[cfg(unix)]
fn stdout() -> io::Result<tokio::fs::File> {
    use std::os::fd::AsFd;
    let descriptor = io::stdout().as_fd().try_clone_to_owned()?;
    Ok(tokio::fs::File::from_std(std::fs::File::from(descriptor)))
}

#[cfg(not(unix))]
fn stdout() -> io::Result<tokio::io::Stdout> {
    Ok(tokio::io::stdout())
}
