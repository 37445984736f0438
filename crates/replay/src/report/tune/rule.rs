//! A rule of its own for the series of a metric.

use std::collections::BTreeSet;
use std::fmt::Write;

use bellwether_engine::DEFAULT_RULE;

use super::group::Group;
use crate::report::count::{by_series, fired_again, quantile};
use crate::report::duration_text;
use crate::report::episodes::{Episode, Scene};
use crate::report::model::{Suggestion, SuggestionKind};
use crate::report::selector::{camel, selector, yaml_quoted};

const MINUTE_MS: i64 = 60_000;
/// Alerts below which nothing is silenced: too few to learn from.
const ALERTS_MIN: usize = 5;
/// Largest departure that may be called small, as a share of what was expected.
const SMALL_DEPARTURE: f64 = 0.1;
/// An alert that is over this soon after it fired was over before anybody looked.
const SHORT_MS: i64 = 2 * MINUTE_MS;
/// Share of alerts that must be short.
const SHORT_SHARE: f64 = 0.8;
/// Longest `for` that is suggested.
const FOR_MS_MAX: i64 = 15 * MINUTE_MS;
/// An alert of the side that does not matter is over this soon after it fired.
const QUICK_MS: i64 = 10 * MINUTE_MS;
/// An alert of the side that matters fires this long.
const LASTING_MS: i64 = 30 * MINUTE_MS;
/// Alerts that must fire again before `keep_firing_for` is worth a word.
const AGAIN_MIN: usize = 2;
/// Lengths of time that people write.
const ROUND_MINUTES: [i64; 12] = [1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 90, 120];

/// What is to be written into the rule.
#[derive(Debug, Default)]
struct Draft {
    kinds: Vec<SuggestionKind>,
    reasons: Vec<String>,
    min_deviation: Option<f64>,
    direction: Option<&'static str>,
    for_ms: Option<i64>,
    keep_firing_for_ms: Option<i64>,
    spared: u32,
}

/// A rule that spares some of the alerts of `group`; its name becomes one of `names`.
pub(super) fn suggestion(
    scene: &Scene,
    group: &Group<'_>,
    names: &mut BTreeSet<String>,
) -> Option<Suggestion> {
    let draft = Draft::of(scene, &group.episodes);
    if draft.kinds.is_empty() {
        return None;
    }
    let selector = selector(group.episodes.iter().filter_map(|episode| scene.labels(episode)))?;
    let is_default = &*group.rule == DEFAULT_RULE;
    let base = camel(if is_default { group.metric } else { &group.rule }) + "Tuned";
    let name = (1..).map(|number| match number {
        1 => base.clone(),
        _ => format!("{base}{number}"),
    });
    let name = name.into_iter().find(|name| !names.contains(name))?;
    names.insert(name.clone());
    let advice = if is_default {
        format!(
            "Add it as the last of your rules. What it leaves out comes from `defaults`; its alerts will be \
             called {name}."
        )
    } else {
        format!(
            "Rule `{}` judges these series: write the keys into it if it is about nothing else, or put \
             this one right before it and copy its other keys.",
            group.rule
        )
    };
    Some(Suggestion {
        title: format!("{}: {}", group.metric, draft.title()),
        yaml: Some(draft.yaml(&name, &selector)),
        kinds: draft.kinds,
        reasons: draft.reasons,
        advice,
        spared: draft.spared,
    })
}

impl Draft {
    fn of(scene: &Scene, episodes: &[&Episode]) -> Self {
        let mut draft = Self::default();
        let left = draft.find_min_deviation(episodes.to_vec());
        let left = draft.find_direction(scene, left);
        let left = draft.find_for(left);
        draft.find_keep_firing_for(&left);
        draft
    }

    /// Takes what `silences` out of `episodes`, unless that is nothing or something that must ring.
    fn spare<'a>(
        &mut self,
        episodes: Vec<&'a Episode>,
        kind: SuggestionKind,
        silences: impl Fn(&Episode) -> bool,
    ) -> (bool, Vec<&'a Episode>) {
        let (spared, left): (Vec<_>, Vec<_>) =
            episodes.iter().copied().partition(|episode| silences(episode));
        if spared.is_empty() || spared.iter().any(|episode| episode.is_grave()) {
            return (false, episodes);
        }
        self.kinds.push(kind);
        self.spared += spared.len() as u32;
        (true, left)
    }

    /// Small departures that alert often.
    fn find_min_deviation<'a>(&mut self, episodes: Vec<&'a Episode>) -> Vec<&'a Episode> {
        let mut departures: Vec<f64> = episodes.iter().map(|episode| episode.departure).collect();
        let p90 = quantile(&mut departures, 0.9, f64::total_cmp);
        let Some(p90) = p90.filter(|&p90| p90 <= SMALL_DEPARTURE) else { return episodes };
        if episodes.len() < ALERTS_MIN {
            return episodes;
        }
        let floor = just_above(p90);
        let (all, kind) = (episodes.len(), SuggestionKind::MinDeviation);
        let (spares, left) = self.spare(episodes, kind, |episode| episode.departure < floor);
        if spares {
            self.min_deviation = Some(floor);
            self.reasons.push(format!(
                "{} of {all} alerts were less than {} % off what was expected; none of them was critical \
                 with a high peak.",
                all - left.len(),
                percent(floor),
            ));
        }
        left
    }

    /// One side that is always over quickly, while the other one is not.
    fn find_direction<'a>(
        &mut self,
        scene: &Scene,
        mut episodes: Vec<&'a Episode>,
    ) -> Vec<&'a Episode> {
        for (upward, keep, side) in [(true, "down", "upward"), (false, "up", "downward")] {
            let (quick, other): (Vec<&Episode>, Vec<&Episode>) =
                episodes.iter().partition(|episode| episode.is_upward() == upward);
            let over_quickly = |episode: &&Episode| {
                episode.resolved.is_some()
                    && !episode.is_critical()
                    && episode.firing_ms(scene.end_ms) <= QUICK_MS
            };
            let matters = |episode: &&Episode| {
                episode.is_critical() || episode.firing_ms(scene.end_ms) >= LASTING_MS
            };
            if quick.len() < ALERTS_MIN
                || !quick.iter().all(over_quickly)
                || !other.iter().any(matters)
            {
                continue;
            }
            let kind = SuggestionKind::Direction;
            let (spares, left) =
                self.spare(episodes, kind, |episode| episode.is_upward() == upward);
            episodes = left;
            if spares {
                self.direction = Some(keep);
                self.reasons.push(format!(
                    "All {} {side} alerts were over within {} and none was critical; those of the other \
                     side last.",
                    quick.len(),
                    duration_text(QUICK_MS),
                ));
            }
        }
        episodes
    }

    /// Alerts that are over before anybody can look.
    fn find_for<'a>(&mut self, episodes: Vec<&'a Episode>) -> Vec<&'a Episode> {
        let all = episodes.len();
        let mut lengths: Vec<i64> = episodes
            .iter()
            .filter(|episode| is_short(episode))
            .filter_map(|e| e.lasted_ms())
            .collect();
        if all < ALERTS_MIN || (lengths.len() as f64) < SHORT_SHARE * all as f64 {
            return episodes;
        }
        let for_ms = quantile(&mut lengths, 0.9, i64::cmp).and_then(round_above);
        let Some(for_ms) = for_ms.filter(|&for_ms| for_ms <= FOR_MS_MAX) else { return episodes };
        let silences =
            |episode: &Episode| episode.lasted_ms().is_some_and(|lasted| lasted < for_ms);
        let (spares, left) = self.spare(episodes, SuggestionKind::For, silences);
        if spares {
            self.for_ms = Some(for_ms);
            self.reasons.push(format!(
                "{} of {all} alerts were over within {} of firing. With `for: {}`, {} of them would not have \
                 fired; others fire that much later.",
                lengths.len(),
                duration_text(SHORT_MS),
                yaml_duration(for_ms),
                all - left.len(),
            ));
        }
        left
    }

    /// Alerts that come and go.
    fn find_keep_firing_for(&mut self, episodes: &[&Episode]) {
        let mut gaps = Vec::new();
        for of_one in by_series(episodes.iter().copied()).into_values() {
            for (before, after) in fired_again(&of_one) {
                // Only calm can be waited for longer; what ended in another way ends all the same.
                let Some(resolved) = before.resolved.filter(|resolved| resolved.normal) else {
                    continue;
                };
                gaps.push(after.starts_at_ms.saturating_sub(resolved.ends_at_ms));
            }
        }
        if gaps.len() < AGAIN_MIN {
            return;
        }
        let Some(keep_ms) = quantile(&mut gaps, 0.9, i64::cmp).and_then(round_above) else {
            return;
        };
        let merged = gaps.iter().filter(|&&gap| gap < keep_ms).count();
        self.kinds.push(SuggestionKind::KeepFiringFor);
        self.spared += merged as u32;
        self.keep_firing_for_ms = Some(keep_ms);
        self.reasons.push(format!(
            "{} alerts fired within an hour after the one before of the same series was resolved. With \
             `keep_firing_for: {}`, {merged} of them would have been the same alert.",
            gaps.len(),
            yaml_duration(keep_ms),
        ));
    }

    fn title(&self) -> &'static str {
        match self.kinds.as_slice() {
            [SuggestionKind::MinDeviation] => "let small departures pass",
            [SuggestionKind::Direction] => "watch one side only",
            [SuggestionKind::For] => "wait longer before alerts fire",
            [SuggestionKind::KeepFiringFor] => "keep alerts firing while they come and go",
            _ => "calm its alerts",
        }
    }

    fn yaml(&self, name: &str, selector: &str) -> String {
        let mut yaml = format!("rules:\n  - name: {name}\n    match: {}\n", yaml_quoted(selector));
        // Writing to a String cannot fail.
        if let Some(floor) = self.min_deviation {
            _ = writeln!(yaml, "    min_deviation: {{ relative: {floor} }}");
        }
        if let Some(direction) = self.direction {
            _ = writeln!(yaml, "    direction: {direction}");
        }
        let alert = [("for", self.for_ms), ("keep_firing_for", self.keep_firing_for_ms)];
        let alert: Vec<_> = alert
            .iter()
            .filter_map(|&(key, ms)| Some(format!("{key}: {}", yaml_duration(ms?))))
            .collect();
        if !alert.is_empty() {
            _ = writeln!(yaml, "    alert: {{ {} }}", alert.join(", "));
        }
        yaml
    }
}

/// Whether the series behaved again soon after the alert fired.
fn is_short(episode: &Episode) -> bool {
    episode.resolved.is_some_and(|resolved| {
        resolved.normal && resolved.ends_at_ms.saturating_sub(episode.at_ms()) <= SHORT_MS
    })
}

/// The next length of time over `ms` that people write; `None` over two hours.
fn round_above(ms: i64) -> Option<i64> {
    ROUND_MINUTES.iter().map(|minutes| minutes * MINUTE_MS).find(|&round_ms| round_ms > ms)
}

/// The next share over `share` that is whole in thousandths.
fn just_above(share: f64) -> f64 {
    ((share * 1000.0).floor() + 1.0) / 1000.0
}

fn percent(share: f64) -> f64 {
    (share * 1000.0).round() / 10.0
}

/// A length of time in whole minutes as it is written in YAML.
fn yaml_duration(ms: i64) -> String {
    match (ms / (60 * MINUTE_MS), ms / MINUTE_MS % 60) {
        (0, minutes) => format!("{minutes}m"),
        (hours, 0) => format!("{hours}h"),
        (hours, minutes) => format!("{hours}h{minutes}m"),
    }
}
