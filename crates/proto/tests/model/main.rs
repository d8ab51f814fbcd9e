//! The model: random meetings, random trouble, random order of webhooks, and what must hold of our client through all of it.
//!
//! A seed draws a [`rtms_sim::plan::Plan`]; it is played in virtual time, watched after every step ([`watch`]) and judged at
//! its end ([`run`]). That the watch bites is proven by planted bugs ([`mutation`]). More seeds: `cargo xtask sim`.

#![expect(clippy::wildcard_enum_match_arm, reason = "a watch looks at a few of many messages, events and findings")]

mod books;
mod by_hand;
mod mutation;
mod rig;
mod run;
mod watch;
#[path = "../world/mod.rs"]
mod world;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rtms_sim::plan::{KINDS, Plan};

use mutation::Mutation;

/// How many seeds are tried unless `RTMS_SEEDS` says otherwise.
const SEEDS: u64 = 500;

/// How many planted bugs may take to be found.
const SEEDS_FOR_A_BUG: u64 = 1_000;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is to be a number, not {text:?}")))
}

/// Runs `each` with every number of the range, on every processor, until it says stop.
fn on_all_processors(range: std::ops::Range<u64>, each: impl Fn(u64) -> bool + Sync) {
    let next = AtomicU64::new(range.start);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= range.end || !each(seed) {
                        next.store(range.end, Ordering::Relaxed);
                        break;
                    }
                }
            });
        }
    });
}

#[test]
fn whatever_goes_wrong_every_seed_keeps_what_must_hold() {
    let from = number("RTMS_FROM").unwrap_or(0);
    let seeds = number("RTMS_SEEDS").unwrap_or(SEEDS);
    let keep_going = std::env::var_os("RTMS_KEEP_GOING").is_some();
    let failed = Mutex::new(BTreeMap::new());
    let occurred = Mutex::new(BTreeMap::<&str, u64>::new());
    let steps = AtomicU64::new(0);

    on_all_processors(from..from.saturating_add(seeds), |seed| {
        let plan = Plan::draw(seed);
        let verdict = run::play(&plan, None, false);
        steps.fetch_add(verdict.steps, Ordering::Relaxed);
        let lasted = Duration::from_millis(verdict.over_at.0 - world::run::START.0);
        let mut kinds = plan.clone();
        kinds.zoom.incidents.retain(|incident| incident.at < lasted);
        let mut occurred = occurred.lock().expect("nobody panics with it");
        for kind in kinds.kinds() {
            *occurred.entry(kind).or_default() += 1;
        }
        drop(occurred);
        let holds = verdict.faults.is_empty();
        if !holds {
            failed.lock().expect("nobody panics with it").insert(seed, verdict.faults);
        }
        holds || keep_going
    });

    let failed = failed.into_inner().expect("nobody panicked with it");
    eprintln!("{seeds} seeds from {from} on, {} steps, {} failed", steps.load(Ordering::Relaxed), failed.len());
    if keep_going {
        for (seed, faults) in &failed {
            eprintln!("seed {seed}: {}", faults.join("\n    "));
        }
    }
    if let Some(seed) = failed.keys().next() {
        panic!("{}", run::story(&Plan::draw(*seed), None));
    }
    if seeds >= 2_000 {
        let occurred = occurred.into_inner().expect("nobody panicked with it");
        let missing: Vec<_> = KINDS.into_iter().filter(|kind| !occurred.contains_key(kind)).collect();
        assert!(missing.is_empty(), "never happened: {missing:?}");
    }
}

/// Repeats one seed and tells all of it.
#[test]
fn one_seed() {
    let Some(seed) = number("RTMS_SEED") else { return };
    let plan = Plan::draw(seed);
    if run::play(&plan, None, false).faults.is_empty() {
        eprintln!("{plan}\nholds");
    } else {
        panic!("{}", run::story(&plan, None));
    }
}

#[test]
fn planted_bugs_are_caught() {
    let mut missed = Vec::new();
    for mutation in Mutation::ALL {
        let first = Mutex::new(None::<(u64, String)>);
        on_all_processors(0..SEEDS_FOR_A_BUG, |seed| {
            let verdict = run::play(&Plan::draw(seed), Some(mutation), false);
            let Some(fault) = verdict.faults.into_iter().next() else { return true };
            let mut first = first.lock().expect("nobody panics with it");
            if first.as_ref().is_none_or(|(known, _)| seed < *known) {
                *first = Some((seed, fault));
            }
            false
        });
        match first.into_inner().expect("nobody panicked with it") {
            Some((seed, fault)) => eprintln!("{mutation:?} is caught by seed {seed}: {fault}"),
            None => missed.push(mutation),
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:?}");
}
