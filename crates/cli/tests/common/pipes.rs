//! Pipes that nobody reads, and signals for who writes to them.

use std::io::{PipeReader, PipeWriter, Write, pipe};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::process::{Child, Command};

use super::until;

/// A pipe that nobody reads and into which nothing fits.
pub(crate) async fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = pipe().unwrap();
    fill(writer.try_clone().unwrap()).await;
    (reader, writer)
}

/// Fills a pipe now and for ever: the thread ends with the test. Returns once nothing fits.
pub(crate) async fn fill(writer: PipeWriter) {
    let mut filler = writer.try_clone().unwrap();
    std::thread::spawn(move || while filler.write_all(&[b'x'; 4096]).is_ok() {});
    let is_full = || {
        let mut polled = [PollFd::new(&writer, PollFlags::OUT)];
        poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 0
    };
    until("the pipe is full", async || is_full().then_some(())).await;
}

/// Sends a signal by its name.
pub(crate) async fn signal(child: &Child, signal: &str) {
    let process = child.id().expect("it runs").to_string();
    let status = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", signal, &process]).status().await;
    assert!(status.unwrap().success());
}
