//! Checkpoints: the log moves into the database, and starts anew. This bounds the log.
//!
//! The bulk is moved here, on a connection and a thread of its own, while commits go on. Then the commit thread moves
//! the little that came since and starts the log anew; nobody else could, under load, since that needs a moment without
//! a writer.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    time::Duration,
};

use rusqlite::Connection;

use crate::sqlite::schema::{self, BUSY_TIMEOUT, Missing};

/// The commit thread's half: when to ask for a checkpoint, and how to end one.
pub(super) struct Checkpoints {
    asked: SyncSender<()>,
    done: Receiver<()>,
    is_running: bool,
    /// The length of the log, in pages, at which the next one is asked for.
    ask_at: u64,
    /// The last one could not finish, so the log stays longer than it should.
    is_owed: bool,
}

/// The checkpoint thread's half.
pub(super) struct Checkpointer {
    path: PathBuf,
    connection: Option<Connection>,
    asked: Receiver<()>,
    done: SyncSender<()>,
}

/// Pages of 4 KiB in the log at which a checkpoint is asked for: 16 MiB, about two seconds at full speed, and read back
/// in well under a second after a crash.
const ASK_PAGES: u64 = 4096;
/// Pages more at which it is asked for again, if the last one could not finish.
const ASK_AGAIN_PAGES: u64 = 1024;
/// Pages at which commits wait for the checkpoint that is running: 64 MiB. Only waiting bounds the log when commits are
/// faster than it.
const WAIT_PAGES: u64 = 4 * ASK_PAGES;
/// Pages at which a log is emptied when it starts anew: under load it may reach half as many again before its checkpoint is
/// done.
const SHRINK_PAGES: u64 = 2 * ASK_PAGES;
/// How long nothing may be committed before a checkpoint that is owed is looked after.
const LOOK_AFTER: Duration = Duration::from_secs(1);
/// How long starting the log anew may wait for readers, with commits waiting too.
const READERS_WAIT: Duration = Duration::from_millis(100);

/// Makes the two halves.
pub(super) fn pair(path: &Path) -> (Checkpoints, Checkpointer) {
    let (asked, asked_receiver) = sync_channel(1);
    let (done_sender, done) = sync_channel(1);
    let checkpoints = Checkpoints { asked, done, is_running: false, ask_at: ASK_PAGES, is_owed: false };
    let checkpointer = Checkpointer { path: path.into(), connection: None, asked: asked_receiver, done: done_sender };
    (checkpoints, checkpointer)
}

impl Checkpoints {
    /// To be called between two groups, with the length of the log in pages. Returns the length that is left.
    pub(super) fn between_groups(&mut self, connection: &Connection, pages: u64) -> u64 {
        self.go_on(connection, pages, pages >= self.ask_at)
    }

    /// To be called when nothing waits to be committed: what a reader was in the way of is tried again.
    pub(super) fn while_idle(&mut self, connection: &Connection, pages: u64) -> u64 {
        self.go_on(connection, pages, self.is_owed || pages >= self.ask_at)
    }

    /// After how long without work [`Self::while_idle`] is to be called, if at all.
    pub(super) fn look_after(&self) -> Option<Duration> {
        (self.is_running || self.is_owed).then_some(LOOK_AFTER)
    }

    fn go_on(&mut self, connection: &Connection, pages: u64, is_due: bool) -> u64 {
        if !self.is_running {
            if is_due {
                self.is_running = self.asked.try_send(()).is_ok();
            }
            return pages;
        }
        let is_done = if pages >= WAIT_PAGES { self.done.recv().is_ok() } else { self.done.try_recv().is_ok() };
        if !is_done {
            return pages;
        }
        self.is_running = false;
        // A log that has become long gives its space back; one of ordinary length is written over, which is faster.
        let how = if pages >= SHRINK_PAGES { Anew::Shrunk } else { Anew::WrittenOver };
        self.is_owed = !start_anew(connection, how).unwrap_or(false);
        self.ask_at = if self.is_owed { pages + ASK_AGAIN_PAGES } else { ASK_PAGES };
        if self.is_owed { pages } else { 0 }
    }
}

impl Checkpointer {
    /// Makes a checkpoint whenever it is asked for, until nobody can ask any more.
    pub(super) fn run(mut self) {
        while self.asked.recv().is_ok() {
            if let Err(error) = self.checkpoint() {
                // The log grows until one succeeds; appends go on.
                tracing::warn!(path = %self.path.display(), %error, "a checkpoint failed");
                self.connection = None;
            }
            if self.done.send(()).is_err() {
                return;
            }
        }
    }

    fn checkpoint(&mut self) -> rusqlite::Result<()> {
        let connection = match self.connection.take() {
            Some(open) => open,
            None => schema::open_writer(&self.path, Missing::Refuse)?,
        };
        // Passive: keeps nobody waiting.
        self.connection.insert(connection).query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()))
    }
}

/// How a log begins again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anew {
    /// The file keeps its length, and the next commit writes over its beginning.
    WrittenOver,
    /// The file is emptied.
    Shrunk,
}

/// Moves what is left and lets the next commit start the log anew. Returns whether it could.
pub(super) fn start_anew(connection: &Connection, how: Anew) -> rusqlite::Result<bool> {
    let pragma = match how {
        Anew::WrittenOver => "PRAGMA wal_checkpoint(RESTART)",
        Anew::Shrunk => "PRAGMA wal_checkpoint(TRUNCATE)",
    };
    connection.busy_timeout(READERS_WAIT)?;
    let is_busy = connection.query_row(pragma, (), |row| row.get::<_, bool>(0));
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(!is_busy?)
}
