//! Groups: which series are judged together.

use std::sync::Arc;

use bellwether_detect::group::{GroupSpec, JOINT_SIGNALS_MAX};
use bellwether_engine::{GroupRule, Rule};
use bellwether_series::{METRIC_NAME, Matchers};

use super::Builder;
use super::rules::RESERVED_NAMES;
use crate::config::raw::{RawGroupRule, RawGroups};

impl Builder<'_, '_> {
    /// The rules of groups, that which takes every series last. `rules` have names that none of them may have.
    pub(super) fn groups(&mut self, raw: &RawGroups, rules: &[Rule]) -> Vec<Arc<GroupRule>> {
        let fallback = GroupRule {
            by: texts(&raw.by),
            detectors: raw.detectors.iter().copied().map(Into::into).collect(),
            members_min: raw.members_min,
            members_max: raw.members_max,
            ..GroupRule::default()
        };
        self.check_group("groups", &fallback);
        let mut groups: Vec<Arc<GroupRule>> = Vec::with_capacity(raw.rules.len() + 1);
        for (index, raw) in raw.rules.iter().enumerate() {
            let field = format!("groups.rules[{index}]");
            let group = self.group(&field, raw, &fallback);
            let name = &group.name;
            let is_taken = groups.iter().any(|earlier| earlier.name == *name)
                || rules.iter().any(|rule| rule.name == *name);
            self.check_group_name(&format!("{field}.name"), raw.name.as_deref(), is_taken);
            self.check_group(&field, &group);
            groups.push(Arc::new(group));
        }
        groups.push(Arc::new(fallback));
        groups
    }

    fn group(&mut self, field: &str, raw: &RawGroupRule, fallback: &GroupRule) -> GroupRule {
        let match_field = format!("{field}.match");
        let matchers = if let Some(text) = &raw.r#match {
            self.selector(&match_field, text)
        } else {
            let mend = "add one, for example `match: '{__name__=~\"train_.*\"}'`";
            self.faults.value(&match_field, "the group matches nothing", mend);
            Matchers::default()
        };
        let detectors = raw.detectors.as_ref();
        GroupRule {
            name: Arc::from(raw.name.as_deref().unwrap_or_default()),
            matchers,
            by: raw.by.as_deref().map_or_else(|| fallback.by.clone(), texts),
            detectors: detectors.map_or_else(
                || fallback.detectors.clone(),
                |raw| raw.iter().copied().map(Into::into).collect(),
            ),
            members_min: raw.members_min.unwrap_or(fallback.members_min),
            members_max: raw.members_max.unwrap_or(fallback.members_max),
        }
    }

    fn check_group_name(&mut self, field: &str, name: Option<&str>, is_taken: bool) {
        let name = name.unwrap_or_default();
        if name.trim().is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
            let mend =
                "write 1 to 200 bytes without control characters, for example `name: OddRank`";
            self.faults.value(field, "the group has no name that its alerts can have", mend);
        } else if RESERVED_NAMES.contains(&name) {
            self.faults.value(field, "this name is bellwether's own", "choose another one");
        } else if is_taken {
            let mend = "give each rule and each group a name of its own";
            self.faults.value(field, "another rule or group has the same name", mend);
        }
    }

    fn check_group(&mut self, field: &str, group: &GroupRule) {
        let is_named = |spec| group.detectors.contains(&spec);
        if is_named(GroupSpec::Peer) && group.by.iter().all(|name| &**name != METRIC_NAME) {
            let field = format!("{field}.detectors");
            let mend = "write `by: [__name__, …]`, so that the series of a group are one metric";
            self.faults.value(&field, "`peer` compares values of different metrics", mend);
        }
        if group.members_min > group.members_max {
            let mend = format!("allowed: up to `members_max`, which is {}", group.members_max);
            self.faults.value(&format!("{field}.members_min"), "the number is out of range", mend);
        }
        let is_joint = is_named(GroupSpec::Subspace) || is_named(GroupSpec::IsolationForest);
        if is_joint && group.members_max > JOINT_SIGNALS_MAX {
            let mend =
                format!("allowed: up to {JOINT_SIGNALS_MAX}, unless `peer` is the only detector");
            self.faults.value(&format!("{field}.members_max"), "the number is out of range", mend);
        }
    }
}

pub(super) fn texts(names: &[String]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(name.as_str())).collect()
}
