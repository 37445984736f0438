//! What the alerts of a day over the cap have in common.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use bellwether_series::{LabelSet, METRIC_NAME};

use crate::report::episodes::{Episode, Outcome, Scene};
use crate::report::model::{Suggestion, SuggestionKind};
use crate::report::period::DAY_MS;
use crate::report::{agreeing, counted, day_text};

/// Days that are looked at, those with most held back first.
const DAYS_MAX: usize = 3;
/// Share of a day's alerts that must have a label for it to be worth naming.
const SHARE_MIN: f64 = 0.5;
/// How much larger that share must be than on the other days: what all series have explains nothing.
const EXCESS_MIN: f64 = 0.2;

/// A suggestion for each of the worst days on which the cap held alerts back.
pub(super) fn suggestions(scene: &Scene) -> Vec<Suggestion> {
    let mut days: BTreeMap<i64, (u32, Vec<&Episode>)> = BTreeMap::new();
    for episode in scene.episodes.iter().filter(|episode| episode.alerts()) {
        let (held_back, episodes) = days.entry(episode.at_ms().div_euclid(DAY_MS)).or_default();
        *held_back += u32::from(episode.outcome() == Outcome::HeldBack);
        episodes.push(episode);
    }
    let mut worst: Vec<_> = days.iter().filter(|(_, (held_back, _))| *held_back > 0).collect();
    worst.sort_by_key(|(day, (held_back, _))| (Reverse(*held_back), **day));
    worst.truncate(DAYS_MAX);
    let suggestion = |(day, (held_back, episodes)): (&i64, &(u32, Vec<&Episode>))| {
        let others = days.iter().filter(|(other, _)| *other != day);
        let others: Vec<_> = others.flat_map(|(_, (_, episodes))| episodes).copied().collect();
        of_day(scene, *day, *held_back, episodes, &others)
    };
    worst.into_iter().map(suggestion).collect()
}

fn of_day(
    scene: &Scene,
    day: i64,
    held_back: u32,
    episodes: &[&Episode],
    others: &[&Episode],
) -> Suggestion {
    let day = day_text(day);
    let alerts = counted(episodes.len() as u64, "alert");
    let reason = match shared_label(scene, episodes, others) {
        Some((name, value, count)) => {
            let have = agreeing(count.into(), "has", "have");
            format!("{count} of the {alerts} of {day} {have} {name}={value:?}.")
        }
        None => format!("No label sets the {alerts} of {day} apart."),
    };
    Suggestion {
        kinds: vec![SuggestionKind::CommonCause],
        title: format!("Look for a common cause on {day}"),
        reasons: vec![
            format!("The cap held back {} that day.", counted(held_back.into(), "alert")),
            reason,
        ],
        advice:
            "Many alerts at once are usually one incident: look at what they share before raising \
                 alerting.budget.cap_per_day, and let Alertmanager group by it."
                .to_owned(),
        yaml: None,
        spared: 0,
    }
}

/// The label that most sets `episodes` apart from `others`, and how many of them have it.
fn shared_label<'a>(
    scene: &'a Scene,
    episodes: &[&'a Episode],
    others: &[&'a Episode],
) -> Option<(&'a str, &'a str, u32)> {
    let elsewhere = count_labels(scene, others);
    let share = |count: u32, of: usize| f64::from(count) / of.max(1) as f64;
    let excess = |label: &(&str, &str), count: u32| {
        let there = elsewhere.get(label).copied().unwrap_or(0);
        share(count, episodes.len()) - share(there, others.len())
    };
    let best = count_labels(scene, episodes)
        .into_iter()
        .filter(|&(label, count)| {
            share(count, episodes.len()) >= SHARE_MIN && excess(&label, count) >= EXCESS_MIN
        })
        // Of equals the first by name, and a label rather than the metric's name.
        .min_by(|a, b| {
            let is_name = |label: (&str, &str)| label.0 == METRIC_NAME;
            excess(&b.0, b.1)
                .total_cmp(&excess(&a.0, a.1))
                .then_with(|| (is_name(a.0), a.0).cmp(&(is_name(b.0), b.0)))
        });
    best.map(|((name, value), count)| (name, value, count))
}

fn count_labels<'a>(
    scene: &'a Scene,
    episodes: &[&'a Episode],
) -> BTreeMap<(&'a str, &'a str), u32> {
    let mut counts = BTreeMap::new();
    let labels = episodes.iter().filter_map(|episode| scene.labels(episode));
    for label in labels.flat_map(LabelSet::iter) {
        *counts.entry(label).or_insert(0) += 1;
    }
    counts
}
