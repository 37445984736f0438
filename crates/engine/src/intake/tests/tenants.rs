//! Tenants at the door.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_series::{Fingerprint, LabelSet};
use proptest::prelude::*;

use super::super::sweep::SWEEP_EVERY_MS;
use super::*;
use crate::tenants::{TenantLimits, Tenants};

/// Settings with these tenants and how many series each may have.
fn settings(limits: &[(&str, usize)]) -> Settings {
    let limits =
        limits.iter().map(|&(name, series_max)| (name.into(), TenantLimits { series_max }));
    let tenants = Tenants { limits: limits.collect(), ..Tenants::default() };
    Settings { tenants: Some(tenants), ..Settings::default() }
}

/// What began with the last record: labels and fingerprints.
fn begun(rig: &Rig) -> Vec<(LabelSet, Fingerprint)> {
    let admit = |(_, input): &(u8, Input)| match input {
        Input::Admit { labels, fingerprint, .. } => Some((labels.clone(), *fingerprint)),
        _ => None,
    };
    rig.work[0].inputs.iter().filter_map(admit).collect()
}

#[test]
fn equal_labels_of_two_tenants_are_two_series() {
    let mut rig = Rig::new(settings(&[("bank", 9), ("shop", 9)]));
    let up = series("up", "a");
    let mut fingerprints = vec![up.fingerprint()];
    for tenant in ["bank", "shop"] {
        assert_eq!(rig.touch_as(tenant, &[&up]).outcome.accepted_samples, 1);
        let [(labels, fingerprint)] = begun(&rig).try_into().unwrap();
        assert_eq!(labels, up.with("tenant", tenant).unwrap());
        fingerprints.push(fingerprint);
    }
    for tenant in ["shop", "bank", "shop"] {
        rig.touch_as(tenant, &[&up]);
        assert_eq!((begun(&rig).len(), rig.rows()), (0, 1), "known");
    }
    fingerprints.sort_unstable();
    fingerprints.dedup();
    assert_eq!((fingerprints.len(), rig.intake.series()), (3, 2));
}

#[test]
fn no_series_can_be_sent_that_is_of_another_tenant() {
    let mut rig = Rig::new(settings(&[("bank", 9), ("shop", 9)]));
    let up = series("up", "a");
    rig.touch_as("bank", &[&up]);
    for forged in ["bank", "shop"] {
        let routed = rig.touch_as("shop", &[&up.with("tenant", forged).unwrap()]);
        assert_eq!(rejected(&routed, RejectReason::InvalidLabels), 1);
        assert!(routed.outcome.examples[0].contains("label `tenant`"), "{routed:?}");
    }
    // Order, and labels without a value, do not matter.
    let raw = raw_request(&[("tenant", ""), ("instance", "a"), ("__name__", "up")]);
    rig.record(RecordBody::Request { tenant: "bank", write: &raw });
    assert_eq!((rig.rows(), rig.intake.series()), (1, 1));
}

#[test]
fn who_is_no_tenant_is_refused_with_all_that_it_brings() {
    let mut rig = Rig::new(settings(&[("bank", 9)]));
    for stranger in ["", "default", "Bank"] {
        let routed = rig.touch_as(stranger, &[&series("up", "a"), &series("up", "b")]);
        assert_eq!(rejected(&routed, RejectReason::UnknownTenant), 2);
    }
    assert_eq!(rig.intake.series(), 0);
}

#[test]
fn without_tenants_it_does_not_matter_who_sends() {
    let mut rig = Rig::new(Settings::default());
    let up = series("up", "a");
    for tenant in ["bank", "", "shop"] {
        assert_eq!(rig.touch_as(tenant, &[&up]).outcome.accepted_samples, 1);
    }
    assert_eq!(rig.intake.series(), 1);
    assert_eq!(rig.intake.entries[0].as_ref().unwrap().labels, up);
}

#[test]
fn a_tenant_at_its_limit_takes_no_place_from_another() {
    let mut settings = settings(&[("bank", 2), ("shop", 9)]);
    settings.series.per_metric_max = 3;
    settings.series.metadata_max = 1;
    let mut rig = Rig::new(settings);
    let all: Vec<_> = ["a", "b", "c", "d"].map(|instance| series("up", instance)).to_vec();
    let all: Vec<_> = all.iter().collect();
    assert_eq!(rejected(&rig.touch_as("bank", &all), RejectReason::TenantLimit), 2);
    assert_eq!(rejected(&rig.touch_as("bank", &all), RejectReason::TenantLimit), 2);
    assert_eq!(rejected(&rig.touch_as("shop", &all), RejectReason::MetricLimit), 1);
    let counts: Vec<_> =
        rig.intake.series_by_tenant().map(|(tenant, series)| (&**tenant, series)).collect();
    assert_eq!(counts, [("bank", 2), ("shop", 3)]);
    for (tenant, refused) in [("bank", 1), ("shop", 1)] {
        let mut builder = WriteRequestBuilder::default();
        builder.metadata(&format!("{tenant}_jobs"), MetricType::Counter, "", "");
        builder.metadata("up", MetricType::Counter, "", "");
        let routed = rig.record(RecordBody::Request { tenant, write: &decode(builder) });
        assert_eq!(routed.outcome.refused_families, refused);
    }
}

#[test]
fn a_tenant_says_what_its_own_families_are() {
    let mut rig = Rig::new(settings(&[("bank", 9), ("shop", 9)]));
    let jobs = series("jobs", "a");
    rig.touch_as("bank", &[&jobs]);
    rig.touch_as("shop", &[&jobs]);
    let mut builder = WriteRequestBuilder::default();
    builder.metadata("jobs", MetricType::Counter, "", "");
    rig.record(RecordBody::Request { tenant: "shop", write: &decode(builder) });
    let begun: Vec<_> = begun(&rig).into_iter().map(|(labels, _)| labels).collect();
    assert_eq!(begun, [jobs.with("tenant", "shop").unwrap()]);
}

#[test]
fn replicas_of_equal_clusters_of_two_tenants_do_not_stand_in_for_each_other() {
    let mut rig = Rig::new(settings(&[("bank", 9), ("shop", 9)]));
    let written = |replica| {
        LabelSet::from_pairs([("__name__", "up"), ("cluster", "eu"), ("__replica__", replica)])
    };
    let [a, b] = ["a", "b"].map(|replica| written(replica).unwrap());
    for _ in 0..2 {
        let left_out =
            [("bank", &a), ("shop", &b), ("bank", &b), ("shop", &a)].map(|(tenant, labels)| {
                rig.touch_as(tenant, &[labels]).counts.dropped[DropReason::Replica.index()]
            });
        assert_eq!(left_out, [0, 0, 1, 1]);
    }
    let bytes = rig.intake.save().encode();
    Intake::restore(Arc::clone(&rig.intake.settings), 1, &bytes).unwrap();
}

#[test]
fn when_tenants_come_or_go_every_series_begins_anew() {
    let mut rig = Rig::new(Settings::default());
    let up = series("up", "a");
    rig.touch(&[&up]);
    let tenants = settings(&[("bank", 9)]);
    rig.record(RecordBody::Configuration(Arc::new(tenants.clone())));
    assert_eq!((rig.evicted().len(), rig.intake.series()), (1, 0));
    rig.touch_as("bank", &[&up]);
    assert_eq!(begun(&rig).len(), 1);
    // Another limit, or another tenant, changes nothing for those that are known.
    rig.record(RecordBody::Configuration(Arc::new(settings(&[("bank", 1), ("shop", 9)]))));
    assert_eq!((rig.evicted().len(), rig.intake.series()), (0, 1));
    rig.record(RecordBody::Configuration(Arc::default()));
    assert_eq!((rig.evicted().len(), rig.intake.series()), (1, 0));
    rig.touch(&[&up]);
    assert_eq!(begun(&rig)[0].0, up);
}

#[test]
fn a_state_without_tenants_is_none_of_an_engine_with_tenants() {
    let mut rig = Rig::new(Settings::default());
    rig.touch(&[&series("up", "a")]);
    let bytes = rig.intake.save().encode();
    let error = Intake::restore(Arc::new(settings(&[("bank", 9)])), 1, &bytes).unwrap_err();
    assert!(error.to_string().contains("a series has no tenant"), "{error}");
}

#[test]
fn groups_never_mix_tenants() {
    let settings = settings(&[("bank", 9), ("shop", 9)]);
    let [bank, shop] = ["bank", "shop"].map(|tenant| {
        settings.group_of(&series("up", "a").with("tenant", tenant).unwrap()).unwrap().1
    });
    assert_eq!(bank.to_string(), r#"group{instance="a",tenant="bank"}"#);
    assert_ne!(bank, shop);
}

/// A series of so many labels, some of which sort before `tenant` and some behind.
fn labels(number: usize) -> LabelSet {
    let text = number.to_string();
    let pairs = [("__name__", "m"), ("a", &text), ("tenancy", "x"), ("tenants", "y"), ("z", &text)];
    LabelSet::from_pairs(pairs.into_iter().take(2 + number % 4)).unwrap()
}

proptest! {
    /// Against a list of who has what.
    #[test]
    fn whoever_sends_has_what_the_list_says(
        sent in proptest::collection::vec((0..3_usize, 0..12_usize, 0..40_000_i64, 0..20_u8), 1..300),
    ) {
        const NAMES: [&str; 3] = ["a", "b", "bb"];
        let limits = [("a", 3), ("b", 5), ("bb", 12)];
        let mut settings = settings(&limits);
        settings.series.active_max = 14;
        settings.series.time_to_live_ms = 200_000;
        let limits: BTreeMap<_, _> = limits.into();
        let mut rig = Rig::new(settings);
        let mut list: BTreeMap<(&str, LabelSet), i64> = BTreeMap::new();
        let mut fingerprints = BTreeSet::new();
        let mut elapsed_ms = 0;
        for (index, &(tenant, number, step_ms, chance)) in sent.iter().enumerate() {
            let step_ms = if index == 0 { 0 } else { step_ms };
            let before_ms = elapsed_ms;
            (rig.now_ms, elapsed_ms) = (rig.now_ms + step_ms, elapsed_ms + step_ms);
            // So few series are looked at together, whenever a minute is over.
            if elapsed_ms / SWEEP_EVERY_MS > before_ms / SWEEP_EVERY_MS {
                list.retain(|_, seen_ms| *seen_ms >= elapsed_ms - 200_000);
            }
            let (tenant, labels) = (NAMES[tenant], labels(number));
            let key = (tenant, labels.clone());
            let of_tenant = list.keys().filter(|(of, _)| *of == tenant).count();
            let expected = if list.contains_key(&key) {
                None
            } else if of_tenant >= limits[tenant] {
                Some(RejectReason::TenantLimit)
            } else if list.len() >= 14 {
                Some(RejectReason::SeriesLimit)
            } else {
                None
            };
            let is_new = expected.is_none() && !list.contains_key(&key);
            if expected.is_none() {
                list.insert(key, elapsed_ms);
            }
            let routed = rig.touch_as(tenant, &[&labels]);
            if let Some(reason) = expected {
                prop_assert_eq!(rejected(&routed, reason), 1);
            } else {
                prop_assert_eq!(routed.outcome.accepted_samples, 1);
            }
            let begun = begun(&rig);
            prop_assert_eq!(begun.len(), usize::from(is_new));
            fingerprints.extend(begun.into_iter().map(|(labels, print)| (labels.to_string(), print)));
            prop_assert_eq!(rig.intake.series(), list.len());
            if chance == 0 {
                let bytes = rig.intake.save().encode();
                let settings = Arc::clone(&rig.intake.settings);
                rig.intake = Intake::restore(settings, index as u64, &bytes).unwrap();
            }
        }
        let (names, prints): (BTreeSet<_>, BTreeSet<_>) = fingerprints.into_iter().unzip();
        prop_assert_eq!(names.len(), prints.len());
    }
}
