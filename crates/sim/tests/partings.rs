//! How connections end that end together: each end is judged once, whichever of them is seen first.

mod common;

use common::{Run, config};
use rtms_sim::{
    config::ZoomConfig,
    fault::{SecondSignaling, Temper},
    findings::Mistake,
    zoom::{ConnectionId, Ending, Input},
};
use serde_json::json;

#[test]
fn connections_that_are_cut_together_are_each_found_in_whatever_order_that_is_seen() {
    for order in [[0, 1, 2], [1, 0, 2], [1, 2, 0], [2, 0, 1]] {
        let (mut run, connections) = joined(Temper::default());

        for index in order {
            ends(&mut run, connections[index], Ending::Cut);
        }

        assert_eq!(run.mistakes(), vec![Mistake::AbruptClose; 3], "{order:?}");
        let mut found: Vec<_> = run.zoom.findings().iter().filter_map(|finding| finding.connection).collect();
        found.sort();
        assert_eq!(found, connections, "each connection has its own finding: {order:?}");
    }
}

#[test]
fn an_end_that_is_reported_twice_is_found_once() {
    let (mut run, connections) = joined(Temper::default());

    for connection in [connections[0], connections[1], connections[1], connections[0]] {
        ends(&mut run, connection, Ending::Cut);
    }

    assert_eq!(run.mistakes(), vec![Mistake::AbruptClose; 2]);
}

#[test]
fn connections_that_end_in_order_together_are_no_mistake_in_whatever_order_that_is_seen() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let (mut run, connections) = joined(Temper::default());

        for index in order {
            ends(&mut run, connections[index], Ending::CloseFrame);
        }

        assert_eq!(run.mistakes(), [], "{order:?}");
    }
}

#[test]
fn a_cut_that_is_seen_after_the_next_join_is_still_found() {
    let (mut run, connections) = joined(Temper::default());
    ends(&mut run, connections[0], Ending::Cut);
    run.join();

    ends(&mut run, connections[1], Ending::Cut);
    ends(&mut run, connections[2], Ending::Cut);

    assert_eq!(run.mistakes(), vec![Mistake::AbruptClose; 3]);
}

#[test]
fn a_client_that_cut_everything_before_it_joined_again_had_no_second_signaling() {
    let (mut run, connections) = joined(kicking());
    run.join();

    for connection in &connections {
        ends(&mut run, *connection, Ending::Cut);
    }
    run.live_until(5_000);

    assert_eq!(run.mistakes(), vec![Mistake::AbruptClose; 3]);
}

#[test]
fn a_close_frame_that_is_seen_after_the_next_join_is_no_second_signaling() {
    let (mut run, connections) = joined(kicking());
    run.join();

    for connection in &connections {
        ends(&mut run, *connection, Ending::CloseFrame);
    }
    run.live_until(5_000);

    assert_eq!(run.mistakes(), []);
}

#[test]
fn a_first_signaling_connection_that_lived_until_it_was_replaced_is_found() {
    let (mut run, _) = joined(kicking());
    run.join();

    run.live_until(5_000);

    assert_eq!(run.mistakes(), [Mistake::SecondSignaling { refused: false }]);
}

#[test]
fn a_client_may_go_as_it_likes_when_it_was_told_of_the_end() {
    let (mut run, connections) = joined(Temper::default());
    run.live_until(25_000);
    assert!(run.zoom.is_finished() || run.zoom.over().is_some());

    for connection in connections {
        ends(&mut run, connection, Ending::Cut);
    }

    assert_eq!(run.mistakes(), []);
}

/// Signaling, sound and transcript, as a client has them in the middle of a meeting.
fn joined(temper: Temper) -> (Run, [ConnectionId; 3]) {
    let mut run = Run::new(ZoomConfig { temper, ..config(20) });
    let signaling = run.join();
    let audio = run.open_media(1, json!({}));
    let transcript = run.open_media(8, json!({}));
    run.ready(signaling);
    run.live_until(2_000);
    (run, [signaling, audio, transcript])
}

fn kicking() -> Temper {
    Temper { second_signaling: SecondSignaling::KicksTheFirst, ..Temper::default() }
}

fn ends(run: &mut Run, connection: ConnectionId, ending: Ending) {
    run.input(Input::Closed { connection, ending });
}
