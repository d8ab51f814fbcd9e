//! A signaling server that hangs: nothing comes from it until it goes on, and then all of it. What hangs for too long is dead.

mod world;

use std::time::Duration;

use rtms_proto::{
    event::{Ending, Event, Interruption},
    role::Role,
};
use rtms_sim::{
    config::ZoomConfig,
    fault::{EndNotice, Incident, Target, Trouble},
    meeting::options::{MediaDetail, MeetingOptions},
    world::{Link, Network, Step, ToClient},
};
use rtms_wire::{
    codes::{state::StreamState, stop_reason::StopReason},
    time::UnixMillis,
};
use world::{
    Options,
    run::{Outcome, START, run_with},
};

/// When the server begins to hang, and how long it does.
const AT: Duration = Duration::from_secs(15);
const SHORT: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(70);

/// The longest that anything is on its way.
const ON_THE_WAY: Duration = Duration::from_millis(30);

#[test]
fn what_a_hanging_server_had_to_say_comes_when_it_goes_on() {
    let at = |seconds, what| Incident { at: Duration::from_secs(seconds), what };
    let hung = Hung::for_(SHORT, vec![at(20, Trouble::Pause), at(25, Trouble::Resume)]);

    assert_eq!(hung.came_between(AT + ON_THE_WAY, AT + SHORT), 0);
    let states = hung.states_between(AT, AT + SHORT + ON_THE_WAY);
    assert_eq!(states, [StreamState::Paused, StreamState::Resumed]);
    assert_eq!(hung.dialed(), 1, "it is not left");
}

#[test]
fn a_server_that_hangs_for_longer_than_65_s_is_left_and_the_stream_goes_on() {
    let hung = Hung::for_(LONG, Vec::new());

    assert_eq!(hung.came_between(AT + ON_THE_WAY, AT + LONG), 0);
    assert_eq!(hung.dialed(), 2);
    let causes: Vec<_> = hung.outcome.log.events.iter().filter_map(|(_, event)| cause_of(event)).collect();
    assert_eq!(causes.first(), Some(&(Role::Signaling, Interruption::Frozen)));
    let last_state = hung.states_between(AT + Duration::from_secs(50), Duration::from_secs(115)).pop();
    assert_eq!(last_state, Some(StreamState::Active));
}

#[test]
fn an_end_that_only_a_hanging_server_tells_is_heard_when_it_goes_on() {
    let (reason, notice) = (StopReason::HostDisabledApp, EndNotice::StateOnly);
    let stop = Incident { at: Duration::from_secs(20), what: Trouble::Stop { reason, notice } };
    let hung = Hung::for_(SHORT, vec![stop]);

    assert_eq!(hung.came_between(AT + ON_THE_WAY, AT + SHORT), 0);
    let [(ended, ending)] = hung.outcome.log.endings.as_slice() else { panic!("{:?}", hung.outcome.log.endings) };
    assert_eq!(*ending, Ending::Stopped { reason: Some(reason) });
    assert!((AT + SHORT..AT + SHORT + Duration::from_secs(2)).contains(&ended.since(START)), "{ended}");
    assert_eq!(hung.dialed(), 1);
}

/// A meeting of two minutes whose signaling server hung.
struct Hung {
    outcome: Outcome,
    /// When something came on the first signaling connection.
    came: Vec<UnixMillis>,
}

impl Hung {
    fn for_(lasts: Duration, mut incidents: Vec<Incident>) -> Self {
        incidents.push(Incident { at: AT, what: Trouble::Freeze { target: Target::Signaling, lasts } });
        let meeting = MeetingOptions {
            seed: 5,
            duration: Duration::from_secs(120),
            detail: MediaDetail::Markers,
            ..MeetingOptions::default()
        };
        let config = ZoomConfig { meeting, incidents, ..ZoomConfig::default() };
        let network = Network { at_least: Duration::from_millis(1), at_most: ON_THE_WAY };
        let mut came = Vec::new();
        let outcome = run_with(config, network, 5, Options::default(), &mut |world, _, steps| {
            let is_signaling = |step: &&Step| matches!(step, Step::Arrived(ToClient::Message(Link(0), _)));
            came.extend(steps.iter().filter(is_signaling).map(|_| world.now()));
        });
        assert_eq!(outcome.log.faults(), Vec::<String>::new());
        assert_eq!(outcome.findings(), Vec::<&rtms_sim::findings::Finding>::new());
        Self { outcome, came }
    }

    fn came_between(&self, from: Duration, to: Duration) -> usize {
        self.came.iter().filter(|at| (START + from + Duration::from_millis(1)..START + to).contains(at)).count()
    }

    fn states_between(&self, from: Duration, to: Duration) -> Vec<StreamState> {
        let events = self.outcome.log.events.iter().filter(|(at, _)| (START + from..=START + to).contains(at));
        events.filter_map(|(_, event)| state_of(event)).collect()
    }

    /// How often signaling was dialed.
    fn dialed(&self) -> usize {
        self.outcome.log.dialed.iter().filter(|dialed| dialed.role == Role::Signaling).count()
    }
}

fn state_of(event: &Event) -> Option<StreamState> {
    if let Event::StreamState { state, .. } = event { Some(*state) } else { None }
}

fn cause_of(event: &Event) -> Option<(Role, Interruption)> {
    if let Event::Interrupted { role, cause, .. } = event { Some((*role, *cause)) } else { None }
}
