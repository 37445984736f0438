//! An engine that has seen enough of a fleet for every detector to judge.

use std::sync::Arc;

use bellwether_detect::DetectorName;
use bellwether_engine::{DeepTier, Engine, Outputs, Record, RecordBody, Settings};
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
        let engine = Engine::new(&Arc::new(three_detectors()), 7);
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
