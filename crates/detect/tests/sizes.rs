//! What a series costs in bytes, detector by detector: the figures of `benches/README.md`.
//!
//! `cargo test -p bellwether-detect --test sizes -- --nocapture` prints them.

use bellwether_detect::Worth;
use bellwether_detect::autoencoder::Autoencoder;
use bellwether_detect::calibrate::Calibration;
use bellwether_detect::forecast::{self, ExhaustionState};
use bellwether_detect::isolation_forest::{GroupForest, IsolationForest};
use bellwether_detect::ladder::Ladder;
use bellwether_detect::lasting::Lasting;
use bellwether_detect::peer::{Peer, PeerWatch};
use bellwether_detect::profile::SignalProfile;
use bellwether_detect::random_cut_forest::RandomCutForest;
use bellwether_detect::seasonal_residual::SeasonalResidual;
use bellwether_detect::subspace::{GroupSubspace, LagSubspace};
use bellwether_detect::{
    Bank, DeepDetector, DetectorSpec, Direction, GroupDetector, LocalTime, MinDeviation,
    Observation, Tables,
};
use bellwether_detect::{
    absent, changepoint, flatline, iqr, scatter, seasonal, threshold, trend, zscore,
};
use bellwether_series::{Sample, Timestamp};

/// What one series or group of the deep tier may take.
const DEEP_MAX: usize = 64 * 1024;
/// Two weeks of minutes: whatever grows has grown.
const SAMPLES: usize = 20_000;
/// Series in a bank; it lays out states in chunks of 16 KiB.
const SLOTS: usize = 50_000;
const GROUP: usize = 38;
const MEMBERS: usize = 20;

fn holds(name: &str, bytes: usize, bytes_max: usize) {
    println!("{name}: {bytes} bytes");
    assert!(bytes <= bytes_max, "{name}: {bytes} bytes, at most {bytes_max}");
}

fn value(index: usize) -> f64 {
    100.0 + (index.wrapping_mul(0x5851_f42d) >> 7 & 0xffff) as f64 / 4096.0
}

fn observation(index: usize) -> Observation {
    let timestamp = Timestamp::from_ms(1_767_571_200_000 + index as i64 * 60_000);
    let local = LocalTime::utc(timestamp);
    Observation { timestamp, local, value: value(index), interval_ms: 60_000, scale_floor: 0.0 }
}

/// Bytes of a series in a bank of `detectors`.
fn in_bank(detectors: &[DetectorSpec]) -> usize {
    let (least, both) = (MinDeviation::default(), Direction::default());
    let mut bank = Bank::new(detectors, least, both, &Tables::default());
    let Observation { timestamp, local, value, .. } = observation(0);
    for slot in 0..SLOTS {
        bank.observe(slot, Sample { timestamp, value }, local, 60_000);
    }
    bank.state_bytes() / SLOTS
}

fn deep<D: DeepDetector>(name: &str, detector: &D, bytes_max: usize) {
    let mut state = detector.begin(1);
    for index in 0..SAMPLES {
        detector.score(&mut state, &observation(index), 1.0);
    }
    holds(name, detector.state_bytes(&state), bytes_max.min(DEEP_MAX));
}

fn group<D: GroupDetector>(name: &str, detector: &D, bytes_max: usize) {
    let mut state = detector.begin(GROUP, 1);
    for index in 0..SAMPLES / 10 {
        let row: [f64; GROUP] = std::array::from_fn(|signal| value(index * GROUP + signal));
        detector.score(&mut state, &row, 1.0);
    }
    holds(name, detector.state_bytes(&state), bytes_max.min(DEEP_MAX));
}

#[test]
fn states_of_the_base_tier_hold_their_bytes() {
    let zscore = |robust| DetectorSpec::Zscore(zscore::Params { robust, ..Default::default() });
    let own = in_bank(&[]);
    let of = |detector| in_bank(&[detector]) - own;
    // The size of ordinary moves, the profile, the ladder and what is known of departures, together.
    holds("bank of none", own, 273);
    holds("zscore", of(zscore(false)), 25);
    holds("robust zscore", of(zscore(true)), 468);
    holds("iqr", of(DetectorSpec::Iqr(iqr::Params::default())), 468);
    holds("seasonal", of(DetectorSpec::Seasonal(seasonal::Params::default())), 585);
    holds("changepoint", size_of::<changepoint::State>(), 96);
    holds("flatline", size_of::<flatline::State>(), 40);
    holds("absent", size_of::<absent::State>(), 48);
    holds("scatter", size_of::<scatter::State>(), 64);
    holds("trend", size_of::<trend::State>(), 312);
    holds("forecast", size_of::<forecast::State>(), 88);
    holds("exhaustion", size_of::<ExhaustionState>(), 192);
    holds("threshold", size_of::<threshold::State>(), 0);
}

#[test]
fn states_around_the_detectors_hold_their_bytes() {
    holds("profile", size_of::<SignalProfile>(), 112);
    holds("calibration", size_of::<Calibration>(), 168);
    holds("ladder", size_of::<Ladder>(), 28);
    holds("lasting", size_of::<Lasting>(), 40);
    holds("worth", size_of::<Worth>(), 36);
}

#[test]
fn states_of_the_deep_tier_hold_their_bytes_after_two_weeks() {
    deep("subspace", &LagSubspace, 9_728);
    deep("seasonal_residual", &SeasonalResidual, 36_544);
    deep("random_cut_forest", &RandomCutForest, 63_564);
    deep("isolation_forest", &IsolationForest, 59_592);
    deep("autoencoder", &Autoencoder::shipped().expect("the weights are sound"), 320);
}

#[test]
fn states_of_groups_hold_their_bytes() {
    group("subspace of 38", &GroupSubspace, 7_272);
    group("isolation_forest of 38", &GroupForest, 51_132);
    let (mut peers, mut odd) = (Peer.begin(MEMBERS), Vec::new());
    for index in 0..SAMPLES / 10 {
        let row: [f64; MEMBERS] = std::array::from_fn(|member| value(index * MEMBERS + member));
        Peer.score(&mut peers, &row, &mut odd);
    }
    holds("peer of 20", Peer.state_bytes(&peers), 1_032);
    holds("peer of 96, calibrated", PeerWatch::new(96).bytes(), 22 * 1024);
    holds("peer of 256, calibrated", PeerWatch::new(256).bytes(), 57 * 1024);
}
