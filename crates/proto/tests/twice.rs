//! The same seed twice gives the same bytes, both ways, webhooks included: of random meetings in every kind of trouble.

mod world;

use std::time::Duration;

use rtms_sim::{scenario::Scenario, seed::Seed};
use world::story;

/// How many seeds are tried.
const SEEDS: u64 = 240;

/// A scenario of the catalogue with another meeting in it.
fn of_seed(catalogue: &[Scenario], seed: u64) -> Scenario {
    let mut chance = Seed::new(seed).fork("twice", 0);
    let mut scenario = chance.pick(catalogue).expect("the catalogue is not empty").clone();
    scenario.meeting.seed = seed;
    scenario.meeting.participants = u16::try_from(chance.between(1, 6)).expect("a small number");
    scenario.meeting.duration = Duration::from_secs(chance.between(10, 30));
    scenario
}

#[test]
fn the_same_seed_twice_gives_the_same_bytes() {
    let catalogue = Scenario::catalogue();
    let scenarios: Vec<_> = (0..SEEDS).map(|seed| of_seed(&catalogue, seed)).collect();

    let digests = story::on_two_threads(&scenarios, |scenario| {
        let once = story::play(scenario);
        let again = story::play(scenario);
        ((once.digest, once.steps), (again.digest, again.steps))
    });

    for (scenario, (once, again)) in scenarios.iter().zip(&digests) {
        assert_eq!(once, again, "seed {} in {}", scenario.meeting.seed, scenario.name);
    }
    let different: std::collections::BTreeSet<_> = digests.iter().map(|(once, _)| once.0).collect();
    assert_eq!(different.len(), digests.len(), "two seeds gave the same bytes");
}
