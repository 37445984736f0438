//! A world in which everything happens that a state depends on: every detector by name and the default chain, groups of
//! all kinds, maintenance, late and repeated samples, series that end, pause, come back and are given up, metadata, changes
//! of configuration, and more alerts than the day's cap.

use std::sync::Arc;

use bellwether_detect::group::GroupSpec;
use bellwether_detect::{
    DetectorSpec, absent, changepoint, flatline, forecast, iqr, seasonal, threshold, zscore,
};
use bellwether_engine::{
    Calendar, GroupRule, Maintenance, MaintenanceTime, RecordBody, Rule, Settings, Zone,
};
use bellwether_series::{LabelSet, MatchOp, Matcher, Matchers, STALE_NAN_BITS, Timestamp};
use bellwether_wire::remote_write::{
    Limits, MetricType, RawSample, WriteRequest, WriteRequestBuilder,
};

use crate::scene::Noise;

const START: Timestamp = Timestamp::from_ms(1_750_000_020_000);
const MINUTE_MS: i64 = 60_000;
/// Members of the group of one metric.
const PEERS: usize = 6;
/// Metrics of each instance that the default chain judges.
const METRICS: usize = 6;
const INSTANCES: [&str; 2] = ["a", "b"];

/// What differs from world to world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) steps: usize,
    /// Event time between two records.
    pub(crate) step_ms: i64,
    pub(crate) lateness_ms: i64,
    /// Series that the deep tier has memory for in each partition.
    pub(crate) deep_per_partition: usize,
}

/// One thing that is received.
pub(crate) enum News {
    Request(Box<WriteRequest>),
    Quiet,
    Settings(Arc<Settings>),
}

impl News {
    pub(crate) fn body(&self) -> RecordBody<'_> {
        match self {
            Self::Request(request) => RecordBody::request(request),
            Self::Quiet => RecordBody::Heartbeat,
            Self::Settings(settings) => RecordBody::Configuration(Arc::clone(settings)),
        }
    }
}

/// Every detector with the name of the metric that it judges.
pub(crate) fn catalogue() -> Vec<(&'static str, DetectorSpec)> {
    let robust = zscore::Params { robust: true, ..zscore::Params::default() };
    let raw = threshold::RawParams { above: Some(150.0), ..threshold::RawParams::default() };
    let threshold = threshold::Params::try_from(raw).expect("parameters");
    vec![
        ("zscore", DetectorSpec::Zscore(zscore::Params::default())),
        ("robust", DetectorSpec::Zscore(robust)),
        ("iqr", DetectorSpec::Iqr(iqr::Params::default())),
        ("seasonal", DetectorSpec::Seasonal(seasonal::Params::default())),
        ("forecast", DetectorSpec::Forecast(forecast::Params::default())),
        ("exhaustion", DetectorSpec::Exhaustion(forecast::ExhaustionParams::default())),
        ("changepoint", DetectorSpec::Changepoint(changepoint::Params::default())),
        ("scatter", DetectorSpec::Scatter),
        ("trend", DetectorSpec::Trend),
        ("flatline", DetectorSpec::Flatline(flatline::Params::default())),
        ("absent", DetectorSpec::Absent(absent::Params::default())),
        ("threshold", DetectorSpec::Threshold(threshold)),
        ("subspace", DetectorSpec::Subspace),
        ("seasonal_residual", DetectorSpec::SeasonalResidual),
        ("random_cut_forest", DetectorSpec::RandomCutForest),
        ("isolation_forest", DetectorSpec::IsolationForest),
        ("autoencoder", DetectorSpec::Autoencoder),
    ]
}

fn matchers(name: &str, op: MatchOp, value: &str) -> Matchers {
    Matchers::new(vec![Matcher::new(name, op, value).expect("a matcher")])
}

impl World {
    /// The configuration of a `version`: each has another budget, every second one other rules, exclusions and groups.
    pub(crate) fn settings(&self, version: usize) -> Arc<Settings> {
        let is_odd = !version.is_multiple_of(2);
        let mut rules: Vec<Rule> = catalogue()
            .into_iter()
            .map(|(name, spec)| {
                // Detectors of the deep tier need one of the base tier that says what it expected.
                let detectors = match spec.deep_bytes() {
                    0 => vec![spec],
                    _ => vec![DetectorSpec::Zscore(zscore::Params::default()), spec],
                };
                let matchers = matchers("__name__", MatchOp::Equal, name);
                Rule { name: name.into(), matchers, detectors, ..Rule::default() }
            })
            .collect();
        if is_odd {
            // The series of the first rule are judged by the default chain, those of the second by another method.
            rules.remove(0);
            rules[0].detectors.push(DetectorSpec::Trend);
        }
        rules.push(Rule::default());
        let by_metric = GroupRule {
            name: "Unlike".into(),
            matchers: matchers("__name__", MatchOp::Equal, "peer"),
            by: vec!["__name__".into()],
            detectors: vec![GroupSpec::Peer],
            members_min: 3,
            members_max: PEERS - usize::from(is_odd),
        };
        let by_instance = GroupRule { detectors: GroupSpec::ALL.to_vec(), ..GroupRule::default() };
        let mut settings = Settings {
            rules,
            groups: vec![Arc::new(by_metric), Arc::new(by_instance)],
            gauges: vec![matchers("instance", MatchOp::Equal, "a")],
            calendar: self.calendar(),
            digest: format!("version-{version}").into(),
            ..Settings::default()
        };
        if is_odd {
            settings.selection.exclude = vec![matchers("__name__", MatchOp::Regex, "iqr|load_1")];
        }
        let deep_bytes: usize = DetectorSpec::defaults().iter().map(DetectorSpec::deep_bytes).sum();
        settings.deep.memory_bytes = 64 * deep_bytes * self.deep_per_partition;
        settings.ordering.lateness_ms = self.lateness_ms;
        settings.ordering.held_samples_max = 4;
        settings.series.time_to_live_ms = 40 * MINUTE_MS;
        settings.series.idle_after_ms = 3 * MINUTE_MS;
        settings.series.metadata_max = 4;
        settings.budget.per_day = if is_odd { 500.0 } else { 2.0 };
        settings.budget.per_series_per_day = 0.5 + version as f64;
        settings.budget.cap_per_day = 6;
        Arc::new(settings)
    }

    fn calendar(&self) -> Calendar {
        let at = |step: i64| START.plus_ms(step * self.step_ms);
        let maintenance = [("upgrade", "load_2"), ("reboot", "load_[23]")]
            .into_iter()
            .zip([130, 190])
            .map(|((name, metrics), step)| Maintenance {
                name: name.into(),
                matchers: vec![matchers("__name__", MatchOp::Regex, metrics)],
                times: vec![MaintenanceTime::Once { start: at(step), end: at(step + 9) }],
            });
        let zone = Zone::named("Europe/Berlin").expect("a zone");
        Calendar { zone, maintenance: maintenance.collect(), ..Calendar::default() }
    }

    /// Everything that is received.
    pub(crate) fn news(&self) -> Vec<(Timestamp, News)> {
        let mut noise = Noise(self.seed);
        let (mut all, mut version) = (Vec::new(), 0);
        let series = every_series();
        let mut count = 0.0;
        for step in 0..self.steps {
            let received_at = START.plus_ms(step as i64 * self.step_ms + 500);
            count += 5.0 + noise.below(4) as f64;
            if noise.below(60) == 0 {
                version += 1;
                all.push((received_at, News::Settings(self.settings(version))));
            }
            if noise.below(40) == 0 {
                all.push((received_at, News::Quiet));
            }
            let cut = noise.below(series.len());
            for part in [&series[..cut], &series[cut..]] {
                let request = self.request(step, part, &mut noise, count);
                all.push((received_at, News::Request(Box::new(request))));
            }
        }
        all
    }

    fn request(
        &self,
        step: usize,
        part: &[LabelSet],
        noise: &mut Noise,
        count: f64,
    ) -> WriteRequest {
        let mut builder = WriteRequestBuilder::default();
        for labels in part {
            // The bits of identity decide when what happens to whom.
            let fate = (labels.fingerprint().as_u128() ^ u128::from(self.seed)) as usize;
            let samples = self.samples(step, fate, labels, noise, count);
            if !samples.is_empty() {
                for labels in written(step, labels) {
                    builder.series(&labels, &samples);
                }
            }
        }
        if noise.below(20) == 0 {
            let family = ["requests", "load_0", "jobs", "peer", "zscore", "more"][noise.below(6)];
            let kind = if noise.below(2) == 0 { MetricType::Gauge } else { MetricType::Counter };
            builder.metadata(family, kind, "", "");
        }
        WriteRequest::decode(builder.encode(), &Limits::default()).expect("a request")
    }

    fn samples(
        &self,
        step: usize,
        fate: usize,
        labels: &LabelSet,
        noise: &mut Noise,
        count: f64,
    ) -> Vec<RawSample> {
        let fault = 150 + fate % 90;
        let silence = if fate.is_multiple_of(2) { fault + 7 } else { 100 + fate % 150 };
        let lasts = if fate.is_multiple_of(5) { 60 } else { 8 };
        if (silence..silence + lasts).contains(&step) && fate.is_multiple_of(3) {
            return Vec::new();
        }
        let timestamp = START.plus_ms(step as i64 * self.step_ms);
        let in_fault = fate % 4 < 2 && (fault..fault + 15).contains(&step);
        let all_fault = (260..272).contains(&step);
        let wobble = noise.below(1000) as f64 / 250.0;
        let name = labels.metric_name();
        let mut value = 100.0 + wobble + (step % 24) as f64;
        if name.starts_with("requests") {
            value = 10.0 * count + wobble;
        } else if fate.is_multiple_of(11) {
            value = value.floor() % 3.0;
        } else if in_fault || (all_fault && name.starts_with("load")) {
            value = if fate.is_multiple_of(2) { 400.0 } else { 0.0 };
        }
        if noise.below(400) == 0 {
            value = [f64::NAN, f64::from_bits(STALE_NAN_BITS), 1e300, -0.0][noise.below(4)];
        }
        let late_ms = if noise.below(12) == 0 { 2 * self.step_ms } else { 0 };
        let mut samples = vec![RawSample { timestamp: timestamp.plus_ms(-late_ms), value }];
        if noise.below(50) == 0 {
            samples.push(samples[0]);
        }
        if noise.below(50) == 0 {
            samples.push(RawSample { value: value + 1.0, ..samples[0] });
        }
        samples
    }
}

/// A series as the senders write it: those of one instance by a pair, each of which is silent at times, never both.
fn written(step: usize, labels: &LabelSet) -> Vec<LabelSet> {
    if labels.get("instance") != Some("b") {
        return vec![labels.clone()];
    }
    let replica = |name: &str| {
        let replica = [("cluster", "c"), ("__replica__", name)];
        LabelSet::from_pairs(labels.iter().chain(replica)).expect("a label set")
    };
    match step % 50 {
        0..10 => vec![replica("x")],
        20..30 => vec![replica("y")],
        _ => vec![replica("x"), replica("y")],
    }
}

fn every_series() -> Vec<LabelSet> {
    let labels = |name: &str, instance: &str| {
        LabelSet::from_pairs([("__name__", name), ("instance", instance)]).expect("a label set")
    };
    let mut all = Vec::new();
    for instance in INSTANCES {
        all.extend(catalogue().iter().map(|(name, _)| labels(name, instance)));
        all.extend((0..METRICS).map(|metric| labels(&format!("load_{metric}"), instance)));
        all.push(labels("requests_total", instance));
        all.push(labels("latency_bucket", instance));
    }
    all.extend((0..PEERS).map(|peer| labels("peer", &format!("peer-{peer}"))));
    all
}
