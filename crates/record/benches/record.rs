//! What recording costs per packet: 640 bytes of 16 kHz mono, placed, written and mixed, a sync per second included.
//!
//! On Linux the time is what this thread spent on the processor, in the kernel too: how long the disk takes is not
//! what decides how many streams a core can record. Elsewhere it is the time that passed.

use std::{hint::black_box, path::Path, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rtms_record::{
    Input, Recorder, RecordingAbout,
    ledger::{Change, Ledger, When},
};
use rtms_wire::{
    codes::product::Product,
    ids::{InstanceId, InstanceIdField, StreamId, UserId},
    media::medium::Medium,
    message::media_data::MediaData,
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
            let mut recorder = open(root.path());
            let packets: Vec<_> = speakers.iter().map(|user| packet(*user)).collect();
            let mut step = 0;
            let mut minute = || {
                for count in 0..PACKETS {
                    let mut data = packets[(count % packets.len() as u64) as usize].clone();
                    data.timestamp = UnixMillis(START + 20 * step);
                    recorder.handle(Input::Audio(black_box(data)), UnixMillis(START + 20 * step)).expect("recorded");
                    if (count + 1) % packets.len() as u64 == 0 {
                        step += 1;
                        if step % 50 == 0 {
                            recorder.sync(UnixMillis(START + 20 * step)).expect("synced");
                        }
                    }
                }
                // The recording's length is bounded, and a measurement is not: over again, as another backlog.
                if step > 3 * 3600 * 50 {
                    step = 0;
                    let folder = recorder.folder().to_owned();
                    std::fs::remove_dir_all(folder).expect("removed");
                    recorder = open(root.path());
                }
            };
            match cpu_time() {
                Some(_) => bencher.iter_custom(|rounds| {
                    let before = cpu_time().unwrap_or_default();
                    (0..rounds).for_each(|_| minute());
                    cpu_time().unwrap_or_default().saturating_sub(before)
                }),
                None => bencher.iter(minute),
            }
        });
    }
    group.finish();
}

/// The ledger alone: sound in order, as nearly all of it comes.
fn ledger(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ledger_packet");
    group.throughput(Throughput::Elements(PACKETS));
    group.bench_function("in_order", |bencher| {
        let mut ledger = Ledger::new(UnixMillis(START), UnixMillis(START));
        ledger.tell(Change::Opened(Medium::Audio), When::Ours(UnixMillis(START)), UnixMillis(START));
        let mut at = START;
        bencher.iter(|| {
            for _ in 0..PACKETS {
                at += 20;
                ledger.received(Medium::Audio, black_box(UnixMillis(at)), 20, UnixMillis(at + 150));
            }
        });
    });
    group.finish();
}

fn open(root: &Path) -> Recorder {
    let about = RecordingAbout::new(
        StreamId::new("bench"),
        Product::Meeting,
        InstanceId::new(InstanceIdField::MeetingUuid, "bench"),
        UnixMillis(START),
    );
    Recorder::open(root, about, UnixMillis(START)).expect("a recorder")
}

/// What this thread has spent on the processor, as Linux tells.
fn cpu_time() -> Option<Duration> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    told.split(' ').next()?.parse().ok().map(Duration::from_nanos)
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

criterion_group!(benches, audio, ledger);
criterion_main!(benches);
