//! The path of a sample, part by part: bare decode, decode, look-up, the whole step.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_benches::{BATCH, Fleet, WarmEngine, bare_decode};
use bellwether_engine::{Intake, Record, RecordBody, Settings, Work};
use bellwether_wire::remote_write::{Limits, WriteRequest, decompress};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Steps encoded at a time, outside of what is measured.
const STEPS_AT_A_TIME: usize = 4;

fn decode(body: &[u8]) -> WriteRequest {
    let limits = Limits::default();
    let plain = decompress(body, &limits).expect("a snappy block");
    WriteRequest::decode(plain, &limits).expect("a request")
}

/// Measures `apply` on the requests of consecutive steps; one iteration is one request.
fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    mut steps: impl FnMut() -> Vec<(usize, Vec<Vec<u8>>)>,
    mut apply: impl FnMut(&[u8], usize),
) {
    let mut waiting: Vec<(usize, Vec<u8>)> = Vec::new();
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let (mut left, mut spent) = (iterations as usize, Duration::ZERO);
            while left > 0 {
                if waiting.is_empty() {
                    let bodies = steps().into_iter();
                    waiting.extend(bodies.flat_map(|(step, bodies)| {
                        bodies.into_iter().map(move |body| (step, body))
                    }));
                }
                let now = left.min(waiting.len());
                let start = Instant::now();
                for (step, body) in &waiting[..now] {
                    apply(body, *step);
                }
                spent += start.elapsed();
                waiting.drain(..now);
                left -= now;
            }
            spent
        });
    });
}

fn path(criterion: &mut Criterion) {
    for series in [10_000, 100_000] {
        let fleet = Fleet::new(series);
        let mut group = criterion.benchmark_group(format!("{series} series"));
        group.throughput(Throughput::Elements(BATCH as u64));
        let same_step = || vec![(0, fleet.bodies(0).collect())];

        let mut buffer = Vec::new();
        measure(&mut group, "bare decode", same_step, |body, _| {
            black_box(bare_decode(body, &mut buffer));
        });
        measure(&mut group, "decode", same_step, |body, _| {
            black_box(decode(body));
        });
        let mut intake = Intake::new(Arc::new(Settings::default()), 7);
        let mut work = [Work::default()];
        measure(&mut group, "decode and look-up", same_step, |body, step| {
            let request = decode(body);
            let body = RecordBody::request(&request);
            let record = Record { received_at: Fleet::at(step), body };
            black_box(intake.apply(&record, &mut work));
            work[0].clear();
        });
        let pair = ["a", "b"].map(|name| fleet.written_by(name));
        let mut intake = Intake::new(Arc::new(Settings::default()), 7);
        for (replica, name) in pair.iter().zip(["the elected replica", "the other replica"]) {
            let same_step = || vec![(0, replica.bodies(0).collect())];
            let name = format!("decode and look-up, {name}");
            measure(&mut group, &name, same_step, |body, step| {
                let request = decode(body);
                let body = RecordBody::request(&request);
                let record = Record { received_at: Fleet::at(step), body };
                black_box(intake.apply(&record, &mut work));
                work[0].clear();
            });
        }
        let warm = std::cell::RefCell::new(WarmEngine::new(&fleet));
        let next_steps = || warm.borrow_mut().next_steps(&fleet, STEPS_AT_A_TIME);
        measure(&mut group, "step", next_steps, |body, step| {
            let judged = warm.borrow_mut().apply(body, step);
            assert_eq!(judged, BATCH as u64);
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3));
    targets = path
}
criterion_main!(benches);
