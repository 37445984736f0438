//! What every gauge says at the moment, and what follows from it for remote write.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_engine::{Gauge, GaugeReading};
use bellwether_series::{Fingerprint, LabelSet, STALE_NAN_BITS};

use super::ShownGauge;
use super::ended::Ended;
use super::naming::{GAUGES, Named, gauge_values};

/// The NaN that Prometheus writes (`prometheus/prometheus:model/value/value.go`), not the stale marker.
const NORMAL_NAN_BITS: u64 = 0x7ff8_0000_0000_0001;

/// What the gauges of a series are called, made once and shared by the board and all queues.
#[derive(Debug, PartialEq)]
pub(super) struct Exported {
    pub(super) fingerprint: Fingerprint,
    /// In the order of `GAUGE_NAMES`.
    pub(super) labels: [LabelSet; GAUGES],
}

/// One sample of each gauge of a series.
#[derive(Debug, Clone)]
pub(super) struct Point {
    pub(super) series: Arc<Exported>,
    pub(super) at_ms: i64,
    /// In the order of `GAUGE_NAMES`; all are stale markers where the series ends.
    pub(super) values: [f64; GAUGES],
}

impl Point {
    fn reading(series: &Arc<Exported>, at_ms: i64, reading: &GaugeReading) -> Self {
        let normal =
            |value: f64| if value.is_nan() { f64::from_bits(NORMAL_NAN_BITS) } else { value };
        Self { series: Arc::clone(series), at_ms, values: gauge_values(reading).map(normal) }
    }

    fn end(series: Arc<Exported>, at_ms: i64) -> Self {
        Self { series, at_ms, values: [f64::from_bits(STALE_NAN_BITS); GAUGES] }
    }
}

/// A series that has a place.
struct Known {
    exported: Arc<Exported>,
    shown: Arc<[(String, String)]>,
    rule: Arc<str>,
    reading: GaugeReading,
    /// Event time of the reading.
    last_ms: i64,
    /// Wall-clock time at which the reading came.
    news_ms: i64,
}

/// The series whose gauges are kept, at most as many as there are places.
pub(super) struct Board {
    series_max: usize,
    stale_after_ms: i64,
    series: BTreeMap<Fingerprint, Known>,
    ended: Ended,
    /// The second of the wall clock in which silent series were looked for last.
    fresh_second: Option<i64>,
    refused: u64,
    out_of_order: u64,
}

impl Board {
    pub(super) fn new(series_max: usize, stale_after_ms: i64) -> Self {
        Self {
            series_max,
            stale_after_ms,
            series: BTreeMap::new(),
            ended: Ended::new(series_max),
            fresh_second: None,
            refused: 0,
            out_of_order: 0,
        }
    }

    /// Notes `gauge`, which came at `now_ms`, and appends what is to be sent to `points`.
    pub(super) fn note(&mut self, gauge: &Gauge, now_ms: i64, points: &mut Vec<Point>) {
        let (series, at_ms) = (gauge.fingerprint, gauge.at.as_ms());
        let Some(reading) = gauge.reading else {
            self.end(series, at_ms, points);
            return;
        };
        if self.series.get(&series).is_some_and(|known| known.rule != gauge.rule) {
            // Another rule makes other gauges.
            self.end(series, i64::MIN, points);
        }
        if let Some(known) = self.series.get_mut(&series) {
            if at_ms <= known.last_ms {
                self.out_of_order += 1;
                return;
            }
            (known.reading, known.last_ms, known.news_ms) = (reading, at_ms, now_ms);
            points.push(Point::reading(&known.exported, at_ms, &reading));
        } else if self.ended.last_ms(series).is_some_and(|last_ms| at_ms <= last_ms) {
            self.out_of_order += 1;
        } else if self.series.len() < self.series_max || self.make_room(now_ms, points) {
            self.admit(gauge, reading, now_ms, points);
        } else {
            self.refused += 1;
        }
    }

    fn admit(
        &mut self,
        gauge: &Gauge,
        reading: GaugeReading,
        now_ms: i64,
        points: &mut Vec<Point>,
    ) {
        let (fingerprint, at_ms) = (gauge.fingerprint, gauge.at.as_ms());
        let named = Named::new(&gauge.labels, &gauge.rule);
        let Ok(labels) = named.wire() else {
            self.refused += 1;
            return;
        };
        let exported = Arc::new(Exported { fingerprint, labels });
        points.push(Point::reading(&exported, at_ms, &reading));
        let known = Known {
            exported,
            shown: named.shown().into(),
            rule: Arc::clone(&gauge.rule),
            reading,
            last_ms: at_ms,
            news_ms: now_ms,
        };
        self.ended.forget(fingerprint);
        self.series.insert(fingerprint, known);
    }

    /// Ends the series that have been silent for too long; whether there was one.
    fn make_room(&mut self, now_ms: i64, points: &mut Vec<Point>) -> bool {
        // A flood of series without a place must not look at all places each time.
        let this_second = now_ms.div_euclid(1_000);
        if self.fresh_second.replace(this_second) == Some(this_second) {
            return false;
        }
        let silent = self.series.iter().filter(|(_, known)| !self.is_fresh(known, now_ms));
        let silent: Vec<Fingerprint> = silent.map(|(&series, _)| series).collect();
        for &series in &silent {
            self.end(series, i64::MIN, points);
        }
        !silent.is_empty()
    }

    /// Whether there was news lately. News from the future came before the clock was set back.
    fn is_fresh(&self, known: &Known, now_ms: i64) -> bool {
        now_ms.abs_diff(known.news_ms) <= self.stale_after_ms.unsigned_abs()
    }

    /// Ends `series`, at `at_ms` or right after its last reading, whichever is later. Its place is free.
    fn end(&mut self, series: Fingerprint, at_ms: i64, points: &mut Vec<Point>) {
        let Some(known) = self.series.remove(&series) else { return };
        // Nothing comes after the end of time; that series goes without a marker.
        if let Some(next_ms) = known.last_ms.checked_add(1) {
            points.push(Point::end(known.exported, at_ms.max(next_ms)));
        }
        self.ended.note(series, at_ms.max(known.last_ms.saturating_add(1)));
    }

    /// Ends every series.
    pub(super) fn end_all(&mut self, points: &mut Vec<Point>) {
        while let Some((&series, _)) = self.series.first_key_value() {
            self.end(series, i64::MIN, points);
        }
    }

    /// The gauges that had news lately, each with its series, in no particular order.
    pub(super) fn shown(&self, now_ms: i64) -> Vec<(ShownGauge, Fingerprint)> {
        let fresh = self.series.iter().filter(|(_, known)| self.is_fresh(known, now_ms));
        let shown = fresh.map(|(&series, known)| {
            (ShownGauge { labels: Arc::clone(&known.shown), reading: known.reading }, series)
        });
        shown.collect()
    }

    /// Series that have a place.
    pub(super) fn len(&self) -> usize {
        self.series.len()
    }

    /// News dropped because its series got no place.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// News dropped because it was not newer than what its series had.
    pub(super) fn out_of_order(&self) -> u64 {
        self.out_of_order
    }
}

#[cfg(test)]
mod tests;
