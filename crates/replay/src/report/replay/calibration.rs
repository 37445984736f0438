//! How often judgements were as surprising as they say: the calibration curve.

use bellwether_detect::profile::SignalClass;
use bellwether_engine::{CalibrationCounts, Counts, Score};
use serde::{Deserialize, Serialize};

use crate::report::axis::{Scale, Tick, path};

/// Surprises that are counted: half of 1, half of 2 and so on, up to 6.
const LEVELS: usize = 12;
/// Fewer judgements of a class make no curve.
const CLASS_JUDGED_MIN: u64 = 1000;
/// A share that fewer samples than this should be in is mostly chance.
const SURE_SAMPLES: f64 = 10.0;
/// Smallest share on the plot, as a power of ten.
const FLOOR: f64 = -7.0;

/// Judgements by surprise.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Calibration {
    judged: u64,
    /// Those with a surprise of at least 0.5, 1, 1.5 and so on.
    exceeding: [u64; LEVELS],
    /// The same by class, coarser, as the engine counts it.
    counts: Counts,
}

/// A share of the judgements.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    surprise: f64,
    /// Judgements that are at least so surprising.
    samples: u64,
    expected: f64,
    /// How many times the expected number that is.
    factor: f64,
    is_sure: bool,
}

/// A curve of the plot.
#[derive(Debug, Serialize)]
struct Curve {
    name: &'static str,
    judged: u64,
    path: String,
    points: Vec<Point>,
}

#[derive(Debug, Serialize)]
struct Point {
    x: f64,
    y: f64,
    title: String,
    is_sure: bool,
}

/// The plot, laid out.
#[derive(Debug, Serialize)]
pub(super) struct Plot {
    judged: u64,
    rows: Vec<Row>,
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    base: f64,
    top: f64,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    /// Where a share is at most twice and at least half of what it should be.
    band: String,
    ideal: String,
    all: Curve,
    classes: Vec<Curve>,
}

impl Calibration {
    pub(super) fn take(&mut self, scores: &[Score]) {
        self.judged += scores.len() as u64;
        for score in scores {
            let levels = ((score.surprise * 2.0) as usize).min(LEVELS);
            for count in &mut self.exceeding[..levels] {
                *count += 1;
            }
        }
    }

    pub(super) fn count(&mut self, counts: &Counts) {
        self.counts.add(counts);
    }

    pub(super) fn plot(&self) -> Plot {
        const WIDTH: f64 = 600.0;
        const HEIGHT: f64 = 330.0;
        const LEFT: f64 = 62.0;
        const RIGHT: f64 = WIDTH - 12.0;
        const TOP: f64 = 12.0;
        const BASE: f64 = HEIGHT - 40.0;
        let x = Scale::new((0.0, 6.2), (LEFT, RIGHT));
        let y = Scale::new((FLOOR, 0.0), (BASE, TOP));
        let level = |index: usize| (index + 1) as f64 / 2.0;
        let curve = |name, judged: u64, counts: &mut dyn Iterator<Item = (f64, u64)>| {
            let points: Vec<_> = counts
                .filter(|(_, count)| *count > 0)
                .map(|(surprise, count)| {
                    let share = libm::log10(count as f64 / judged.max(1) as f64);
                    let expected = expected(judged, surprise);
                    let title = format!(
                        "{name}: {count} of {judged} have a surprise of {surprise} or more, {expected:.0} would be right"
                    );
                    let is_sure = expected >= SURE_SAMPLES;
                    Point { x: x.at(surprise), y: y.at(share.max(FLOOR)), title, is_sure }
                })
                .collect();
            Curve {
                name,
                judged,
                path: path(points.iter().map(|point| (point.x, point.y))),
                points,
            }
        };
        let all = (0..LEVELS).map(|index| (level(index), self.exceeding[index]));
        let CalibrationCounts { judged, exceeding } = &self.counts.calibration;
        let classes =
            SignalClass::ALL.into_iter().filter(|class| judged[class.index()] >= CLASS_JUDGED_MIN);
        let class = |class: SignalClass| {
            let counts = exceeding[class.index()];
            let mut counts =
                counts.iter().enumerate().map(|(index, count)| ((index + 1) as f64, *count));
            curve(class.as_str(), judged[class.index()], &mut counts)
        };
        let row = |index: usize| {
            let (surprise, samples) = (level(index), self.exceeding[index]);
            let expected = expected(self.judged, surprise);
            let factor = if expected > 0.0 { samples as f64 / expected } else { 0.0 };
            Row { surprise, samples, expected, factor, is_sure: expected >= SURE_SAMPLES }
        };
        let twice = libm::log10(2.0);
        let edge = |shift: f64| {
            [(0.0, shift), (6.2, shift - 6.2)]
                .map(|(k, share)| (x.at(k), y.at(share.clamp(FLOOR, 0.0))))
        };
        let [upper_from, upper_to] =
            [(twice, 0.0), (6.2, twice - 6.2)].map(|(k, share)| (x.at(k), y.at(share)));
        let [lower_from, lower_to] = edge(-twice);
        let corner = (x.at(0.0), y.at(0.0));
        Plot {
            judged: self.judged,
            rows: (0..LEVELS).filter(|index| index % 2 == 1).map(row).collect(),
            width: WIDTH,
            height: HEIGHT,
            left: LEFT,
            right: RIGHT,
            base: BASE,
            top: TOP,
            x_ticks: x.number_ticks(7),
            y_ticks: (FLOOR as i32..=0)
                .map(|power| Tick { at: y.at(f64::from(power)), text: share_text(power) })
                .collect(),
            band: path([corner, upper_from, upper_to, lower_to, lower_from].into_iter()),
            ideal: path(
                [(0.0, 0.0), (6.2, -6.2)].map(|(k, share)| (x.at(k), y.at(share))).into_iter(),
            ),
            all: curve("all series", self.judged, &mut all.into_iter()),
            classes: classes.map(class).collect(),
        }
    }
}

/// Judgements of `judged` that should be at least so surprising.
fn expected(judged: u64, surprise: f64) -> f64 {
    judged as f64 * libm::pow(10.0, -surprise)
}

/// A power of ten, as people write shares.
fn share_text(power: i32) -> String {
    match power {
        0 => "1".to_owned(),
        -1 => "1 in 10".to_owned(),
        -2 => "1 in 100".to_owned(),
        -5..=-3 => format!("1 in {}k", 10_i32.pow((-power - 3) as u32)),
        _ => format!("1 in {}M", 10_i32.pow((-power - 6).max(0) as u32)),
    }
}

#[cfg(test)]
mod tests {
    use bellwether_series::{Fingerprint, Timestamp};

    use super::super::testing::score;
    use super::*;

    #[test]
    fn judgements_count_from_their_surprise_down() {
        let score = |surprise| score(Fingerprint::from_u128(1), Timestamp::from_ms(0), surprise);
        let mut calibration = Calibration::default();
        calibration.take(&[score(0.49), score(0.5), score(1.2), score(100.0), score(0.0)]);
        assert_eq!(calibration.judged, 5);
        assert_eq!(calibration.exceeding[..3], [3, 2, 1]);
        assert_eq!(calibration.exceeding[11], 1);
    }

    #[test]
    fn what_is_calibrated_is_on_the_line() {
        let mut calibration = Calibration { judged: 10_000_000, ..Calibration::default() };
        for (index, count) in calibration.exceeding.iter_mut().enumerate() {
            *count = expected(10_000_000, (index + 1) as f64 / 2.0).round() as u64;
        }
        let plot = calibration.plot();
        assert!(plot.rows.iter().all(|row| (row.factor - 1.0).abs() < 0.01), "{:?}", plot.rows);
        let (first, last) = (&plot.all.points[0], &plot.all.points[11]);
        // On the line the share falls by a power of ten for each 1 of surprise.
        assert!(
            ((last.y - first.y) / (last.x - first.x) - (278.0 / 7.0) / (526.0 / 6.2)).abs() < 0.01
        );
        assert!(plot.classes.is_empty() && last.is_sure);
    }
}
