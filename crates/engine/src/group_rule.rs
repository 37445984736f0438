//! Which series are judged together, and how.

use std::sync::Arc;

use bellwether_detect::group::GroupSpec;
use bellwether_series::{LabelSet, METRIC_NAME, Matchers};
use serde::{Deserialize, Serialize};

/// Name of the alerts that a group raises for which no configured rule has another.
pub const GROUP_RULE: &str = "GroupAnomaly";
/// The metric name under which a group alerts, unless its series share one.
const GROUP_METRIC: &str = "group";

/// How series become groups, and how these are judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GroupRule {
    /// Name of the rule and of its alerts; no other rule has it.
    pub name: Arc<str>,
    /// The series that it is about.
    pub matchers: Matchers,
    /// Names of the labels whose values the series of a group share. Without any, each series is judged by itself alone.
    pub by: Vec<Arc<str>>,
    /// What judges their rows besides what is known of each series.
    pub detectors: Vec<GroupSpec>,
    /// Fewer series are no group: each of them alerts for itself.
    pub members_min: usize,
    /// Most series of a group that are judged together; further ones alert for themselves.
    pub members_max: usize,
}

impl Default for GroupRule {
    fn default() -> Self {
        Self {
            name: Arc::from(GROUP_RULE),
            matchers: Matchers::default(),
            by: vec![Arc::from("instance")],
            detectors: vec![GroupSpec::Subspace],
            members_min: 5,
            members_max: 96,
        }
    }
}

impl GroupRule {
    /// Whether series with these labels are its own: it is about them, and they have all labels of `by`.
    pub(crate) fn takes(&self, labels: &LabelSet) -> bool {
        self.by.iter().all(|name| labels.get(name).is_some()) && self.matchers.matches(labels)
    }

    /// The labels that a series shares with its group.
    pub(crate) fn shared(&self, labels: &LabelSet) -> Option<LabelSet> {
        let names = self.by.iter().map(|name| &**name);
        let mut pairs: Vec<_> =
            names.map(|name| Some((name, labels.get(name)?))).collect::<Option<_>>()?;
        if pairs.is_empty() {
            return None;
        }
        if !self.is_of_one_metric() {
            pairs.push((METRIC_NAME, GROUP_METRIC));
        }
        LabelSet::from_pairs(pairs).ok()
    }

    /// Whether it [takes](GroupRule::takes) series with these labels into the group of those that share `shared`.
    pub(crate) fn takes_into(&self, labels: &LabelSet, shared: &LabelSet) -> bool {
        self.by.iter().all(|name| labels.get(name) == shared.get(name))
            && self.matchers.matches(labels)
    }

    /// Whether the series of a group are one metric of many instances.
    pub(crate) fn is_of_one_metric(&self) -> bool {
        self.by.iter().any(|name| &**name == METRIC_NAME)
    }

    /// Whether both make the same groups of the same series.
    pub(crate) fn groups_alike(&self, other: &Self) -> bool {
        self.by == other.by && self.matchers == other.matchers
    }
}

#[cfg(test)]
mod tests {
    use bellwether_series::{MatchOp, Matcher};

    use super::*;
    use crate::settings::Settings;
    use crate::testing::series;

    fn rule(metric: &str, by: &[&str]) -> Arc<GroupRule> {
        let matcher = Matcher::new(METRIC_NAME, MatchOp::Equal, metric).unwrap();
        let by = by.iter().map(|&name| Arc::from(name)).collect();
        Arc::new(GroupRule { matchers: Matchers::new(vec![matcher]), by, ..GroupRule::default() })
    }

    #[test]
    fn the_first_rule_that_takes_a_series_makes_its_group() {
        let groups = vec![
            rule("step", &[METRIC_NAME, "job"]),
            rule("step", &[METRIC_NAME]),
            rule("apart", &[]),
            Arc::default(),
        ];
        let settings = Settings { groups, ..Settings::default() };
        let shared = |name: &str| {
            let (index, labels) = settings.group_of(&series(name, "a"))?;
            Some((index, labels.to_string()))
        };
        assert_eq!(shared("step"), Some((1, "step".to_owned())), "it has no job");
        assert_eq!(shared("apart"), None);
        assert_eq!(shared("load"), Some((3, "group{instance=\"a\"}".to_owned())));
    }
}
