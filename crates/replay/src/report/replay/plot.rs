//! The plot of an incident: a series around an alert, what was expected of it, and how surprising it was.

use serde::Serialize;

use super::tracks::Point;
use crate::report::axis::{Scale, Tick, path};

/// Room of the plot, in units of its view box.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = WIDTH - 10.0;
/// The values.
const TOP: f64 = 18.0;
const BASE: f64 = 152.0;
/// The surprise, below.
const LOWER_TOP: f64 = 172.0;
const LOWER_BASE: f64 = 226.0;
/// A gap of so many usual steps is one in the line.
const GAP_STEPS: i64 = 8;
/// Names of marks closer than this would be on top of each other.
const MARK_DISTANCE: f64 = 62.0;

/// When an alert did what, in Unix milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    pub(super) began_ms: i64,
    pub(super) fired_ms: i64,
    /// `None` while it goes on.
    pub(super) resolved_ms: Option<i64>,
    pub(super) threshold: f64,
}

/// Something that happened at a time.
#[derive(Debug, Serialize)]
struct Mark {
    at: f64,
    name: &'static str,
    /// On which side of its line the name stands.
    anchor: &'static str,
    text_at: f64,
}

/// A sample over the threshold.
#[derive(Debug, Serialize)]
struct Dot {
    x: f64,
    y: f64,
    value: f64,
    surprise: f64,
    at_ms: i64,
}

/// The plot, laid out.
#[derive(Debug, Serialize)]
pub(super) struct Plot {
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    base: f64,
    lower_top: f64,
    lower_base: f64,
    value_ticks: Vec<Tick>,
    surprise_ticks: Vec<Tick>,
    time_ticks: Vec<Tick>,
    band: String,
    expected: String,
    values: String,
    surprises: String,
    threshold_at: f64,
    threshold: f64,
    /// From where to where the alert fired.
    firing: (f64, f64),
    marks: Vec<Mark>,
    dots: Vec<Dot>,
}

impl Plot {
    /// `points` by time; `None` if they are too few to draw.
    pub(super) fn new(points: &[Point], marks: &Marks) -> Option<Self> {
        let (first, last) = (points.first()?.at.as_ms(), points.last()?.at.as_ms());
        if first == last {
            return None;
        }
        let time = Scale::new((first as f64, last as f64), (LEFT, RIGHT));
        let value = Scale::new(range(points), (BASE, TOP));
        let highest = points.iter().map(|point| point.surprise).fold(marks.threshold, f64::max);
        let surprise = Scale::new((0.0, (highest * 1.08).max(1.0)), (LOWER_BASE, LOWER_TOP));
        let x = |point: &Point| time.at(point.at.as_ms() as f64);
        // Far out of sight is enough; numbers stay short.
        let y = |edge: f64| value.at(edge).clamp(TOP - 400.0, BASE + 400.0);
        let lines = runs(points);
        let line = |of: &dyn Fn(&Point) -> f64| -> String {
            lines.iter().map(|run| path(run.iter().map(|point| (x(point), of(point))))).collect()
        };
        let band = |run: &&[Point]| {
            let upper = run.iter().map(|point| (x(point), y(point.upper)));
            let lower = run.iter().rev().map(|point| (x(point), y(point.lower)));
            path(upper.chain(lower)) + "Z"
        };
        let has_band = |point: &Point| point.lower.is_finite() && point.upper.is_finite();
        let banded: Vec<_> =
            lines.iter().flat_map(|run| run.split(|point| !has_band(point))).collect();
        let inside = |at_ms: i64| time.at(at_ms.clamp(first, last) as f64);
        let resolved_ms = marks.resolved_ms.unwrap_or(last);
        let over = points.iter().filter(|point| point.surprise >= marks.threshold);
        Some(Self {
            width: WIDTH,
            height: HEIGHT,
            left: LEFT,
            right: RIGHT,
            top: TOP,
            base: BASE,
            lower_top: LOWER_TOP,
            lower_base: LOWER_BASE,
            value_ticks: value.number_ticks(5),
            surprise_ticks: surprise.number_ticks(3),
            time_ticks: time.time_ticks(8),
            band: banded.iter().filter(|run| !run.is_empty()).map(band).collect(),
            expected: banded
                .iter()
                .map(|run| path(run.iter().map(|point| (x(point), y(point.expected)))))
                .collect(),
            values: line(&|point| y(point.value)),
            surprises: line(&|point| surprise.at(point.surprise)),
            threshold_at: surprise.at(marks.threshold),
            threshold: marks.threshold,
            firing: (inside(marks.fired_ms), inside(resolved_ms)),
            marks: named(marks, first..=last, &time),
            dots: over
                .map(|point| Dot {
                    x: x(point),
                    y: y(point.value),
                    value: point.value,
                    surprise: point.surprise,
                    at_ms: point.at.as_ms(),
                })
                .collect(),
        })
    }
}

/// The lines at which something happened, with names that do not meet.
fn named(marks: &Marks, seen: std::ops::RangeInclusive<i64>, time: &Scale) -> Vec<Mark> {
    let all = [
        ("began", Some(marks.began_ms)),
        ("fired", Some(marks.fired_ms)),
        ("resolved", marks.resolved_ms),
    ];
    let seen =
        all.into_iter().filter_map(|(name, at)| Some((name, at.filter(|at| seen.contains(at))?)));
    let mut marks: Vec<Mark> = Vec::new();
    for (name, at_ms) in seen {
        let at = time.at(at_ms as f64);
        if let Some(before) = marks.last_mut()
            && at - before.at < MARK_DISTANCE
        {
            // Its name stands on the other side then; one that stands there already gives way.
            (before.anchor, before.text_at) = ("end", before.at - 4.0);
            let before_at = before.at;
            let count = marks.len() - 1;
            let covered = marks[..count].iter_mut();
            covered
                .filter(|mark| before_at - mark.at < MARK_DISTANCE)
                .for_each(|mark| mark.name = "");
        }
        let fits = at + MARK_DISTANCE < RIGHT;
        let (anchor, text_at) = if fits { ("start", at + 4.0) } else { ("end", at - 4.0) };
        marks.push(Mark { at, name, anchor, text_at });
    }
    marks
}

/// The stretch of values to show: all of them, what was expected, and the band as far as it leaves something of the line.
fn range(points: &[Point]) -> (f64, f64) {
    let finite = |of: fn(&Point) -> f64| points.iter().map(of).filter(|value| value.is_finite());
    let all = finite(|point| point.value).chain(finite(|point| point.expected));
    let (low, high) = extent(all);
    let room = (high - low) * 0.5;
    let (band_low, band_high) =
        extent(finite(|point| point.lower).chain(finite(|point| point.upper)));
    let (low, high) = (low.min(band_low.max(low - room)), high.max(band_high.min(high + room)));
    let margin = (high - low) * 0.05;
    (low - margin, high + margin)
}

fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

/// `points`, cut where nothing came for much longer than usual.
fn runs(points: &[Point]) -> Vec<&[Point]> {
    let step = |pair: &[Point]| pair[1].at.as_ms().saturating_sub(pair[0].at.as_ms());
    let mut steps: Vec<_> = points.windows(2).map(step).collect();
    steps.sort_unstable();
    let usual = steps.get(steps.len() / 2).copied().unwrap_or(0);
    let is_one = |a: &Point, b: &Point| {
        b.at.as_ms().saturating_sub(a.at.as_ms()) <= usual.saturating_mul(GAP_STEPS)
    };
    points.chunk_by(is_one).collect()
}

#[cfg(test)]
mod tests {
    use bellwether_series::Timestamp;

    use super::*;

    fn point(minute: i64, value: f64, surprise: f64) -> Point {
        let (expected, lower, upper) = (10.0, 8.0, 12.0);
        let at = Timestamp::from_ms(minute * 60_000);
        Point { at, value, surprise, expected, lower, upper }
    }

    const MARKS: Marks =
        Marks { began_ms: 60 * 60_000, fired_ms: 61 * 60_000, resolved_ms: None, threshold: 5.0 };

    #[test]
    fn it_shows_values_band_marks_and_crossings() {
        let broken = 60..70;
        let points: Vec<_> = (0..100)
            .map(|minute| {
                if broken.contains(&minute) {
                    point(minute, 50.0, 7.0)
                } else {
                    point(minute, 10.0, 0.3)
                }
            })
            .collect();
        let plot = Plot::new(&points, &MARKS).unwrap();
        assert_eq!(plot.dots.len(), 10);
        assert_eq!(plot.marks.iter().map(|mark| mark.name).collect::<Vec<_>>(), ["began", "fired"]);
        assert_eq!(plot.marks[0].anchor, "end", "its name makes room for the next");
        assert!((plot.firing.1 - RIGHT).abs() < 0.1, "it fires until the end");
        assert_eq!(plot.values.matches('M').count(), 1);
        assert!(plot.dots.iter().all(|dot| (TOP..BASE).contains(&dot.y)));
    }

    #[test]
    fn names_of_marks_do_not_meet() {
        let time = Scale::new((0.0, 10_000.0 * 60_000.0), (LEFT, RIGHT));
        let marks = Marks { resolved_ms: Some(80 * 60_000), ..MARKS };
        let marks = named(&marks, 0..=10_000 * 60_000, &time);
        let names: Vec<_> = marks.iter().map(|mark| (mark.name, mark.anchor)).collect();
        assert_eq!(names[0].0, "");
        assert_eq!(names[1..], [("fired", "end"), ("resolved", "start")]);
    }

    #[test]
    fn a_gap_is_no_line_and_what_is_no_band_is_left_out() {
        let mut points: Vec<_> =
            (0..20).chain(60..80).map(|minute| point(minute, 10.0, 0.0)).collect();
        points[3].upper = f64::NAN;
        let plot = Plot::new(&points, &MARKS).unwrap();
        assert_eq!((plot.values.matches('M').count(), plot.band.matches('M').count()), (2, 3));
        assert!(!plot.band.contains("NaN") && !plot.expected.contains("NaN"));
    }

    #[test]
    fn a_band_that_is_far_wider_than_the_values_does_not_flatten_them() {
        let points: Vec<_> = (0..9)
            .map(|minute| Point { lower: -1e12, upper: 1e12, ..point(minute, minute as f64, 0.0) })
            .collect();
        let (low, high) = range(&points);
        assert!(low > -8.0 && high < 18.0, "{low} {high}");
        assert!(Plot::new(&points[..1], &MARKS).is_none());
    }
}
