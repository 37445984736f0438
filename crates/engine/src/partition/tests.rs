mod groups;

use std::sync::Arc;

use bellwether_detect::{DetectorSpec, zscore};
use bellwether_series::{LabelSet, STALE_NAN_BITS, Timestamp};

use crate::event::{ChangeKind, ResolveReason};
use crate::outputs::DropReason;
use crate::record::RecordBody;
use crate::settings::{Rule, Settings};
use crate::testing::{MINUTE_MS, Rig, calm, request, series};

const STALE: f64 = f64::from_bits(STALE_NAN_BITS);

fn minute(minute: i64) -> i64 {
    minute * MINUTE_MS
}

fn changes(rig: &Rig) -> Vec<ChangeKind> {
    rig.events.iter().map(|event| event.change).collect()
}

fn dropped(rig: &Rig, reason: DropReason) -> u64 {
    rig.outputs.counts.dropped[reason.index()]
}

/// A rig in which an alert of `labels` fires.
fn firing(settings: Settings, labels: &LabelSet) -> Rig {
    let mut rig = Rig::new(settings);
    rig.calm(labels, 0..120);
    rig.broken(labels, 120..124);
    assert_eq!(rig.open(), 1);
    assert!(changes(&rig).contains(&ChangeKind::Firing), "{:?}", changes(&rig));
    rig
}

#[test]
fn a_fault_fires_and_resolves_with_one_id_and_a_plain_sentence() {
    let labels = series("depth", "a");
    let mut rig = firing(Settings::default(), &labels);
    rig.calm(&labels, 124..140);
    let (first, last) = (&rig.events[0], &rig.events[rig.events.len() - 1]);
    assert_eq!(first.episode_id, last.episode_id);
    assert_eq!((last.change, last.reason), (ChangeKind::Resolved, Some(ResolveReason::Normal)));
    assert_eq!(first.starts_at_ms.as_ms(), minute(120));
    assert_eq!(last.ends_at_ms.map(Timestamp::as_ms), Some(minute(124)));
    assert!(first.explanation.starts_with("depth is 1000, above the expected 10"), "{first:?}");
    assert!(first.surprise >= first.threshold && !first.detectors.is_empty());
}

#[test]
fn a_stale_marker_ends_the_episode_at_its_time() {
    let labels = series("depth", "a");
    let mut rig = firing(Settings::default(), &labels);
    rig.sample(&labels, minute(124), STALE);
    let last = rig.events.last().unwrap();
    assert_eq!(
        (last.change, last.reason),
        (ChangeKind::Resolved, Some(ResolveReason::SeriesEnded))
    );
    assert_eq!(last.ends_at_ms.map(Timestamp::as_ms), Some(minute(124)));
    assert_eq!((rig.outputs.counts.stale, rig.open()), (1, 0));
}

#[test]
fn a_counter_has_no_rate_across_a_stale_marker_or_a_reset() {
    let labels = series("orders_total", "a");
    let mut rig = Rig::new(Settings::default());
    let mut count = 0.0;
    for at in 0..100 {
        count += calm(at);
        rig.sample(&labels, minute(at), count);
    }
    assert_eq!(rig.outputs.counts.judged, 1);
    rig.sample(&labels, minute(100), STALE);
    for (at, value, is_judged) in
        [(101, count, false), (102, count + 100.0, true), (103, 50.0, false), (104, 150.0, true)]
    {
        rig.sample(&labels, minute(at), value);
        assert_eq!(rig.outputs.counts.judged, u64::from(is_judged), "{at}");
        assert_eq!(rig.outputs.counts.warming_up, u64::from(!is_judged), "{at}");
    }
    assert!(rig.events.is_empty(), "{:?}", rig.events);
}

#[test]
fn what_is_not_newer_or_not_a_number_is_counted_and_judged_by_nobody() {
    let labels = series("depth", "a");
    let mut rig = Rig::new(Settings::default());
    rig.calm(&labels, 0..80);
    for (at, value, reason) in [
        (minute(79), calm(79), DropReason::Duplicate),
        (minute(79), 1e9, DropReason::Conflict),
        (minute(78), 1e9, DropReason::Late),
        (minute(80), f64::NAN, DropReason::NonFinite),
        (minute(80), f64::INFINITY, DropReason::NonFinite),
    ] {
        rig.sample(&labels, at, value);
        assert_eq!(dropped(&rig, reason), 1, "{reason:?}");
        assert_eq!(rig.outputs.counts.dropped.iter().sum::<u64>(), 1);
        assert_eq!(rig.outputs.counts.judged, 0);
    }
    rig.sample(&labels, minute(80), calm(80));
    assert_eq!(rig.outputs.counts.judged, 1);
    rig.sample(&labels, minute(81), STALE);
    rig.sample(&labels, minute(81), STALE);
    assert_eq!(dropped(&rig, DropReason::Duplicate), 1);
}

#[test]
fn time_without_samples_is_no_time_over_the_threshold() {
    let labels = series("depth", "a");
    let mut rig = Rig::new(Settings::default());
    rig.calm(&labels, 0..120);
    rig.broken(&labels, 120..121);
    rig.sample(&labels, minute(130), 1000.0);
    assert!(rig.events.is_empty(), "{:?}", rig.events);
    rig.sample(&labels, minute(131), 1000.0);
    assert_eq!(rig.events[0].starts_at_ms.as_ms(), minute(130));
}

#[test]
fn a_series_that_falls_silent_resolves() {
    let labels = series("depth", "a");
    let mut rig = firing(Settings::default(), &labels);
    for at in 124..128 {
        rig.quiet(minute(at));
    }
    assert_eq!(rig.open(), 1);
    rig.quiet(minute(128));
    rig.quiet(minute(129));
    let last = rig.events.last().unwrap();
    assert_eq!(last.reason, Some(ResolveReason::Silent));
    assert_eq!(last.at_ms.as_ms(), minute(123), "nothing of it depends on the receipt");
}

fn late(minutes: i64) -> Settings {
    let mut settings = Settings::default();
    settings.ordering.lateness_ms = minute(minutes);
    settings
}

#[test]
fn disorder_within_the_lateness_is_judged_in_order() {
    let labels = series("depth", "a");
    let mut rig = Rig::new(late(3));
    let (mut times, mut order) = (Vec::new(), Vec::new());
    for block in 0..20 {
        order.extend([2, 0, 3, 1].map(|place| 4 * block + place));
    }
    for at in order {
        rig.record(
            minute(100),
            RecordBody::request(&request(&[(&labels, &[(minute(at), calm(at))])])),
        );
        times.extend(rig.outputs.scores.iter().flatten().map(|score| score.at));
        assert_eq!(rig.outputs.counts.dropped.iter().sum::<u64>(), 0);
    }
    // The first 60 warm up; those within three minutes of the newest are still held.
    assert_eq!(times.len(), 80 - 60 - 3);
    assert!(times.is_sorted());
    rig.sample(&labels, minute(70), 1.0);
    assert_eq!(dropped(&rig, DropReason::Late), 1);
}

#[test]
fn what_is_held_is_bounded_and_repetitions_of_it_are_counted() {
    let labels = series("depth", "a");
    let mut settings = late(60);
    settings.ordering.held_samples_max = 3;
    let mut rig = Rig::new(settings);
    rig.calm(&labels, 0..3);
    for (at, value, reason) in [
        (2, calm(2), DropReason::Duplicate),
        (1, 7.0, DropReason::Conflict),
        (3, 7.0, DropReason::HeldLimit),
    ] {
        rig.sample(&labels, minute(at), value);
        assert_eq!(dropped(&rig, reason), 1, "{reason:?}");
    }
}

#[test]
fn what_is_held_of_a_series_that_brings_nothing_more_is_judged_after_the_lateness() {
    let labels = series("depth", "a");
    let mut rig = Rig::new(late(3));
    rig.calm(&labels, 0..100);
    for at in 100..103 {
        rig.quiet(minute(at));
        assert_eq!(rig.outputs.counts.judged, 0);
    }
    rig.quiet(minute(103));
    assert_eq!(rig.outputs.counts.judged, 3);
}

#[test]
fn what_was_held_of_an_evicted_series_is_nobody_elses() {
    let mut settings = late(3);
    settings.series.time_to_live_ms = minute(1);
    let mut rig = Rig::new(settings);
    let partition = |labels: &LabelSet| labels.fingerprint().as_u128() >> 122;
    let stays = series("depth", "stays");
    let mut others = (0..).map(|number| series("depth", &number.to_string()));
    let gone = others.find(|other| partition(other) == partition(&stays)).unwrap();
    let mut taken = 0;
    for at in 0..100 {
        rig.sample(&stays, minute(at), calm(at));
        taken += rig.outputs.counts.judged + rig.outputs.counts.warming_up;
        if at == 50 {
            rig.sample(&gone, minute(at), 1e9);
        }
    }
    assert_eq!(rig.engine.intake().series(), 1);
    assert_eq!(taken, 100 - 3, "the last three are held");
}

#[test]
fn a_configuration_without_lateness_lets_go_of_what_was_held() {
    let labels = series("depth", "a");
    let mut rig = Rig::new(late(3));
    rig.calm(&labels, 0..100);
    rig.configure(minute(99), Settings::default());
    assert_eq!(rig.outputs.counts.judged, 3);
    rig.sample(&labels, minute(100), calm(100));
    assert_eq!(
        (rig.outputs.counts.judged, rig.outputs.counts.dropped),
        (1, [0; DropReason::ALL.len()])
    );
}

fn with_rule(change: impl FnOnce(&mut Rule)) -> Settings {
    let mut settings = Settings::default();
    change(&mut settings.rules[0]);
    settings
}

#[test]
fn a_configuration_that_judges_alike_keeps_states_and_episodes() {
    let labels = series("depth", "a");
    let mut rig = firing(Settings::default(), &labels);
    let told = rig.events.len();
    rig.configure(minute(123), with_rule(|rule| rule.alert.keep_firing_for_ms = minute(1)));
    assert_eq!((rig.events.len(), rig.open()), (told, 1));
    rig.calm(&labels, 124..126);
    assert_eq!(rig.outputs.counts.judged, 1);
    let last = rig.events.last().unwrap();
    assert_eq!((last.change, last.at_ms.as_ms()), (ChangeKind::Resolved, minute(125)));
}

#[test]
fn a_configuration_that_judges_otherwise_starts_anew() {
    let labels = series("depth", "a");
    let mut rig = firing(Settings::default(), &labels);
    let zscore = DetectorSpec::Zscore(zscore::Params::default());
    rig.configure(minute(123), with_rule(|rule| rule.detectors = vec![zscore]));
    assert_eq!(rig.events.last().unwrap().reason, Some(ResolveReason::Unwatched));
    assert_eq!(rig.open(), 0);
    rig.broken(&labels, 124..130);
    assert_eq!(rig.outputs.counts.warming_up, 1);
}

#[test]
fn a_renamed_rule_ends_the_episode_under_the_old_name_and_keeps_the_state() {
    let labels = series("depth", "a");
    let mut rig = firing(Settings::default(), &labels);
    rig.configure(minute(123), with_rule(|rule| rule.name = Arc::from("Renamed")));
    let last = rig.events.last().unwrap();
    assert_eq!((&*last.rule, last.reason), ("MetricAnomaly", Some(ResolveReason::Unwatched)));
    rig.broken(&labels, 124..127);
    let last = rig.events.last().unwrap();
    assert_eq!((&*last.rule, last.change), ("Renamed", ChangeKind::Firing));
}

#[test]
fn a_view_shows_what_is_known_of_a_series() {
    let labels = series("orders_total", "a");
    let mut rig = Rig::new(Settings::default());
    rig.sample(&labels, minute(0), 5.0);
    rig.sample(&labels, minute(1), 7.0);
    let all = rig.engine.partitions().iter_mut();
    let views: Vec<_> = all.flat_map(|partition| partition.view(&|_| true, 9)).collect();
    assert_eq!(views.len(), 1);
    assert_eq!(views[0].labels, labels);
    assert_eq!(views[0].fingerprint, labels.fingerprint());
    assert_eq!(views[0].last.map(|(at, value)| (at.as_ms(), value)), Some((minute(1), 7.0)));
    assert_eq!((views[0].interval_ms, views[0].surprise), (MINUTE_MS, None));
}
