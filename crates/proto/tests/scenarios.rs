//! Every scenario of the simulator's catalogue, in virtual time, against our client.
//!
//! Of each holds what it says itself, no finding of Zoom's judge, and what must hold of our client always.

mod world;

use rtms_sim::{fault::Trouble, scenario::Scenario};
use world::story;

/// What is wrong with a run, in words.
fn faults(scenario: &Scenario) -> Vec<String> {
    let outcome = story::play(scenario);
    let mut faults = scenario.unmet(outcome.world.zoom(), &outcome.sent);
    faults.extend(outcome.log.faults());
    let another = scenario.incidents.iter().filter(|incident| incident.what == Trouble::StartsAgain).count();
    if outcome.log.endings.len() != 1 + another {
        faults.push(format!("the client ended {} times: {:?}", outcome.log.endings.len(), outcome.log.endings));
    }
    if !outcome.world.open().is_empty() {
        faults.push(format!("{} connections are left open", outcome.world.open().len()));
    }
    if outcome.finished_at.is_none() {
        faults.push("Zoom did not come to its end".to_owned());
    }
    faults
}

#[test]
fn every_scenario_ends_as_it_says() {
    let only = std::env::var("SCENARIO").ok();
    let mut catalogue = Scenario::catalogue();
    catalogue.retain(|scenario| only.as_ref().is_none_or(|only| *only == scenario.name));

    let excused = catalogue.iter().find(|scenario| !scenario.expect.findings.is_empty());
    assert_eq!(excused.map(|scenario| &scenario.name), None, "our client makes no mistake in any");
    let faults = story::on_two_threads(&catalogue, faults);

    let named = catalogue.iter().zip(faults).flat_map(|(scenario, faults)| {
        faults.into_iter().map(|fault| format!("\n{}: {fault}", scenario.name)).collect::<Vec<_>>()
    });
    let wrong: String = named.collect();
    assert!(wrong.is_empty(), "{wrong}\nOne alone: SCENARIO=name cargo test -p rtms-proto --test scenarios");
}
