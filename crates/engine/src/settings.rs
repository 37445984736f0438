//! What the operator decided, parsed and valid: everything that the engine's behaviour depends on
//! besides its input.

mod saved;

use std::sync::Arc;

use bellwether_detect::{DetectorSpec, Direction, MinDeviation};
use bellwether_series::{Fingerprint, LabelLimits, LabelSet, Matchers, Timestamp};

use serde::{Deserialize, Serialize};

use crate::calendar::Calendar;
use crate::event::FORMAT_VERSION;
use crate::group_rule::GroupRule;
use crate::ha::{ClusterName, HaPairs};
use crate::tenants::Tenants;

/// Name of the rule that judges what no configured rule matches, and of the alerts it raises.
pub const DEFAULT_RULE: &str = "MetricAnomaly";

/// Everything that decides what the engine makes of its input.
///
/// It is saved in the journal, so that a replay has it: what is read back is checked, and unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields, default)]
pub struct Settings {
    /// Order of samples within a series.
    pub ordering: Ordering,
    /// Bounds on series.
    pub series: SeriesLimits,
    /// Senders that write the same series.
    pub ha: HaPairs,
    /// Which series are watched.
    pub selection: Selection,
    /// How they are judged: the first rule that matches a series is its rule. The last one matches
    /// every series.
    pub rules: Vec<Rule>,
    /// How many false alarms may be raised.
    pub budget: Budget,
    /// How many series the detectors of the deep tier judge.
    pub deep: DeepTier,
    /// Which series are judged together: the first that takes a series is its rule of groups.
    pub groups: Vec<Arc<GroupRule>>,
    /// Watched series that any of these matches have their gauges exported: see [`crate::Outputs::gauges`].
    /// Empty means none. No event depends on it.
    pub gauges: Vec<Matchers>,
    /// Time zone, holidays and maintenance.
    pub calendar: Calendar,
    /// Whose series these are; part of every episode id.
    pub tenant: Arc<str>,
    /// Several tenants, told apart within; without it everything is of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenants: Option<Tenants>,
    /// Digest of the effective configuration, put into events.
    pub digest: Arc<str>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ordering: Ordering::default(),
            series: SeriesLimits::default(),
            ha: HaPairs::default(),
            selection: Selection::default(),
            rules: vec![Rule::default()],
            budget: Budget::default(),
            deep: DeepTier::default(),
            groups: vec![Arc::default()],
            gauges: Vec::new(),
            calendar: Calendar::default(),
            tenant: Arc::from("default"),
            tenants: None,
            digest: Arc::from("default"),
        }
    }
}

impl Settings {
    /// The tenant of a series with these labels; empty without tenants.
    pub(crate) fn tenant_of<'l>(&self, labels: &'l LabelSet) -> &'l str {
        let tenants = self.tenants.as_ref();
        tenants.and_then(|tenants| labels.get(&tenants.label)).unwrap_or_default()
    }

    /// Whether both know each series by the same labels, as far as tenants go.
    pub(crate) fn tenants_alike(&self, other: &Self) -> bool {
        let label =
            |settings: &Self| settings.tenants.as_ref().map(|tenants| Arc::clone(&tenants.label));
        label(self) == label(other)
    }

    /// The name of the cluster of replicas that a series is of. No cluster is of two tenants.
    pub(crate) fn cluster(&self, labels: &LabelSet) -> ClusterName {
        let tenant = self.tenants.is_some().then(|| Box::from(self.tenant_of(labels)));
        self.ha.cluster(labels).into_iter().chain(tenant).collect()
    }

    /// How many parts the name of a cluster has.
    pub(crate) fn cluster_parts(&self) -> usize {
        self.ha.cluster_labels.len() + usize::from(self.tenants.is_some())
    }

    /// The rule that judges a series with these labels: the first that matches, else the last.
    pub(crate) fn rule_index(&self, labels: &LabelSet) -> usize {
        let first = self.rules.iter().position(|rule| rule.matchers.matches(labels));
        first.unwrap_or(self.rules.len().saturating_sub(1))
    }

    /// Whether the rule at `index` is one that names its series: any but the last, which takes what is left.
    pub(crate) fn is_named(&self, index: usize) -> bool {
        index + 1 < self.rules.len()
    }

    /// The group of a series: its rule's index, and the labels that it shares with the others. `None` if it is in no
    /// group.
    pub(crate) fn group_of(&self, labels: &LabelSet) -> Option<(u16, LabelSet)> {
        let mut all = self.groups.iter().enumerate().filter(|(_, rule)| rule.takes(labels));
        let (index, rule) = all.next()?;
        let shared = rule.shared(labels)?;
        // No group mixes tenants.
        match self.tenants.as_ref().filter(|tenants| shared.get(&tenants.label).is_none()) {
            Some(tenants) => {
                let shared = shared.with(&tenants.label, self.tenant_of(labels)).ok()?;
                Some((index as u16, shared))
            }
            None => Some((index as u16, shared)),
        }
    }

    /// Whether the group of a series with these labels is the one that [`Settings::group_of`] said of another.
    pub(crate) fn is_in_group(&self, labels: &LabelSet, (of, shared): (u16, &LabelSet)) -> bool {
        let mut rules = self.groups.iter();
        let mut before = rules.by_ref().take(usize::from(of));
        !before.any(|rule| rule.takes(labels))
            && rules.next().is_some_and(|rule| rule.takes_into(labels, shared))
            && self.tenant_of(labels) == self.tenant_of(shared)
    }

    /// Whether both put each series into the same group, and so into the same partition.
    pub(crate) fn groups_alike(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.groups, &other.groups);
        ours.len() == theirs.len()
            && ours.iter().zip(theirs).all(|(our, their)| our.groups_alike(their))
    }

    /// Whether whatever is kept of silent series under these settings means the same under `other`: the same series are
    /// watched and judged alike, under the same rules at the same places. When an alert fires may differ.
    pub(crate) fn keeps_cold(&self, other: &Self) -> bool {
        let judges_alike = |(ours, theirs): (&Rule, &Rule)| {
            let alert = AlertPolicy::default();
            Rule { alert, ..ours.clone() } == Rule { alert, ..theirs.clone() }
        };
        self.rules.len() == other.rules.len()
            && self.rules.iter().zip(&other.rules).all(judges_alike)
            && self.selection == other.selection
            && self.groups == other.groups
            && self.ha == other.ha
    }

    /// Whether the gauges of a series with these labels are exported.
    pub(crate) fn exports(&self, labels: &LabelSet) -> bool {
        self.gauges.iter().any(|matchers| matchers.matches(labels))
    }

    /// Identity of an episode: 128 bits over format version, tenant, series, rule and start.
    pub(crate) fn episode_id(
        &self,
        fingerprint: Fingerprint,
        rule: &str,
        starts_at: Timestamp,
    ) -> Fingerprint {
        Fingerprint::of_parts(&[
            b"episode",
            &FORMAT_VERSION.to_le_bytes(),
            self.tenant.as_bytes(),
            &fingerprint.as_u128().to_le_bytes(),
            rule.as_bytes(),
            &starts_at.as_ms().to_le_bytes(),
        ])
    }
}

/// Order of samples within a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ordering {
    /// How far behind the newest sample of its series, in event time, a sample may arrive. 0 takes
    /// samples in order only; above 0 a sample is held until its series has passed it.
    pub lateness_ms: i64,
    /// How far ahead of its receipt a sample may be before it is refused.
    pub future_max_ms: i64,
    /// Most samples held back per series while `lateness_ms` is above 0.
    pub held_samples_max: usize,
}

impl Default for Ordering {
    fn default() -> Self {
        Self { lateness_ms: 0, future_max_ms: 10 * 60_000, held_samples_max: 128 }
    }
}

/// Bounds on series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeriesLimits {
    /// Most series known at a time, watched or not; a tenth more where they were silent and come back.
    pub active_max: usize,
    /// Most series of one metric name known at a time, of each tenant; 0 is no limit.
    pub per_metric_max: usize,
    /// A series from which nothing was received for this long is forgotten.
    pub time_to_live_ms: i64,
    /// A series from which nothing was received for this long leaves memory until it comes back. As long as
    /// `time_to_live_ms` or longer: none does.
    pub idle_after_ms: i64,
    /// Most series that are out of memory at a time; beyond it those that were silent for longest are forgotten.
    pub cold_max: usize,
    /// Most bytes that their states take. Each partition has an equal part, and forgets the oldest beyond it.
    pub cold_bytes_max: u64,
    /// Most metric families whose metadata is remembered, of each tenant.
    pub metadata_max: usize,
    /// Bounds on one label set.
    pub labels: LabelLimits,
}

impl Default for SeriesLimits {
    fn default() -> Self {
        Self {
            active_max: 1_000_000,
            per_metric_max: 0,
            time_to_live_ms: 24 * 3_600_000,
            idle_after_ms: 3_600_000,
            cold_max: 2_000_000,
            cold_bytes_max: 4 << 30,
            metadata_max: 100_000,
            labels: LabelLimits::default(),
        }
    }
}

/// Which series are watched: those that some `include` matches (all, if there is none) and no
/// `exclude` does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Selection {
    /// Series to watch; empty means every series.
    pub include: Vec<Matchers>,
    /// Series not to watch, whatever `include` says.
    pub exclude: Vec<Matchers>,
}

impl Selection {
    /// Whether a series with these labels is watched.
    pub fn selects(&self, labels: &LabelSet) -> bool {
        (self.include.is_empty() || self.include.iter().any(|m| m.matches(labels)))
            && !self.exclude.iter().any(|m| m.matches(labels))
    }
}

/// How a set of series is judged and alerted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// Name of the rule and of its alerts.
    pub name: Arc<str>,
    /// The series that it is about.
    pub matchers: Matchers,
    /// The detectors that judge them.
    pub detectors: Vec<DetectorSpec>,
    /// The smallest departure that counts.
    pub min_deviation: MinDeviation,
    /// The side on which departures count.
    pub direction: Direction,
    /// When an anomaly becomes an alert.
    pub alert: AlertPolicy,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            name: Arc::from(DEFAULT_RULE),
            matchers: Matchers::default(),
            detectors: DetectorSpec::defaults(),
            min_deviation: MinDeviation::default(),
            direction: Direction::default(),
            alert: AlertPolicy::default(),
        }
    }
}

/// How much the series of a rule matter; shifts severity by a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Importance {
    /// One step less severe.
    Low,
    /// As it is.
    #[default]
    Normal,
    /// One step more severe.
    High,
}

/// When an anomaly becomes an alert and when that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlertPolicy {
    /// How long, in event time, the surprise must stay over the threshold before the alert fires. Each
    /// sample counts for its series' own interval, so a series sampled less often fires at once.
    pub for_ms: i64,
    /// How long the surprise must stay low before the alert is resolved.
    pub keep_firing_for_ms: i64,
    /// How much the rule's series matter.
    pub importance: Importance,
}

impl Default for AlertPolicy {
    fn default() -> Self {
        Self { for_ms: 120_000, keep_firing_for_ms: 300_000, importance: Importance::Normal }
    }
}

/// How many false alarms may be raised; firing thresholds follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// False alarms a day, all series together.
    pub per_day: f64,
    /// False alarms a day and series.
    pub per_series_per_day: f64,
    /// Most alerts a day of event time, of each tenant where there are tenants; episodes beyond it stay events.
    pub cap_per_day: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { per_day: 0.2, per_series_per_day: 0.2, cap_per_day: 50 }
    }
}

/// Detectors of the deep tier know more and take more memory, so they judge as many series as there is memory for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeepTier {
    /// Bytes for their states. Each partition has an equal part of it and gives it to series in the order in which
    /// they come; a series that finds none left is judged by the base tier alone until it is admitted again.
    pub memory_bytes: usize,
}

impl Default for DeepTier {
    fn default() -> Self {
        Self { memory_bytes: 512 * 1024 * 1024 }
    }
}
