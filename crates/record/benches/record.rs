//! What recording costs per packet: 640 bytes of 16 kHz mono, placed, written and mixed, syncs included.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rtms_record::{Input, Recorder, RecordingAbout};
use rtms_wire::{
    codes::product::Product,
    ids::{InstanceId, InstanceIdField, StreamId, UserId},
    message::{Extra, media_data::MediaData},
    time::UnixMillis,
};

const START: u64 = 1_795_420_800_000;

/// Packets in one measurement: a minute, which is sixty syncs.
const PACKETS: u64 = 3000;

fn audio(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("audio_packet");
    group.throughput(Throughput::Elements(PACKETS));
    for (name, speakers) in [("received_mix", vec![0]), ("one_speaker", vec![5]), ("three_speakers", vec![5, 6, 7])] {
        group.bench_function(name, |bencher| {
            let root = tempfile::tempdir().expect("a folder");
            let about = RecordingAbout {
                stream_id: StreamId::new("bench"),
                product: Product::Meeting,
                instance: InstanceId::new(InstanceIdField::MeetingUuid, "bench"),
                account_id: None,
                started_at: UnixMillis(START),
                extra: Extra::new(),
            };
            let mut recorder = Recorder::open(root.path(), about, UnixMillis(START)).expect("a recorder");
            let packets: Vec<_> = speakers.iter().map(|user| packet(*user)).collect();
            let mut step = 0;
            bencher.iter(|| {
                for count in 0..PACKETS {
                    let mut data = packets[(count % packets.len() as u64) as usize].clone();
                    data.timestamp = UnixMillis(START + 20 * step);
                    recorder.handle(Input::Audio(black_box(data)), UnixMillis(START + 20 * step)).expect("recorded");
                    if count % packets.len() as u64 == 0 {
                        step += 1;
                        if step % 50 == 0 {
                            recorder.sync(UnixMillis(START + 20 * step)).expect("synced");
                        }
                    }
                }
                // The recording's length is bounded, and a measurement is not.
                step %= 6 * 3600 * 50;
            });
        });
    }
    group.finish();
}

fn packet(user: u64) -> MediaData {
    MediaData {
        user_id: Some(UserId::from(user)),
        user_name: Some("Ines Okafor".into()),
        data: (0..640).map(|byte| byte as u8).collect::<Vec<_>>().into(),
        timestamp: UnixMillis(START),
        ..MediaData::default()
    }
}

criterion_group!(benches, audio);
criterion_main!(benches);
