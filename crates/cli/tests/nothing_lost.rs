//! 20 000 signed webhooks, and a server that is killed with SIGKILL again and again meanwhile: what was answered 200 is
//! in the inbox, and no stream starts or ends twice.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "in a test, a panic is the answer"
)]

mod common;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{
    Serving,
    door::{Kept, random, signed, stop_of},
    get, with_secrets,
};
use rtms_store::{Class, Inbox, ReceiptFilter, Receipts, SqliteStore, Store};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

/// Change it to try other moments.
const SEED: u64 = 0x5eed_2026_1123;
const WEBHOOKS: usize = 20_000;
const KILLS: usize = 24;
const CONNECTIONS: usize = 64;
/// How long the last server may take to settle what waits.
const SETTLE_WITHIN: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_kept_and_nothing_begins_twice() {
    let begun = Instant::now();
    let data_dir = tempfile::tempdir().unwrap();
    let mut seed = SEED;
    let mut server = Serving::start(data_dir.path(), &["--dev"]).await;
    let (address, addresses) = watch::channel(server.address);
    let (acknowledged, mut acknowledgements) = mpsc::unbounded_channel();
    let sent = Arc::new(Sent { next: AtomicUsize::new(0), attempts: Mutex::default() });
    let mut senders = JoinSet::new();
    for _ in 0..CONNECTIONS {
        senders.spawn(send_all(sent.clone(), addresses.clone(), acknowledged.clone()));
    }
    drop(acknowledged);

    let mut kept = 0;
    let mut killed_while_starting = 0;
    for left in (1..=KILLS).rev() {
        // Answers come in bursts, one per sync, so a count of them is a moment anywhere between two syncs.
        for _ in 0..random(&mut seed) as usize % (2 * (WEBHOOKS - kept) / (left + 1)) {
            acknowledgements.recv().await.expect("the senders go on");
            kept += 1;
        }
        server.child.kill().await.unwrap();
        if left % 3 == 0 {
            kill_while_starting(data_dir.path(), Duration::from_micros(random(&mut seed) % 150_000)).await;
            killed_while_starting += 1;
        }
        server = Serving::start(data_dir.path(), &["--dev"]).await;
        address.send_replace(server.address);
    }
    while acknowledgements.recv().await.is_some() {
        kept += 1;
    }
    senders.join_all().await;
    let sending = begun.elapsed();
    settle_all(&server).await;
    let settling = begun.elapsed() - sending;
    assert_eq!(server.end_by("TERM").await, Some(0));

    let store = SqliteStore::open(data_dir.path()).unwrap();
    assert_eq!(store.pending(usize::MAX).await.unwrap(), []);
    let mut classes = BTreeMap::<_, Vec<_>>::new();
    for receipt in store.receipts(ReceiptFilter { limit: usize::MAX, ..ReceiptFilter::default() }).await.unwrap() {
        let body = store.receipt_body(receipt.id).await.unwrap().unwrap();
        classes.entry(body).or_default().push(receipt.class.unwrap());
    }
    store.close().await;
    let attempts = std::mem::take(&mut *sent.attempts.lock().unwrap());
    let mut entries = 0;
    for number in 0..WEBHOOKS {
        let (body, expected) = webhook(number);
        let classes = classes.remove(&body[..]).unwrap_or_default();
        assert!(!classes.is_empty(), "seed {SEED:#x}: webhook {number} was answered 200 and is not there");
        assert!(classes.len() <= attempts[&number], "seed {SEED:#x}: webhook {number}: {classes:?}");
        let as_new = classes.iter().filter(|class| **class != Class::Repeat).count();
        if expected == Class::Unknown {
            assert!(classes.iter().all(|class| *class == Class::Unknown), "webhook {number}: {classes:?}");
        } else {
            assert!(as_new == 1 && classes.contains(&expected), "seed {SEED:#x}: webhook {number}: {classes:?}");
        }
        entries += classes.len();
    }
    assert_eq!(classes.into_keys().collect::<Vec<_>>(), [MARK], "nothing is there that was not sent");
    println!(
        "{kept} webhooks answered 200 to {CONNECTIONS} connections, {} attempts, {entries} entries, {KILLS} kills and \
         {killed_while_starting} while starting; sent in {sending:.1?}, the rest settled {settling:.1?} later",
        attempts.values().sum::<usize>(),
    );
}

/// What the senders share.
struct Sent {
    next: AtomicUsize,
    /// How often each webhook was sent.
    attempts: Mutex<BTreeMap<usize, usize>>,
}

/// Sends webhook after webhook, each until it is answered 200, as Zoom would; and some once more after that.
async fn send_all(
    sent: Arc<Sent>,
    mut addresses: watch::Receiver<SocketAddr>,
    acknowledged: mpsc::UnboundedSender<()>,
) {
    let mut connection = None;
    loop {
        let number = sent.next.fetch_add(1, Ordering::Relaxed);
        if number >= WEBHOOKS {
            return;
        }
        let (body, class) = webhook(number);
        send(&sent, number, &body, &mut connection, &mut addresses).await;
        acknowledged.send(()).unwrap();
        if class == Class::First || number.is_multiple_of(97) {
            send(&sent, number, &body, &mut connection, &mut addresses).await;
        }
    }
}

async fn send(
    sent: &Sent,
    number: usize,
    body: &[u8],
    connection: &mut Option<Kept>,
    addresses: &mut watch::Receiver<SocketAddr>,
) {
    let deadline = Instant::now() + SETTLE_WITHIN;
    while Instant::now() < deadline {
        let address = *addresses.borrow_and_update();
        if connection.is_none() {
            *connection = Kept::open(address).await.ok();
        }
        if let Some(open) = connection {
            *sent.attempts.lock().unwrap().entry(number).or_default() += 1;
            match open.exchange(&signed(body)).await {
                Ok(200) => return,
                Ok(503) => {}
                Ok(status) => panic!("webhook {number} was answered {status}"),
                Err(_) => *connection = None,
            }
        }
        // Until there is another server, or a little later.
        let _ = timeout(Duration::from_millis(100), addresses.changed()).await;
    }
    panic!("webhook {number} was not answered in {SETTLE_WITHIN:?}");
}

/// The bodies, all different, and what each is the first time: most are stops, some are unknown events, some are starts
/// that lead to a port where nobody listens.
fn webhook(number: usize) -> (Vec<u8>, Class) {
    match number % 100 {
        0 => {
            let body = format!(
                r#"{{"event":"meeting.rtms_started","event_ts":1795428000412,"payload":{{"meeting_uuid":"m/{number}==","rtms_stream_id":"s{number}","server_urls":"ws://127.0.0.1:1/signaling"}}}}"#
            );
            (body.into_bytes(), Class::First)
        }
        1..20 => (format!(r#"{{"event":"meeting.rtms_new_{number}","payload":{{}}}}"#).into_bytes(), Class::Unknown),
        _ => (stop_of(&format!("s{number}"), 200), Class::StopBeforeStart),
    }
}

/// Kills a server so long after its start, whether it listens by then or not.
async fn kill_while_starting(data_dir: &Path, after: Duration) {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--dev", "--data-dir", data_dir.to_str().unwrap()];
    let mut child = with_secrets(&arguments).stderr(Stdio::null()).spawn().unwrap();
    sleep(after).await;
    child.kill().await.unwrap();
}

/// The only account event, so that its class says that it was settled, and with it all that came before.
const MARK: &[u8] = br#"{"event":"rtms.concurrency_near_limit","payload":{"account_id":"a"}}"#;

async fn settle_all(server: &Serving) {
    assert_eq!(Kept::open(server.address).await.unwrap().exchange(&signed(MARK)).await.unwrap(), 200);
    let deadline = Instant::now() + SETTLE_WITHIN;
    while !get(server.api, "/metrics").await.1.contains(r#"class="account_event"} 1"#) {
        assert!(Instant::now() < deadline, "the inbox was not worked off in {SETTLE_WITHIN:?}");
        sleep(Duration::from_millis(50)).await;
    }
}
