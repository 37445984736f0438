mod replicas;
mod routing;
mod sweep;
mod tenants;

use bellwether_series::{MatchOp, Matcher, Matchers};
use bellwether_wire::remote_write::{MetricType, WriteRequestBuilder};

use super::*;
use crate::ha::HaPairs;
use crate::settings::{Rule, Selection};
use crate::testing::{MINUTE_MS, decode, raw_request, request, series};

/// An intake with what it asked the only shard to do about the last record.
struct Rig {
    intake: Intake,
    work: [Work; 1],
    now_ms: i64,
}

impl Rig {
    fn new(settings: Settings) -> Self {
        Self { intake: Intake::new(Arc::new(settings), 3), work: [Work::default()], now_ms: 0 }
    }

    fn record(&mut self, body: RecordBody<'_>) -> Routed {
        self.work[0].clear();
        let received_at = Timestamp::from_ms(self.now_ms);
        self.intake.apply(&Record { received_at, body }, &mut self.work)
    }

    /// One sample of each series of a tenant at the present.
    fn touch_as(&mut self, tenant: &str, all: &[&LabelSet]) -> Routed {
        let samples = [(self.now_ms, 1.0)];
        let all: Vec<_> = all.iter().map(|&labels| (labels, &samples[..])).collect();
        self.record(RecordBody::Request { tenant, write: &request(&all) })
    }

    fn send(&mut self, request: &WriteRequest) -> Routed {
        self.record(RecordBody::request(request))
    }

    /// One sample of each series at the present.
    fn touch(&mut self, all: &[&LabelSet]) -> Routed {
        let samples = [(self.now_ms, 1.0)];
        let all: Vec<_> = all.iter().map(|&labels| (labels, &samples[..])).collect();
        self.send(&request(&all))
    }

    fn learn(&mut self, families: &[(&str, MetricType)]) -> Routed {
        let mut builder = WriteRequestBuilder::default();
        for (family, kind) in families {
            builder.metadata(family, *kind, "", "");
        }
        self.send(&decode(builder))
    }

    /// The slots that were given out and those that were taken back.
    fn admitted(&self) -> Vec<(u8, u32, SeriesKind)> {
        let admit = |(partition, input): &(u8, Input)| match input {
            Input::Admit { slot, kind, .. } => Some((*partition, *slot, *kind)),
            _ => None,
        };
        self.work[0].inputs.iter().filter_map(admit).collect()
    }

    fn evicted(&self) -> Vec<(u8, u32)> {
        let evict = |(partition, input): &(u8, Input)| match input {
            Input::Evict { slot } => Some((*partition, *slot)),
            _ => None,
        };
        self.work[0].inputs.iter().filter_map(evict).collect()
    }

    fn rows(&self) -> usize {
        self.work[0].rows.iter().map(Vec::len).sum()
    }
}

fn rejected(routed: &Routed, reason: RejectReason) -> u64 {
    let [all, these]: [u64; 2] = [
        routed.outcome.rejected_samples.iter().sum(),
        routed.outcome.rejected_samples[reason.index()],
    ];
    assert_eq!(all, these, "for another reason");
    these
}

fn matchers(label: &str, value: &str) -> Matchers {
    Matchers::new(vec![Matcher::new(label, MatchOp::Equal, value).unwrap()])
}

#[test]
fn an_unknown_series_is_created_and_a_known_one_found() {
    let mut rig = Rig::new(Settings::default());
    let (a, b) = (series("up", "a"), series("up", "b"));
    assert_eq!(rig.touch(&[&a, &b]).outcome.accepted_samples, 2);
    assert_eq!((rig.admitted().len(), rig.rows()), (2, 2));
    // In another order, so that guessing the next one fails.
    assert_eq!(rig.touch(&[&b, &a, &b]).outcome.accepted_samples, 3);
    assert_eq!((rig.admitted().len(), rig.rows()), (0, 3));
    assert_eq!((rig.intake.series(), rig.intake.watched()), (2, 2));
}

#[test]
fn a_sender_that_does_not_sort_its_labels_means_the_same_series() {
    let mut rig = Rig::new(Settings::default());
    rig.send(&raw_request(&[("__name__", "up"), ("instance", "a")]));
    rig.send(&raw_request(&[("instance", "a"), ("zone", ""), ("__name__", "up")]));
    assert_eq!((rig.admitted().len(), rig.rows()), (0, 1));
    assert_eq!(rig.intake.series(), 1);
}

#[test]
fn at_the_limit_new_series_are_refused_and_known_ones_kept() {
    let mut settings = Settings::default();
    settings.series.active_max = 2;
    let mut rig = Rig::new(settings);
    let all = ["a", "b", "c"].map(|instance| series("up", instance));
    let routed = rig.touch(&all.each_ref());
    assert_eq!(routed.outcome.accepted_samples, 2);
    assert_eq!(rejected(&routed, RejectReason::SeriesLimit), 1);
    assert!(routed.outcome.examples[0].contains(r#"up{instance="c"}"#));
    assert_eq!(rig.touch(&[&all[1], &all[0]]).outcome.accepted_samples, 2);
    assert_eq!(rig.intake.series(), 2);
}

#[test]
fn the_metrics_with_the_most_series_are_known() {
    let mut rig = Rig::new(Settings::default());
    let all: Vec<_> = (0..3).map(|n| series("up", &n.to_string())).collect();
    let others = ["down", "left"].map(|name| series(name, "a"));
    rig.touch(&all.iter().chain(&others).collect::<Vec<_>>());
    let largest = |rig: &Rig| {
        let metrics = rig.intake.usage().metrics.into_iter();
        metrics.map(|metric| (metric.metric.to_string(), metric.series)).collect::<Vec<_>>()
    };
    let known =
        [("up", 3), ("down", 1), ("left", 1)].map(|(name, series)| (name.to_owned(), series));
    assert_eq!(largest(&rig), known);
    let saved = rig.intake.save().encode();
    rig.intake = Intake::restore(Arc::default(), 4, &saved).unwrap();
    assert_eq!(largest(&rig), known, "after a restart");
}

#[test]
fn at_the_limit_of_a_metric_its_new_series_are_refused_and_those_of_others_taken() {
    let mut settings = Settings::default();
    settings.series.per_metric_max = 2;
    settings.selection.exclude = vec![matchers("instance", "b")];
    let mut rig = Rig::new(settings.clone());
    let all = ["a", "b", "c"].map(|instance| series("up", instance));
    let other = series("down", "a");
    let routed = rig.touch(&[&all[0], &all[1], &all[2], &other]);
    assert_eq!(routed.outcome.accepted_samples, 3);
    assert_eq!(rejected(&routed, RejectReason::MetricLimit), 1);
    assert!(routed.outcome.examples[0].contains(r#"up{instance="c"}"#));
    // What is saved knows them, and so does another configuration.
    let saved = rig.intake.save().encode();
    rig.intake = Intake::restore(Arc::new(settings.clone()), 4, &saved).unwrap();
    assert_eq!(rejected(&rig.touch(&[&all[2]]), RejectReason::MetricLimit), 1);
    rig.record(RecordBody::Configuration(Arc::default()));
    assert_eq!(rig.touch(&[&all[2]]).outcome.accepted_samples, 1);
    rig.record(RecordBody::Configuration(Arc::new(settings.clone())));
    assert_eq!(rejected(&rig.touch(&[&series("up", "d")]), RejectReason::MetricLimit), 1);
    pass(&mut rig, settings.series.time_to_live_ms + 2 * MINUTE_MS);
    let routed = rig.touch(&[&all[2], &all[1], &all[0]]);
    assert_eq!(routed.outcome.accepted_samples, 2, "room for two again");
}

#[test]
fn bad_label_sets_are_refused_one_by_one() {
    let mut settings = Settings::default();
    settings.series.labels.labels_max = 2;
    let mut rig = Rig::new(settings);
    for (labels, reason) in [
        (&[("instance", "a")][..], RejectReason::InvalidLabels),
        (&[("__name__", "up"), ("__name__", "up")], RejectReason::InvalidLabels),
        (&[("__name__", "up"), ("a", "1"), ("b", "1")], RejectReason::LabelLimit),
    ] {
        let routed = rig.send(&raw_request(labels));
        assert_eq!(rejected(&routed, reason), 1, "{labels:?}");
        assert_eq!(routed.outcome.accepted_samples, 0);
    }
    assert_eq!(rig.touch(&[&series("up", "a")]).outcome.accepted_samples, 1);
}

#[test]
fn samples_of_the_future_are_refused_by_their_receipt() {
    let mut rig = Rig::new(Settings::default());
    rig.now_ms = 1_000_000_000;
    let (newest, a, b) = (rig.now_ms + 600_000, series("up", "a"), series("up", "b"));
    let routed = rig.send(&request(&[
        (&a, &[(newest, 1.0), (newest + 1, 1.0), (newest - 1, 1.0)]),
        (&b, &[(newest + 1, 1.0), (newest + 2, 1.0)]),
    ]));
    assert_eq!(rejected(&routed, RejectReason::Future), 3);
    assert_eq!((routed.outcome.accepted_samples, rig.rows()), (2, 2));
    assert_eq!(rig.intake.series(), 1, "nothing of b is known but its future");
}

#[test]
fn a_wall_clock_that_is_set_back_does_not_make_the_present_the_future() {
    let mut rig = Rig::new(Settings::default());
    let a = series("up", "a");
    for (now_ms, received_ms) in
        [(1_000_000_000, 1_000_000_000), (1_000_010_000, 913_610_000), (1_000_020_000, 913_620_000)]
    {
        rig.now_ms = received_ms;
        let routed = rig.send(&request(&[(&a, &[(now_ms, 1.0)])]));
        assert_eq!(routed.outcome.accepted_samples, 1, "{now_ms}");
    }
}

#[test]
fn what_is_not_watched_is_counted_by_reason_and_takes_no_slot() {
    let selection = Selection {
        include: vec![matchers("instance", "a"), matchers("instance", "b")],
        exclude: vec![matchers("instance", "b")],
    };
    let mut rig = Rig::new(Settings { selection, ..Settings::default() });
    let all = [
        series("up", "a"),
        series("up", "b"),
        series("up", "c"),
        series("latency_bucket", "a"),
        series("bellwether_series", "a"),
    ];
    let routed = rig.touch(&all.each_ref());
    assert_eq!(routed.outcome.accepted_samples, 5);
    let dropped = |reason: DropReason| routed.counts.dropped[reason.index()];
    assert_eq!(dropped(DropReason::Excluded), 2);
    assert_eq!(dropped(DropReason::HistogramBucket), 1);
    assert_eq!(dropped(DropReason::OwnMetric), 1);
    assert_eq!((rig.admitted().len(), rig.rows()), (1, 1));
    assert_eq!((rig.intake.series(), rig.intake.watched()), (5, 1));
}

#[test]
fn metadata_turns_a_gauge_into_a_counter_and_the_first_word_stays() {
    let mut rig = Rig::new(Settings::default());
    let (bytes, other) = (series("bytes_read", "a"), series("up", "a"));
    rig.touch(&[&bytes, &other]);
    let gauge = rig.admitted()[0];
    assert_eq!(gauge.2, SeriesKind::Gauge);

    rig.learn(&[("bytes_read", MetricType::Counter), ("up", MetricType::Gauge)]);
    assert_eq!(rig.evicted(), [(gauge.0, gauge.1)]);
    assert_eq!(rig.admitted(), [(gauge.0, gauge.1, SeriesKind::Counter)]);
    assert_eq!(rig.intake.watched(), 2);

    rig.learn(&[("bytes_read", MetricType::Gauge), ("unheard_of", MetricType::Counter)]);
    assert!(rig.work[0].inputs.is_empty());
    assert_eq!(rig.touch(&[&bytes]).outcome.accepted_samples, 1);
    assert_eq!((rig.admitted().len(), rig.rows()), (0, 1));
}

#[test]
fn metadata_of_a_family_decides_about_its_suffixed_series() {
    let mut rig = Rig::new(Settings::default());
    rig.touch(&[&series("free_bucket", "a")]);
    assert_eq!(rig.intake.watched(), 0);
    rig.learn(&[("free", MetricType::Gauge), ("ignored", MetricType::Unknown)]);
    assert_eq!(rig.intake.watched(), 1);
    assert_eq!(rig.intake.families.len(), 1);
}

#[test]
fn metadata_is_bounded() {
    let mut settings = Settings::default();
    settings.series.metadata_max = 1;
    settings.series.labels.value_bytes_max = 3;
    let mut rig = Rig::new(settings);
    rig.learn(&[
        ("long", MetricType::Counter),
        ("a", MetricType::Counter),
        ("b", MetricType::Gauge),
    ]);
    assert_eq!(rig.intake.families.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), ["a"]);
}

/// Lets `ms` of record time pass, in steps that count in full.
fn pass(rig: &mut Rig, ms: i64) -> Vec<(u8, u32)> {
    let (end_ms, mut evicted) = (rig.now_ms + ms, Vec::new());
    while rig.now_ms < end_ms {
        rig.now_ms = (rig.now_ms + MINUTE_MS).min(end_ms);
        rig.record(RecordBody::Heartbeat);
        evicted.extend(rig.evicted());
    }
    evicted
}

#[test]
fn a_series_that_outlives_its_time_is_forgotten_and_its_place_used_again() {
    let mut settings = Settings::default();
    settings.series.time_to_live_ms = 30 * MINUTE_MS;
    settings.series.active_max = 2;
    let mut rig = Rig::new(settings);
    let (a, b, c) = (series("up", "a"), series("up", "b"), series("up", "c"));
    rig.touch(&[&a, &b]);
    let slots = rig.admitted();
    assert!(pass(&mut rig, 20 * MINUTE_MS).is_empty());
    rig.touch(&[&b]);
    assert_eq!(rig.touch(&[&c]).outcome.accepted_samples, 0, "no room");

    let evicted = pass(&mut rig, 12 * MINUTE_MS);
    assert_eq!(evicted, [(slots[0].0, slots[0].1)]);
    assert_eq!((rig.intake.series(), rig.intake.watched()), (1, 1));

    assert_eq!(rig.touch(&[&a, &c]).outcome.accepted_samples, 1, "room for one");
    assert_eq!(rig.admitted(), slots[..1], "where it was before");
    assert_eq!(rig.intake.entries.len(), 2);
    assert_eq!(rig.touch(&[&a, &b]).outcome.accepted_samples, 2);
    assert!(rig.admitted().is_empty());
}

#[test]
fn at_the_limit_those_that_come_back_are_taken_and_new_ones_are_not() {
    let mut settings = Settings::default();
    settings.series.idle_after_ms = 10 * MINUTE_MS;
    settings.series.active_max = 10;
    let mut rig = Rig::new(settings);
    let all: Vec<_> = (0..14).map(|number| series("up", &number.to_string())).collect();
    rig.touch(&all[..10].iter().collect::<Vec<_>>());
    pass(&mut rig, 6 * MINUTE_MS);
    rig.touch(&all[2..10].iter().collect::<Vec<_>>());
    pass(&mut rig, 6 * MINUTE_MS);
    assert_eq!((rig.intake.series(), rig.intake.cold()), (8, 2));

    let routed = rig.touch(&all[10..13].iter().collect::<Vec<_>>());
    assert_eq!(routed.outcome.accepted_samples, 2, "room for two that are new");
    assert_eq!(rig.touch(&[&all[0]]).outcome.accepted_samples, 1, "it is known");
    assert_eq!(rejected(&rig.touch(&[&all[1]]), RejectReason::SeriesLimit), 1, "a tenth is one");
    assert_eq!(rejected(&rig.touch(&[&all[13]]), RejectReason::SeriesLimit), 1);
}

#[test]
fn jumps_of_the_wall_clock_forget_nobody() {
    let mut rig = Rig::new(Settings::default());
    rig.touch(&[&series("up", "a")]);
    for now_ms in [40 * 86_400_000, -86_400_000, 0, 80 * 86_400_000, 80 * 86_400_000 + 1] {
        rig.now_ms = now_ms;
        rig.record(RecordBody::Heartbeat);
        assert_eq!(rig.intake.series(), 1);
    }
}

#[test]
fn a_configuration_moves_only_those_about_whom_it_decides_otherwise() {
    let mut rig = Rig::new(Settings::default());
    let all = ["a", "b", "c"].map(|instance| series("up", instance));
    rig.touch(&all.each_ref());
    let slots = rig.admitted();
    let selection = Selection { exclude: vec![matchers("instance", "b")], ..Selection::default() };
    let excluding = Arc::new(Settings { selection, ..Settings::default() });
    rig.record(RecordBody::Configuration(Arc::clone(&excluding)));
    let told = |rig: &Rig, wanted: fn(&Input) -> bool| {
        rig.work[0].inputs.iter().filter(|(_, input)| wanted(input)).count()
    };
    assert_eq!(told(&rig, |input| matches!(input, Input::Configure(_))), PARTITIONS);
    assert_eq!(rig.evicted(), [(slots[1].0, slots[1].1)]);
    assert!(rig.admitted().is_empty());
    rig.record(RecordBody::Configuration(excluding));
    assert!(rig.evicted().is_empty() && rig.admitted().is_empty());
    assert_eq!(rig.intake.watched(), 2);
    rig.record(RecordBody::Configuration(Arc::default()));
    assert_eq!(rig.admitted(), [slots[1]]);
    assert_eq!(rig.intake.watched(), 3);
}

#[test]
fn the_share_of_the_budget_follows_the_fleet_when_time_goes_on() {
    let mut rig = Rig::new(Settings::default());
    let shares = |rig: &Rig| {
        let share = |(_, input): &(u8, Input)| match input {
            Input::Share(share) => Some(*share),
            _ => None,
        };
        rig.work[0].inputs.iter().filter_map(share).collect::<Vec<_>>()
    };
    let all = ["a", "b", "c", "d", "e"].map(|instance| series("up", instance));
    rig.touch(&all.each_ref());
    rig.touch(&all.each_ref());
    assert!(shares(&rig).is_empty(), "still the same time");
    rig.now_ms = 1;
    rig.touch(&all.each_ref());
    let share = Shares::of(&Settings::default().budget, 5, 5);
    assert_eq!(shares(&rig), [share; PARTITIONS]);
    rig.now_ms = 2;
    rig.touch(&all.each_ref());
    assert!(shares(&rig).is_empty(), "nothing new");
}

#[test]
fn each_shard_gets_what_its_partitions_must_do() {
    let mut intake = Intake::new(Arc::default(), 3);
    let mut work = [Work::default(), Work::default(), Work::default()];
    let all: Vec<_> = (0..100).map(|number| series("up", &number.to_string())).collect();
    let samples = [(0, 1.0)];
    let all: Vec<_> = all.iter().map(|labels| (labels, &samples[..])).collect();
    let body = request(&all);
    let record = Record { received_at: Timestamp::from_ms(0), body: RecordBody::request(&body) };
    intake.apply(&record, &mut work);
    for (shard, work) in work.iter().enumerate() {
        assert!(work.inputs.iter().all(|(partition, _)| usize::from(*partition) % 3 == shard));
        let rows = work.rows.iter().enumerate().filter(|(_, rows)| !rows.is_empty());
        assert!(rows.clone().count() > 5);
        assert!(rows.clone().all(|(partition, _)| partition % 3 == shard));
    }
}

#[test]
fn a_rule_that_comes_to_name_members_of_a_group_makes_units_of_them() {
    let mut rig = Rig::new(Settings::default());
    let all: Vec<_> = (0..6).map(|number| series(&format!("metric_{number}"), "a")).collect();
    rig.touch(&all.iter().collect::<Vec<_>>());
    assert_eq!(rig.intake.units.count(), 1);
    let rule = Rule { matchers: matchers("__name__", "metric_3"), ..Rule::default() };
    let settings = Settings { rules: vec![rule, Rule::default()], ..Settings::default() };
    rig.record(RecordBody::Configuration(Arc::new(settings)));
    assert_eq!(rig.intake.units.count(), 2);
    rig.now_ms += 2 * Settings::default().series.time_to_live_ms;
    for _ in 0..2_000 {
        rig.now_ms += MINUTE_MS;
        rig.record(RecordBody::Heartbeat);
    }
    assert_eq!((rig.intake.watched(), rig.intake.units.count()), (0, 0));
}
