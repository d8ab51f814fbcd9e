//! What was acknowledged is there after any cut: kills, a full disk, a damaged file.
//!
//! The process that is cut is this test binary once more, running [`child`] with a task in its environment.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader, Lines, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use common::{NOW, entry, owner, start, stream};
use rtms_store::{
    EntryId, Inbox, NewEntry, Operations, ReceiptFilter, Receipts, SqliteStore, Store, StoreError, Streams,
};

/// Change it to try other moments; a failure names the round.
const SEED: u64 = 0x5eed_2026;
const KILLS: u64 = 24;
/// Where the file-size limit puts the end of the disk.
const DISK_KIB: u64 = 1024;

#[tokio::test]
async fn what_was_acknowledged_survives_kills_at_random_moments() {
    let directory = tempfile::tempdir().unwrap();
    let mut seed = SEED;
    let mut appended = BTreeMap::new();
    let mut folded = BTreeMap::new();
    for round in 0..KILLS {
        let mut child = spawn(Command::new(env::current_exe().unwrap()), "append", directory.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Acknowledgements come in bursts, one per sync, so a count of them is a moment anywhere between two syncs.
        for _ in 0..random(&mut seed) % 300 {
            note(lines.next().unwrap().unwrap(), round, &mut appended, &mut folded);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            note(line, round, &mut appended, &mut folded);
        }

        let store = SqliteStore::open(directory.path()).unwrap();
        let receipts = store.receipts(ReceiptFilter { limit: usize::MAX, ..ReceiptFilter::default() }).await.unwrap();
        let classes: BTreeMap<_, _> = receipts.iter().map(|receipt| (receipt.id, receipt.class)).collect();
        assert_eq!(classes.len(), receipts.len());
        for (id, class) in &folded {
            assert_eq!(classes[id].map(|class| class.to_string()).as_ref(), Some(class), "round {round}: folded {id}");
        }
        let pending = store.pending(usize::MAX).await.unwrap();
        let mut bodies = BTreeMap::new();
        for receipt in &receipts {
            let body = store.receipt_body(receipt.id).await.unwrap().unwrap();
            assert_eq!(bodies.insert(body, receipt.id), None, "round {round}: {} is there twice", receipt.id);
        }
        for (body, id) in &appended {
            assert_eq!(bodies.get(body.as_bytes()), Some(id), "round {round}: {body} was acknowledged as {id}");
        }
        assert!(pending.iter().all(|entry| classes[&entry.id].is_none()));
        store.close().await;
    }
    assert!(appended.len() > 500 && folded.len() > 20, "{} and {}", appended.len(), folded.len());
}

#[test]
fn a_full_disk_refuses_and_recovers_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = spawn(on_a_small_disk(), "fill", directory.path());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = BTreeMap::new();

    read_until("full", &mut lines, &mut acknowledged);
    let before = acknowledged.len();
    let limits = Command::new("prlimit").args(["--fsize=unlimited:", "--pid", &child.id().to_string()]).status();
    assert!(limits.unwrap().success());
    child.stdin.take().unwrap().write_all(b"there is space\n").unwrap();
    read_until("recovered", &mut lines, &mut acknowledged);

    assert!(child.wait().unwrap().success());
    assert!(before > 20 && acknowledged.len() == before + 50, "{before}, {}", acknowledged.len());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(directory.path()).unwrap();
        for (body, id) in &acknowledged {
            let stored = store.receipt_body(*id).await.unwrap().unwrap();
            assert!(stored.starts_with(body.as_bytes()), "{body}");
        }
    });
}

#[tokio::test]
async fn after_a_failure_nothing_is_put_behind_what_was_not_synced() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = spawn(on_a_small_disk(), "fold", directory.path());
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut appended, mut folded) = (BTreeMap::new(), BTreeMap::new());
    for line in lines {
        note(line.unwrap(), 0, &mut appended, &mut folded);
    }

    // The child has ended without closing the store.
    assert!(child.wait().unwrap().success());
    let store = SqliteStore::open(directory.path()).unwrap();
    let pending: Vec<_> = store.pending(usize::MAX).await.unwrap().iter().map(|entry| entry.id).collect();
    assert_eq!((appended.len(), folded.len()), (11, 10));
    assert_eq!(pending, [appended["00000011"]]);
}

#[tokio::test]
async fn a_damaged_file_gives_errors_and_no_panic() {
    let original = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(original.path()).unwrap();
    for number in 0..60 {
        let id = store.append(NewEntry { body: vec![b'x'; 3000].into(), ..entry("") }).await.unwrap();
        store.fold(id, start(&format!("s{number}"), number), NOW).await.unwrap();
    }
    store.close().await;
    let bytes = fs::read(original.path().join("store.sqlite3")).unwrap();

    let mut seed = SEED;
    let mut noticed = 0;
    for round in 0..40 {
        let directory = tempfile::tempdir().unwrap();
        let mut damaged = bytes.clone();
        let place = random(&mut seed) as usize % (damaged.len() - 600);
        for byte in &mut damaged[place..place + 600] {
            *byte = random(&mut seed) as u8;
        }
        fs::write(directory.path().join("store.sqlite3"), &damaged).unwrap();

        noticed += usize::from(use_damaged(directory.path()).await.unwrap_or_else(|error| {
            assert!(matches!(error, StoreError::Damaged { .. }), "round {round}, at byte {place}: {error:?}");
            true
        }));
    }
    assert!(noticed > 5, "only {noticed}; what lies in a body is not noticed");
}

/// Whether damage showed; an error that is no damage fails the test in the caller.
async fn use_damaged(directory: &Path) -> Result<bool, StoreError> {
    let store = SqliteStore::open(directory)?;
    store.receipts(ReceiptFilter { limit: 1000, ..ReceiptFilter::default() }).await?;
    store.pending(1000).await?;
    store.claimable(NOW).await?;
    for number in 0..60 {
        store.receipt_body(EntryId(number)).await?;
        store.get(&stream(&format!("s{number}"))).await?;
    }
    let id = store.append(entry("{}")).await?;
    store.fold(id, start("s1", 100), NOW).await?;
    store.prune(NOW).await?;
    Ok(false)
}

/// Not a test by itself: what the processes do that the tests above start.
#[test]
fn child() {
    let Ok(task) = env::var("RTMS_STORE_TEST_TASK") else { return };
    let directory = env::var_os("RTMS_STORE_TEST_DIRECTORY").unwrap();
    let store = Arc::new(SqliteStore::open(Path::new(&directory)).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    match task.as_str() {
        "append" => runtime.block_on(append_forever(&store)),
        "fill" => runtime.block_on(fill(&store)),
        "fold" => runtime.block_on(fold_and_fail(&store)),
        other => panic!("unknown task {other}"),
    }
}

/// Appends from eight writers and folds what the first of them appended, until it is killed.
async fn append_forever(store: &Arc<SqliteStore>) {
    let writers = (0..8).map(|writer| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            for number in 0.. {
                let body = format!("{}.{writer}.{number}", std::process::id());
                let id = store.append(entry(&body)).await.unwrap();
                say(&format!("appended {id} {body}"));
                if writer == 0 {
                    let folded = store.fold(id, start(&format!("s{}", number % 7), id.0), NOW).await.unwrap();
                    say(&format!("folded {id} {}", folded.class));
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

/// Appends until the disk is full, shows that it stays so, and goes on when there is space.
async fn fill(store: &SqliteStore) {
    let term = Duration::from_secs(10);
    let first = store.append(entry("0 ")).await.unwrap();
    say(&format!("appended {first} 0"));
    store.fold(first, start("s", 10), NOW).await.unwrap();
    let lease = store.claim(&stream("s"), &owner("a"), term, NOW).await.unwrap().unwrap();

    let mut number = 1;
    let mut append = async || {
        let body = format!("{number:08}");
        let whole = NewEntry { body: [body.as_bytes(), &[b'.'; 8000]].concat().into(), ..entry("") };
        let result = store.append(whole).await;
        if let Ok(id) = &result {
            say(&format!("appended {id} {body}"));
            number += 1;
        }
        result
    };
    let error = loop {
        if let Err(error) = append().await {
            break error;
        }
    };
    assert!(matches!(error, StoreError::Unavailable(_)) && error.is_temporary(), "{error:?}");
    for _ in 0..3 {
        assert!(matches!(append().await, Err(StoreError::Unavailable(_))));
    }
    assert!(store.stats().is_failing && store.stats().failed_commits == 4, "{:?}", store.stats());
    // What runs goes on: reading, renewing, handing over and claiming need no space.
    let lease = store.renew(&lease, term, NOW).await.unwrap();
    assert_eq!(store.pending(usize::MAX).await.unwrap().len() as u64, store.stats().appends - 1);
    store.release(&lease, rtms_store::Outcome::HandedOver, NOW).await.unwrap();
    assert!(store.claim(&stream("s"), &owner("b"), term, NOW).await.unwrap().is_some());
    say("full");

    std::io::stdin().read_line(&mut String::new()).unwrap();
    for _ in 0..50 {
        append().await.unwrap();
    }
    assert!(!store.stats().is_failing);
    say("recovered");
    store.close().await;
}

/// Folds, which is not synced, and then finds no room to append; then once more.
async fn fold_and_fail(store: &SqliteStore) {
    let append = async |number: u64| {
        let body = format!("{number:08}");
        let whole = NewEntry { body: [body.as_bytes(), &[b'.'; 8000]].concat().into(), ..entry("") };
        let id = store.append(whole).await?;
        say(&format!("appended {id} {body}"));
        Ok::<_, StoreError>(id)
    };
    for number in 0..10 {
        let id = append(number).await.unwrap();
        let folded = store.fold(id, start("s", id.0), NOW).await.unwrap();
        say(&format!("folded {id} {}", folded.class));
    }
    let log = store.stats().log_bytes;
    let limits = [&format!("--fsize={log}:"), "--pid", &std::process::id().to_string()].map(str::to_owned);
    assert!(Command::new("prlimit").args(limits).status().unwrap().success());
    let error = append(10).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");

    // The log still has no room, so this fits only because the log was started anew.
    append(11).await.unwrap();
    assert!(store.stats().log_bytes < log / 2, "{} of {log}", store.stats().log_bytes);
    std::process::exit(0);
}

/// This binary where no file may grow beyond a limit.
fn on_a_small_disk() -> Command {
    let mut bash = Command::new("bash");
    // The limit is real: the kernel fails the write. Without the trap it would kill.
    bash.args(["-c", &format!("trap '' XFSZ; ulimit -S -f {DISK_KIB}; exec \"$0\" \"$@\"")]);
    bash.arg(env::current_exe().unwrap());
    bash
}

fn spawn(mut command: Command, task: &str, directory: &Path) -> Child {
    command.args(["--exact", "child", "--nocapture", "--quiet"]);
    command.env("RTMS_STORE_TEST_TASK", task).env("RTMS_STORE_TEST_DIRECTORY", directory);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Writes one line at once. An acknowledgement that a kill cuts off was not given.
fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(format!("{line}\n").as_bytes()).unwrap();
    stdout.flush().unwrap();
}

fn note(line: String, round: u64, appended: &mut BTreeMap<String, EntryId>, folded: &mut BTreeMap<EntryId, String>) {
    let words: Vec<_> = line.split(' ').collect();
    match words.as_slice() {
        ["appended", id, body] => {
            let known = appended.insert((*body).into(), EntryId(id.parse().unwrap()));
            assert_eq!(known, None, "round {round}: {body} twice");
        }
        ["folded", id, class] => {
            folded.insert(EntryId(id.parse().unwrap()), (*class).into());
        }
        // What the test harness itself prints.
        _ => {}
    }
}

fn read_until(end: &str, lines: &mut Lines<BufReader<ChildStdout>>, appended: &mut BTreeMap<String, EntryId>) {
    for line in lines {
        let line = line.unwrap();
        if line == end {
            return;
        }
        note(line, 0, appended, &mut BTreeMap::new());
    }
    panic!("the child ended before it said {end:?}");
}

/// SplitMix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
