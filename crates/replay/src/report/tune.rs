//! What to change in the configuration, judged by what fired.
//!
//! Each suggestion says what it would have spared and never silences an alert that was critical with a high
//! peak. For one metric they are looked for one after the other, each among the alerts that the ones before
//! leave, so that together they do no more than they say.

mod budget;
mod cause;
mod group;
mod rule;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use bellwether_engine::Budget;

use super::episodes::Scene;
use super::model::Suggestion;

/// Most suggestions: a longer list is not read.
const SUGGESTIONS_MAX: usize = 10;

/// The suggestions for `scene`, those that spare most first, the budget last.
pub(super) fn suggestions(scene: &Scene, budget: &Budget) -> Vec<Suggestion> {
    let mut names: BTreeSet<String> =
        scene.episodes.iter().map(|episode| episode.rule.to_string()).collect();
    let mut suggestions = Vec::new();
    let mut left = Vec::new();
    for group in group::groups(scene) {
        match rule::suggestion(scene, &group, &mut names) {
            Some(suggestion) => suggestions.push(suggestion),
            None => left.extend(group.episodes),
        }
    }
    suggestions.sort_by_key(|suggestion| Reverse(suggestion.spared));
    suggestions.extend(cause::suggestions(scene));
    suggestions.truncate(SUGGESTIONS_MAX - 1);
    suggestions.extend(budget::suggestion(&left, scene.period.days(), budget));
    suggestions
}
