//! What a checkpoint costs: on the sequencer's thread (the copy of the intake), on a shard's thread (writing a partition), on
//! another one (writing the intake), and after a restart (reading both). Throughput is in bytes written or read.

use std::hint::black_box;
use std::sync::Arc;

use bellwether_benches::{Fleet, WarmEngine, three_detectors};
use bellwether_detect::Tables;
use bellwether_engine::{Engine, Intake, Outputs, Partition, Record, RecordBody, Settings};
use bellwether_wire::remote_write::{Limits, WriteRequest, decompress};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Series of the base tier: those of one partition in a fleet of a million, and six times as many.
const SERIES: [usize; 2] = [16_000, 100_000];
/// Series of both tiers, and steps after which their states have grown.
const SERIES_DEEP: usize = 200;
const STEPS_DEEP: usize = 600;

fn base_tier(criterion: &mut Criterion) {
    for series in SERIES {
        let mut warm = WarmEngine::new(&Fleet::new(series));
        measure(criterion, "base", series, warm.engine(), &Arc::new(three_detectors()));
    }
}

fn both_tiers(criterion: &mut Criterion) {
    let settings = Arc::new(Settings::default());
    let (fleet, limits) = (Fleet::new(SERIES_DEEP), Limits::default());
    let (mut engine, mut outputs) = (Engine::new(&settings, 7), Outputs::default());
    for step in 0..STEPS_DEEP {
        for body in fleet.bodies(step) {
            let plain = decompress(&body, &limits).expect("a snappy block");
            let request = WriteRequest::decode(plain, &limits).expect("a request");
            let body = RecordBody::request(&request);
            engine.apply(&Record { received_at: Fleet::at(step), body }, &mut outputs);
        }
    }
    measure(criterion, "both", SERIES_DEEP, &mut engine, &settings);
}

fn measure(
    criterion: &mut Criterion,
    tiers: &str,
    series: usize,
    engine: &mut Engine,
    settings: &Arc<Settings>,
) {
    let (tables, intake) = (Tables::default(), engine.intake().save().encode());
    let all: Vec<Vec<u8>> = engine.partitions().iter().map(saved).collect();
    let bytes: usize = all.iter().map(Vec::len).sum();
    let each = [bytes / series, intake.len() / series];
    println!(
        "{tiers}, {series} series, bytes a series: partitions {}, intake {}",
        each[0], each[1]
    );
    let mut group = criterion.benchmark_group(format!("checkpoint, {tiers}, {series} series"));
    group.throughput(Throughput::Elements(series as u64));
    group.bench_function("copy intake", |bencher| {
        bencher.iter_with_large_drop(|| black_box(engine.intake().save()));
    });
    group.throughput(Throughput::Bytes(intake.len() as u64));
    let state = engine.intake().save();
    group.bench_function("write intake", |bencher| bencher.iter(|| black_box(state.encode())));
    group.bench_function("read intake", |bencher| {
        let read = || Intake::restore(Arc::clone(settings), 1, &intake).expect("a state");
        bencher.iter_with_large_drop(read);
    });
    group.throughput(Throughput::Bytes(bytes as u64));
    let mut buffer = Vec::new();
    group.bench_function("write partitions", |bencher| {
        bencher.iter(|| {
            for partition in engine.partitions() {
                buffer.clear();
                partition.save(&mut buffer);
                black_box(&buffer);
            }
        });
    });
    group.bench_function("read partitions", |bencher| {
        let read = |bytes: &Vec<u8>| {
            let read = Partition::restore(Arc::clone(settings), tables.clone(), bytes);
            read.expect("a state")
        };
        bencher.iter_with_large_drop(|| all.iter().map(read).collect::<Vec<_>>());
    });
    group.finish();
}

fn saved(partition: &Partition) -> Vec<u8> {
    let mut bytes = Vec::new();
    partition.save(&mut bytes);
    bytes
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = base_tier, both_tiers
}
criterion_main!(benches);
