//! The digest of what the engine was told, which every event carries.

use std::sync::Arc;

use bellwether_engine::{
    AlertPolicy, Budget, Calendar, DeepTier, GroupRule, HaPairs, Maintenance, Ordering, Rule,
    Selection, SeriesLimits, Settings, TenantLimits, Tenants, Zone,
};
use bellwether_series::{Fingerprint, LabelLimits, Matchers};
use serde_json::{Value, json};

/// 16 hexadecimal digits over everything in `settings` that decides what the engine makes of its input.
/// Comments, spelling and explicit defaults in the file do not change it.
pub(super) fn digest(settings: &Settings) -> String {
    // Destructured in full, so that a new setting cannot be forgotten here.
    // Gauges are left out: which are exported decides no event.
    let Settings {
        ordering,
        series,
        ha,
        selection,
        rules,
        budget,
        deep: DeepTier { memory_bytes },
        groups,
        gauges: _,
        calendar,
        tenant,
        tenants,
        digest: _,
    } = settings;
    let Ordering { lateness_ms, future_max_ms, held_samples_max } = ordering;
    let SeriesLimits {
        active_max,
        per_metric_max,
        time_to_live_ms,
        idle_after_ms,
        cold_max,
        cold_bytes_max,
        metadata_max,
        labels,
    } = series;
    let LabelLimits { labels_max, name_bytes_max, value_bytes_max, total_bytes_max } = labels;
    let Selection { include, exclude } = selection;
    let Budget { per_day, per_series_per_day, cap_per_day } = budget;
    // Arrays, not objects: their order does not depend on how maps are built.
    let mut canonical = json!([
        "settings/1",
        [lateness_ms, future_max_ms, held_samples_max],
        [active_max, time_to_live_ms, metadata_max],
        [labels_max, name_bytes_max, value_bytes_max, total_bytes_max],
        [texts(include), texts(exclude)],
        rules.iter().map(rule).collect::<Vec<_>>(),
        [per_day, per_series_per_day, &f64::from(*cap_per_day)],
        tenant.as_ref(),
        memory_bytes,
        groups_part(groups),
    ]);
    // What says nothing leaves the digest as it was before there were calendars.
    if let (Some(calendar), Value::Array(parts)) = (calendar_parts(calendar), &mut canonical) {
        parts.push(calendar);
    }
    if let (Some(ha), Value::Array(parts)) = (ha_part(ha), &mut canonical) {
        parts.push(ha);
    }
    if let (1.., Value::Array(parts)) = (*per_metric_max, &mut canonical) {
        parts.push(json!(["per_metric_max", per_metric_max]));
    }
    if let (Some(tenants), Value::Array(parts)) = (tenants, &mut canonical) {
        parts.push(tenants_part(tenants));
    }
    let defaults = SeriesLimits::default();
    let is_usual = *idle_after_ms == defaults.idle_after_ms
        && *cold_max == defaults.cold_max
        && *cold_bytes_max == defaults.cold_bytes_max;
    if let (false, Value::Array(parts)) = (is_usual, &mut canonical) {
        parts.push(json!(["cold", idle_after_ms, cold_max, cold_bytes_max]));
    }
    let mut text = Fingerprint::of_parts(&[canonical.to_string().as_bytes()]).to_string();
    text.truncate(16);
    text
}

fn texts(selectors: &[Matchers]) -> Vec<String> {
    selectors.iter().map(ToString::to_string).collect()
}

/// `None` for the calendar that is the default.
fn calendar_parts(calendar: &Calendar) -> Option<Value> {
    let Calendar { zone, holidays, maintenance } = calendar;
    if *zone == Zone::UTC && holidays.is_empty() && maintenance.is_empty() {
        return None;
    }
    let window = |window: &Maintenance| {
        let Maintenance { name, matchers, times } = window;
        json!([name.as_ref(), texts(matchers), times])
    };
    Some(json!([zone, holidays, maintenance.iter().map(window).collect::<Vec<_>>()]))
}

/// `None` for pairs as they are by default.
fn ha_part(ha: &HaPairs) -> Option<Value> {
    if *ha == HaPairs::default() {
        return None;
    }
    let HaPairs { cluster_labels, replica_labels, failover_ms, clusters_max } = ha;
    let names = |labels: &[Arc<str>]| labels.iter().map(ToString::to_string).collect::<Vec<_>>();
    Some(json!(["ha", names(cluster_labels), names(replica_labels), failover_ms, clusters_max]))
}

fn tenants_part(tenants: &Tenants) -> Value {
    let Tenants { label, limits } = tenants;
    let limits =
        limits.iter().map(|(name, TenantLimits { series_max })| json!([name.as_ref(), series_max]));
    json!(["tenants", label.as_ref(), limits.collect::<Vec<_>>()])
}

/// Only labels where nothing else is said, as it was when nothing else could be.
fn groups_part(groups: &[Arc<GroupRule>]) -> Value {
    let default = GroupRule::default();
    if let [only] = groups
        && **only == (GroupRule { by: only.by.clone(), ..default })
    {
        return json!(only.by.iter().map(AsRef::as_ref).collect::<Vec<&str>>());
    }
    let part = |group: &Arc<GroupRule>| {
        let GroupRule { name, matchers, by, detectors, members_min, members_max } = &**group;
        json!([
            name.as_ref(),
            matchers.to_string(),
            by.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
            detectors.iter().map(|spec| spec.as_str()).collect::<Vec<_>>(),
            [members_min, members_max],
        ])
    };
    groups.iter().map(part).collect()
}

fn rule(rule: &Rule) -> Value {
    let Rule { name, matchers, detectors, min_deviation, direction, alert } = rule;
    let AlertPolicy { for_ms, keep_firing_for_ms, importance } = alert;
    json!([
        name.as_ref(),
        matchers.to_string(),
        detectors,
        min_deviation,
        direction,
        [for_ms, keep_firing_for_ms],
        format!("{importance:?}"),
    ])
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    /// A value for every variable that the files name.
    fn variables() -> HashMap<String, String> {
        let names =
            ["ALERTMANAGER_HOST", "ALERTMANAGER_PASSWORD", "ALERTMANAGER_TOKEN", "WEBHOOK_KEY"];
        names.into_iter().map(|name| (name.to_owned(), "value".to_owned())).collect()
    }

    #[test]
    fn settings_that_were_saved_are_the_same_and_have_the_same_digest() {
        let folder = Path::new("../../fixtures/config/good");
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let is_file = |path: &std::path::PathBuf| path.extension().is_some_and(|e| e == "yml");
        let files: Vec<_> = paths.filter(is_file).collect();
        assert!(files.len() > 10);
        for path in files {
            let text = fs::read_to_string(&path).unwrap();
            let name = path.display().to_string();
            let config = Config::parse(&text, &name, folder, &variables())
                .unwrap_or_else(|faults| panic!("{faults}"));
            let json = serde_json::to_string(&config.engine).unwrap();
            let read: Settings = serde_json::from_str(&json).unwrap();
            assert_eq!(read, config.engine, "{name}");
            assert_eq!(digest(&read), *config.engine.digest, "{name}");
        }
    }
}
