//! The digest of what the engine was told, which every event carries.

use bellwether_engine::{AlertPolicy, Budget, Ordering, Rule, Selection, SeriesLimits, Settings};
use bellwether_series::{Fingerprint, LabelLimits, Matchers};
use serde_json::{Value, json};

/// 16 hexadecimal digits over everything in `settings` that decides what the engine makes of its input.
/// Comments, spelling and explicit defaults in the file do not change it.
pub(super) fn digest(settings: &Settings) -> String {
    // Destructured in full, so that a new setting cannot be forgotten here.
    // Gauges are left out: which are exported decides no event.
    let Settings { ordering, series, selection, rules, budget, gauges: _, tenant, digest: _ } =
        settings;
    let Ordering { lateness_ms, future_max_ms, held_samples_max } = ordering;
    let SeriesLimits { active_max, time_to_live_ms, metadata_max, labels } = series;
    let LabelLimits { labels_max, name_bytes_max, value_bytes_max, total_bytes_max } = labels;
    let Selection { include, exclude } = selection;
    let Budget { per_day, per_series_per_day, cap_per_day } = budget;
    // Arrays, not objects: their order does not depend on how maps are built.
    let canonical = json!([
        "settings/1",
        [lateness_ms, future_max_ms, held_samples_max],
        [active_max, time_to_live_ms, metadata_max],
        [labels_max, name_bytes_max, value_bytes_max, total_bytes_max],
        [texts(include), texts(exclude)],
        rules.iter().map(rule).collect::<Vec<_>>(),
        [per_day, per_series_per_day, &f64::from(*cap_per_day)],
        tenant.as_ref(),
    ]);
    let mut text = Fingerprint::of_parts(&[canonical.to_string().as_bytes()]).to_string();
    text.truncate(16);
    text
}

fn texts(selectors: &[Matchers]) -> Vec<String> {
    selectors.iter().map(ToString::to_string).collect()
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
