//! Presets, expanded as if their rules stood in the file.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use bellwether_engine::Rule;
use bellwether_series::Matchers;

use super::{Builder, document};
use crate::config::fault::{Collector, Faults};
use crate::config::preset::Preset;
use crate::config::raw::{RawDefaults, RawPreset, RawPresets};
use crate::config::{schema, shape};

/// What presets add to a configuration.
#[derive(Debug, Default)]
pub(super) struct Expansion {
    pub rules: Vec<Rule>,
    pub exclude: Vec<Matchers>,
}

impl Builder<'_, '_> {
    /// What the presets that `raw` names add, in that order. Their rules inherit as others do: from
    /// `defaults`, which `fallback` is made of.
    pub(super) fn presets(
        &mut self,
        raw: &RawPresets,
        defaults: &RawDefaults,
        fallback: &Rule,
    ) -> Expansion {
        let mut all = Expansion::default();
        let mut seen = HashSet::new();
        for (field, name) in raw.fields() {
            if !seen.insert(name) {
                self.faults.value(&field, "this preset is there twice", "keep one of them");
            }
            // The schema knows all names.
            let Some(preset) = Preset::named(name) else { continue };
            match expand(preset, defaults, fallback) {
                Ok(expansion) => {
                    all.rules.extend(expansion.rules);
                    all.exclude.extend(expansion.exclude);
                }
                Err(faults) => {
                    let message = format!("the preset itself is at fault:\n{faults}");
                    self.faults.value(&field, message, "this is a fault of bellwether: report it");
                }
            }
        }
        all
    }
}

/// What `preset` says, read by the same code as a configuration.
fn expand(preset: &Preset, defaults: &RawDefaults, fallback: &Rule) -> Result<Expansion, Faults> {
    let mut faults = Collector::new(preset.yaml);
    let mut expansion = Expansion::default();
    if let Some(node) = document(preset.yaml, HashMap::new(), &mut faults) {
        faults.understand(&node);
        let json = shape::fit(&schema::preset_schema(), &node, &mut faults);
        if let Ok(RawPreset { signals, rules }) = serde_json::from_value(json) {
            let mut builder = Builder {
                faults: &mut faults,
                folder: Path::new("."),
                variables: &HashMap::new(),
                web_faults: &mut None,
            };
            expansion.rules = builder.rules(defaults, fallback, &rules);
            expansion.exclude = builder.selectors("signals.exclude", &signals.exclude);
        } else {
            faults.value("", "the preset does not fit its schema", "compare it with the others");
        }
    }
    match faults.finish(preset.name) {
        None => Ok(expansion),
        Some(faults) => Err(faults),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::preset::PRESETS;

    fn expand_yaml(yaml: &'static str) -> Result<Expansion, Faults> {
        let preset = Preset { name: "test", yaml };
        expand(&preset, &RawDefaults::default(), &Rule::default())
    }

    #[test]
    fn every_preset_is_without_fault_and_has_rules() {
        for preset in &PRESETS {
            match expand(preset, &RawDefaults::default(), &Rule::default()) {
                Ok(expansion) => assert!(!expansion.rules.is_empty(), "{}", preset.name),
                Err(faults) => panic!("{}:\n{faults}", preset.name),
            }
        }
    }

    #[test]
    fn no_two_presets_have_a_rule_of_the_same_name() {
        let mut names = HashSet::new();
        for preset in &PRESETS {
            for rule in expand(preset, &RawDefaults::default(), &Rule::default()).unwrap().rules {
                assert!(names.insert(rule.name.clone()), "{}: {}", preset.name, rule.name);
            }
        }
    }

    #[test]
    fn what_a_rule_of_a_preset_leaves_out_is_inherited() {
        let preset = Preset { name: "test", yaml: "rules: [{ name: A, match: up }]" };
        let mut fallback = Rule::default();
        fallback.alert.for_ms = 420_000;
        let expansion = expand(&preset, &RawDefaults::default(), &fallback).unwrap();
        assert_eq!(expansion.rules[0].alert.for_ms, 420_000);
    }

    #[test]
    fn a_preset_can_say_nothing_that_a_configuration_cannot() {
        for yaml in [
            "rules: [{ name: A, match: 'up{' }]",
            "rules: [{ name: A, match: up, alert: { for: soon } }]",
            "rules: [{ name: A, match: up }, { name: A, match: down }]",
            "rules: [{ name: MetricAnomaly, match: up }]",
            "signals: { exclude: ['up offset 5m'] }",
            "signals: { include: [up] }",
            "server: {}",
            "rules: [",
        ] {
            assert!(expand_yaml(yaml).is_err(), "{yaml}");
        }
    }
}
