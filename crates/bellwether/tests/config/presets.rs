//! Presets: what they add, and who wins.

use std::collections::HashSet;

use bellwether::config::{Config, PRESETS, Preset};

use super::{good, text};

fn names(config: &Config) -> Vec<String> {
    config.engine.rules.iter().map(|rule| rule.name.to_string()).collect()
}

fn preset(name: &str) -> Config {
    text(&format!("preset: {name}")).unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn every_preset_is_taken_alone_and_all_together() {
    let mut number = 0;
    for Preset { name, .. } in PRESETS {
        let config = preset(name);
        assert!(config.preset_rules > 0, "{name}");
        assert_eq!(config.engine.rules.len(), config.preset_rules + 1, "{name}");
        number += config.preset_rules;
    }
    let all = preset(&format!("[{}]", PRESETS.map(|preset| preset.name).join(", ")));
    assert_eq!(all.preset_rules, number);
    assert_eq!(names(&all).into_iter().collect::<HashSet<_>>().len(), number + 1);
}

#[test]
fn one_name_and_a_list_of_one_mean_the_same() {
    assert_eq!(preset("kafka").engine.digest, preset("[kafka]").engine.digest);
    assert_eq!(preset("[]").engine.digest, text("").unwrap().engine.digest);
}

#[test]
fn own_rules_come_first_then_presets_in_their_order_then_the_rest() {
    let (kafka, http) = (names(&preset("kafka")), names(&preset("http-red")));
    let both = text("preset: [kafka, http-red]\nrules: [{ name: Mine, match: up }]").unwrap();
    let mut expected = vec!["Mine".to_owned()];
    expected.extend_from_slice(&kafka[..kafka.len() - 1]);
    expected.extend_from_slice(&http);
    assert_eq!(names(&both), expected);
}

#[test]
fn an_own_rule_replaces_the_one_of_the_same_name() {
    let (ours, theirs) = (good("preset.yml"), preset("kafka"));
    let name = &ours.engine.rules[0].name;
    assert!(names(&theirs).contains(&name.to_string()), "{name} is a rule of the preset");
    assert_eq!(ours.preset_rules, theirs.preset_rules - 1);
    assert_eq!(names(&ours).iter().filter(|other| ***other == **name).count(), 1);
}

#[test]
fn excludes_of_presets_are_added_to_our_own() {
    assert!(!preset("kafka").engine.selection.exclude.is_empty());
    for Preset { name, .. } in PRESETS {
        let theirs = preset(name).engine.selection.exclude;
        let yaml = format!("preset: {name}\nsignals: {{ exclude: [mine] }}");
        let both = text(&yaml).unwrap().engine.selection.exclude;
        assert_eq!(both.len(), theirs.len() + 1);
        assert_eq!(both[1..], theirs);
    }
}

#[test]
fn the_digest_covers_what_presets_stand_for() {
    let digest = |yaml: &str| text(yaml).unwrap().engine.digest;
    let mut digests: HashSet<_> =
        PRESETS.iter().map(|preset| digest(&format!("preset: {}", preset.name))).collect();
    digests.insert(digest(""));
    digests.insert(digest("preset: [kafka, http-red]"));
    digests.insert(digest("preset: [http-red, kafka]"));
    assert_eq!(digests.len(), PRESETS.len() + 3);
    // A preset is short for its rules.
    let kafka = Preset::named("kafka").unwrap();
    assert_eq!(digest("preset: kafka"), digest(kafka.yaml));
}
