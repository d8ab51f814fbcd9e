//! What a durable append costs, alone and in company: 1 KiB bodies in the store on disk.
//!
//! A time is that of one round, in which each writer appends once. Beside it stands how many appends shared a sync.

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rtms_store::{Inbox, NewEntry, SqliteStore, Store};
use rtms_wire::time::UnixMillis;

fn append(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("threads");
    let mut group = criterion.benchmark_group("append");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(4)).sample_size(20);
    for writers in [1_u64, 64] {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Arc::new(SqliteStore::open(directory.path()).expect("a store"));
        let entry =
            NewEntry { received_at: UnixMillis(1_795_428_000_000), app: "main".into(), body: vec![b'x'; 1024].into() };
        group.throughput(Throughput::Elements(writers));
        group.bench_function(format!("{writers} writers"), |bencher| {
            // Every writer appends one after the other, and none waits for another, as connections do.
            bencher.iter_custom(|rounds| {
                runtime.block_on(async {
                    #[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
                    let start = std::time::Instant::now();
                    let tasks = (0..writers).map(|_| {
                        let (store, entry) = (Arc::clone(&store), entry.clone());
                        tokio::spawn(async move {
                            for _ in 0..rounds {
                                black_box(store.append(entry.clone()).await.expect("stored"));
                            }
                        })
                    });
                    for task in tasks.collect::<Vec<_>>() {
                        task.await.expect("no panic");
                    }
                    start.elapsed()
                })
            });
        });
        let stats = store.stats();
        eprintln!("{writers} writers: {:.1} appends per sync", stats.appends as f64 / stats.commits as f64);
    }
}

criterion_group!(benches, append);
criterion_main!(benches);
