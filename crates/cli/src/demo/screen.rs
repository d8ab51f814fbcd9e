//! Where the demo shows what happens, and whether anybody looks. A terminal that takes nothing holds up nobody: a thread of
//! its own writes to it.

use std::{io, thread};

use tokio::sync::{mpsc, oneshot, watch};

use crate::output::print_to_reader;

/// Texts that may wait for a slow terminal. More are not shown.
const MAX_WAITING: usize = 16_384;

/// Standard output, shared by those who have something to show.
#[derive(Clone)]
pub(super) struct Screen {
    waiting: mpsc::Sender<Waiting>,
    is_closed: watch::Receiver<bool>,
}

enum Waiting {
    Text(String),
    /// Answered when all before it is written, with the error if there was one.
    End(oneshot::Sender<io::Result<()>>),
}

impl Screen {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// That there is no thread to be had.
    pub(super) fn start() -> io::Result<Self> {
        let (waiting, texts) = mpsc::channel(MAX_WAITING);
        let (closed, is_closed) = watch::channel(false);
        thread::Builder::new().name("screen".into()).spawn(move || write(texts, &closed))?;
        Ok(Self { waiting, is_closed })
    }

    /// Shows text as it is, as soon as the terminal takes it.
    pub(super) fn show(&self, text: String) {
        // Of what a stuck terminal has no room for, nobody would see anything.
        let _ = self.waiting.try_send(Waiting::Text(text));
    }

    /// Waits until the reader is gone, as when `head` has seen enough, or cannot be written to.
    pub(super) async fn closed(&self) {
        // A thread that is gone writes no more either.
        let _ = self.is_closed.clone().wait_for(|is_closed| *is_closed).await;
    }

    /// Waits until all is written. A reader that is gone is no error.
    ///
    /// # Errors
    /// Why something could not be written.
    pub(super) async fn written(&self) -> io::Result<()> {
        let (end, ended) = oneshot::channel();
        if self.waiting.send(Waiting::End(end)).await.is_err() {
            return Ok(());
        }
        ended.await.unwrap_or(Ok(()))
    }
}

fn write(mut texts: mpsc::Receiver<Waiting>, closed: &watch::Sender<bool>) {
    let mut failed = Ok(());
    while let Some(next) = texts.blocking_recv() {
        match next {
            Waiting::Text(_) if *closed.borrow() => {}
            Waiting::Text(text) => match print_to_reader(text.as_bytes()) {
                Ok(true) => {}
                Ok(false) => drop(closed.send_replace(true)),
                Err(error) => {
                    failed = Err(error);
                    closed.send_replace(true);
                }
            },
            Waiting::End(end) => drop(end.send(std::mem::replace(&mut failed, Ok(())))),
        }
    }
}
