//! The parts of a fleet while it is put together, and how to find them again.

use bellwether_series::{LabelSet, METRIC_NAME};

use super::driver::{Cause, Driver};
use super::effect::Effect;
use super::model::Model;
use super::random::{Purpose, Random};
use super::target::Target;
use super::{FleetConfig, FleetSeries, MetricKind};

/// Everything that a fleet consists of.
#[derive(Debug, Clone)]
pub(super) struct Blueprint {
    pub(super) seed: u64,
    pub(super) interval_ms: i64,
    /// Draws the levels of this fleet.
    pub(super) random: Random,
    pub(super) drivers: Vec<Driver>,
    pub(super) targets: Vec<Target>,
    pub(super) series: Vec<FleetSeries>,
    /// How each of `series` comes about.
    pub(super) generators: Vec<Generator>,
}

/// How the values of a series come about.
#[derive(Debug, Clone)]
pub(super) struct Generator {
    pub(super) target: usize,
    pub(super) model: Model,
    pub(super) effects: Vec<Effect>,
    pub(super) random: Random,
}

impl Blueprint {
    pub(super) fn new(config: &FleetConfig) -> Self {
        Self {
            seed: config.seed,
            interval_ms: config.interval_ms,
            random: Random::new(config.seed, Purpose::Catalogue),
            drivers: Vec::new(),
            targets: Vec::new(),
            series: Vec::new(),
            generators: Vec::new(),
        }
    }

    /// Adds a common cause and returns its index.
    pub(super) fn driver(&mut self, cause: Cause) -> usize {
        let index = self.drivers.len();
        self.drivers.push(Driver::new(cause, self.seed, index, self.interval_ms));
        index
    }

    /// Adds a target with its `up` series and returns its index.
    pub(super) fn target(&mut self, job: &'static str, instance: String) -> usize {
        let target = self.rules(job, instance);
        self.gauge(target, "up", &[], Model::Up);
        target
    }

    /// Adds something that writes series but is not scraped: no `up`.
    pub(super) fn rules(&mut self, job: &'static str, instance: String) -> usize {
        let offset_ms = (self.random.uniform() * self.interval_ms as f64) as i64;
        self.targets.push(Target::new(job, instance, offset_ms));
        self.targets.len() - 1
    }

    /// Adds a gauge.
    pub(super) fn gauge(
        &mut self,
        target: usize,
        name: &str,
        labels: &[(&str, &str)],
        model: Model,
    ) {
        self.add(target, name, labels, model, MetricKind::Gauge);
    }

    /// Adds a counter.
    pub(super) fn counter(
        &mut self,
        target: usize,
        name: &str,
        labels: &[(&str, &str)],
        counter: super::process::Counter,
    ) {
        self.add(target, name, labels, Model::Counter(counter), MetricKind::Counter);
    }

    fn add(
        &mut self,
        target: usize,
        name: &str,
        labels: &[(&str, &str)],
        model: Model,
        kind: MetricKind,
    ) {
        let Target { job, instance, .. } = &self.targets[target];
        let own = [(METRIC_NAME, name), ("job", *job), ("instance", instance.as_str())];
        let own = own.into_iter().filter(|(_, value)| !value.is_empty());
        let labels = LabelSet::from_pairs(own.chain(labels.iter().copied()))
            .expect("the catalogue names each label once");
        let random = Random::new(self.seed, Purpose::Series(self.series.len()));
        self.series.push(FleetSeries { labels, kind });
        self.generators.push(Generator { target, model, effects: Vec::new(), random });
    }

    /// The series that have this metric name and all of these labels.
    pub(super) fn find(&self, name: &str, labels: &[(&str, &str)]) -> Vec<usize> {
        let has = |series: &FleetSeries| {
            series.labels.metric_name() == name
                && labels.iter().all(|&(name, value)| series.labels.get(name) == Some(value))
        };
        (0..self.series.len()).filter(|&index| has(&self.series[index])).collect()
    }

    /// The series that a change of this driver reaches, directly or through another driver.
    pub(super) fn dependents(&self, driver: usize) -> Vec<usize> {
        let mut reached = vec![driver];
        for (index, later) in self.drivers.iter().enumerate() {
            if later.source().is_some_and(|source| reached.contains(&source)) {
                reached.push(index);
            }
        }
        let depends = |generator: &Generator| {
            generator.model.inputs().iter().any(|input| reached.contains(&input.driver))
        };
        (0..self.generators.len()).filter(|&index| depends(&self.generators[index])).collect()
    }

    /// The series of a target.
    pub(super) fn of_target(&self, target: usize) -> Vec<usize> {
        (0..self.generators.len())
            .filter(|&index| self.generators[index].target == target)
            .collect()
    }

    /// The targets of a job.
    pub(super) fn targets_of(&self, job: &str) -> Vec<usize> {
        (0..self.targets.len()).filter(|&index| self.targets[index].job == job).collect()
    }

    /// Lets an effect act on these series.
    pub(super) fn affect(&mut self, series: &[usize], effect: Effect) {
        for &index in series {
            self.generators[index].effects.push(effect);
        }
    }
}
