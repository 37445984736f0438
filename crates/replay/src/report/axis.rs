//! Axes: which numbers and times stand beside a plot, and where.

use jiff::Timestamp;
use serde::Serialize;

/// A text beside an axis, and where on it, in units of the view box.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) text: String,
}

/// A linear scale from values to places on a page; both may run either way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    from: f64,
    to: f64,
    begin: f64,
    end: f64,
}

impl Scale {
    /// `from` is drawn at `begin`, `to` at `end`. A stretch of no length is widened, so that it has a middle.
    pub(super) fn new((from, to): (f64, f64), (begin, end): (f64, f64)) -> Self {
        let is_wide = to - from > 1e-9 * from.abs().max(to.abs()).max(1e-300);
        let margin = if is_wide { 0.0 } else { (from.abs() * 0.05).max(1e-9) };
        Self { from: from - margin, to: to + margin, begin, end }
    }

    /// Where `value` is, to a tenth.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = (value - self.from) / (self.to - self.from);
        tenths(self.begin + share * (self.end - self.begin))
    }

    /// Round numbers on it, at most `count_max` and usually more than half of that.
    pub(super) fn number_ticks(&self, count_max: usize) -> Vec<Tick> {
        let step = round_step((self.to - self.from) / count_max.max(1) as f64);
        let first = (self.from / step).ceil();
        let values = (0..=count_max).map(|index| (first + index as f64) * step);
        let values = values.take_while(|value| *value <= self.to + 1e-9 * step);
        values.map(|value| Tick { at: self.at(value), text: number_text(value, step) }).collect()
    }

    /// Round times in UTC on it, at most `count_max`; its values are Unix milliseconds.
    pub(super) fn time_ticks(&self, count_max: usize) -> Vec<Tick> {
        let least = (self.to - self.from) / count_max.max(1) as f64 / 1000.0;
        let step = STEPS_SECONDS.iter().copied().find(|&step| step as f64 >= least);
        let step = step.unwrap_or_else(|| {
            ((least / DAY_SECONDS as f64).ceil() as i64).saturating_mul(DAY_SECONDS)
        });
        let step_ms = step.saturating_mul(1000);
        let first = (self.from / step_ms as f64).ceil() as i64;
        let times =
            (0..=count_max as i64).map(|index| first.saturating_add(index).saturating_mul(step_ms));
        let times = times.take_while(|&at_ms| at_ms as f64 <= self.to);
        times
            .map(|at_ms| Tick { at: self.at(at_ms as f64), text: clock_text(at_ms, step_ms) })
            .collect()
    }
}

const DAY_SECONDS: i64 = 86_400;
/// Distances between times that people find round.
const STEPS_SECONDS: [i64; 18] = [
    1, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
    172_800, 604_800,
];

/// The time of day, or the date at midnight and where a step is a day or more.
fn clock_text(at_ms: i64, step_ms: i64) -> String {
    let format = match (at_ms.rem_euclid(DAY_SECONDS * 1000), step_ms) {
        (0, _) => "%b %-d",
        (_, ..60_000) => "%H:%M:%S",
        _ => "%H:%M",
    };
    Timestamp::from_millisecond(at_ms)
        .map_or_else(|_| String::new(), |time| time.strftime(format).to_string())
}

/// The smallest of 1, 2 and 5 times a power of ten that is at least `least`.
fn round_step(least: f64) -> f64 {
    let power = libm::pow(10.0, libm::log10(least.max(1e-300)).floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// `value`, a multiple of `step`, as short as it can be told from its neighbours: `1.5k`, `20M`, `0.05`.
fn number_text(value: f64, step: f64) -> String {
    const UNITS: [(f64, &str); 5] = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")];
    if value.abs() < step / 2.0 {
        return "0".to_owned();
    }
    if value.abs() >= 1e16 || step < 1e-6 {
        return format!("{value:e}").chars().take(12).collect();
    }
    let small = (1.0, "");
    let (unit, name) =
        UNITS.into_iter().find(|(unit, _)| value.abs() >= 10.0 * unit).unwrap_or(small);
    let digits = (-libm::log10(step / unit * (1.0 + 1e-9)).floor()).clamp(0.0, 9.0) as usize;
    format!("{:.digits$}{name}", value / unit)
}

/// A line through `points`, as the `d` of a path.
pub(super) fn path(points: impl Iterator<Item = (f64, f64)>) -> String {
    let step = |(index, (x, y)): (usize, (f64, f64))| {
        format!("{}{x} {y}", if index == 0 { 'M' } else { 'L' })
    };
    points.enumerate().map(step).collect()
}

/// To a tenth: nobody sees more, and pages stay small.
pub(super) fn tenths(length: f64) -> f64 {
    (length * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| &*tick.text).collect()
    }

    #[test]
    fn numbers_are_round_and_told_apart() {
        let ticks = |from, to| Scale::new((from, to), (100.0, 0.0)).number_ticks(4);
        assert_eq!(texts(&ticks(0.0, 10.0)), ["0", "5", "10"]);
        assert_eq!(texts(&ticks(-0.03, 0.05)), ["-0.02", "0", "0.02", "0.04"]);
        assert_eq!(texts(&ticks(12_000.0, 61_000.0)), ["20k", "40k", "60k"]);
        assert_eq!(ticks(0.0, 10.0)[1], Tick { at: 50.0, text: "5".to_owned() });
        assert!(ticks(7.0, 7.0).len() >= 2 && ticks(0.0, 0.0).len() >= 2);
    }

    #[test]
    fn times_are_round_and_midnight_is_a_date() {
        let from = 1_772_409_600_000.0 - 3_600_000.0;
        let scale = Scale::new((from, from + 4.0 * 3_600_000.0), (0.0, 400.0));
        assert_eq!(texts(&scale.time_ticks(5)), ["23:00", "Mar 2", "01:00", "02:00", "03:00"]);
        assert!(Scale::new((-1e300, 1e300), (0.0, 1.0)).time_ticks(5).len() <= 6);
    }
}
