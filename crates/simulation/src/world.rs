//! The series that are watched, what they measure, and how the engine is configured: small, and full of trouble.

use std::sync::Arc;

use bellwether_detect::group::GroupSpec;
use bellwether_detect::{DetectorSpec, threshold, zscore};
use bellwether_engine::{AlertPolicy, GroupRule, Rule, Settings, TenantLimits, Tenants};
use bellwether_series::{LabelSet, MatchOp, Matcher, Matchers, STALE_NAN_BITS, Timestamp};
use bellwether_wire::remote_write::{MetricType, RawSample, WriteRequestBuilder};

use crate::plan::{Pair, Plan};
use crate::random::{Purpose, Random};
use crate::sender::TENANTS;

/// When it all begins.
pub(crate) const START: Timestamp = Timestamp::from_ms(1_750_000_020_000);
/// Configurations that there are; each gets the number of the one before it plus one.
pub(crate) const VERSIONS: usize = 4;

/// The series, and the noise in them.
pub(crate) struct World {
    plan: Plan,
    series: Vec<LabelSet>,
    random: Random,
    count: f64,
}

impl World {
    pub(crate) fn new(plan: &Plan) -> Self {
        let random = Random::new(plan.seed, Purpose::World);
        Self { plan: plan.clone(), series: every_series(), random, count: 0.0 }
    }

    /// What `sender` has to say in `round`: the body of a request.
    pub(crate) fn body(&mut self, sender: usize, round: usize) -> Vec<u8> {
        let mut builder = WriteRequestBuilder::default();
        self.count += self.random.between(4, 8) as f64;
        let senders = self.plan.senders;
        for index in 0..self.series.len() {
            let owner = index % senders;
            // The second of a pair says what the first says, a little later.
            let pair = self.plan.pair;
            let owner = if pair.is_some() && owner == 1 { 0 } else { owner };
            let (is_own, is_second) =
                (owner == sender, pair.is_some() && sender == 1 && owner == 0);
            if is_own || is_second {
                let samples = self.samples(index, round, i64::from(is_second) * 700);
                let is_replica = pair == Some(Pair::Replicas) && owner == 0;
                let labels = &self.series[index];
                let labels = if is_replica { as_replica(labels, sender) } else { labels.clone() };
                if !samples.is_empty() {
                    builder.series(&labels, &samples);
                }
            }
        }
        if self.random.one_in(20) {
            let family = self.random.choose(&["requests", "load", "level", "queue"]);
            let kind = self.random.choose(&[MetricType::Gauge, MetricType::Counter]);
            builder.metadata(family, kind, "", "");
        }
        builder.encode()
    }

    fn samples(&mut self, index: usize, round: usize, later_ms: i64) -> Vec<RawSample> {
        // What happens to a series, and when, is its own; so no two runs are alike.
        let fate =
            (index as u64).wrapping_mul(self.plan.seed | 1).wrapping_mul(0x9e37_79b9) as usize;
        let phase = (round + fate % 40) % 50;
        if fate.is_multiple_of(5) && phase > 28 {
            return Vec::new();
        }
        let at = START.plus_ms(round as i64 * self.plan.round_ms + later_ms);
        let name = self.series[index].metric_name();
        let wobble = self.random.below(1000) as f64 / 250.0;
        let mut value = if name == "requests_total" {
            if fate.is_multiple_of(3) && phase == 30 { wobble } else { 10.0 * self.count + wobble }
        } else {
            100.0 + wobble
        };
        if (20..28).contains(&phase) && round > 20 && fate.is_multiple_of(2) {
            value *= 4.0;
        }
        if self.random.one_in(150) {
            value = self.random.choose(&[f64::NAN, f64::from_bits(STALE_NAN_BITS), 1e300, -0.0]);
        }
        let far_ms = self.random.choose(&[3_600_000, 86_400_000, 900_000_000]);
        let behind_ms = -self.plan.round_ms * self.random.between(1, 3);
        let shift_ms = match self.random.below(300) {
            0 => far_ms,
            1..15 => behind_ms,
            _ => 0,
        };
        let mut samples = vec![RawSample { timestamp: at.plus_ms(shift_ms), value }];
        if self.random.one_in(60) {
            samples.push(samples[0]);
        }
        samples
    }
}

fn every_series() -> Vec<LabelSet> {
    let labels = |name: &str, instance: &str| {
        LabelSet::from_pairs([("__name__", name), ("instance", instance)])
            .unwrap_or_else(|_| unreachable!("a constant label set"))
    };
    let mut all = Vec::new();
    for instance in ["a", "b"] {
        all.extend(["level", "load", "queue", "requests_total"].map(|name| labels(name, instance)));
    }
    all.extend(["c", "d"].map(|instance| labels("level", instance)));
    all.extend(["p", "q", "r", "s"].map(|instance| labels("peer", instance)));
    all.push(labels("latency_bucket", "a"));
    all
}

/// The labels under which the replica of that number sends a series.
fn as_replica(labels: &LabelSet, number: usize) -> LabelSet {
    labels
        .with("__replica__", &number.to_string())
        .unwrap_or_else(|_| unreachable!("no series has a replica of its own"))
}

fn matchers(name: &str, op: MatchOp, value: &str) -> Matchers {
    let matcher = Matcher::new(name, op, value);
    Matchers::new(vec![matcher.unwrap_or_else(|_| unreachable!("a constant matcher"))])
}

/// The configuration of a `version`, 0 to [`VERSIONS`] − 1.
pub(crate) fn settings(plan: &Plan, version: usize) -> Arc<Settings> {
    let raw = threshold::RawParams { above: Some(150.0), ..threshold::RawParams::default() };
    let threshold =
        threshold::Params::try_from(raw).unwrap_or_else(|_| unreachable!("constant parameters"));
    let warm_up_samples = 12.try_into().unwrap_or_default();
    let zscore = zscore::Params { warm_up_samples, ..zscore::Params::default() };
    let is_odd = !version.is_multiple_of(2);
    let rule = |name: &str, metrics: &str, detectors| Rule {
        name: name.into(),
        matchers: matchers("__name__", MatchOp::Regex, metrics),
        detectors,
        alert: AlertPolicy {
            for_ms: 2 * plan.round_ms,
            keep_firing_for_ms: if is_odd { 2 } else { 4 } * plan.round_ms,
            ..AlertPolicy::default()
        },
        ..Rule::default()
    };
    let peers = GroupRule {
        name: "Unlike".into(),
        matchers: matchers("__name__", MatchOp::Equal, "peer"),
        by: vec!["__name__".into()],
        detectors: vec![GroupSpec::Peer],
        members_min: 3,
        members_max: if version == 3 { 3 } else { 8 },
    };
    let mut settings = Settings {
        rules: vec![
            rule("Level", "level", vec![DetectorSpec::Threshold(threshold)]),
            rule("Load", "load|peer", vec![DetectorSpec::Zscore(zscore)]),
            Rule::default(),
        ],
        groups: vec![Arc::new(peers), Arc::default()],
        gauges: vec![matchers("instance", MatchOp::Equal, "a")],
        digest: format!("version-{version}").into(),
        ..Settings::default()
    };
    if version == 2 {
        settings.selection.exclude = vec![matchers("instance", MatchOp::Equal, "b")];
    }
    if plan.tenants && version != 3 {
        // With one version there are none; a tenant is small, and has another size with another version.
        let limits = TENANTS.into_iter().zip([5 + version, 9]);
        let limits = limits.map(|(name, series_max)| (name.into(), TenantLimits { series_max }));
        settings.tenants = Some(Tenants { limits: limits.collect(), ..Tenants::default() });
    }
    settings.deep.memory_bytes = plan.deep_bytes;
    settings.ordering.lateness_ms = plan.lateness_ms;
    settings.ordering.held_samples_max = 4;
    settings.series.time_to_live_ms = if is_odd { 15 } else { 40 } * plan.round_ms;
    // Longer than a request may be delivered again: whoever is forgotten takes what comes again for new.
    settings.series.idle_after_ms = 8 * plan.round_ms;
    settings.series.cold_max = 5;
    settings.series.cold_bytes_max = plan.cold_bytes_max;
    settings.series.active_max = 13;
    settings.series.metadata_max = 3;
    settings.budget.per_day = if is_odd { 500.0 } else { 2000.0 };
    settings.budget.per_series_per_day = 100.0 + version as f64;
    settings.budget.cap_per_day = plan.cap_per_day;
    Arc::new(settings)
}
