//! A fleet in which nothing happens but what is injected, through an engine: false alarms and incidents found.
//!
//! One sample a minute of every series, of [`Null::CONTINUOUS`] in turn, each at a level and a scale of its own.
//! An incident lifts a series by six robust deviations for ten minutes. Each series of a class that has
//! incidents gets one, at a random minute once two days have passed: what happens every day is normal.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_detect::DetectorName;
use bellwether_engine::{
    ChangeKind, DEFAULT_RULE, Engine, Event, Outputs, Record, RecordBody, Settings,
};
use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::{Limits, RawSample, WriteRequest, WriteRequestBuilder};

use crate::{Noise, Null, base_tier};

const START: Timestamp = Timestamp::from_ms(1_767_571_200_000);
const MINUTE_MS: i64 = 60_000;
const DAY: usize = 1440;
/// Minutes of a series in one request.
const BATCH_MINUTES: usize = 10;
/// Days without incidents.
const CALM_DAYS: usize = 2;
/// Size of an incident in robust deviations.
const LIFT: f64 = 6.0;
const INCIDENT_MINUTES: usize = 10;
/// An alert this long after an incident's end still is about it.
const GRACE_MINUTES: usize = 5;

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    /// Number of series.
    pub series: usize,
    /// How long, in days.
    pub days: usize,
    /// `for` of the rule in minutes.
    pub for_minutes: i64,
    /// Whether incidents are injected.
    pub has_incidents: bool,
    /// Whether the deep tier judges as many series as its default memory holds, or none.
    pub has_deep_tier: bool,
}

/// What came of a trial.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Alerts outside incidents, by class and loudest detector.
    pub false_alarms: BTreeMap<(Null, Option<DetectorName>), usize>,
    /// Incidents injected and found, by class.
    pub incidents: BTreeMap<Null, (usize, usize)>,
    /// Of each incident found, how many of its samples were seen when the alert fired.
    pub delays: Vec<usize>,
    /// Surprise at the second sample of each incident, by class.
    pub surprises: BTreeMap<Null, Vec<f64>>,
    /// The largest threshold that an alert had to pass.
    pub threshold: f64,
}

impl Outcome {
    /// Alerts outside incidents.
    pub fn false_alarms(&self) -> usize {
        self.false_alarms.values().sum()
    }

    /// Share of the incidents that were found.
    pub fn found(&self) -> f64 {
        let sum = |(all, found), &(more, of_them): &(usize, usize)| (all + more, found + of_them);
        let (all, found) = self.incidents.values().fold((0, 0), sum);
        found as f64 / all as f64
    }

    /// Median of the delays in samples; none if nothing was found.
    pub fn median_delay(&self) -> Option<usize> {
        let mut delays = self.delays.clone();
        delays.sort_unstable();
        delays.get(delays.len() / 2).copied()
    }
}

#[derive(Debug)]
struct Incident {
    start: usize,
    is_found: bool,
}

struct Member {
    null: Null,
    labels: LabelSet,
    values: Box<dyn Iterator<Item = f64>>,
    level: f64,
    scale: f64,
    incident: Option<Incident>,
}

impl Trial {
    /// False alarms that a budget of one a day allows, with the factor of two that is granted.
    pub fn false_alarms_max(&self) -> usize {
        2 * self.days
    }

    /// Runs it, under default settings but for the budget of one alarm a day and `for`.
    ///
    /// # Panics
    /// Never, as long as the fleet fits into a request.
    pub fn run(&self) -> Outcome {
        let mut members: Vec<_> = (0..self.series).map(|index| self.member(index)).collect();
        let by_fingerprint: BTreeMap<_, _> =
            (0..self.series).map(|index| (members[index].labels.fingerprint(), index)).collect();
        let mut engine = Engine::new(&Arc::new(self.settings()), 0);
        let mut outputs = Outputs { scores: Some(Vec::new()), ..Outputs::default() };
        let mut outcome = Outcome::default();
        for batch in 0..self.days * DAY / BATCH_MINUTES {
            let first = batch * BATCH_MINUTES;
            let request = request(&mut members, first);
            let received_at = at(first + BATCH_MINUTES);
            let record = Record { received_at, body: RecordBody::request(&request) };
            engine.apply(&record, &mut outputs);
            for score in outputs.scores.iter().flatten() {
                let member = &members[by_fingerprint[&score.fingerprint]];
                if member.incident.as_ref().is_some_and(|one| one.start + 1 == minute_of(score.at))
                {
                    outcome.surprises.entry(member.null).or_default().push(score.surprise);
                }
            }
            let firing =
                |event: &&Event| event.change == ChangeKind::Firing && &*event.rule == DEFAULT_RULE;
            for event in outputs.events.iter().filter(firing) {
                outcome.count(&mut members[by_fingerprint[&event.fingerprint]], event);
            }
        }
        for member in &members {
            let (all, found) = outcome.incidents.entry(member.null).or_default();
            *all += usize::from(member.incident.is_some());
            *found += usize::from(member.incident.as_ref().is_some_and(|one| one.is_found));
        }
        outcome
    }

    fn settings(&self) -> Settings {
        let mut settings = if self.has_deep_tier { Settings::default() } else { base_tier() };
        settings.budget.per_day = 1.0;
        // What is counted is how often the thresholds let something pass, not what the cap hides.
        settings.budget.cap_per_day = u32::MAX;
        settings.rules[0].alert.for_ms = self.for_minutes * MINUTE_MS;
        settings
    }

    fn member(&self, index: usize) -> Member {
        let null = Null::CONTINUOUS[index % Null::CONTINUOUS.len()];
        let mut noise = Noise::new(1_000_000 + index as u64);
        let scale = 10_f64.powf(4.0 * noise.uniform() - 1.0);
        let instance = format!("null-{index}");
        let pairs = [("__name__", "null_value"), ("instance", &*instance)];
        let lasts = INCIDENT_MINUTES + GRACE_MINUTES;
        let minutes = (self.days * DAY).saturating_sub(CALM_DAYS * DAY + lasts);
        let start = CALM_DAYS * DAY + (noise.uniform() * minutes as f64) as usize;
        let has_incident = self.has_incidents && minutes > 0 && null.robust_deviation().is_some();
        Member {
            null,
            labels: LabelSet::from_pairs(pairs).expect("two labels"),
            values: Box::new(null.series(index as u64)),
            level: 20.0 * scale,
            scale,
            incident: has_incident.then_some(Incident { start, is_found: false }),
        }
    }
}

impl Member {
    /// The value of the next minute, which is minute `minute`.
    fn next(&mut self, minute: usize) -> f64 {
        let spans = |incident: &&Incident| {
            (incident.start..incident.start + INCIDENT_MINUTES).contains(&minute)
        };
        let lifted = self.incident.as_ref().filter(spans);
        let lift = self.null.robust_deviation().filter(|_| lifted.is_some()).unwrap_or(0.0) * LIFT;
        self.level + self.scale * (self.values.next().unwrap_or(0.0) + lift)
    }
}

impl Outcome {
    fn count(&mut self, member: &mut Member, event: &Event) {
        let minute = minute_of(event.at_ms);
        self.threshold = self.threshold.max(event.threshold);
        let about = |incident: &&mut Incident| {
            (incident.start..incident.start + INCIDENT_MINUTES + GRACE_MINUTES).contains(&minute)
        };
        match member.incident.as_mut().filter(about) {
            Some(incident) if incident.is_found => {}
            Some(incident) => {
                incident.is_found = true;
                self.delays.push(minute - incident.start + 1);
            }
            None => {
                let loudest =
                    event.detectors.iter().max_by(|a, b| a.surprise.total_cmp(&b.surprise));
                let key = (member.null, loudest.map(|evidence| evidence.name));
                *self.false_alarms.entry(key).or_default() += 1;
            }
        }
    }
}

fn request(members: &mut [Member], first: usize) -> WriteRequest {
    let mut builder = WriteRequestBuilder::default();
    for member in members {
        let samples: [RawSample; BATCH_MINUTES] = std::array::from_fn(|offset| {
            let minute = first + offset;
            RawSample { timestamp: at(minute), value: member.next(minute) }
        });
        builder.series(&member.labels, &samples);
    }
    WriteRequest::decode(builder.encode(), &Limits::default()).expect("a request")
}

fn at(minute: usize) -> Timestamp {
    START.plus_ms(minute as i64 * MINUTE_MS)
}

fn minute_of(timestamp: Timestamp) -> usize {
    (timestamp.ms_since(START) / MINUTE_MS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(has_incidents: bool) -> Trial {
        // The deep tier takes minutes in a debug build; the example runs it.
        Trial { series: 200, days: 3, for_minutes: 2, has_incidents, has_deep_tier: false }
    }

    #[test]
    fn a_fleet_in_which_nothing_happens_keeps_its_budget() {
        let trial = trial(false);
        let outcome = trial.run();
        assert!(outcome.false_alarms() <= trial.false_alarms_max(), "{:?}", outcome.false_alarms);
    }

    #[test]
    fn incidents_of_six_deviations_are_found_at_once() {
        let outcome = trial(true).run();
        assert!(outcome.found() >= 0.95, "{:?}", outcome.incidents);
        assert!(outcome.median_delay().is_some_and(|samples| samples <= 2), "{:?}", outcome.delays);
    }
}
