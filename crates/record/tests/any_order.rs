//! Order of arrival never decides where sound lies.

mod common;

use common::*;
use proptest::{prelude::*, sample::Index};

/// Packets of three participants, each at multiples of half a packet from an instant of its own: beside each other, with
/// short gaps and long ones. None reaches into another's time or is within less than half a packet of another's end, where
/// order would decide which follows which.
fn packets() -> impl Strategy<Value = Vec<(u64, i64, i16)>> {
    let of_one = |user: u64| {
        let step = prop_oneof![6 => Just(2i64), 1 => 3..90i64, 1 => 220..260i64];
        let steps = prop::collection::vec((step, any::<i16>()), 1..25);
        (0..50i64, steps).prop_map(move |(first, steps)| {
            let mut at = first;
            let mut packets = Vec::new();
            for (step, sample) in steps {
                packets.push((user, at, sample));
                at += 10 * step;
            }
            packets
        })
    };
    (of_one(5), of_one(6), of_one(7)).prop_map(|(one, two, three)| [one, two, three].concat())
}

fn recorded(packets: &[(u64, i64, i16)], sync_every: usize) -> [Vec<u8>; 4] {
    let room = Room::new();
    let mut recorder = room.open();
    for (count, (user, at, sample)) in packets.iter().enumerate() {
        record_at(70_000, &mut recorder, [packet(*user, *at, &tone(*sample))]);
        if count % sync_every == 0 {
            recorder.sync(now()).expect("synced");
        }
    }
    finish(recorder);
    ["5", "6", "7", "mixed"].map(|name| std::fs::read(room.path(&format!("audio/{name}.wav"))).expect("a WAV"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_packets_in_any_order_give_the_same_files(
        packets in packets(),
        swaps in prop::collection::vec((any::<Index>(), any::<Index>()), 0..200),
        repeats in prop::collection::vec(any::<Index>(), 0..10),
        sync_every in 1..40usize,
    ) {
        let mut shuffled = packets.clone();
        for repeat in repeats {
            shuffled.push(packets[repeat.index(packets.len())]);
        }
        for (one, other) in swaps {
            let (one, other) = (one.index(shuffled.len()), other.index(shuffled.len()));
            shuffled.swap(one, other);
        }
        // What comes again right after itself is no repeat if there is time for both.
        let mut last = std::collections::BTreeMap::new();
        shuffled.retain(|packet| last.insert(packet.0, *packet) != Some(*packet));
        let (one, other) = (recorded(&packets, 1000), recorded(&shuffled, sync_every));
        for ((one, other), name) in one.iter().zip(&other).zip(["5", "6", "7", "mixed"]) {
            let first = one.iter().zip(other).position(|(one, other)| one != other);
            let what = first.map(|at| at.saturating_sub(44) / 32);
            prop_assert!(one == other, "{}: differs from {:?} ms on, of {} and {} bytes", name, what, one.len(), other.len());
        }
    }
}
