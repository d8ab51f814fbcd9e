//! The line to a client, below its WebSocket: what is written may wait, or be lost on the way. Without it the library,
//! which answers pings and close frames by itself, would speak for a server that hangs or a network that loses
//! everything.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::socket::Io;

/// What becomes of what is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Passage {
    /// It goes out.
    #[default]
    Open,
    /// It goes out later, in order.
    Held,
    /// It never arrives, and nothing will any more.
    Lost,
}

/// A client's bytes. What is read always comes: the machine decides what is heard of it.
///
/// A write that fails ends nothing either. The client may have sent its last messages and a close frame before it went,
/// and only reading on finds them; the end of what can be read is the end of the connection.
#[derive(Debug)]
pub(crate) struct Transport {
    io: Box<dyn Io>,
    passage: Passage,
    /// What waits to go out.
    held: Vec<u8>,
    /// Whether a write has failed: nothing goes out any more.
    is_broken: bool,
}

impl Transport {
    /// Bytes that are held at most. Only answers to pings and close frames are written meanwhile.
    const MOST: usize = 64 * 1_024;

    pub(crate) fn new(io: Box<dyn Io>) -> Self {
        Self { io, passage: Passage::Open, held: Vec::new(), is_broken: false }
    }

    pub(crate) fn passage(&self) -> Passage {
        self.passage
    }

    /// To be called between two frames.
    pub(crate) fn set(&mut self, passage: Passage) {
        self.passage = passage;
        if passage == Passage::Lost {
            self.held.clear();
        }
    }

    /// Notes that a write has failed, and gives what stands for its success.
    fn breaks<T>(&mut self, as_if: T) -> T {
        self.is_broken = true;
        self.held.clear();
        as_if
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

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.passage {
            _ if self.is_broken => Poll::Ready(Ok(bytes.len())),
            Passage::Open => {
                let written = match ready!(self.poll_release(context)) {
                    Ok(()) => ready!(Pin::new(&mut self.io).poll_write(context, bytes)),
                    Err(error) => Err(error),
                };
                Poll::Ready(Ok(written.unwrap_or_else(|_| self.breaks(bytes.len()))))
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
        if self.passage == Passage::Open && !self.is_broken {
            let flushed = match ready!(self.poll_release(context)) {
                Ok(()) => ready!(Pin::new(&mut self.io).poll_flush(context)),
                Err(error) => Err(error),
            };
            flushed.unwrap_or_else(|_| self.breaks(()));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.passage == Passage::Open && !self.is_broken {
            ready!(self.poll_release(context))?;
            return Pin::new(&mut self.io).poll_shutdown(context);
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn what_a_client_said_before_it_went_is_read_although_nothing_can_be_written_to_it() {
        for passage in [Passage::Open, Passage::Held] {
            let (ours, mut theirs) = duplex(64);
            theirs.write_all(b"the end").await.unwrap();
            drop(theirs);
            let mut line = Transport::new(Box::new(ours));
            line.set(passage);

            line.write_all(b"a packet").await.unwrap();
            line.flush().await.unwrap();
            line.set(Passage::Open);
            line.flush().await.unwrap();
            line.write_all(b"another").await.unwrap();
            let mut read = String::new();
            line.read_to_string(&mut read).await.unwrap();

            assert_eq!(read, "the end", "{passage:?}");
        }
    }
}
