//! Why there was no alert: the newest sample of each series at some time, and where it ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_engine::{Engine, Event, Outputs, Record, RecordBody, Settings, Trace, Traces};
use bellwether_series::{Fingerprint, LabelSet, Matchers, Timestamp};

use super::error::ExplainError;
use super::model::{SampleLine, WhyNot};
use super::records::{Recorded, RecordsError};

/// Most series that are answered for, those first that come first by name and labels.
pub const SERIES_MAX: usize = 1000;
/// Series that begin to arrive later than this after the moment in question are not waited for.
const LATE_MS: i64 = 3_600_000;

/// How far back the newest sample is looked for: a series that brought nothing for a day is forgotten by default.
const LOOK_BACK_MS: i64 = 24 * 3_600_000;

/// What is known of one series.
struct Known {
    labels: LabelSet,
    /// The newest of its samples that are not after the moment; one that was taken rather than another of the same time.
    newest: Option<(Trace, Vec<String>)>,
    /// Samples of that time that were refused or left out besides.
    repeated: u64,
    /// Whether it went on behind the moment.
    went_on: bool,
}

/// Replays `records` from `settings` on, and says of each series that `wanted` matches what became of its newest sample
/// at `at` or in the day before. `limit`: most series, up to [`SERIES_MAX`]; how many more there are is counted.
///
/// # Errors
/// When no series matches, or the records cannot be read.
pub fn why_not(
    settings: &Arc<Settings>,
    records: &mut dyn Iterator<Item = Result<Recorded, RecordsError>>,
    wanted: &Matchers,
    at: Timestamp,
    limit: usize,
) -> Result<WhyNot, ExplainError> {
    let mut engine = Engine::new(settings, 1);
    let traces = Traces::new(wanted.clone()).from(at.plus_ms(-LOOK_BACK_MS));
    let traces = Some(Box::new(traces));
    let mut outputs = Outputs { traces, ..Outputs::default() };
    let mut series = BTreeMap::<Fingerprint, Known>::new();
    let (mut lateness_ms, mut count) = (settings.ordering.lateness_ms, 0);
    for recorded in records {
        let Recorded { received_at, body } = recorded.map_err(ExplainError::Records)?;
        let record = Record { received_at, body: body.as_record_body() };
        if let RecordBody::Configuration(settings) = &record.body {
            lateness_ms = settings.ordering.lateness_ms;
        }
        engine.apply(&record, &mut outputs);
        count += 1;
        let found = outputs.traces.as_ref().map_or(&[][..], |traces| traces.found());
        for trace in found {
            let known = series.entry(trace.fingerprint).or_insert_with(|| Known {
                labels: trace.labels.clone(),
                newest: None,
                repeated: 0,
                went_on: false,
            });
            known.take(trace, at, at.plus_ms(lateness_ms), &outputs.events);
        }
        // Whoever went on brings nothing from before any more.
        let is_late = received_at > at.plus_ms(lateness_ms + LATE_MS);
        if is_late && series.values().all(|known| known.went_on) && !series.is_empty() {
            break;
        }
    }
    let mut known: Vec<Known> =
        series.into_values().filter(|known| known.newest.is_some()).collect();
    if known.is_empty() {
        let matchers = wanted.to_string();
        return Err(ExplainError::NoSeries { matchers, records: count });
    }
    known.sort_by_cached_key(|known| known.labels.to_string());
    let shown = limit.clamp(1, SERIES_MAX);
    let more = known.len().saturating_sub(shown);
    let lines = known.into_iter().take(shown).filter_map(|known| {
        let (trace, events) = known.newest?;
        let mut line = SampleLine::of(&trace);
        (line.events, line.repeated) = (events, known.repeated);
        line.age_ms = Some(at.ms_since(trace.at));
        Some(line)
    });
    Ok(WhyNot { at_ms: at, series: lines.collect(), more, adopted_at_ms: None })
}

impl Known {
    fn take(&mut self, trace: &Trace, at: Timestamp, past: Timestamp, events: &[Event]) {
        if trace.at > at {
            self.went_on |= trace.gate.is_taken() && trace.at > past;
            return;
        }
        let is_better = match &self.newest {
            None => true,
            Some((newest, _)) if trace.at == newest.at => {
                self.repeated += 1;
                trace.gate.is_taken() && !newest.gate.is_taken()
            }
            Some((newest, _)) => {
                // What comes late is left out, and what was left out is not what a series stands at.
                let is_newer = trace.at > newest.at;
                if is_newer {
                    self.repeated = 0;
                }
                is_newer
            }
        };
        if is_better {
            let its = events
                .iter()
                .filter(|event| event.fingerprint == trace.fingerprint && event.at_ms == trace.at);
            self.newest = Some((trace.clone(), its.map(|event| event.id.clone()).collect()));
        }
    }
}
