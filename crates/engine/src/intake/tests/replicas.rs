//! Pairs of senders at the door.

use super::*;

/// `name{cluster="eu",instance="a"}`, as a replica writes it; without one if that is empty.
fn written(name: &str, replica: &str) -> LabelSet {
    let cluster = [("__name__", name), ("cluster", "eu"), ("instance", "a")];
    LabelSet::from_pairs(cluster.into_iter().chain([("__replica__", replica)])).unwrap()
}

fn left_out(routed: &Routed) -> u64 {
    routed.counts.dropped[DropReason::Replica.index()]
}

#[test]
fn replicas_write_one_series_and_one_of_them_is_heard() {
    let mut rig = Rig::new(Settings::default());
    let [a, b] = ["a", "b"].map(|replica| written("up", replica));
    // New, then known by an alias.
    for admitted in [1, 0] {
        let routed = rig.touch(&[&a, &b]);
        assert_eq!((routed.outcome.accepted_samples, left_out(&routed)), (2, 1));
        assert_eq!((rig.admitted().len(), rig.rows()), (admitted, 1));
    }
    assert_eq!((rig.intake.series(), rig.intake.aliases.len()), (1, 2));
    let labels = &rig.intake.entries[0].as_ref().unwrap().labels;
    assert_eq!(*labels, written("up", ""), "known without the label of the replica");
    // Whoever writes without it means the same series, and is heard.
    assert_eq!(left_out(&rig.touch(&[&written("up", "")])), 0);
    assert_eq!((rig.intake.series(), rig.rows()), (1, 1));
}

#[test]
fn another_replica_takes_over_after_half_a_minute_of_silence_and_the_series_goes_on() {
    let mut rig = Rig::new(Settings::default());
    let [a, b] = ["a", "b"].map(|replica| written("up", replica));
    rig.touch(&[&a, &b]);
    let mut told = Vec::new();
    for (now_ms, replica) in [(29_000, &b), (30_000, &b), (30_001, &b), (30_002, &a), (60_002, &b)]
    {
        rig.now_ms = now_ms;
        let routed = rig.touch(&[replica]);
        told.push((left_out(&routed), routed.counts.failovers, rig.rows()));
        assert!(rig.admitted().is_empty());
    }
    assert_eq!(told, [(1, 0, 0), (1, 0, 0), (0, 1, 1), (1, 0, 0), (0, 0, 1)]);
}

#[test]
fn any_series_of_the_elected_replica_keeps_its_place_for_all_of_its_cluster() {
    let mut rig = Rig::new(Settings::default());
    let [a, b] = ["a", "b"].map(|replica| written("up", replica));
    let other = written("down", "a");
    rig.touch(&[&a, &other, &b]);
    for now_ms in (20_000..100_000).step_by(20_000) {
        rig.now_ms = now_ms;
        assert_eq!(left_out(&rig.touch(&[&b, &other])), 1);
    }
}

#[test]
fn what_only_the_other_replica_writes_is_no_series_until_it_is_elected() {
    let mut rig = Rig::new(Settings::default());
    let (a, b) = (written("up", "a"), written("only_b", "b"));
    rig.touch(&[&a, &b]);
    assert_eq!(rig.intake.series(), 1);
    rig.now_ms = 40_000;
    rig.touch(&[&b]);
    assert_eq!((rig.intake.series(), rig.rows()), (2, 1));
}

#[test]
fn a_refused_series_of_the_elected_replica_is_refused_by_its_identity() {
    let mut settings = Settings::default();
    settings.series.active_max = 1;
    let mut rig = Rig::new(settings);
    let [a, b] = ["a", "b"].map(|replica| written("down", replica));
    for _ in 0..2 {
        let routed = rig.touch(&[&written("up", "a"), &a, &b]);
        assert_eq!(rejected(&routed, RejectReason::SeriesLimit), 1);
        assert!(routed.outcome.examples[0].ends_with(r#"down{cluster="eu",instance="a"}`"#));
        assert_eq!((left_out(&routed), rig.rows()), (1, 1));
    }
    assert!(rig.intake.aliases.len() <= 2, "no more than twice the series");
}

#[test]
fn clusters_are_bounded_and_forgotten_with_their_series() {
    let mut settings = Settings::default();
    settings.ha.clusters_max = 1;
    let time_to_live_ms = settings.series.time_to_live_ms;
    let mut rig = Rig::new(settings);
    let other = [("__name__", "up"), ("cluster", "us"), ("__replica__", "a")];
    let other = LabelSet::from_pairs(other).unwrap();
    let routed = rig.touch(&[&written("up", "a"), &other]);
    assert_eq!(rejected(&routed, RejectReason::ClusterLimit), 1);
    assert_eq!(routed.outcome.accepted_samples, 1);
    pass(&mut rig, time_to_live_ms + 2 * MINUTE_MS);
    assert_eq!((rig.intake.series(), rig.intake.aliases.len()), (0, 0));
    assert_eq!(rig.touch(&[&other]).outcome.accepted_samples, 1);
}

#[test]
fn samples_of_the_future_are_refused_from_any_replica() {
    let mut rig = Rig::new(Settings::default());
    let [a, b] = ["a", "b"].map(|replica| written("up", replica));
    let samples = [(600_000, 1.0), (600_001, 1.0)];
    let routed = rig.send(&request(&[(&a, &samples), (&b, &samples)]));
    assert_eq!(rejected(&routed, RejectReason::Future), 2);
    assert_eq!((routed.outcome.accepted_samples, left_out(&routed)), (2, 1));
}

#[test]
fn a_configuration_that_names_other_labels_makes_other_series() {
    let without = Settings {
        ha: HaPairs { replica_labels: Vec::new(), ..HaPairs::default() },
        ..Settings::default()
    };
    let mut rig = Rig::new(without.clone());
    let [a, b] = ["a", "b"].map(|replica| written("up", replica));
    let plain = series("up", "a");
    rig.touch(&[&a, &b, &plain]);
    assert_eq!((rig.intake.series(), rig.rows()), (3, 3));
    let slots = rig.admitted();
    rig.record(RecordBody::Configuration(Arc::default()));
    assert_eq!(
        rig.evicted(),
        slots[..2].iter().map(|&(of, slot, _)| (of, slot)).collect::<Vec<_>>()
    );
    assert_eq!((rig.intake.series(), rig.intake.watched(), rig.intake.units.count()), (1, 1, 1));
    assert_eq!(left_out(&rig.touch(&[&b, &a, &plain])), 1);
    assert_eq!(rig.rows(), 2);
    rig.record(RecordBody::Configuration(Arc::new(without)));
    assert_eq!(left_out(&rig.touch(&[&a, &b, &plain])), 0);
    assert_eq!(rig.rows(), 3);
}

#[test]
fn a_change_of_limits_holds_for_labels_as_replicas_write_them() {
    let mut rig = Rig::new(Settings::default());
    let a = written("up", "a");
    rig.touch(&[&a]);
    let mut settings = Settings::default();
    settings.series.labels.labels_max = 3;
    rig.record(RecordBody::Configuration(Arc::new(settings)));
    assert_eq!(rejected(&rig.touch(&[&a]), RejectReason::LabelLimit), 1);
}
