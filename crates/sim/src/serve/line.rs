//! The line to a client, below its WebSocket: what is written may wait, or be lost on the way. Without it the library, which
//! answers pings and close frames by itself, would speak for a server that hangs or a network that loses everything.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::serve::door::Io;

/// What becomes of what is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Passage {
    /// It goes out.
    #[default]
    Open,
    /// It goes out later, in order.
    Held,
    /// It never arrives, and nothing will any more.
    Lost,
}

/// A client's bytes. What is read always comes: the machine decides what is heard of it.
#[derive(Debug)]
pub(super) struct Line {
    io: Box<dyn Io>,
    passage: Passage,
    /// What waits to go out.
    held: Vec<u8>,
}

impl Line {
    /// Bytes that are held at most. Only answers to pings and close frames are written meanwhile.
    const MOST: usize = 64 * 1_024;

    pub(super) fn new(io: Box<dyn Io>) -> Self {
        Self { io, passage: Passage::Open, held: Vec::new() }
    }

    pub(super) fn passage(&self) -> Passage {
        self.passage
    }

    /// To be called between two frames.
    pub(super) fn set(&mut self, passage: Passage) {
        self.passage = passage;
        if passage == Passage::Lost {
            self.held.clear();
        }
    }

    /// Writes what was held.
    fn poll_release(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(context, &self.held))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.passage {
            Passage::Open => {
                ready!(self.poll_release(context))?;
                Pin::new(&mut self.io).poll_write(context, bytes)
            }
            Passage::Held if self.held.len() + bytes.len() > Self::MOST => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::OutOfMemory, "too much waits for a server that hangs")))
            }
            Passage::Held => {
                self.held.extend_from_slice(bytes);
                Poll::Ready(Ok(bytes.len()))
            }
            Passage::Lost => Poll::Ready(Ok(bytes.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.passage == Passage::Open {
            ready!(self.poll_release(context))?;
            return Pin::new(&mut self.io).poll_flush(context);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.passage == Passage::Open {
            ready!(self.poll_release(context))?;
            return Pin::new(&mut self.io).poll_shutdown(context);
        }
        Poll::Ready(Ok(()))
    }
}
