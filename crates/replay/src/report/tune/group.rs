//! Which alerts one rule could take care of.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::report::count::by_series;
use crate::report::episodes::{Episode, Scene};

/// Share of a metric's alerts from which a single series is what there is to tune.
const ONE_SERIES_SHARE: f64 = 0.8;

/// The alerts of one metric that one rule judged; at least one.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) rule: Arc<str>,
    pub(super) metric: &'a str,
    /// Those that fired and those that the cap held back, oldest first.
    pub(super) episodes: Vec<&'a Episode>,
}

/// The alerts of `scene` in groups. When nearly all alerts of a metric are those of one series, only these are a
/// group: the other series are left as they are.
pub(super) fn groups(scene: &Scene) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<(&Arc<str>, &str), Vec<&Episode>> = BTreeMap::new();
    for episode in scene.episodes.iter().filter(|episode| episode.alerts()) {
        groups.entry((&episode.rule, scene.metric(episode))).or_default().push(episode);
    }
    let of_one_series = |((rule, metric), episodes)| Group {
        rule: Arc::clone(rule),
        metric,
        episodes: mostly_one(episodes),
    };
    groups.into_iter().map(of_one_series).collect()
}

/// `episodes`, or those of the one series that nearly all of them are of.
fn mostly_one(episodes: Vec<&Episode>) -> Vec<&Episode> {
    let enough = ONE_SERIES_SHARE * episodes.len() as f64;
    let series = by_series(episodes.iter().copied());
    series.into_values().find(|of_one| of_one.len() as f64 >= enough).unwrap_or(episodes)
}
