//! One connection under load: ready frames go straight into the socket, and wait here while it is full.

use std::{
    collections::VecDeque,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use rtms_sim::zoom::ConnectionId;
use tokio::{net::TcpStream, sync::Notify};

/// Bytes that wait for a client that reads slowly; with more it is cut off. About ten seconds of the sound.
const MAX_WAITING: usize = 512 << 10;

/// A connection that many write to and one reads from.
#[derive(Debug)]
pub(crate) struct Pipe {
    /// The connection's number in its load.
    pub(crate) id: ConnectionId,
    pub(crate) socket: TcpStream,
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Bytes>,
    bytes: usize,
    is_over: bool,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// The system has it.
    Whole,
    /// It waits, or its end does, because the client has not read what came before.
    Later,
    /// The connection is given up because this many bytes waited.
    TooSlow(usize),
    /// The connection is gone.
    Gone,
}

impl Pipe {
    pub(crate) fn new(id: ConnectionId, socket: TcpStream) -> Self {
        Self { id, socket, waiting: Mutex::default(), changed: Notify::new() }
    }

    /// Sends a frame behind those that wait.
    pub(crate) fn send(&self, frame: &Bytes) -> Written {
        let mut waiting = self.waiting();
        if waiting.is_over {
            return Written::Gone;
        }
        let written = if waiting.frames.is_empty() {
            match self.socket.try_write(frame) {
                Ok(written) if written == frame.len() => return Written::Whole,
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(_) => {
                    self.end_now(&mut waiting);
                    return Written::Gone;
                }
            }
        } else {
            0
        };
        let rest = frame.slice(written..);
        waiting.bytes += rest.len();
        waiting.frames.push_back(rest);
        if waiting.bytes > MAX_WAITING {
            let bytes = waiting.bytes;
            self.end_now(&mut waiting);
            return Written::TooSlow(bytes);
        }
        self.changed.notify_one();
        Written::Later
    }

    /// Writes what waits, as far as the system takes it. Nothing waits if it says true.
    pub(crate) fn flush(&self) -> bool {
        let mut waiting = self.waiting();
        if self.write_waiting(&mut waiting).is_err() {
            self.end_now(&mut waiting);
        }
        waiting.frames.is_empty()
    }

    /// Ends the connection. Nothing more is written.
    pub(crate) fn end(&self) {
        self.end_now(&mut self.waiting());
    }

    /// Whether it takes no more.
    pub(crate) fn is_over(&self) -> bool {
        self.waiting().is_over
    }

    /// Waits until there is something to flush, or it is over.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn end_now(&self, waiting: &mut Waiting) {
        *waiting = Waiting { is_over: true, ..Waiting::default() };
        self.changed.notify_one();
    }

    fn write_waiting(&self, waiting: &mut Waiting) -> io::Result<()> {
        while let Some(first) = waiting.frames.front_mut() {
            match self.socket.try_write(first) {
                Ok(written) => {
                    waiting.bytes -= written;
                    if written < first.len() {
                        *first = first.slice(written..);
                    } else {
                        waiting.frames.pop_front();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // A panic elsewhere leaves nothing half done that matters more than the load.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
