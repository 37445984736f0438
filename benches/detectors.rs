//! Each detector by itself, on a few series that stay in the cache: the cost of judging and learning one
//! sample. `none` is what the bank and the making of values cost without any.

use std::hint::black_box;

use bellwether_detect::Tables;
use bellwether_detect::{
    Bank, DetectorSpec, Direction, LocalTime, MinDeviation, iqr, seasonal, zscore,
};
use bellwether_series::{Sample, Timestamp};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const INTERVAL_MS: i64 = 60_000;
/// Enough that no sample waits for the one before it.
const SERIES: i64 = 16;
/// A little over two days of minutes: every detector judges.
const WARM_SAMPLES: i64 = 3000;

fn value(index: i64) -> f64 {
    let noise = (index.wrapping_mul(0x5851_f42d) >> 7 & 0xffff) as f64 / 65536.0;
    let days = index as f64 / 1440.0;
    100.0 * (1.0 + 0.3 * (std::f64::consts::TAU * days).sin()) + 4.0 * noise
}

fn detectors(criterion: &mut Criterion) {
    let zscore = |robust| DetectorSpec::Zscore(zscore::Params { robust, ..Default::default() });
    let iqr = DetectorSpec::Iqr(iqr::Params::default());
    let seasonal = DetectorSpec::Seasonal(seasonal::Params::default());
    let tables = Tables::default();
    let mut group = criterion.benchmark_group("detector");
    group.throughput(Throughput::Elements(1));
    for (name, detectors) in [
        ("none", vec![]),
        ("zscore", vec![zscore(false)]),
        ("zscore robust", vec![zscore(true)]),
        ("iqr", vec![iqr]),
        ("seasonal", vec![seasonal]),
        ("default set", DetectorSpec::defaults()),
    ] {
        let mut bank =
            Bank::new(&detectors, MinDeviation::default(), Direction::default(), &tables);
        let mut next = 0;
        let mut observe = || {
            let (index, slot) = (next / SERIES, next % SERIES);
            let timestamp = Timestamp::from_ms(1_750_000_000_000 + index * INTERVAL_MS);
            let sample = Sample { timestamp, value: value(index + 97 * slot) };
            next += 1;
            bank.observe(slot as usize, sample, LocalTime::utc(timestamp), INTERVAL_MS)
        };
        for _ in 0..WARM_SAMPLES * SERIES {
            observe();
        }
        group.bench_function(name, |bencher| bencher.iter(|| black_box(observe())));
    }
    group.finish();
}

criterion_group!(benches, detectors);
criterion_main!(benches);
