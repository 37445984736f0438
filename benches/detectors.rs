//! Each detector by itself, on a few series that stay in the cache: the cost of judging and learning one
//! sample, once 20,000 were seen. `none` is what the making of observations costs, `bank of none` what a bank costs
//! without any detector. The time of those that look at several signals at once is that of a row.

use std::hint::black_box;

use bellwether_benches::{Noise, Null};
use bellwether_detect::autoencoder::Autoencoder;
use bellwether_detect::calibrate::Calibration;
use bellwether_detect::forecast::{Exhaustion, ExhaustionParams, Forecast};
use bellwether_detect::isolation_forest::{GroupForest, IsolationForest};
use bellwether_detect::ladder::{Ladder, Prior};
use bellwether_detect::peer::Peer;
use bellwether_detect::profile::SignalProfile;
use bellwether_detect::random_cut_forest::RandomCutForest;
use bellwether_detect::seasonal_residual::SeasonalResidual;
use bellwether_detect::subspace::{GroupSubspace, LagSubspace};
use bellwether_detect::threshold::{self, RawParams, Threshold};
use bellwether_detect::{
    Alone, Bank, DeepDetector, Detector, DetectorSpec, Direction, GroupDetector, LocalTime,
    MinDeviation, Observation, Tables,
};
use bellwether_detect::{absent, changepoint, flatline, forecast, iqr, seasonal, zscore};
use bellwether_detect::{scatter::Scatter, tail::Tail, trend::Trend};
use bellwether_series::{Sample, Timestamp};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};

const INTERVAL_MS: i64 = 60_000;
/// Enough that no sample waits for the one before it.
const SERIES: usize = 16;
/// The same where a state fills a good part of the cache.
const DEEP_SERIES: usize = 4;
const GROUP: usize = 38;
const MEMBERS: usize = 20;
/// Two weeks of minutes.
const WARM_SAMPLES: usize = 20_000;
/// Twenty days of minutes, over and over.
const VALUES: usize = 28_800;

/// Criterion's group with the values that all detectors see.
struct Bench<'a> {
    group: BenchmarkGroup<'a, WallTime>,
    values: Vec<f64>,
}

impl Bench<'_> {
    /// Measures `step`, which takes in the sample or row of a number; `width` samples each.
    fn measure<R>(
        &mut self,
        name: &str,
        width: usize,
        warm: usize,
        mut step: impl FnMut(&[f64], usize) -> R,
    ) {
        let (values, mut next) = (&self.values, 0);
        let mut step = || {
            next += 1;
            step(values, next - 1)
        };
        (0..warm).for_each(|_| drop(black_box(step())));
        self.group.throughput(Throughput::Elements(width as u64));
        self.group.bench_function(name, |bencher| bencher.iter(|| black_box(step())));
    }

    /// Measures `observe` on `series` series in turn, from the beginning.
    fn each<R>(
        &mut self,
        name: &str,
        series: usize,
        mut observe: impl FnMut(usize, &Observation) -> R,
    ) {
        self.measure(name, 1, series * WARM_SAMPLES, |values, next| {
            let (index, slot) = (next / series, next % series);
            observe(slot, &observation(index, at(values, index, slot)))
        });
    }

    fn bank(&mut self, name: &str, detectors: &[DetectorSpec]) {
        let (least, both) = (MinDeviation::default(), Direction::default());
        let mut bank = Bank::new(detectors, least, both, &Tables::default());
        self.each(name, SERIES, |slot, observation| {
            let &Observation { timestamp, local, value, interval_ms, .. } = observation;
            bank.observe(slot, Sample { timestamp, value }, local, interval_ms)
        });
    }

    fn base<D: Detector>(&mut self, name: &str, detector: &D) {
        let mut states = [D::State::default(); SERIES];
        self.each(name, SERIES, |slot, observation| {
            detector.observe(&mut states[slot], observation)
        });
    }

    fn deep<D: DeepDetector>(&mut self, name: &str, detector: &D) {
        let mut states: Vec<_> = (0..DEEP_SERIES as u64).map(|seed| detector.begin(seed)).collect();
        self.each(name, DEEP_SERIES, |slot, observation| {
            detector.score(&mut states[slot], observation, 1.0)
        });
    }

    /// Measures `score` on rows of `width` values.
    fn rows<R>(&mut self, name: &str, width: usize, mut score: impl FnMut(&[f64]) -> R) {
        let mut row = vec![0.0; width];
        self.measure(name, width, WARM_SAMPLES, |values, index| {
            for (slot, value) in row.iter_mut().enumerate() {
                *value = at(values, index, slot);
            }
            score(&row)
        });
    }

    fn group<D: GroupDetector>(&mut self, name: &str, detector: &D) {
        let mut state = detector.begin(GROUP, 1);
        self.rows(name, GROUP, |row| detector.score(&mut state, row, 1.0));
    }
}

/// Value `index` of series `slot`: all series have the same past at different times.
fn at(values: &[f64], index: usize, slot: usize) -> f64 {
    values[(index + 97 * slot) % VALUES]
}

fn observation(index: usize, value: f64) -> Observation {
    let timestamp = Timestamp::from_ms(1_750_000_000_000 + index as i64 * INTERVAL_MS);
    let local = LocalTime::utc(timestamp);
    Observation { timestamp, local, value, interval_ms: INTERVAL_MS, scale_floor: 0.0 }
}

fn base_tier(bench: &mut Bench<'_>) {
    let zscore = |robust| DetectorSpec::Zscore(zscore::Params { robust, ..Default::default() });
    bench.each("none", SERIES, |_, observation| *observation);
    bench.bank("bank of none", &[]);
    bench.bank("bank of zscore", &[zscore(false)]);
    bench.bank("bank of robust zscore", &[zscore(true)]);
    bench.bank("bank of iqr", &[DetectorSpec::Iqr(iqr::Params::default())]);
    bench.bank("bank of seasonal", &[DetectorSpec::Seasonal(seasonal::Params::default())]);
    bench.bank("bank of the defaults", &DetectorSpec::defaults());
    let (least, tail) = (MinDeviation::default(), Tail::new());
    let limit = RawParams { above: Some(200.0), ..RawParams::default() };
    let limit = threshold::Params::try_from(limit).expect("a valid bound");
    bench
        .base("changepoint", &changepoint::Changepoint::new(changepoint::Params::default(), least));
    bench.base("flatline", &flatline::Flatline::new(flatline::Params::default(), least));
    bench.base("absent", &absent::Absent::new(absent::Params::default(), least));
    bench.base("scatter", &Scatter::new(least));
    bench.base("trend", &Trend::new(least));
    let forecast = Alone::new(Forecast(forecast::Params::default()), least, tail.clone());
    bench.base("forecast", &forecast);
    bench.base("exhaustion", &Exhaustion::new(ExhaustionParams::default(), least, tail));
    bench.base("threshold", &Threshold::new(limit));
}

fn deep_tier(bench: &mut Bench<'_>) {
    bench.deep("subspace", &LagSubspace);
    bench.deep("seasonal_residual", &SeasonalResidual);
    bench.deep("random_cut_forest", &RandomCutForest);
    bench.deep("isolation_forest", &IsolationForest);
    bench.deep("autoencoder", &Autoencoder::shipped().expect("the weights are sound"));
    bench.group("subspace of 38", &GroupSubspace);
    bench.group("isolation_forest of 38", &GroupForest);
    let (mut peers, mut odd) = (Peer.begin(MEMBERS), Vec::new());
    bench.rows("peer of 20", MEMBERS, |row| Peer.score(&mut peers, row, &mut odd));
}

/// What is learned of a signal, and what turns raw scores into a surprise.
fn around(bench: &mut Bench<'_>) {
    let mut profiles = [SignalProfile::default(); SERIES];
    bench.each("profile", SERIES, |slot, observation| profiles[slot].observe(observation.value));
    let mut calibrations = [Calibration::default(); SERIES];
    bench.each("calibration", SERIES, |slot, observation| {
        calibrations[slot].observe((observation.value - 100.0).abs(), 1.0)
    });
    let mut noise = Noise::new(3);
    for value in &mut bench.values {
        *value = -(1.0 - noise.uniform()).log10();
    }
    let prior = Prior { slope: 1.0, rows: 3000.0, steadiness: 0.0 };
    let mut ladders = [Ladder::new(&prior); SERIES];
    bench.each("ladder", SERIES, |slot, surprise| {
        ladders[slot].observe(surprise.value, 1.0, &prior)
    });
}

fn detectors(criterion: &mut Criterion) {
    let values = Null::Seasonal.series(1).map(|value| 100.0 + 4.0 * value).take(VALUES).collect();
    let mut bench = Bench { group: criterion.benchmark_group("detector"), values };
    base_tier(&mut bench);
    deep_tier(&mut bench);
    around(&mut bench);
    bench.group.finish();
}

criterion_group!(benches, detectors);
criterion_main!(benches);
