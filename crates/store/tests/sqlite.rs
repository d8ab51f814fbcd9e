//! What only the engine on disk promises: one process, one sync for many, bounds, versions, and what a restart keeps.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod common;

use std::{fs, future::poll_fn, path::Path, sync::Arc, task::Poll, time::Duration};

use common::{NOW, entry, fold, owner, start, stop, stream};
use rtms_store::{
    Class, Inbox, NewEntry, Operations, Outcome, ReceiptFilter, Receipts, Revision, SqliteOptions, SqliteStore, Step,
    Store, StoreError, Streams, UnixMicros,
};
use rtms_wire::codes::stop_reason::StopReason;
use rusqlite::Connection;

const TERM: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_second_opening_is_refused_and_names_the_lock() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).unwrap();

    let refused = SqliteStore::open(directory.path()).unwrap_err();
    assert!(matches!(&refused, StoreError::Locked { path } if *path == directory.path().join("store.lock")));
    assert!(refused.to_string().ends_with("store.lock is held by another process"), "{refused}");

    store.close().await;
    assert!(SqliteStore::open(directory.path()).is_ok());
}

#[tokio::test]
async fn a_restart_keeps_everything_but_the_leases() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).unwrap();
    fold(&store, start("s", 10)).await;
    fold(&store, stop("gone", 10)).await;
    let pending = store.append(entry("pending")).await.unwrap();
    store.note_step(pending.into(), Step::Verified, UnixMicros(5));
    let records = store.list(Default::default()).await.unwrap();
    let lease = store.claim(&stream("s"), &owner("a"), TERM, NOW).await.unwrap().unwrap();
    assert_ne!(store.list(Default::default()).await.unwrap(), records);
    store.close().await;

    let store = SqliteStore::open(directory.path()).unwrap();

    assert_eq!(store.list(Default::default()).await.unwrap(), records);
    assert_eq!(&store.pending(10).await.unwrap()[0].body[..], b"pending");
    let receipts = store.receipts(ReceiptFilter::default()).await.unwrap();
    assert_eq!(receipts.len(), 3);
    assert_eq!(receipts[0].steps.at(Step::Verified), Some(UnixMicros(5)), "closing writes notes out");
    let next = store.claim(&stream("s"), &owner("b"), TERM, NOW).await.unwrap().unwrap();
    assert!(next.token > lease.token);
    assert!(matches!(store.renew(&lease, TERM, NOW).await, Err(StoreError::LeaseLost { .. })));
    assert_eq!(fold(&store, start("s", 10)).await.class, Class::Repeat);
    assert_eq!(fold(&store, start("gone", 9)).await.class, Class::Late);
}

#[tokio::test]
async fn a_closed_store_is_one_file() {
    let directory = tempfile::tempdir().unwrap();
    // Threads that end at once may do it in any order.
    for round in 0..50 {
        let store = SqliteStore::open(directory.path()).unwrap();
        store.append(entry("{}")).await.unwrap();
        store.close().await;

        assert!(!directory.path().join("store.sqlite3-wal").exists(), "round {round}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_store_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let store = SqliteStore::open(&directory).unwrap();
    store.append(entry("{}")).await.unwrap();

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for name in ["store.sqlite3", "store.sqlite3-wal", "store.sqlite3-shm", "store.lock"] {
        assert_eq!(mode(&directory.join(name)), 0o600, "{name}");
    }
    store.close().await;
}

#[tokio::test]
async fn appends_at_the_same_time_share_a_sync() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).unwrap();
    // Holds the commit thread up: one group at most is under way when everybody is in the queue.
    let other = Connection::open(store.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = store.stats();

    let mut appends: Vec<_> = (0..200).map(|_| store.append(entry("{}"))).collect();
    poll_fn(|context| {
        // The first poll queues an append; none can be answered yet.
        assert!(appends.iter_mut().all(|append| append.as_mut().poll(context).is_pending()));
        Poll::Ready(())
    })
    .await;
    other.execute_batch("ROLLBACK").unwrap();
    for append in appends {
        append.await.unwrap();
    }

    let after = store.stats();
    assert_eq!(after.appends - before.appends, 200);
    assert!(after.commits - before.commits <= 2, "{after:?}");
}

#[tokio::test]
async fn only_what_does_not_follow_from_something_else_waits_for_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).unwrap();
    let mut before = store.stats();
    let mut did = |store: &SqliteStore| {
        let now = store.stats();
        let did = (now.commits - before.commits, now.syncs - before.syncs);
        before = now;
        did
    };

    let id = store.append(entry("{}")).await.unwrap();
    assert_eq!(did(&store), (1, 1));
    store.fold(id, start("s", 10), NOW).await.unwrap();
    assert_eq!(did(&store), (2, 0), "the record, then the entry");
    let lease = store.claim(&stream("s"), &owner("a"), TERM, NOW).await.unwrap().unwrap();
    assert_eq!(did(&store), (0, 0));
    let ended = Outcome::Ended {
        at: NOW,
        stop_reason: Some(StopReason::MeetingEnded),
        why: "the meeting ended".into(),
        summary: None,
    };
    store.release(&lease, ended, NOW).await.unwrap();
    assert_eq!(did(&store), (1, 1));
}

#[tokio::test]
async fn what_a_power_cut_undoes_follows_again_from_what_was_synced() {
    let (directory, after_the_cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = SqliteStore::open(directory.path()).unwrap();
    let (first, again) = (store.append(entry("1")).await.unwrap(), store.append(entry("2")).await.unwrap());
    // All that is there now is synced, and what comes behind it is not: the disk after the worst power cut.
    for name in ["store.sqlite3", "store.sqlite3-wal"] {
        fs::copy(directory.path().join(name), after_the_cut.path().join(name)).unwrap();
    }
    let fold = async |store: &SqliteStore| {
        let folded = [store.fold(first, start("s", 10), NOW).await, store.fold(again, start("s", 10), NOW).await];
        (folded.map(Result::unwrap), store.get(&stream("s")).await.unwrap().unwrap())
    };
    let before = fold(&store).await;
    store.close().await;

    let store = SqliteStore::open(after_the_cut.path()).unwrap();
    let pending: Vec<_> = store.pending(10).await.unwrap().iter().map(|entry| entry.id).collect();

    assert_eq!(pending, [first, again]);
    assert_eq!(store.get(&stream("s")).await.unwrap(), None);
    assert_eq!(fold(&store).await, before);
    assert!(store.claim(&stream("s"), &owner("a"), TERM, NOW).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_and_what_it_took_it_keeps() {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteOptions { queue_jobs: 8, queue_bytes: 1 << 20, ..SqliteOptions::default() };
    let store = Arc::new(SqliteStore::open_with(directory.path(), options).unwrap());
    let other = Connection::open(store.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let mut writers = Vec::new();
    while store.stats().refused_busy == 0 {
        writers.push(spawn_append(&store));
        tokio::task::yield_now().await;
    }
    assert!(store.stats().queued <= 8);
    other.execute_batch("ROLLBACK").unwrap();

    let mut stored = 0;
    for writer in writers {
        match writer.await.unwrap() {
            Ok(_) => stored += 1,
            Err(error) => assert!(matches!(error, StoreError::Busy { queued: 8 }) && error.is_temporary(), "{error}"),
        }
    }
    assert!(stored >= 8);
    assert_eq!(store.pending(1000).await.unwrap().len(), stored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_is_bounded_in_bytes_too() {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteOptions { queue_jobs: 1000, queue_bytes: 100_000, ..SqliteOptions::default() };
    let store = Arc::new(SqliteStore::open_with(directory.path(), options).unwrap());
    let other = Connection::open(store.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let mut first = store.append(big_entry(60_000));
    assert!(poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx).is_pending())).await);
    // The commit thread takes it, and waits for the other one from then on.
    while store.stats().queued > 0 {
        tokio::task::yield_now().await;
    }

    let mut writers = Vec::new();
    while store.stats().refused_busy == 0 {
        let store = Arc::clone(&store);
        writers.push(tokio::spawn(async move { store.append(big_entry(60_000)).await }));
        tokio::task::yield_now().await;
    }
    assert_eq!(store.stats().queued, 1, "two of these do not fit");
    other.execute_batch("ROLLBACK").unwrap();
    first.await.unwrap();
    for writer in writers {
        let _ = writer.await.unwrap();
    }
    assert!(store.append(big_entry(200_000)).await.is_ok(), "one that never fits is taken when nothing waits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(directory.path()).unwrap());
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for _ in 0..25 {
                    store.append(big_entry(1 << 19)).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }

    let log_bytes = fs::metadata(directory.path().join("store.sqlite3-wal")).unwrap().len();
    assert!(log_bytes < 80 << 20, "100 MiB went through a log of {log_bytes} bytes");
    assert!(store.stats().log_bytes <= log_bytes);
}

#[tokio::test]
async fn pruning_makes_room_that_is_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).unwrap();
    let mut sizes = Vec::new();
    for _ in 0..4 {
        for _ in 0..20 {
            let id = store.append(big_entry(100_000)).await.unwrap();
            store.settle(id, rtms_store::Verdict::new(Class::Unknown, ""), NOW).await.unwrap();
        }
        assert_eq!(store.prune(NOW + TERM).await.unwrap().entries, 20);
        Connection::open(store.path()).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        sizes.push(fs::metadata(store.path()).unwrap().len());
    }
    assert_eq!(sizes[1], sizes[3], "{sizes:?}");
}

#[tokio::test]
async fn the_format_of_version_1_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let old = Connection::open(directory.path().join("store.sqlite3")).unwrap();
    old.execute_batch(include_str!("fixtures/v1.sql")).unwrap();
    drop(old);

    let store = SqliteStore::open(directory.path()).unwrap();

    let receipts = store.receipts(ReceiptFilter::default()).await.unwrap();
    let classes: Vec<_> = receipts.iter().rev().map(|receipt| receipt.class).collect();
    let expected = [Class::First, Class::Failover, Class::Interrupted, Class::StopBeforeStart, Class::First];
    assert_eq!(classes, expected.into_iter().map(Some).chain([None]).collect::<Vec<_>>());
    assert_eq!(receipts[0].steps.at(Step::Verified), Some(UnixMicros(1_795_428_000_000_123)));
    let record = store.get(&stream("s")).await.unwrap().unwrap();
    let wish = record.wanted.wish().unwrap();
    assert_eq!((wish.at.0, wish.start.at.0, wish.server_urls), (30, 20, &["wss://new.zoom.us".to_owned()][..]));
    assert_eq!(record.ended.unwrap().why, "over");
    assert_eq!(fold(&store, start("s", 20)).await.class, Class::Repeat);
    assert_eq!(store.pending(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_format_of_version_2_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let old = Connection::open(directory.path().join("store.sqlite3")).unwrap();
    old.execute_batch(include_str!("fixtures/v2.sql")).unwrap();
    drop(old);

    let store = SqliteStore::open(directory.path()).unwrap();

    assert_eq!(store.receipts(ReceiptFilter::default()).await.unwrap().len(), 6);
    let record = store.get(&stream("s")).await.unwrap().unwrap();
    assert_eq!((record.revision, record.ended.unwrap().why.as_str()), (Revision(7), "over"));
    let camera = record.camera.unwrap();
    assert_eq!(
        (camera.user_id, camera.on, camera.at.0, camera.start_at.0),
        (16_778_240.into(), true, 1_795_428_000_500, 20)
    );
    let claimed = store.queue().claim("sink:stdout", &owner("a"), TERM, 10, NOW).await.unwrap();
    let jobs: Vec<_> = claimed.iter().map(|claimed| (claimed.job.id.as_str(), claimed.deliveries)).collect();
    assert_eq!(jobs, [("4294967297-12", 2)]);
}

#[test]
fn a_newer_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(SqliteStore::open(directory.path()).unwrap());
    let file = Connection::open(directory.path().join("store.sqlite3")).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    drop(file);

    let refused = SqliteStore::open(directory.path()).unwrap_err();

    assert!(matches!(refused, StoreError::Newer { found: 99, known: 2, .. }), "{refused}");
    assert!(!refused.is_temporary());
}

#[test]
fn a_foreign_file_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.sqlite3");
    fs::write(&path, b"these are my holiday notes, not a database, and they are longer than a header is".repeat(9))
        .unwrap();
    let before = fs::read(&path).unwrap();
    assert_damaged(directory.path());
    assert_eq!(fs::read(&path).unwrap(), before);

    fs::remove_file(&path).unwrap();
    let foreign = Connection::open(&path).unwrap();
    foreign.execute_batch("CREATE TABLE notes (text); PRAGMA user_version = 1").unwrap();
    drop(foreign);
    assert_damaged(directory.path());
}

#[test]
fn a_directory_that_cannot_be_is_unavailable() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), b"").unwrap();

    let refused = SqliteStore::open(&directory.path().join("file/store")).unwrap_err();

    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
}

fn assert_damaged(directory: &Path) {
    let refused = SqliteStore::open(directory).unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
}

fn spawn_append(store: &Arc<SqliteStore>) -> tokio::task::JoinHandle<Result<rtms_store::EntryId, StoreError>> {
    let store = Arc::clone(store);
    tokio::spawn(async move { store.append(entry("{}")).await })
}

fn big_entry(bytes: usize) -> NewEntry {
    NewEntry { body: vec![b'x'; bytes].into(), ..entry("") }
}

#[tokio::test]
async fn a_log_that_grew_under_a_reader_shrinks_when_the_reader_is_gone_and_nothing_is_written_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).unwrap();
    store.append(entry("first")).await.unwrap();
    let reader = Connection::open(store.path()).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let seen: i64 = reader.query_row("SELECT count(*) FROM entries", (), |row| row.get(0)).unwrap();
    let log = directory.path().join("store.sqlite3-wal");
    let log_bytes = || fs::metadata(&log).unwrap().len();
    let long = NewEntry { body: vec![b'x'; 1 << 20].into(), ..entry("long") };
    while log_bytes() < 72 << 20 {
        store.append(long.clone()).await.unwrap();
    }
    let again: i64 = reader.query_row("SELECT count(*) FROM entries", (), |row| row.get(0)).unwrap();
    assert_eq!((seen, again), (1, 1), "the reader holds its snapshot");

    drop(reader);

    tokio::time::timeout(Duration::from_secs(20), async {
        while log_bytes() > 1 << 20 || store.stats().log_bytes > 1 << 20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("the log still has {} bytes", log_bytes()));
    store.append(entry("last")).await.unwrap();
    assert!(store.pending(1000).await.unwrap().iter().any(|entry| &entry.body[..] == b"last"));
}

#[tokio::test]
async fn a_long_log_of_a_process_that_died_does_not_stay_long() {
    let directory = tempfile::tempdir().unwrap();
    let died = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).unwrap();
    let reader = Connection::open(store.path()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM entries").unwrap();
    let long = NewEntry { body: vec![b'x'; 1 << 20].into(), ..entry("long") };
    for _ in 0..50 {
        store.append(long.clone()).await.unwrap();
    }
    // As a crash would leave them: nobody writes while they are copied.
    for name in ["store.sqlite3", "store.sqlite3-wal"] {
        fs::copy(directory.path().join(name), died.path().join(name)).unwrap();
    }

    let store = SqliteStore::open(died.path()).unwrap();
    let log = died.path().join("store.sqlite3-wal");
    assert!(fs::metadata(&log).unwrap().len() > 40 << 20);
    for number in 0..3 {
        store.append(entry(&number.to_string())).await.unwrap();
    }

    tokio::time::timeout(Duration::from_secs(20), async {
        while fs::metadata(&log).unwrap().len() > 1 << 20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the log shrinks");
    assert_eq!(store.pending(1000).await.unwrap().len(), 53);
}
