//! What each kind of incident does to the fleet.

use bellwether_series::Timestamp;

use super::blueprint::Blueprint;
use super::driver::Cause;
use super::effect::{Change, Effect};
use super::incidents::{Recipe, Struck};
use super::random::Random;
use super::season::{HOUR_MS, MINUTE_MS};
use super::services::SERVICES;
use super::target::{Outage, OutageKind};

const LATENCY_P99: &str = "http_request_duration_p99_seconds";
const LATENCY_P50: &str = "job:http_request_duration_seconds:p50";
const REQUESTS: &str = "http_requests_total";
const POOL: &str = "db_pool_connections_in_use";

/// Every kind of incident.
pub(super) const ALL: [Recipe; 14] = [
    recipe("latency_spike", ANY, (20.0, 70.0), 0, latency_spike),
    recipe("traffic_drop", (8.0, 20.0), (12.0, 40.0), TRACE, traffic_drop),
    recipe("error_burst", ANY, (12.0, 60.0), 0, error_burst),
    recipe("memory_leak", ANY, (150.0, 330.0), 5, memory_leak),
    recipe("cpu_saturation", ANY, (30.0, 110.0), TRACE, cpu_saturation),
    recipe("disk_filling", ANY, (120.0, 300.0), 0, disk_filling),
    recipe("queue_backlog", ANY, (35.0, 100.0), 0, queue_backlog),
    recipe("consumer_lag", ANY, (120.0, 300.0), 0, consumer_lag),
    recipe("cache_collapse", ANY, (25.0, 60.0), 0, cache_collapse),
    recipe("off_season_traffic", (1.0, 3.5), (45.0, 90.0), TRACE, off_season_traffic),
    recipe("pool_exhaustion", (8.0, 21.0), (20.0, 60.0), 0, pool_exhaustion),
    recipe("temperature_drift", ANY, (120.0, 280.0), 0, temperature_drift),
    recipe("variance_explosion", ANY, (60.0, 150.0), 0, variance_explosion),
    recipe("instance_lost", ANY, (20.0, 75.0), 5, instance_lost),
];

/// Any hour of the day.
const ANY: (f64, f64) = (0.0, 24.0);
/// How long a node's load average and temperature take to settle, in minutes.
const TRACE: i64 = 20;

type Strike = fn(&mut Blueprint, &mut Random, Timestamp, Timestamp) -> Option<Struck>;

const fn recipe(
    kind: &'static str,
    start_hours: (f64, f64),
    minutes: (f64, f64),
    trace_minutes: i64,
    strike: Strike,
) -> Recipe {
    Recipe { kind, start_hours, minutes, trace_minutes, strike }
}

/// An effect from `start` to `end` that takes so many minutes to come and to go.
fn effect(
    (start, end): (Timestamp, Timestamp),
    (rise_minutes, fall_minutes): (f64, f64),
    change: Change,
) -> Effect {
    let ms = |minutes: f64| (minutes * MINUTE_MS as f64) as i64;
    Effect { start, end, rise_ms: ms(rise_minutes), fall_ms: ms(fall_minutes), change }
}

fn minutes_between(start: Timestamp, end: Timestamp) -> f64 {
    end.ms_since(start) as f64 / MINUTE_MS as f64
}

fn struck(description: String, series: Vec<usize>) -> Option<Struck> {
    (!series.is_empty()).then_some(Struck { description, series })
}

fn service(random: &mut Random) -> (usize, &'static str) {
    let index = random.below(SERVICES.len());
    (index, SERVICES[index].name)
}

fn instance_of(blueprint: &Blueprint, series: usize) -> String {
    blueprint.targets[blueprint.generators[series].target].instance.clone()
}

fn latency_spike(
    blueprint: &mut Blueprint,
    random: &mut Random,
    start: Timestamp,
    end: Timestamp,
) -> Option<Struck> {
    let (_, job) = service(random);
    let (factor, rise) = (random.between_log(3.0, 7.0), random.between(1.0, 6.0));
    let slowest = blueprint.find(LATENCY_P99, &[("job", job)]);
    let median = blueprint.find(LATENCY_P50, &[("job", job)]);
    let slow = |factor| effect((start, end), (rise, 5.0), Change::Scale(factor));
    blueprint.affect(&slowest, slow(factor));
    blueprint.affect(&median, slow(1.0 + 0.25 * (factor - 1.0)));
    let description = format!("99th percentile of {job} requests takes {factor:.1} times as long");
    struck(description, [slowest, median].concat())
}

fn traffic_drop(
    blueprint: &mut Blueprint,
    random: &mut Random,
    start: Timestamp,
    end: Timestamp,
) -> Option<Struck> {
    let (load, job) = service(random);
    let rest = random.between(0.0, 0.03);
    let drop = effect((start, end), (1.0, 3.0), Change::Scale(rest));
    blueprint.drivers[load].effects.push(drop);
    struck(format!("no more requests reach {job}"), blueprint.dependents(load))
}

fn error_burst(
    blueprint: &mut Blueprint,
    random: &mut Random,
    start: Timestamp,
    end: Timestamp,
) -> Option<Struck> {
    let (load, job) = service(random);
    let share = random.between_log(0.01, 0.06);
    let failed = blueprint.find(REQUESTS, &[("job", job), ("code", "500")]);
    let rate = share * 0.5 * SERVICES[load].peak_per_second;
    blueprint.affect(&failed, effect((start, end), (2.0, 4.0), Change::Add(rate)));
    struck(format!("{job} answers with 500 {rate:.2} times a second per instance"), failed)
}

fn memory_leak(
    blueprint: &mut Blueprint,
    random: &mut Random,
    start: Timestamp,
    end: Timestamp,
) -> Option<Struck> {
    let (_, job) = service(random);
    let factor = random.between(2.2, 3.2);
    let target = random.choose(&blueprint.targets_of(job))?;
    let series = blueprint.of_target(target);
    let mut memory = blueprint.find("process_resident_memory_bytes", &[("job", job)]);
    memory.retain(|index| series.contains(index));
    let growth = effect((start, end), (minutes_between(start, end), 0.0), Change::Scale(factor));
    blueprint.affect(&memory, growth);
    // Killed at its limit and started again two rounds later.
    let back = end.plus_ms(2 * blueprint.interval_ms);
    let killed = Outage { start: end, end: back, kind: OutageKind::Dead };
    blueprint.targets[target].outages.push(killed);
    let instance = &blueprint.targets[target].instance;
    let description = format!("{instance} leaks to {factor:.1} times its memory, then is killed");
    struck(description, series)
}

fn cpu_saturation(
    blueprint: &mut Blueprint,
    random: &mut Random,
    start: Timestamp,
    end: Timestamp,
) -> Option<Struck> {
    let nodes: Vec<usize> = (0..blueprint.drivers.len())
        .filter(|&index| matches!(blueprint.drivers[index].cause, Cause::Processors { .. }))
        .collect();
    let node = random.choose(&nodes)?;
    let rise = random.between(1.0, 8.0);
    let busy = effect((start, end), (rise, 2.0), Change::Towards(random.between(0.92, 0.98)));
    blueprint.drivers[node].effects.push(busy);
    let series = blueprint.dependents(node);
    let instance = instance_of(blueprint, *series.first()?);
    struck(format!("a runaway process takes every processor of {instance}"), series)
}

fn disk_filling(
    blueprint: &mut Blueprint,
    random: &mut Random,
    start: Timestamp,
    end: Timestamp,
) -> Option<Struck> {
    let disk = random.choose(&blueprint.find("node_filesystem_avail_bytes", &[]))?;
    let rest = random.between(0.1, 0.35);
    let (rise, fall) = (minutes_between(start, end) - 10.0, 5.0);
    blueprint.affect(&[disk], effect((start, end), (rise, fall), Change::Scale(rest)));
    let instance = instance_of(blueprint, disk);
    let description = format!("the disk of {instance} fills until {rest:.2} of the room is left");
    struck(description, vec![disk])
}

fn queue_backlog(
    blueprint: &mut Blueprint,
    random: &mut Random,
    start: Timestamp,
    end: Timestamp,
) -> Option<Struck> {
    let queue = random.choose(&blueprint.find("rabbitmq_queue_messages_ready", &[]))?;
    // Consumers stop; then three times as many drain what has piled up.
    let stopped_ms = end.ms_since(start) * 3 / 4;
    let back = start.plus_ms(stopped_ms);
    blueprint.affect(&[queue], effect((start, back), (0.0, 0.0), Change::Scale(0.0)));
    blueprint.affect(&[queue], effect((back, end), (0.0, 0.0), Change::Scale(3.0)));
    let name = blueprint.series[queue].labels.get("queue").unwrap_or_default();
    struck(format!("nobody consumes the queue {name}"), vec![queue])
}

fn consumer_lag(
    blueprint: &mut Blueprint,
    random: &mut Random,
    start: Timestamp,
    end: Timestamp,
) -> Option<Struck> {
    let lag = random.choose(&blueprint.find("kafka_consumergroup_lag", &[]))?;
    let factor = random.between_log(5.0, 10.0);
    blueprint.affect(&[lag], effect((start, end), (4.0, 10.0), Change::Scale(factor)));
    let group = blueprint.series[lag].labels.get("consumergroup").unwrap_or_default();
    struck(format!("consumer group {group} stays {factor:.1} times as far behind"), vec![lag])
}

fn cache_collapse(
    blueprint: &mut Blueprint,
    random: &mut Random,
    start: Timestamp,
    end: Timestamp,
) -> Option<Struck> {
    let ratio = random.choose(&blueprint.find("cache_hit_ratio", &[]))?;
    let misses = random.between(0.3, 0.45);
    let fall = 0.6 * minutes_between(start, end);
    blueprint.affect(&[ratio], effect((start, end), (1.0, fall), Change::Towards(misses)));
    let cache = blueprint.series[ratio].labels.get("cache").unwrap_or_default();
    let description =
        format!("cache {cache} is emptied; {misses:.2} of the look-ups miss at first");
    struck(description, vec![ratio])
}

fn off_season_traffic(
    blueprint: &mut Blueprint,
    random: &mut Random,
    start: Timestamp,
    end: Timestamp,
) -> Option<Struck> {
    let (load, job) = service(random);
    let later_ms = (random.between(10.0, 12.0) * HOUR_MS as f64) as i64;
    let shift = effect((start, end), (5.0, 8.0), Change::Shift(later_ms));
    blueprint.drivers[load].effects.push(shift);
    struck(format!("{job} is as busy at night as in the daytime"), blueprint.dependents(load))
}

fn pool_exhaustion(
    blueprint: &mut Blueprint,
    random: &mut Random,
    start: Timestamp,
    end: Timestamp,
) -> Option<Struck> {
    let (_, job) = service(random);
    let (rise, factor) = (random.between(3.0, 8.0), random.between(1.8, 2.8));
    let pool = blueprint.find(POOL, &[("job", job)]);
    let slowest = blueprint.find(LATENCY_P99, &[("job", job)]);
    blueprint.affect(&pool, effect((start, end), (rise, 3.0), Change::Scale(8.0)));
    blueprint.affect(&slowest, effect((start, end), (rise, 3.0), Change::Scale(factor)));
    let description = format!("{job} holds every database connection that it may");
    struck(description, [pool, slowest].concat())
}

fn temperature_drift(
    blueprint: &mut Blueprint,
    random: &mut Random,
    start: Timestamp,
    end: Timestamp,
) -> Option<Struck> {
    let sensor = random.choose(&blueprint.find("node_hwmon_temp_celsius", &[]))?;
    let (degrees, minutes) = (random.between(14.0, 22.0), minutes_between(start, end));
    let drift = effect((start, end), (0.6 * minutes, 0.15 * minutes), Change::Add(degrees));
    blueprint.affect(&[sensor], drift);
    let instance = instance_of(blueprint, sensor);
    struck(format!("a fan of {instance} fails; {degrees:.0} degrees warmer"), vec![sensor])
}

fn variance_explosion(
    blueprint: &mut Blueprint,
    random: &mut Random,
    start: Timestamp,
    end: Timestamp,
) -> Option<Struck> {
    let names = ["node_timex_offset_seconds", "probe_duration_seconds", "redis_connected_clients"];
    let name = random.choose(&names)?;
    let series = random.choose(&blueprint.find(name, &[]))?;
    blueprint.affect(&[series], effect((start, end), (0.0, 0.0), Change::Spread(8.0)));
    let instance = instance_of(blueprint, series);
    struck(format!("{name} of {instance} scatters eight times as wide"), vec![series])
}

fn instance_lost(
    blueprint: &mut Blueprint,
    random: &mut Random,
    start: Timestamp,
    end: Timestamp,
) -> Option<Struck> {
    let (_, job) = service(random);
    let targets = blueprint.targets_of(job);
    let lost = random.choose(&targets)?;
    blueprint.targets[lost].outages.push(Outage { start, end, kind: OutageKind::Dead });
    // The others take over its traffic.
    let mut series = blueprint.of_target(lost);
    let others: Vec<usize> = [REQUESTS, "process_cpu_seconds_total", POOL]
        .iter()
        .flat_map(|name| blueprint.find(name, &[("job", job)]))
        .filter(|index| !series.contains(index))
        .collect();
    if targets.len() > 1 {
        let factor = targets.len() as f64 / (targets.len() - 1) as f64;
        blueprint.affect(&others, effect((start, end), (1.0, 2.0), Change::Scale(factor)));
        series.extend(others);
    }
    let instance = &blueprint.targets[lost].instance;
    struck(format!("{instance} is gone; the rest of {job} carries its load"), series)
}
