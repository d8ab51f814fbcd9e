//! The layout of the file, its versions, and how a connection to it is set up.
//!
//! **Files** in the data directory: `store.sqlite3` (with `-wal` and `-shm` beside it while it is open) and
//! `store.lock`, held as long as the store is open.
//!
//! **Version**: `PRAGMA user_version` is the number of [`MIGRATIONS`] that were applied; `application_id` says that the
//! file is ours. A newer version is refused. A change of what the tables or the JSON in them mean is a new migration.
//!
//! **Tables**. Times are milliseconds since the Unix epoch, but for the eight steps of a receipt, which are
//! microseconds:
//!
//! | table | a row is | columns |
//! |---|---|---|
//! | `entries` | a webhook and its receipt | `id` never reused; `received_at`, `app`, `body` by the append; `event`, `stream_id`, `class` ([`crate::Class::as_str`]), `reason`, `settled_at` when it is settled, null before; a column per [`crate::Step`] |
//! | `streams` | a stream | `wanted`: [`crate::Wanted`] as JSON; `ended`: [`crate::Ended`] as JSON or null; `is_open`: whether there is a wish that is not done; `connection_entry`; `changed_at` |
//! | `stream_instances` | a stream of an instance | `app`, `product` (empty if unknown), `value`, `stream_id` |
//! | `instance_stops` | a stop without stream id | the instance; `stop`: [`crate::Stop`] as JSON; `remembered_at` |
//! | `jobs` | an unfinished job (since version 2) | `number` never reused, gives the order; `queue`, `key`, `id`, `not_before`, `payload`: those of [`crate::Job`]; `deliveries`: how often it was handed out |
//! | `job_keys` | a key with unfinished jobs | `queue`, `key`; `ready_at`: when the oldest job is due, or when the claim on it ends; `claimed_by`: who has it, null if nobody; `claimed_to`: the last job that is handed out, 0 if none |
//! | `job_queues` | a queue | its `jobs` and the `bytes` of their payload, kept by triggers |
//! | `meta` | a number | `epoch`: rises with each opening, the upper half of fencing tokens; `probe`: rises when storage proves itself |
//!
//! and to `streams`: `camera`, a [`crate::CameraWish`] as JSON or null; `verdicts`: what the last entries that changed the record
//! were found to be, as JSON or null; `revision`: rises with each change of the row.
//!
//! Leases are not in it: they end with the process, see [`crate::lease`]. Claims of jobs end with it too: the next opening
//! voids them.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use crate::error::{Cause, StoreError};

/// The name of the database in the data directory.
pub(super) const FILE_NAME: &str = "store.sqlite3";
/// The name of the lock file beside it.
pub(super) const LOCK_NAME: &str = "store.lock";
/// `RTMS` in ASCII.
pub(super) const APPLICATION_ID: i64 = 0x5254_4d53;

/// What turns each version into the next. Only ever appended to.
pub(super) const MIGRATIONS: [&str; 2] = [
    "
    CREATE TABLE entries (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        received_at INTEGER NOT NULL,
        app TEXT NOT NULL,
        event TEXT,
        stream_id TEXT,
        class TEXT,
        reason TEXT,
        settled_at INTEGER,
        received INTEGER,
        verified INTEGER,
        stored INTEGER,
        answered INTEGER,
        folded INTEGER,
        claimed INTEGER,
        connected INTEGER,
        first_media INTEGER,
        body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX entries_pending ON entries (id) WHERE settled_at IS NULL;
    CREATE INDEX entries_by_stream ON entries (stream_id, id) WHERE stream_id IS NOT NULL;
    CREATE INDEX entries_by_time ON entries (received_at);

    CREATE TABLE streams (
        stream_id TEXT PRIMARY KEY,
        wanted TEXT NOT NULL,
        ended TEXT,
        is_open INTEGER NOT NULL,
        connection_entry INTEGER,
        changed_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX streams_open ON streams (stream_id) WHERE is_open = 1;
    CREATE INDEX streams_by_change ON streams (changed_at, stream_id);

    CREATE TABLE stream_instances (
        app TEXT NOT NULL,
        product TEXT NOT NULL,
        value TEXT NOT NULL,
        stream_id TEXT NOT NULL,
        PRIMARY KEY (app, product, value, stream_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX stream_instances_by_stream ON stream_instances (stream_id);

    CREATE TABLE instance_stops (
        app TEXT NOT NULL,
        product TEXT NOT NULL,
        value TEXT NOT NULL,
        stop TEXT NOT NULL,
        remembered_at INTEGER NOT NULL,
        PRIMARY KEY (app, product, value)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX instance_stops_by_time ON instance_stops (remembered_at);

    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO meta VALUES ('epoch', 0), ('probe', 0);
",
    "
    ALTER TABLE streams ADD COLUMN camera TEXT;
    ALTER TABLE streams ADD COLUMN verdicts TEXT;
    ALTER TABLE streams ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;

    CREATE TABLE jobs (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        queue TEXT NOT NULL,
        key TEXT NOT NULL,
        id TEXT NOT NULL,
        not_before INTEGER NOT NULL,
        deliveries INTEGER NOT NULL DEFAULT 0,
        payload BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX jobs_by_id ON jobs (queue, id);
    CREATE INDEX jobs_by_key ON jobs (queue, key, number);

    CREATE TABLE job_keys (
        queue TEXT NOT NULL,
        key TEXT NOT NULL,
        ready_at INTEGER NOT NULL,
        claimed_by TEXT,
        claimed_to INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (queue, key)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX job_keys_ready ON job_keys (queue, ready_at, key);

    CREATE TABLE job_queues (
        queue TEXT PRIMARY KEY,
        jobs INTEGER NOT NULL,
        bytes INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TRIGGER jobs_pushed AFTER INSERT ON jobs BEGIN
        INSERT INTO job_queues VALUES (new.queue, 1, length(new.payload))
        ON CONFLICT (queue) DO UPDATE SET jobs = jobs + 1, bytes = bytes + length(new.payload);
    END;
    CREATE TRIGGER jobs_gone AFTER DELETE ON jobs BEGIN
        UPDATE job_queues SET jobs = jobs - 1, bytes = bytes - length(old.payload) WHERE queue = old.queue;
    END;
",
];

/// What stands in the head of a file.
pub(super) struct Head {
    pub(super) application_id: i64,
    pub(super) version: i64,
}

/// How long a connection waits for another one of this process: the commit thread and a migration are all that hold others up.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a log may stay that starts anew: a third more than it has when a checkpoint is asked for.
const LOG_BYTES: i64 = 24 << 20;

/// Whether a file may be made. Only when the store is opened: a file that vanished later is no empty store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Create,
    Refuse,
}

/// Opens a connection that writes, with a sync per commit unless it is told otherwise.
pub(super) fn open_writer(path: &Path, missing: Missing) -> rusqlite::Result<Connection> {
    let connection = open(path, missing)?;
    sync_commits(&connection, true)?;
    // On macOS a plain fsync stops at the drive's cache; elsewhere this is without effect.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    Ok(connection)
}

/// Has the commits to come synced, or left to the next one that is. To be called between transactions.
pub(super) fn sync_commits(connection: &Connection, sync: bool) -> rusqlite::Result<()> {
    // FULL syncs the log at every commit; NORMAL only before a checkpoint takes from it.
    connection.pragma_update(None, "synchronous", if sync { "FULL" } else { "NORMAL" })
}

/// Opens a connection that only reads.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open(path, Missing::Refuse)?;
    connection.pragma_update(None, "query_only", true)?;
    // Attaches to the log now. The last connection that leaves it makes a checkpoint and removes it, which a commit
    // connection that is thrown away must not do.
    head(&connection)?;
    Ok(connection)
}

/// Reads version and owner of the file. The first thing done with it, so that nothing is written to a foreign file.
pub(super) fn head(connection: &Connection) -> rusqlite::Result<Head> {
    Ok(Head {
        application_id: connection.pragma_query_value(None, "application_id", |row| row.get(0))?,
        version: connection.pragma_query_value(None, "user_version", |row| row.get(0))?,
    })
}

/// Brings the file from `version` to ours and starts a new epoch, which it returns.
pub(super) fn migrate(connection: &mut Connection, version: i64) -> rusqlite::Result<u32> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    let applied = usize::try_from(version).unwrap_or(0);
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(applied) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", index as i64 + 1)?;
        transaction.commit()?;
    }
    connection.query_row("UPDATE meta SET value = value + 1 WHERE key = 'epoch' RETURNING value", (), |row| row.get(0))
}

fn open(path: &Path, missing: Missing) -> rusqlite::Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, missing == Missing::Create);
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Checkpoints have a connection and a thread of their own.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // A log that an earlier process left long is cut to its ordinary length when it starts anew.
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// The version of a file that is ours and not newer than us.
pub(super) fn known_version(path: &Path, head: &Head) -> Result<i64, StoreError> {
    let Head { application_id, version } = *head;
    if version != 0 && application_id != APPLICATION_ID {
        let source = Cause::new(format!("its application id is {application_id:#x}, not ours"));
        return Err(StoreError::Damaged { path: path.into(), source });
    }
    let known = MIGRATIONS.len() as i64;
    if version > known {
        return Err(StoreError::Newer { path: path.into(), found: version, known });
    }
    Ok(version)
}
