//! Properties of the whole fleet.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use bellwether_series::{LabelSet, Timestamp, Value};

use super::*;

/// All samples of a series, in order.
type Column = Vec<(Timestamp, f64)>;

/// Eight days at five minutes, with a weekend and incidents: shared, because it takes a while.
fn week() -> &'static (Fleet, Vec<Column>) {
    static WEEK: OnceLock<(Fleet, Vec<Column>)> = OnceLock::new();
    WEEK.get_or_init(|| {
        let config = FleetConfig { days: 8, interval_ms: 5 * MINUTE_MS, ..FleetConfig::default() };
        let mut fleet = Fleet::new(&config);
        let columns = run(&mut fleet);
        (fleet, columns)
    })
}

fn run(fleet: &mut Fleet) -> Vec<Column> {
    let mut columns = vec![Column::new(); fleet.series().len()];
    let mut round = Vec::new();
    while fleet.next_step(&mut round).is_some() {
        for observation in &round {
            columns[observation.series].push((observation.timestamp, observation.value));
        }
    }
    columns
}

/// The rounds of two hours as bits, so that stale markers compare.
fn opening(seed: u64) -> Vec<(usize, i64, u64)> {
    let mut fleet = Fleet::new(&FleetConfig { seed, ..FleetConfig::default() });
    let (mut round, mut all) = (Vec::new(), Vec::new());
    for _ in 0..120 {
        fleet.next_step(&mut round);
        all.extend(round.iter().map(|o| (o.series, o.timestamp.as_ms(), o.value.to_bits())));
    }
    all
}

#[test]
fn the_same_seed_gives_the_same_fleet_and_another_seed_another() {
    assert_eq!(opening(1), opening(1));
    assert_ne!(opening(1), opening(2));
    let incidents = |seed| Fleet::new(&FleetConfig { seed, ..FleetConfig::default() }).incidents;
    assert_eq!(incidents(1), incidents(1));
    assert_ne!(incidents(1), incidents(2));
}

#[test]
fn labels_do_not_depend_on_the_seed_and_are_unique() {
    let labels = |seed| -> Vec<LabelSet> {
        let fleet = Fleet::new(&FleetConfig { seed, ..FleetConfig::default() });
        fleet.series().iter().map(|series| series.labels.clone()).collect()
    };
    let all = labels(1);
    assert!((200..=300).contains(&all.len()), "{}", all.len());
    let unique: BTreeSet<&[u8]> = all.iter().map(LabelSet::as_wire).collect();
    assert_eq!(unique.len(), all.len());
    assert_eq!(all, labels(2));
}

#[test]
fn every_kind_of_incident_happens_once_apart_from_the_others_and_mostly_late() {
    for seed in 0..50 {
        let config = FleetConfig { seed, ..FleetConfig::default() };
        let fleet = Fleet::new(&config);
        let incidents = fleet.incidents();
        let kinds: BTreeSet<&str> = incidents.iter().map(|incident| incident.kind).collect();
        assert_eq!((kinds.len(), incidents.len()), (14, 14), "seed {seed}");
        for pair in incidents.windows(2) {
            assert!(pair[0].end < pair[1].start, "seed {seed}: {pair:?}");
        }
        let days = |at: Timestamp| at.ms_since(config.start) as f64 / DAY_MS as f64;
        for incident in incidents {
            assert!(3.0 <= days(incident.start) && days(incident.end) <= 13.8, "{incident:?}");
            let minutes = incident.end.ms_since(incident.start) / MINUTE_MS;
            assert!((10..=360).contains(&minutes), "seed {seed}: {incident:?}");
            assert!(!incident.series.is_empty() && incident.series.is_sorted());
            assert!(incident.series.iter().all(|&series| series < fleet.series().len()));
        }
        let late = incidents.iter().filter(|incident| days(incident.start) >= 7.0).count();
        assert!(late >= 9, "seed {seed}: {late}");
    }
}

#[test]
fn a_round_is_in_series_order_and_its_timestamps_move_on_by_the_interval() {
    let (fleet, columns) = week();
    let interval_ms = fleet.config.interval_ms;
    for (series, column) in columns.iter().enumerate() {
        assert!(column.len() as u64 > fleet.steps_total() * 9 / 10, "{series}");
        for pair in column.windows(2) {
            let passed_ms = pair[1].0.ms_since(pair[0].0);
            assert!(passed_ms > 0 && passed_ms % interval_ms == 0, "{series}");
        }
    }
    let mut fleet = Fleet::new(&FleetConfig::default());
    let mut round = Vec::new();
    let at = fleet.next_step(&mut round).unwrap();
    assert_eq!(at, FleetConfig::default().start);
    assert!(round.is_sorted_by_key(|observation| observation.series));
    assert_eq!(round.len(), fleet.series().len());
}

#[test]
fn values_are_finite_or_stale_and_both_stale_markers_and_silent_gaps_occur() {
    let (fleet, columns) = week();
    let (mut stale, mut gaps) = (0, 0);
    for (column, series) in columns.iter().zip(fleet.series()) {
        for pair in column.windows(2) {
            let kind = Value::classify(pair[1].1);
            assert_ne!(kind, Value::NonFinite, "{:?}", series.labels);
            stale += usize::from(kind == Value::Stale);
            let was_stale = Value::classify(pair[0].1) == Value::Stale;
            let passed_ms = pair[1].0.ms_since(pair[0].0);
            gaps += usize::from(!was_stale && passed_ms > fleet.config.interval_ms);
        }
    }
    assert!(stale > 10 && gaps > fleet.series().len() / 2, "{stale} {gaps}");
}

#[test]
fn a_counter_falls_only_to_almost_nothing_and_only_after_a_stale_marker() {
    let (fleet, columns) = week();
    let mut resets = 0;
    for (column, series) in columns.iter().zip(fleet.series()) {
        if series.kind != MetricKind::Counter {
            continue;
        }
        let first = column[0].1;
        let (mut last, mut was_stale) = (first, false);
        for &(_, value) in column {
            if value.is_nan() {
                was_stale = true;
                continue;
            }
            if value < last {
                assert!(was_stale && value < last / 10.0, "{:?}: {last} {value}", series.labels);
                resets += 1;
            }
            (last, was_stale) = (value, false);
        }
        assert!(last > 0.0, "{:?}", series.labels);
    }
    assert!(resets > 5, "{resets}");
}

/// Mean increase a second of a counter between two hours since the start of the week.
fn rate(name: &str, job: &str, (from, until): (i64, i64)) -> f64 {
    let (fleet, columns) = week();
    let series = fleet.blueprint.find(name, &[("job", job)])[0];
    let at = |hour: i64| fleet.config.start.plus_ms(hour * season::HOUR_MS);
    let within: Vec<f64> = columns[series]
        .iter()
        .filter(|(time, value)| at(from) <= *time && *time < at(until) && value.is_finite())
        .map(|&(_, value)| value)
        .collect();
    (within[within.len() - 1] - within[0]) / ((until - from) * 3600) as f64
}

#[test]
fn days_are_busier_than_nights_and_weekdays_than_weekends() {
    let requests = |hours| rate("http_requests_total", "catalog", hours);
    let (day, night) = (requests((34, 38)), requests((26, 28)));
    assert!(day > 2.5 * night, "{day} {night}");
    let weekend = requests((6 * 24 + 10, 6 * 24 + 14));
    assert!((0.6..0.95).contains(&(weekend / day)), "{weekend} {day}");
}

#[test]
fn processor_modes_of_a_node_fill_about_one_processor() {
    let (fleet, columns) = week();
    let share = |mode| {
        let labels = [("instance", "node-01:9100"), ("mode", mode)];
        let column = &columns[fleet.blueprint.find("node_cpu_seconds_total", &labels)[0]];
        (column[200].1 - column[100].1) / column[200].0.ms_since(column[100].0) as f64 * 1000.0
    };
    let total: f64 = ["user", "system", "iowait", "idle"].into_iter().map(share).sum();
    assert!((total - 1.0).abs() < 0.05, "{total}");
}

#[test]
fn bounded_series_stay_within_their_bounds() {
    let (fleet, columns) = week();
    let bounds = [
        ("cache_hit_ratio", 0.0, 1.0),
        ("db_pool_connections_in_use", 0.0, 40.0),
        ("rabbitmq_queue_messages_ready", 0.0, 1e6),
        ("up", 0.0, 1.0),
    ];
    for (name, min, max) in bounds {
        for series in fleet.blueprint.find(name, &[]) {
            let mut finite = columns[series].iter().filter(|(_, value)| value.is_finite());
            assert!(finite.all(|(_, value)| (min..=max).contains(value)), "{name}");
        }
    }
}

/// The fleet without its incidents, except for the one at `kept`.
fn without_incidents(config: &FleetConfig, kept: Option<usize>) -> Fleet {
    let mut fleet = Fleet::new(config);
    let incidents = fleet.incidents.clone();
    let stays = |start: Timestamp| {
        let of = incidents.iter().position(|i| i.start <= start && start < i.end);
        of.is_none() || of == kept
    };
    let blueprint = &mut fleet.blueprint;
    blueprint.drivers.iter_mut().for_each(|d| d.effects.retain(|e| stays(e.start)));
    blueprint.generators.iter_mut().for_each(|g| g.effects.retain(|e| stays(e.start)));
    blueprint.targets.iter_mut().for_each(|t| t.outages.retain(|o| stays(o.start)));
    fleet
}

#[test]
fn an_incident_shows_from_its_start_and_in_no_series_but_its_own() {
    for seed in [1, 2] {
        let config =
            FleetConfig { seed, days: 9, interval_ms: 10 * MINUTE_MS, ..FleetConfig::default() };
        let calm = run(&mut without_incidents(&config, None));
        let incidents = Fleet::new(&config).incidents;
        assert!(incidents.len() > 10, "seed {seed}: {}", incidents.len());
        for (position, incident) in incidents.iter().enumerate() {
            let columns = run(&mut without_incidents(&config, Some(position)));
            check_traces(incident, &columns, &calm);
        }
    }
}

/// Checks that `columns`, with the incident, differ from `calm`, without, where and when they may.
fn check_traces(incident: &Incident, columns: &[Column], calm: &[Column]) {
    let bits = |&(at, value): &(Timestamp, f64)| (at, value.to_bits());
    let mut differing = 0;
    for series in 0..calm.len() {
        let mut pairs = columns[series].iter().zip(&calm[series]);
        let Some((first, _)) = pairs.find(|(a, b)| bits(a) != bits(b)) else { continue };
        assert!(incident.series.contains(&series), "{series}: {incident:?}");
        assert!(incident.start <= first.0, "{series}: {incident:?}");
        differing += 1;
    }
    assert!(2 * differing > incident.series.len(), "{differing}: {incident:?}");
}

#[test]
fn a_small_short_or_empty_fleet_has_what_fits() {
    let base = FleetConfig { interval_ms: 15 * MINUTE_MS, ..FleetConfig::default() };
    let empty = FleetConfig { nodes: 0, instances_per_service: 0, ..base };
    for config in [empty, FleetConfig { days: 1, ..base }, FleetConfig { days: 0, ..base }] {
        let mut fleet = Fleet::new(&config);
        let samples_max = run(&mut fleet).iter().map(Vec::len).max();
        assert!(samples_max <= Some(fleet.steps_total() as usize), "{config:?}");
        assert!(fleet.incidents().len() < 14, "{config:?}");
    }
}
