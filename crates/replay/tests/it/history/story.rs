//! A small history in which something happens, always the same: six series over five hours, three of which break.

use std::ops::Range;

use super::formats::Sample;
use crate::fixture::Noise;

/// Monday, 16 June 2025, midnight.
pub(super) const START_MS: i64 = 1_750_032_000_000;
pub(super) const MINUTE_MS: i64 = 60_000;
const MINUTES: i64 = 300;

/// Metric, host, and the minutes in which it is ten times what it was.
const SERIES: [(&str, &str, Range<i64>); 6] = [
    ("queue_depth", "web-1", 180..200),
    ("queue_depth", "web-2", 0..0),
    ("queue_depth", "db \"1\"", 220..235),
    ("requests_total", "web-1", 240..260),
    ("requests_total", "web-2", 0..0),
    ("up", "web-1", 0..0),
];

/// The samples by time, with a gap, a value that is missing and one that is no number.
pub(super) fn samples() -> Vec<Sample> {
    let mut noise = Noise(11);
    let mut counts = [0.0; SERIES.len()];
    let mut samples = Vec::new();
    for minute in 0..MINUTES {
        for (index, (metric, host, broken)) in SERIES.into_iter().enumerate() {
            let factor = if broken.contains(&minute) { 10.0 } else { 1.0 };
            let level = ((100.0 + 2.0 * noise.next()) * factor * 1000.0).round() / 1000.0;
            counts[index] = ((counts[index] + level) * 1000.0_f64).round() / 1000.0;
            let value = match (metric, minute) {
                (_, 50) => None,
                ("queue_depth", 60) => Some(f64::NAN),
                ("requests_total", _) => Some(counts[index]),
                ("up", _) => Some(1.0),
                _ => Some(level),
            };
            if (index, minute / 10) == (1, 12) {
                continue;
            }
            let (metric, host) = (metric.to_owned(), host.to_owned());
            samples.push(Sample { metric, host, at_ms: START_MS + minute * MINUTE_MS, value });
        }
    }
    samples
}
