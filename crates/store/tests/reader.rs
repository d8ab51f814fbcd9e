//! Receipts read from outside: of a store that is closed, beside one that is open, and after a crash.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod common;

use std::fs;

use common::{entry, fold, start};
use rtms_store::{
    Class, Inbox, ReceiptFilter, Receipts, SqliteReader, SqliteStore, Step, Store, StoreError, StoreReader, UnixMicros,
};
use rusqlite::Connection;

#[tokio::test]
async fn a_closed_store_shows_what_it_showed_when_it_was_open() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).unwrap();
    assert_eq!(fold(&store, start("s", 10)).await.class, Class::First);
    let pending = store.append(entry("pending")).await.unwrap();
    store.note_step(pending.into(), Step::Verified, UnixMicros(5));
    let shown = store.receipts(ReceiptFilter::default()).await.unwrap();
    store.close().await;

    let reader = SqliteReader::open(directory.path()).unwrap();

    assert_eq!(reader.receipts(&ReceiptFilter::default()).unwrap(), shown);
    assert_eq!(reader.receipt_body(pending).unwrap().unwrap(), "pending");
    assert_eq!(reader.receipt_body(rtms_store::EntryId(99)).unwrap(), None);
}

#[tokio::test]
async fn an_open_store_is_read_beside_its_owner_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).unwrap();
    store.append(entry("one")).await.unwrap();

    let reader = SqliteReader::open(directory.path()).unwrap();
    assert_eq!(reader.receipts(&ReceiptFilter::default()).unwrap().len(), 1);
    store.append(entry("two")).await.unwrap();

    assert_eq!(reader.receipts(&ReceiptFilter::default()).unwrap().len(), 2);
    drop(reader);
    store.append(entry("three")).await.unwrap();
    assert_eq!(store.receipts(ReceiptFilter::default()).await.unwrap().len(), 3);
}

#[tokio::test]
async fn what_only_the_log_has_after_a_crash_is_read_and_the_database_stays_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).unwrap();
    store.append(entry("one")).await.unwrap();
    // The files as a crash would leave them now; the index of the log is worth nothing then.
    let crashed = tempfile::tempdir().unwrap();
    for name in ["store.sqlite3", "store.sqlite3-wal"] {
        fs::copy(directory.path().join(name), crashed.path().join(name)).unwrap();
    }
    let before = fs::read(crashed.path().join("store.sqlite3")).unwrap();

    let reader = SqliteReader::open(crashed.path()).unwrap();

    assert_eq!(reader.receipts(&ReceiptFilter::default()).unwrap().len(), 1);
    drop(reader);
    assert_eq!(fs::read(crashed.path().join("store.sqlite3")).unwrap(), before);
    let store = SqliteStore::open(crashed.path()).unwrap();
    assert_eq!(store.receipts(ReceiptFilter::default()).await.unwrap().len(), 1, "and the server goes on from there");
}

#[test]
fn nothing_is_made_where_there_is_no_store() {
    let directory = tempfile::tempdir().unwrap();

    let absent = SqliteReader::open(directory.path()).unwrap_err();

    assert!(matches!(&absent, StoreError::Absent { path } if *path == directory.path().join("store.sqlite3")));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn formats_that_are_not_ours_now_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("store.sqlite3");
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch("CREATE TABLE entries (id INTEGER)").unwrap();

    let older = SqliteReader::open(directory.path()).unwrap_err();
    assert!(matches!(older, StoreError::Older { found: 0, .. }), "{older}");
    connection.execute_batch("PRAGMA user_version = 99").unwrap();
    let foreign = SqliteReader::open(directory.path()).unwrap_err();
    assert!(matches!(foreign, StoreError::Damaged { .. }), "{foreign}");
    connection.execute_batch("PRAGMA application_id = 0x52544d53").unwrap();
    let newer = SqliteReader::open(directory.path()).unwrap_err();
    assert!(matches!(newer, StoreError::Newer { found: 99, .. }), "{newer}");

    drop(connection);
    fs::write(&file, "no database at all, but long enough to be looked at as one").unwrap();
    let damaged = SqliteReader::open(directory.path()).unwrap_err();
    assert!(matches!(damaged, StoreError::Damaged { .. }), "{damaged}");
}
