//! How the detectors of the base tier are calibrated by themselves: the share of scored observations with a surprise of
//! at least 1, 2, 3, 4 over 10^-1 to 10^-4, on 40 null series a class; as they are, and calibrated once more.
//!
//! ```sh
//! cargo run --release -p bellwether-benches --example calibration
//! ```

use bellwether_benches::Null;
use bellwether_detect::calibrate::Calibration;
use bellwether_detect::{
    Bank, DetectorSpec, Direction, Judgement, LocalTime, MinDeviation, Tables,
};
use bellwether_series::{Sample, Timestamp};

const WARM: usize = 2_000;
const SCORED: usize = 20_000;
const SERIES: u64 = 40;
const LEVELS: usize = 4;
const START: Timestamp = Timestamp::from_ms(1_767_571_200_000);

/// How often each whole surprise is reached, over how often it should be.
#[derive(Default)]
struct Shares([usize; LEVELS]);

impl Shares {
    fn count(&mut self, surprise: f64) {
        for (level, count) in self.0.iter_mut().enumerate() {
            *count += usize::from(surprise >= (level + 1) as f64);
        }
    }

    fn print(&self) {
        let observations = (SERIES as usize * SCORED) as f64;
        for (level, &count) in self.0.iter().enumerate() {
            let due = observations / 10_f64.powi(level as i32 + 1);
            print!(" | {:.2}", count as f64 / due);
        }
    }
}

/// Shares of a chain of detectors on series around 100: as they are, and calibrated once more.
fn shares(detectors: &[DetectorSpec], null: Null) -> [Shares; 2] {
    let none = MinDeviation::new(0.0, 0.0).expect("zero is allowed");
    let (tables, mut shares) = (Tables::default(), [(); 2].map(|()| Shares::default()));
    for seed in 0..SERIES {
        let mut bank = Bank::new(detectors, none, Direction::Both, &tables);
        let mut calibration = Calibration::default();
        for (index, value) in null.series(seed).take(WARM + SCORED).enumerate() {
            let timestamp = START.plus_ms(index as i64 * 60_000);
            let sample = Sample { timestamp, value: 100.0 + value };
            let judgement = bank.observe(0, sample, LocalTime::utc(timestamp), 60_000);
            let Judgement::Scored { surprise, .. } = judgement else { continue };
            let again = calibration.observe(surprise, 1.0).unwrap_or(0.0);
            if index >= WARM {
                shares[0].count(surprise);
                shares[1].count(again);
            }
        }
    }
    shares
}

fn main() {
    let defaults = DetectorSpec::defaults();
    let alone = defaults.iter().map(|spec| (spec.name().to_string(), vec![*spec]));
    println!("| detectors | series | k = 1 | 2 | 3 | 4 | again: 1 | 2 | 3 | 4 |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (name, detectors) in alone.chain([("all".to_owned(), defaults.clone())]) {
        for null in Null::CONTINUOUS.into_iter().chain(Null::DISCRETE) {
            print!("| {name} | {null:?}");
            shares(&detectors, null).iter().for_each(Shares::print);
            println!(" |");
        }
    }
}
