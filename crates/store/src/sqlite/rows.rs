//! Every statement, and how rows become types and back.

use bytes::Bytes;
use rtms_wire::{codes::product::Product, ids::StreamId, time::UnixMillis};
use rusqlite::{
    Connection, OptionalExtension, Row, ToSql, named_params, params,
    types::{Type, ValueRef},
};
use serde::{Serialize, de::DeserializeOwned};
use smol_str::SmolStr;

use crate::{
    class::Class,
    entry::{Entry, EntryHead, EntryId, NewEntry, Settled, Verdict},
    receipts::{Receipt, ReceiptFilter, Step, Steps, UnixMicros},
    stream_record::{InstanceStop, Revision, StreamRecord},
    streams::StreamFilter,
    wanted::InstanceKey,
};

type Result<T> = rusqlite::Result<T>;

// Entries.

pub(super) fn append(connection: &Connection, entry: &NewEntry) -> Result<EntryId> {
    let mut insert = connection.prepare_cached("INSERT INTO entries (received_at, app, body) VALUES (?1, ?2, ?3)")?;
    let id = insert.insert(params![integer(entry.received_at.0), entry.app.as_str(), &entry.body[..]])?;
    Ok(EntryId(id.unsigned_abs()))
}

pub(super) fn pending(connection: &Connection, limit: usize) -> Result<Vec<Entry>> {
    let mut select = connection.prepare_cached(
        "SELECT id, received_at, app, body FROM entries INDEXED BY entries_pending
         WHERE settled_at IS NULL ORDER BY id LIMIT ?1",
    )?;
    let entries = select.query_map([integer(limit as u64)], |row| {
        Ok(Entry {
            id: EntryId(unsigned(row, 0)?),
            received_at: UnixMillis(unsigned(row, 1)?),
            app: text(row, 2)?,
            body: Bytes::copy_from_slice(row.get_ref(3)?.as_blob()?),
        })
    })?;
    entries.collect()
}

pub(super) fn entry_head(connection: &Connection, id: EntryId) -> Result<Option<EntryHead>> {
    let mut select = connection.prepare_cached("SELECT received_at, app, class, reason FROM entries WHERE id = ?1")?;
    let head = |row: &Row<'_>| {
        let reason: Option<String> = row.get(3)?;
        let settled = class(row, 2)?.map(|class| Settled { class, reason: reason.unwrap_or_default() });
        Ok(EntryHead { received_at: UnixMillis(unsigned(row, 0)?), app: text(row, 1)?, settled })
    };
    select.query_row([integer(id.0)], head).optional()
}

/// Settles an entry unless it is settled. Returns the verdict that stands; none if there is no such entry.
pub(super) fn settle(
    connection: &Connection,
    id: EntryId,
    verdict: &Verdict,
    now: UnixMillis,
) -> Result<Option<Settled>> {
    let mut update = connection.prepare_cached(
        "UPDATE entries SET class = ?2, reason = ?3, event = ?4, stream_id = ?5, settled_at = ?6
         WHERE id = ?1 AND settled_at IS NULL",
    )?;
    let event = verdict.event.as_ref().map(SmolStr::as_str);
    let stream_id = verdict.stream_id.as_ref().map(StreamId::as_str);
    let changed = update.execute(params![
        integer(id.0),
        verdict.class.as_str(),
        verdict.reason,
        event,
        stream_id,
        integer(now.0)
    ])?;
    if changed == 1 {
        return Ok(Some(Settled { class: verdict.class, reason: verdict.reason.clone() }));
    }
    Ok(entry_head(connection, id)?.and_then(|head| head.settled))
}

// Receipts.

/// Adds steps to an entry; those that stand already stand.
pub(super) fn note_steps(connection: &Connection, id: EntryId, steps: &Steps) -> Result<()> {
    let mut update = connection.prepare_cached(
        "UPDATE entries SET
            received = coalesce(received, :received), verified = coalesce(verified, :verified),
            stored = coalesce(stored, :stored), answered = coalesce(answered, :answered),
            folded = coalesce(folded, :folded), claimed = coalesce(claimed, :claimed),
            connected = coalesce(connected, :connected), first_media = coalesce(first_media, :first_media)
         WHERE id = :id",
    )?;
    let at = |step| steps.at(step).map(|at: UnixMicros| integer(at.0));
    update.execute(named_params! {
        ":id": integer(id.0),
        ":received": at(Step::Received),
        ":verified": at(Step::Verified),
        ":stored": at(Step::Stored),
        ":answered": at(Step::Answered),
        ":folded": at(Step::Folded),
        ":claimed": at(Step::Claimed),
        ":connected": at(Step::Connected),
        ":first_media": at(Step::FirstMedia),
    })?;
    Ok(())
}

/// The entry that steps of a stream are noted on.
pub(super) fn connection_entry(connection: &Connection, stream_id: &StreamId) -> Result<Option<EntryId>> {
    let mut select = connection.prepare_cached("SELECT connection_entry FROM streams WHERE stream_id = ?1")?;
    let id: Option<Option<i64>> = select.query_row([stream_id.as_str()], |row| row.get(0)).optional()?;
    Ok(id.flatten().map(|id| EntryId(id.unsigned_abs())))
}

pub(super) fn receipts(connection: &Connection, filter: &ReceiptFilter) -> Result<Vec<Receipt>> {
    // Left to itself SQLite would walk all entries from the newest to find none.
    let index = if filter.stream_id.is_some() { "entries_by_stream" } else { "entries_by_time" };
    let mut sql = format!(
        "SELECT id, received_at, app, event, stream_id, class, reason, settled_at, length(body),
            received, verified, stored, answered, folded, claimed, connected, first_media
         FROM entries INDEXED BY {index} WHERE received_at >= ?",
    );
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(integer(filter.since.unwrap_or_default().0))];
    if let Some(stream_id) = &filter.stream_id {
        values.push(Box::new(stream_id.as_str().to_owned()));
        sql.push_str(" AND stream_id = ?");
    }
    values.push(Box::new(integer(filter.limit as u64)));
    sql.push_str(" ORDER BY received_at DESC, id DESC LIMIT ?");
    let mut select = connection.prepare_cached(&sql)?;
    let receipts = select.query_map(rusqlite::params_from_iter(values), |row| {
        let mut steps = Steps::default();
        for (index, step) in Step::ALL.into_iter().enumerate() {
            if let Some(at) = row.get::<_, Option<i64>>(9 + index)? {
                steps.note(step, UnixMicros(at.unsigned_abs()));
            }
        }
        Ok(Receipt {
            id: EntryId(unsigned(row, 0)?),
            received_at: UnixMillis(unsigned(row, 1)?),
            app: text(row, 2)?,
            event: row.get::<_, Option<String>>(3)?.map(SmolStr::from),
            stream_id: row.get::<_, Option<String>>(4)?.map(StreamId::new),
            class: class(row, 5)?,
            reason: row.get(6)?,
            settled_at: row.get::<_, Option<i64>>(7)?.map(|at| UnixMillis(at.unsigned_abs())),
            body_bytes: unsigned(row, 8)?,
            steps,
        })
    })?;
    receipts.collect()
}

pub(super) fn body(connection: &Connection, id: EntryId) -> Result<Option<Bytes>> {
    let mut select = connection.prepare_cached("SELECT body FROM entries WHERE id = ?1")?;
    select.query_row([integer(id.0)], |row| Ok(Bytes::copy_from_slice(row.get_ref(0)?.as_blob()?))).optional()
}

// Streams. Records come without their lease, which is not in the file.

pub(super) fn load(connection: &Connection, stream_id: &StreamId) -> Result<Option<StreamRecord>> {
    let mut select = connection.prepare_cached(
        "SELECT stream_id, wanted, ended, connection_entry, changed_at, camera, verdicts, revision FROM streams
         WHERE stream_id = ?1",
    )?;
    select.query_row([stream_id.as_str()], record).optional()
}

pub(super) fn save(connection: &Connection, record: &StreamRecord) -> Result<()> {
    let mut upsert = connection.prepare_cached(
        "INSERT INTO streams (stream_id, wanted, ended, is_open, connection_entry, changed_at, camera, verdicts, revision)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1)
         ON CONFLICT DO UPDATE SET wanted = excluded.wanted, ended = excluded.ended, is_open = excluded.is_open,
            connection_entry = excluded.connection_entry, changed_at = excluded.changed_at, camera = excluded.camera,
            verdicts = excluded.verdicts, revision = revision + 1",
    )?;
    upsert.execute(params![
        record.stream_id.as_str(),
        json(&record.wanted)?,
        record.ended.as_ref().map(json).transpose()?,
        record.open_wish().is_some(),
        record.connection_entry.map(|id| integer(id.0)),
        integer(record.changed_at.0),
        record.camera.as_ref().map(json).transpose()?,
        if record.verdicts.is_empty() { None } else { Some(json(&record.verdicts)?) },
    ])?;
    let mut insert = connection.prepare_cached("INSERT OR IGNORE INTO stream_instances VALUES (?1, ?2, ?3, ?4)")?;
    for InstanceKey { app, product, value } in &record.wanted.instances {
        insert.execute(params![app.as_str(), word(*product), value.as_str(), record.stream_id.as_str()])?;
    }
    Ok(())
}

pub(super) fn list(connection: &Connection, filter: &StreamFilter) -> Result<Vec<StreamRecord>> {
    let mut select = connection.prepare_cached(
        "SELECT stream_id, wanted, ended, connection_entry, changed_at, camera, verdicts, revision FROM streams
         WHERE ?1 IS NULL OR is_open = ?1 ORDER BY changed_at DESC, stream_id LIMIT ?2",
    )?;
    let records = select.query_map(params![filter.open, integer(filter.limit as u64)], record)?;
    records.collect()
}

/// The streams with an open wish, by id.
pub(super) fn open_streams(connection: &Connection) -> Result<Vec<StreamId>> {
    let mut select = connection.prepare_cached("SELECT stream_id FROM streams WHERE is_open = 1 ORDER BY stream_id")?;
    let ids = select.query_map((), |row| Ok(StreamId::new(row.get_ref(0)?.as_str()?)))?;
    ids.collect()
}

// Pruning, a batch at a time. Each returns how many rows went.

pub(super) fn prune_entries(connection: &Connection, older_than: UnixMillis, limit: usize) -> Result<usize> {
    let mut delete = connection.prepare_cached(
        "DELETE FROM entries WHERE id IN (
            SELECT id FROM entries INDEXED BY entries_by_time
            WHERE received_at < ?1 AND settled_at IS NOT NULL ORDER BY received_at LIMIT ?2)",
    )?;
    delete.execute([integer(older_than.0), integer(limit as u64)])
}

/// Streams that may go: unchanged since and without an open wish.
pub(super) fn prunable_streams(connection: &Connection, older_than: UnixMillis, limit: usize) -> Result<Vec<StreamId>> {
    let mut select = connection.prepare_cached(
        "SELECT stream_id FROM streams INDEXED BY streams_by_change
         WHERE changed_at < ?1 AND is_open = 0 ORDER BY changed_at LIMIT ?2",
    )?;
    let ids = select.query_map([integer(older_than.0), integer(limit as u64)], |row| {
        Ok(StreamId::new(row.get_ref(0)?.as_str()?))
    })?;
    ids.collect()
}

pub(super) fn remove_stream(connection: &Connection, stream_id: &StreamId) -> Result<()> {
    connection.prepare_cached("DELETE FROM streams WHERE stream_id = ?1")?.execute([stream_id.as_str()])?;
    connection.prepare_cached("DELETE FROM stream_instances WHERE stream_id = ?1")?.execute([stream_id.as_str()])?;
    Ok(())
}

pub(super) fn prune_stops(connection: &Connection, older_than: UnixMillis, limit: usize) -> Result<usize> {
    let mut delete = connection.prepare_cached(
        "DELETE FROM instance_stops WHERE (app, product, value) IN (
            SELECT app, product, value FROM instance_stops WHERE remembered_at < ?1 LIMIT ?2)",
    )?;
    delete.execute([integer(older_than.0), integer(limit as u64)])
}

/// Writes something, so that a commit has something to make durable.
pub(super) fn probe(connection: &Connection) -> Result<()> {
    connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'probe'", ())?;
    Ok(())
}

/// The revision of a stream's row; 0 without one.
pub(super) fn revision(connection: &Connection, stream_id: &StreamId) -> Result<u64> {
    let mut select = connection.prepare_cached("SELECT revision FROM streams WHERE stream_id = ?1")?;
    let revision = select.query_row([stream_id.as_str()], |row| unsigned(row, 0)).optional()?;
    Ok(revision.unwrap_or_default())
}

pub(super) fn streams_of(connection: &Connection, instance: &InstanceKey) -> Result<Vec<StreamId>> {
    let mut select = connection.prepare_cached(
        "SELECT stream_id FROM stream_instances WHERE app = ?1 AND product = ?2 AND value = ?3 ORDER BY stream_id",
    )?;
    let ids = select.query_map(key(instance), |row| Ok(StreamId::new(row.get_ref(0)?.as_str()?)))?;
    ids.collect()
}

pub(super) fn instance_stop(connection: &Connection, instance: &InstanceKey) -> Result<Option<InstanceStop>> {
    let mut select =
        connection.prepare_cached("SELECT stop FROM instance_stops WHERE app = ?1 AND product = ?2 AND value = ?3")?;
    select.query_row(key(instance), |row| from_json(row, 0)).optional()
}

/// Adds a stop to what is remembered of an instance; to be called in a transaction.
pub(super) fn add_instance_stop(
    connection: &Connection,
    instance: &InstanceKey,
    stop: InstanceStop,
    now: UnixMillis,
) -> Result<()> {
    let known = instance_stop(connection, instance)?;
    let joined = known.clone().map_or_else(|| stop.clone(), |known| known.join(stop.clone()));
    if known.as_ref() == Some(&joined) {
        return Ok(());
    }
    let mut upsert = connection.prepare_cached(
        "INSERT INTO instance_stops VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET stop = excluded.stop, remembered_at = excluded.remembered_at",
    )?;
    let [app, product, value] = key(instance);
    upsert.execute(params![app, product, value, json(&joined)?, integer(now.0)])?;
    Ok(())
}

fn record(row: &Row<'_>) -> Result<StreamRecord> {
    Ok(StreamRecord {
        stream_id: StreamId::new(row.get_ref(0)?.as_str()?),
        wanted: from_json(row, 1)?,
        ended: optional_json(row, 2)?,
        lease: None,
        connection_entry: row.get::<_, Option<i64>>(3)?.map(|id| EntryId(id.unsigned_abs())),
        changed_at: UnixMillis(unsigned(row, 4)?),
        camera: optional_json(row, 5)?,
        verdicts: optional_json(row, 6)?.unwrap_or_default(),
        last_token: 0,
        revision: Revision(unsigned(row, 7)?),
    })
}

fn key(instance: &InstanceKey) -> [&str; 3] {
    [&instance.app, word(instance.product), &instance.value]
}

fn word(product: Option<Product>) -> &'static str {
    product.map_or("", Product::as_str)
}

fn class(row: &Row<'_>, column: usize) -> Result<Option<Class>> {
    let Some(word) = row.get::<_, Option<String>>(column)? else { return Ok(None) };
    match Class::from_word(&word) {
        Some(class) => Ok(Some(class)),
        None => Err(unreadable(column, format!("unknown class {word}"))),
    }
}

pub(super) fn text(row: &Row<'_>, column: usize) -> Result<SmolStr> {
    Ok(SmolStr::new(row.get_ref(column)?.as_str()?))
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> Result<u64> {
    Ok(row.get::<_, i64>(column)?.unsigned_abs())
}

/// SQLite's integers are signed. Our numbers are counts and times, far below the half that does not fit.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| unreadable(column, error))
}

fn optional_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<Option<T>> {
    if row.get_ref(column)? == ValueRef::Null { Ok(None) } else { from_json(row, column).map(Some) }
}

fn unreadable(column: usize, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
}
