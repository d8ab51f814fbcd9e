//! The mix is what Zoom mixed, or the sum of what participants said.

mod common;

use common::*;
use rtms_record::manifest::TrackSource;

#[test]
fn what_zoom_mixed_is_the_mix() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [packet(0, 0, &tone(5)), packet(0, 40, &tone(6))]);
    let summary = finish(recorder);

    assert_eq!(room.samples("audio/mixed.wav"), [tone(5).into(), silence(20), tone(6).into()].concat());
    assert_eq!(summary.manifest.tracks.len(), 1);
    assert_eq!(summary.manifest.tracks[0].source, TrackSource::ReceivedMix);
    assert!(summary.manifest.participants.is_empty());
}

#[test]
fn participants_are_summed_at_each_instant() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [packet(5, 0, &tone(100)), packet(6, 10, &tone(20)), packet(7, 20, &tone(-3))]);
    finish(recorder);

    let expected = [[100; 160], [120; 160], [17; 160], [-3; 160]].concat();
    assert_eq!(room.samples("audio/mixed.wav"), expected);
}

#[test]
fn loud_participants_saturate_whoever_comes_last() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let room = Room::new();
        let mut recorder = room.open();
        let packets = [packet(5, 0, &tone(30_000)), packet(6, 0, &tone(30_000)), packet(7, 0, &tone(-30_000))];
        for which in order {
            record(&mut recorder, [packets[which].clone()]);
            // Far away, so that the first block leaves memory and must be summed again.
            for away in 1..6 {
                record(&mut recorder, [packet(5, 4_000 * away, &tone(1))]);
            }
            recorder.sync(now()).expect("synced");
        }
        finish(recorder);
        assert_eq!(room.samples("audio/mixed.wav")[..320], tone(30_000), "order {order:?}");
    }
}

#[test]
fn a_mix_of_zooms_and_one_of_ours_lie_side_by_side() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [packet(0, 0, &tone(1)), packet(5, 20, &tone(2)), packet(6, 20, &tone(3))]);
    finish(recorder);

    assert_eq!(room.samples("audio/mixed.wav"), tone(1));
    assert_eq!(room.samples("audio/mixed.set2.wav"), [silence(20), tone(5).into()].concat());
}

#[test]
fn channels_of_a_call_are_participants() {
    let room = Room::new();
    let mut recorder = room.open();
    for (channel, sample) in [("c/1", 1), ("c/2", 2)] {
        let bytes = tone(sample).iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let mut packet = data(0, 0, bytes);
        packet.user_id = None;
        packet.channel_id = Some(channel.into());
        record(&mut recorder, [rtms_record::Input::Audio(packet)]);
    }
    finish(recorder);

    assert_eq!(room.samples("audio/channel+c%2f1.wav"), tone(1));
    assert_eq!(room.samples("audio/mixed.wav"), tone(3));
}
