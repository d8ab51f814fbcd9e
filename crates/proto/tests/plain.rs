//! The harness itself: a plain meeting runs to its end, whole.

mod world;

use rtms_sim::{
    config::ZoomConfig,
    meeting::{MeetingOptions, options::MediaDetail},
    world::Network,
};
use world::{Options, run};

#[test]
fn a_plain_meeting_runs_to_its_end() {
    let meeting = MeetingOptions { detail: MediaDetail::Markers, ..MeetingOptions::default() };
    let config = ZoomConfig { meeting, ..ZoomConfig::default() };

    let outcome = run::run(config, Network::default(), 1, Options::default());

    assert!(outcome.findings().is_empty(), "{:#?}", outcome.findings());
    assert_eq!(outcome.log.faults(), [""; 0]);
    assert!(outcome.finished_at.is_some());
    assert_eq!(outcome.log.endings.len(), 1);
    assert!(outcome.log.delivered.len() > 100);
}
