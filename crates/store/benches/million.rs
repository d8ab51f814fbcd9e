//! A million webhooks in the store on disk: how soon it is ready, what pruning half of them takes and does to appends
//! meanwhile, and whether the freed room is used again.
//!
//! Every stream has a start and a stop, both folded and settled. An argument that is a number is another count of
//! webhooks. The table is Markdown, as it stands in `docs/performance.md`.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rtms_store::{FoldInput, Inbox, NewEntry, Operations, SqliteStore, Store, Streams};
use rtms_wire::{time::UnixMillis, webhook::Webhook};

/// When the first webhook came; each comes a millisecond after the one before.
const BEGIN: u64 = 1_795_428_000_000;
/// Writers that fill the store at a time, so that many share a sync.
const WRITERS: u64 = 512;
/// How often the store is opened.
const OPENINGS: usize = 5;
/// How long appends are measured without pruning.
const ALONE: Duration = Duration::from_secs(5);
/// What the design wants of opening.
const READY_WITHIN: Duration = Duration::from_secs(5);

fn main() {
    let Some(count) = wanted() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().expect("threads");
    runtime.block_on(measure(count));
}

/// How many webhooks; none if another benchmark was asked for.
fn wanted() -> Option<u64> {
    let mut count = 1_000_000;
    for argument in std::env::args().skip(1).filter(|argument| !argument.starts_with("--")) {
        match argument.parse() {
            Ok(number) => count = number,
            Err(_) if "million".contains(&*argument) => {}
            Err(_) => return None,
        }
    }
    Some(count)
}

async fn measure(count: u64) {
    // Of the target folder, so that it is on a disk wherever the system has its temporary files in memory.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let open = || Arc::new(SqliteStore::open(directory.path()).expect("a store"));
    let (count, half) = (count / 2 * 2, count / 4 * 2);

    let store = open();
    let begun = now();
    fill(&store, 0..count).await;
    let filled_in = begun.elapsed();
    store.close().await;
    let full = size(directory.path());
    row("fill with webhooks, each appended and folded", format!("{count} in {}", seconds(filled_in)));
    row("file", mebibytes(full));

    let mut openings = Vec::new();
    for _ in 0..OPENINGS {
        let (ready, store) = opened(directory.path()).await;
        openings.push(ready);
        store.close().await;
    }
    openings.sort_unstable();
    let slowest = openings[OPENINGS - 1];
    let kept = if slowest <= READY_WITHIN { "kept" } else { "missed" };
    row(
        "ready after a stop: median, slowest",
        format!("{}, {}; budget of 5 s {kept}", millis(openings[OPENINGS / 2]), millis(slowest)),
    );

    let store = open();
    fill(&store, count..count + count / 100).await;
    let killed = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let log = copy(directory.path(), killed.path());
    let (ready, copy) = opened(killed.path()).await;
    row("ready after a kill, with a log to read back", format!("{} for {}", millis(ready), mebibytes(log)));
    copy.close().await;
    drop(killed);

    row("append one after the other, no pruning", appends_during(&store, tokio::time::sleep(ALONE)).await.1);
    let begun = now();
    let prune = {
        let store = Arc::clone(&store);
        async move { (store.prune(UnixMillis(BEGIN + half)).await.expect("pruned"), begun.elapsed()) }
    };
    let ((pruned, pruned_in), appends) = appends_during(&store, prune).await;
    row("prune half", format!("{} webhooks, {} streams in {}", pruned.entries, pruned.streams, seconds(pruned_in)));
    row("append one after the other, while pruning", appends);
    store.close().await;
    let after_prune = size(directory.path());
    row("file after pruning: its room is kept for what comes", mebibytes(after_prune));

    let store = open();
    fill(&store, 2 * count..2 * count + half).await;
    store.close().await;
    let refilled = size(directory.path());
    row("file with as many new webhooks in the place of the old", mebibytes(refilled));
}

/// Opens it and asks what the server asks before it takes webhooks: what is pending, and what is to be claimed.
async fn opened(directory: &Path) -> (Duration, SqliteStore) {
    let begun = now();
    let store = SqliteStore::open(directory).expect("a store");
    let pending = store.pending(256).await.expect("pending");
    let claimable = store.claimable(UnixMillis(BEGIN)).await.expect("claimable");
    assert!(pending.is_empty() && claimable.is_empty(), "everything is settled and every stream is over");
    (begun.elapsed(), store)
}

/// Appends and folds the webhooks with these numbers, of which two belong to a stream.
async fn fill(store: &Arc<SqliteStore>, numbers: std::ops::Range<u64>) {
    let next = Arc::new(AtomicU64::new(numbers.start / 2));
    let end = numbers.end / 2;
    let writers = (0..WRITERS).map(|_| {
        let (store, next) = (Arc::clone(store), Arc::clone(&next));
        tokio::spawn(async move {
            loop {
                let stream = next.fetch_add(1, Ordering::Relaxed);
                if stream >= end {
                    return;
                }
                for (number, body) in [(2 * stream, start(stream)), (2 * stream + 1, stop(stream))] {
                    let at = UnixMillis(BEGIN + number);
                    let webhook = Webhook::decode(body.as_bytes()).expect("a webhook");
                    let input = FoldInput::from_webhook(&webhook, vec![URL.into()]).expect("it is about a stream");
                    let entry = NewEntry { received_at: at, app: "main".into(), body: body.into() };
                    let id = store.append(entry).await.expect("stored");
                    store.fold(id, input, at).await.expect("folded");
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("no panic");
    }
}

/// Appends one after the other as long as something else runs; its result, and what the appends took.
async fn appends_during<T>(store: &Arc<SqliteStore>, other: impl Future<Output = T>) -> (T, String) {
    let is_over = Arc::new(AtomicBool::new(false));
    let appends = tokio::spawn({
        let (store, is_over) = (Arc::clone(store), Arc::clone(&is_over));
        async move {
            // Too new to be pruned.
            let received_at = UnixMillis(2 * BEGIN);
            let mut took = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let entry = NewEntry { received_at, app: "main".into(), body: stop(0).into() };
                let begun = now();
                store.append(entry).await.expect("stored");
                took.push(begun.elapsed());
            }
            took.sort_unstable();
            took
        }
    });
    let result = other.await;
    is_over.store(true, Ordering::Relaxed);
    let took = appends.await.expect("no panic");
    let permille = |permille: usize| millis(took[(took.len() * permille / 1000).min(took.len() - 1)]);
    (result, format!("p50 {}, p99 {}, worst {} of {}", permille(500), permille(990), permille(1000), took.len()))
}

const URL: &str = "wss://rtms-sjc1.zoom.us:443";

/// Ids come in no order, as Zoom's do.
fn id(stream: u64) -> String {
    format!("{:032x}", u128::from(stream + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

fn start(stream: u64) -> String {
    let (id, at) = (id(stream), BEGIN + 2 * stream);
    format!(
        r#"{{"event":"meeting.rtms_started","event_ts":{at},"payload":{{"account_id":"AbCdEfGhIjKlMnOpQrStUv","object":{{"meeting_id":"95{stream:09}","meeting_uuid":"{id}==","operator_id":"xxxxxxxxxxxxxxxxxxxxxx","rtms_stream_id":"{id}","server_urls":"{URL}"}}}}}}"#
    )
}

fn stop(stream: u64) -> String {
    let (id, at) = (id(stream), BEGIN + 2 * stream + 1);
    format!(
        r#"{{"event":"meeting.rtms_stopped","event_ts":{at},"payload":{{"account_id":"AbCdEfGhIjKlMnOpQrStUv","object":{{"meeting_id":"95{stream:09}","meeting_uuid":"{id}==","operator_id":"xxxxxxxxxxxxxxxxxxxxxx","rtms_stream_id":"{id}","stop_reason":6}}}}}}"#
    )
}

/// What a kill now would leave, into another folder; gives the length of the log.
fn copy(from: &Path, to: &Path) -> u64 {
    for name in ["store.sqlite3", "store.sqlite3-wal"] {
        fs::copy(from.join(name), to.join(name)).expect("a copy");
    }
    fs::metadata(to.join("store.sqlite3-wal")).expect("a log").len()
}

fn size(directory: &Path) -> u64 {
    fs::metadata(directory.join("store.sqlite3")).expect("a file").len()
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
    Instant::now()
}

#[expect(clippy::print_stdout, reason = "it is what this program makes")]
fn row(what: &str, figure: String) {
    println!("| {what} | {figure} |");
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}
