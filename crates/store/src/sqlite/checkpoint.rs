//! The checkpoint thread: moves the log into the database, away from the commit thread, and so bounds the log.

use std::{path::Path, sync::mpsc::Receiver, time::Duration};

use rusqlite::Connection;

use super::schema::{self, Missing};

/// How long a checkpoint waits for readers while it keeps writers out. What is left is done by the next one.
const READERS_WAIT: Duration = Duration::from_millis(100);

/// Makes a checkpoint whenever it is asked for, until nobody can ask any more.
pub(super) fn run(path: &Path, asked: &Receiver<()>) {
    let mut connection = None;
    while asked.recv().is_ok() {
        if let Err(error) = checkpoint(&mut connection, path) {
            // The log grows until one succeeds; appends go on.
            tracing::warn!(path = %path.display(), %error, "a checkpoint failed");
            connection = None;
        }
    }
}

fn checkpoint(connection: &mut Option<Connection>, path: &Path) -> rusqlite::Result<()> {
    let open = match connection.take() {
        Some(open) => open,
        None => {
            let open = schema::open_writer(path, Missing::Refuse)?;
            open.busy_timeout(READERS_WAIT)?;
            open
        }
    };
    let connection = connection.insert(open);
    // The first moves nearly all of it and keeps nobody waiting. The second keeps writers out for the little that came
    // since, so that the next of them starts the log anew; under load the first alone would never catch up.
    for sql in ["PRAGMA wal_checkpoint(PASSIVE)", "PRAGMA wal_checkpoint(RESTART)"] {
        let (busy, pages): (bool, i64) = connection.query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?)))?;
        tracing::debug!(sql, busy, pages, "checkpoint");
    }
    Ok(())
}
