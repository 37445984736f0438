//! An engine that has seen enough of a fleet for every detector to judge.

use std::sync::Arc;

use bellwether_detect::{DetectorName, DetectorSpec, absent, changepoint, flatline};
use bellwether_engine::{DeepTier, Engine, Outputs, Record, RecordBody, Settings};
use bellwether_series::{MatchOp, Matcher, Matchers};
use bellwether_wire::remote_write::{Limits, WriteRequest, decompress};

use crate::{Fleet, WARM_STEPS};

/// Default settings without the deep tier.
pub fn base_tier() -> Settings {
    Settings { deep: DeepTier { memory_bytes: 0 }, ..Settings::default() }
}

/// The same with the three detectors that the budgets of time and memory are set for: z-score, quartiles, season.
pub fn three_detectors() -> Settings {
    let mut settings = base_tier();
    let budgeted = [DetectorName::Zscore, DetectorName::Iqr, DetectorName::Seasonal];
    for rule in &mut settings.rules {
        rule.detectors.retain(|spec| budgeted.contains(&spec.name()));
    }
    settings
}

/// The full base tier as it was designed: these and `changepoint`, `flatline` and `absent`.
pub fn full_base_tier() -> Settings {
    let mut settings = three_detectors();
    for rule in &mut settings.rules {
        rule.detectors.extend([
            DetectorSpec::Changepoint(changepoint::Params::default()),
            DetectorSpec::Flatline(flatline::Params::default()),
            DetectorSpec::Absent(absent::Params::default()),
        ]);
    }
    settings
}

/// The three detectors for all series, and the isolation forest for one in sixteen.
pub fn forest_for_one_in_sixteen() -> Settings {
    let mut settings = Settings { deep: DeepTier::default(), ..three_detectors() };
    let mut rule = settings.rules[0].clone();
    rule.name = "forest".into();
    // Of instances, whose hosts are any, those that end in one of sixteen numbers: 0, 16, 32 and so on.
    let numbers = (0..16).map(|number| (16 * number).to_string()).collect::<Vec<_>>().join("|");
    let matcher = Matcher::new("instance", MatchOp::Regex, format!(r".*\.({numbers}):9100"));
    rule.matchers = Matchers::new(vec![matcher.unwrap_or_else(|error| unreachable!("{error}"))]);
    rule.detectors.push(DetectorSpec::IsolationForest);
    settings.rules.insert(0, rule);
    settings.deep.memory_bytes = 4 << 30;
    settings
}

/// An engine with what it has seen.
#[derive(Debug)]
pub struct WarmEngine {
    engine: Engine,
    outputs: Outputs,
    next_step: usize,
}

impl WarmEngine {
    /// An engine of [`three_detectors`] that has seen [`WARM_STEPS`] steps of `fleet`.
    pub fn new(fleet: &Fleet) -> Self {
        Self::of(fleet, three_detectors())
    }

    /// The same under other settings.
    pub fn of(fleet: &Fleet, settings: Settings) -> Self {
        let engine = Engine::new(&Arc::new(settings), 7);
        let mut warm = Self { engine, outputs: Outputs::default(), next_step: 0 };
        for step in 0..WARM_STEPS {
            for body in fleet.bodies(step) {
                warm.apply(&body, step);
            }
        }
        warm.next_step = WARM_STEPS;
        warm
    }

    /// The next `count` steps of `fleet`, each with its compressed requests.
    pub fn next_steps(&mut self, fleet: &Fleet, count: usize) -> Vec<(usize, Vec<Vec<u8>>)> {
        let steps = self.next_step..self.next_step + count;
        self.next_step += count;
        steps.map(|step| (step, fleet.bodies(step).collect())).collect()
    }

    /// The whole path of a request, from compressed bytes to events. Returns how many samples were judged.
    ///
    /// # Panics
    /// When `body` is not a request as [`Fleet`] builds them.
    pub fn apply(&mut self, body: &[u8], step: usize) -> u64 {
        let limits = Limits::default();
        let plain = decompress(body, &limits).expect("a snappy block");
        let request = WriteRequest::decode(plain, &limits).expect("a request");
        let record = Record { received_at: Fleet::at(step), body: RecordBody::request(&request) };
        self.engine.apply(&record, &mut self.outputs);
        self.outputs.counts.judged
    }

    /// The engine.
    pub fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }
}
