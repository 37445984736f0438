//! The services of the shop and what each of their instances exports.

use super::blueprint::Blueprint;
use super::driver::Cause;
use super::gauge::Gauge;
use super::model::{Input, Level, Model};
use super::noise::Noise;
use super::process::{Counter, Heap, Unit};
use super::season::{MINUTE_MS, Season};

/// Most connections that an instance may hold to its database.
const POOL_MAX: f64 = 40.0;
const MIB: f64 = 1024.0 * 1024.0;

/// What one service is like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service {
    pub(super) name: &'static str,
    /// Requests a second per instance at the peak of a weekday.
    pub(super) peak_per_second: f64,
    season: Season,
    /// 99th percentile of the request duration without load, in seconds.
    idle_p99_seconds: f64,
    live_mib: f64,
}

/// The services of the shop.
pub(super) const SERVICES: [Service; 6] = [
    service("catalog", 120.0, (0.22, 0.80, 0.85), 0.110, 620.0),
    service("search", 85.0, (0.20, 0.75, 0.78), 0.240, 1400.0),
    service("cart", 40.0, (0.17, 0.95, 0.72), 0.065, 410.0),
    service("checkout", 16.0, (0.12, 0.90, 0.62), 0.320, 520.0),
    service("payments", 12.0, (0.12, 0.85, 0.60), 0.450, 380.0),
    service("auth", 32.0, (0.25, 0.60, 0.55), 0.040, 290.0),
];

/// `week` is the load at night, the height of the evening hump and the load on weekends.
const fn service(
    name: &'static str,
    peak_per_second: f64,
    (night, evening, weekend): (f64, f64, f64),
    idle_p99_seconds: f64,
    live_mib: f64,
) -> Service {
    let season = Season { night, peak_hours: (12.0, 20.0), evening, weekend };
    Service { name, peak_per_second, season, idle_p99_seconds, live_mib }
}

/// Adds one driver per service; `SERVICES[i]` has driver `i`.
pub(super) fn add_loads(blueprint: &mut Blueprint) {
    for service in SERVICES {
        let (first, second) = service.season.peak_hours;
        let first = first + blueprint.random.between(-0.7, 0.7);
        let season = Season { peak_hours: (first, second), ..service.season };
        blueprint.driver(Cause::Load(season));
    }
}

/// Adds the instances of every service.
pub(super) fn add_instances(blueprint: &mut Blueprint, instances: usize) {
    for (load, service) in SERVICES.into_iter().enumerate() {
        for number in 0..instances {
            let target = blueprint.target(service.name, format!("{}-{number}:8080", service.name));
            add_requests(blueprint, target, load, &service);
            add_process(blueprint, target, load, &service);
            let version = [("version", "3.14.2")];
            blueprint.gauge(target, "app_build_info", &version, Model::Constant(1.0));
        }
    }
}

/// Adds the recording rules over the instances of every service.
pub(super) fn add_rules(blueprint: &mut Blueprint) {
    let rules = blueprint.rules("", String::new());
    for (load, service) in SERVICES.into_iter().enumerate() {
        let idle = 0.3 * service.idle_p99_seconds;
        let noise = Noise::relative(0.05).remembering(15 * MINUTE_MS, 0.4);
        let median = Gauge::about(idle, noise).following(load, 0.4 * idle);
        let labels = [("job", service.name)];
        let name = "job:http_request_duration_seconds:p50";
        blueprint.gauge(rules, name, &labels, Model::Gauge(median));
    }
}

fn add_requests(blueprint: &mut Blueprint, target: usize, load: usize, service: &Service) {
    let interval_ms = blueprint.interval_ms;
    let share = blueprint.random.between(0.94, 1.06);
    let uptime_days = blueprint.random.between(0.5, 12.0);
    let count = |base, per_second, noise| {
        let inputs = vec![Input { driver: load, gain: per_second, congested: false }];
        Counter::new(Unit::Events, Level { base, inputs }, noise, uptime_days, interval_ms)
    };
    let ok = count(0.0, share * service.peak_per_second, Noise::relative(0.02));
    blueprint.counter(target, "http_requests_total", &[("code", "200")], ok);
    // Errors come in clumps, so their rate varies far more than the traffic does.
    let failed_share = blueprint.random.between_log(3e-5, 1.5e-4);
    let failed = count(1e-4, failed_share * service.peak_per_second, Noise::relative(1.0));
    blueprint.counter(target, "http_requests_total", &[("code", "500")], failed);

    let idle = service.idle_p99_seconds * blueprint.random.between(0.92, 1.08);
    let noise = Noise::relative(0.13).heavy(5.0).remembering(10 * MINUTE_MS, 0.3);
    let slowest = Gauge::about(idle, noise).following(load, 0.6 * idle).within(0.0, 30.0);
    blueprint.gauge(target, "http_request_duration_p99_seconds", &[], Model::Gauge(slowest));

    let connections = blueprint.random.between(9.0, 15.0);
    let noise = Noise::absolute(1.4).remembering(5 * MINUTE_MS, 0.4);
    let pool = Gauge::about(3.0, noise)
        .following(load, connections)
        .within(0.0, POOL_MAX)
        .in_steps_of(1.0);
    blueprint.gauge(target, "db_pool_connections_in_use", &[], Model::Gauge(pool));
}

fn add_process(blueprint: &mut Blueprint, target: usize, load: usize, service: &Service) {
    let following =
        |base, gain| Level { base, inputs: vec![Input { driver: load, gain, congested: false }] };
    let random = &mut blueprint.random;
    let live_bytes = MIB * service.live_mib * random.between(0.9, 1.1);
    let collections = following(random.between(0.4, 0.9), random.between(1.0, 2.5));
    let heap = Heap::new(live_bytes, random.between(0.2, 0.4), collections, random.uniform());
    let processors = following(0.015, random.between(0.3, 0.9));
    let uptime_days = random.between(0.5, 12.0);
    let files = Gauge::about(
        random.between(40.0, 70.0).round(),
        Noise::absolute(2.2).remembering(8 * MINUTE_MS, 0.5),
    );
    let files = files.following(load, random.between(40.0, 90.0)).within(8.0, 1024.0);

    blueprint.gauge(target, "process_resident_memory_bytes", &[], Model::Heap(heap));
    let noise = Noise::relative(0.06).remembering(4 * MINUTE_MS, 0.3);
    let interval_ms = blueprint.interval_ms;
    let processor =
        Counter::new(Unit::Seconds, processors, noise, uptime_days, interval_ms).at_most(4.0);
    blueprint.counter(target, "process_cpu_seconds_total", &[], processor);
    blueprint.gauge(target, "process_open_fds", &[], Model::Gauge(files.in_steps_of(1.0)));
}
