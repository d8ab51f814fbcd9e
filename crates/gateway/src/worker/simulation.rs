//! Owners that share a store which fails, hangs and answers late, in virtual time: a stream never has two connections,
//! and no owner writes after a takeover.
//!
//! Claiming, renewing and leaving are the real code. Zoom, the files and the journal are the simplest that show a
//! fault.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use rtms_store::{
    Faults, FaultyStore, FoldInput, Inbox, MemoryStore, NewEntry, Operations, Outcome, OwnerId, Store, faulty::Sleep,
};
use rtms_wire::{
    ids::StreamId,
    sequence::{Numbering, SequenceNumber},
    webhook::Webhook,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::claims::Claims;
use crate::{
    clock::{self, SteadyClock},
    live::tenure::Tenure,
    telemetry::Metrics,
};

const TERM: Duration = Duration::from_secs(10);
const RENEW_EVERY: Duration = Duration::from_secs(3);
const STREAMS: usize = 12;
const OWNERS: usize = 3;

/// The time between two steps of a stream.
const STEP: Duration = Duration::from_millis(100);

/// The longest that our goodbyes to Zoom take once a stream is left.
const GOODBYE: Duration = Duration::from_millis(1200);

/// A fault of ours that the simulation has to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Planted {
    Nothing,
    /// An owner goes on talking and writing after its lease is over.
    LeaseNotObeyed,
    /// An owner that has left Zoom goes on writing.
    TokenNotChecked,
    /// Each owner numbers from the same beginning.
    NumberReused,
}

/// The effects of the owners, as Zoom and the disk see them.
#[derive(Debug, Default)]
struct World {
    steps: u64,
    takeovers: u64,
    /// The owner that talks to Zoom, by stream.
    talking: BTreeMap<StreamId, SequenceNumber>,
    /// The number of the last entry in a stream's journal.
    journals: BTreeMap<StreamId, SequenceNumber>,
    /// The highest token that wrote.
    tokens: BTreeMap<StreamId, u64>,
    double_connections: u64,
    old_writes: u64,
    numbers_reused: u64,
}

impl World {
    fn connect(&mut self, stream_id: &StreamId, token: u64) {
        let me = SequenceNumber { token, count: 0 };
        if self.talking.insert(stream_id.clone(), me).is_some() {
            self.double_connections += 1;
        }
        self.takeovers += u64::from(self.tokens.get(stream_id).is_some_and(|last| *last < token));
    }

    fn disconnect(&mut self, stream_id: &StreamId, token: u64) {
        if self.talking.get(stream_id).is_some_and(|who| who.token == token) {
            self.talking.remove(stream_id);
        }
    }

    fn write(&mut self, stream_id: &StreamId, token: u64, number: SequenceNumber) {
        let highest = self.tokens.entry(stream_id.clone()).or_default();
        self.old_writes += u64::from(token < *highest);
        *highest = token.max(*highest);
        let last = self.journals.entry(stream_id.clone()).or_default();
        if token == *highest {
            self.numbers_reused += u64::from(number <= *last);
            *last = number.max(*last);
        }
    }
}

/// One stream of one owner, until it is left.
async fn stream(world: Arc<Mutex<World>>, stream_id: StreamId, tenure: Tenure, planted: Planted, seed: u64) {
    let token = tenure.token();
    let mut numbers = Numbering::new(if planted == Planted::NumberReused { 1 } else { token });
    world.lock().unwrap().connect(&stream_id, token);
    let mut is_talking = true;
    let mut leave = std::pin::pin!(tenure.leave());
    let mut left_at = None;
    loop {
        tokio::select! {
            biased;
            () = &mut leave, if left_at.is_none() && planted != Planted::LeaseNotObeyed => left_at = Some(Instant::now()),
            () = sleep(STEP) => {}
        }
        let mut world = world.lock().unwrap();
        world.steps += 1;
        let goodbye = GOODBYE * (seed % 100) as u32 / 100;
        if is_talking && left_at.is_some_and(|at| at.elapsed() >= goodbye) {
            world.disconnect(&stream_id, token);
            is_talking = false;
        }
        let may_write = !tenure.is_over() || matches!(planted, Planted::LeaseNotObeyed | Planted::TokenNotChecked);
        if may_write {
            world.write(&stream_id, token, numbers.give());
        }
        // One that obeys is gone by now; the faults go on for a while.
        let patience = if planted == Planted::Nothing { Duration::ZERO } else { TERM * 2 };
        if !is_talking && left_at.is_some_and(|at| tenure.is_over() && at.elapsed() >= patience) {
            return;
        }
        if planted == Planted::LeaseNotObeyed && tenure.is_over() && world.steps.is_multiple_of(500) {
            world.disconnect(&stream_id, token);
            return;
        }
    }
}

/// One process: claims what it can get, and gives up what it left.
async fn owner(world: Arc<Mutex<World>>, store: Arc<FaultyStore>, steady: SteadyClock, name: usize, planted: Planted) {
    let shared: Arc<dyn Store> = store.clone();
    let me = OwnerId::new(format!("owner {name}"));
    let mut claims = Claims::new(shared, Arc::<Metrics>::default(), me, steady, TERM, RENEW_EVERY);
    let mut running: JoinSet<StreamId> = JoinSet::new();
    let mut leases = BTreeMap::new();
    let mut turn = name as u64;
    loop {
        turn += 1;
        tokio::select! {
            biased;
            Some(ended) = running.join_next() => {
                let stream_id = ended.unwrap();
                if let Some(lease) = leases.remove(&stream_id) {
                    claims.release(lease, Outcome::HandedOver, 0);
                }
            }
            Some(_) = claims.released() => {}
            () = sleep(Duration::from_millis(700 + turn * 37 % 600)) => {
                let stream_id = StreamId::new(format!("s{}", turn * 7 % STREAMS as u64));
                if leases.contains_key(&stream_id) || claims.unreleased().any(|unreleased| *unreleased == stream_id) {
                    continue;
                }
                if let Ok(Some((_, lease, tenure))) = claims.claim(&stream_id).await {
                    leases.insert(stream_id.clone(), lease);
                    let (world, stream_id) = (world.clone(), stream_id);
                    running.spawn(async move {
                        stream(world, stream_id.clone(), tenure, planted, turn).await;
                        stream_id
                    });
                }
            }
        }
    }
}

/// Has every stream started at Zoom.
async fn fill(store: &MemoryStore) {
    for number in 0..STREAMS {
        let body = serde_json::json!({
            "event": "meeting.rtms_started", "event_ts": clock::unix_millis().0,
            "payload": { "meeting_uuid": "m==", "rtms_stream_id": format!("s{number}"), "server_urls": "wss://a.zoom.us" },
        });
        let body: rtms_wire::Bytes = body.to_string().into();
        let input = FoldInput::from_webhook(&Webhook::decode(&body).unwrap(), vec!["wss://a.zoom.us".into()]);
        let id = store.append(NewEntry { received_at: clock::unix_millis(), app: "sim".into(), body }).await.unwrap();
        store.fold(id, input.unwrap(), clock::unix_millis()).await.unwrap();
    }
}

/// Plays for this time, and returns what was seen.
fn play(seed: u64, planted: Planted, length: Duration) -> World {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let begin = Instant::now();
        let steady = SteadyClock::start();
        let behind = Arc::new(MemoryStore::new());
        fill(&behind).await;
        let world = Arc::<Mutex<World>>::default();
        let pause: Sleep = Arc::new(|time| Box::pin(sleep(time)));
        let mut owners = JoinSet::new();
        let mut stores = Vec::new();
        for name in 0..OWNERS {
            let faulty =
                FaultyStore::new(behind.clone(), Faults::default(), seed * OWNERS as u64 + name as u64, pause.clone());
            let store = Arc::new(faulty);
            stores.push(store.clone());
            owners.spawn(owner(world.clone(), store, steady, name, planted));
        }
        let mut weather = seed;
        while begin.elapsed() < length {
            weather = weather.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let store = &stores[(weather >> 33) as usize % OWNERS];
            store.hang(false);
            match (weather >> 40) % 5 {
                0 => store.set(Faults::default()),
                1 => store.set(Faults::BAD),
                2 => store.set(Faults { fails: 1000, ..Faults::default() }),
                3 => store.set(Faults { late: 800, longest: Duration::from_secs(30), ..Faults::BAD }),
                _ => store.hang(true),
            }
            sleep(Duration::from_secs(5 + (weather >> 50) % 30)).await;
        }
        owners.shutdown().await;
        Arc::try_unwrap(world)
            .unwrap_or_else(|world| Mutex::new(std::mem::take(&mut world.lock().unwrap())))
            .into_inner()
            .unwrap()
    })
}

#[test]
fn no_stream_has_two_connections_and_nobody_writes_with_an_old_token() {
    let (mut steps, mut takeovers) = (0, 0);
    for seed in 0.. {
        let world = play(seed, Planted::Nothing, Duration::from_secs(3_000));
        assert_eq!((world.double_connections, world.old_writes, world.numbers_reused), (0, 0, 0), "seed {seed}");
        steps += world.steps;
        takeovers += world.takeovers;
        if steps >= 1_000_000 {
            break;
        }
    }
    assert!(takeovers > 100, "it must have been difficult: {takeovers}");
}

#[test]
fn planted_faults_are_found() {
    let found = |planted| {
        let world = play(1, planted, Duration::from_secs(600));
        (world.double_connections > 0, world.old_writes > 0, world.numbers_reused > 0)
    };
    let (double, old, _) = found(Planted::LeaseNotObeyed);
    assert!(double && old);
    let (double, old, _) = found(Planted::TokenNotChecked);
    assert!(!double && old);
    let (_, _, reused) = found(Planted::NumberReused);
    assert!(reused);
}

/// Owners with a store that works hold their streams while somebody sets the wall clock again and again; then one dies.
#[test]
fn a_wall_clock_that_is_set_costs_no_lease_and_prolongs_none() {
    const HOUR: i64 = 3600;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    for ahead in [HOUR, -HOUR, 24 * HOUR, -24 * HOUR, 7, -7] {
        runtime.block_on(async {
            let steady = SteadyClock::start();
            let behind = Arc::new(MemoryStore::new());
            fill(&behind).await;
            let pause: Sleep = Arc::new(|time| Box::pin(sleep(time)));
            let world = Arc::<Mutex<World>>::default();
            let mut owners = Vec::new();
            for name in 0..OWNERS {
                let store = Arc::new(FaultyStore::new(behind.clone(), Faults::default(), 1, pause.clone()));
                let owner = owner(world.clone(), store.clone(), steady, name, Planted::Nothing);
                owners.push((store, tokio::spawn(owner)));
            }
            // Each tries a stream a second.
            sleep(TERM * 4).await;
            let held = |world: &World| world.talking.clone();
            let before = held(&world.lock().unwrap());
            assert_eq!(before.len(), STREAMS, "every stream has an owner");

            for turn in 0..20 {
                clock::steps::set_ahead(if turn % 2 == 0 { ahead } else { 0 });
                sleep(RENEW_EVERY + STEP).await;
                assert_eq!(held(&world.lock().unwrap()), before, "{ahead}: {turn}");
            }
            // The clock is set and the first owner hears nothing more of the store: others take over after the term.
            clock::steps::set_ahead(ahead);
            owners[0].0.hang(true);
            sleep(TERM * 4).await;
            clock::steps::set_ahead(0);
            for (_, owner) in &owners {
                owner.abort();
            }
            let world = world.lock().unwrap();
            assert_eq!((world.double_connections, world.old_writes), (0, 0), "{ahead}");
            assert!(world.takeovers > 0, "{ahead}: the first owner had streams");
            assert_eq!(world.talking.len(), STREAMS, "{ahead}: none is left to nobody");
        });
    }
}
