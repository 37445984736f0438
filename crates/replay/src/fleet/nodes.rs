//! The machines, as `node_exporter` sees them.

use super::blueprint::Blueprint;
use super::driver::Cause;
use super::gauge::Gauge;
use super::model::{Input, Level, Model};
use super::noise::Noise;
use super::process::{Counter, Unit};
use super::season::{HOUR_MS, MINUTE_MS};
use super::services::SERVICES;

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
/// Processors of a node.
const PROCESSORS: f64 = 8.0;
/// Nodes are handed out in rounds of this many: one per service, two databases, one for the rest.
const ROUND: usize = SERVICES.len() + 3;

/// What a node depends on.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// Index of the driver that is its work.
    work: usize,
    /// Index of the driver that says how busy its processors are.
    busy: usize,
    /// Index of the driver of the nightly backup, on a node that has one.
    backup: Option<usize>,
}

/// Adds `count` nodes; `site` is the driver of the shop as a whole.
pub(super) fn add_nodes(blueprint: &mut Blueprint, count: usize, site: usize) {
    let seed = blueprint.seed;
    let start_minute = 130;
    let backup = blueprint.driver(Cause::Nightly {
        start_minute,
        minutes: 25,
        delay_minutes_max: 6.0,
        seed,
    });
    for number in 0..count {
        let role = number % ROUND;
        let random = &mut blueprint.random;
        let load = match role {
            _ if role < SERVICES.len() => Some((role, random.between(0.30, 0.48))),
            _ if role == ROUND - 1 => None,
            _ => Some((site, random.between(0.25, 0.38))),
        };
        let base = random.between(0.035, 0.09);
        let work = blueprint.driver(Cause::Work { base, load });
        let busy = blueprint.driver(Cause::Processors { work });
        let backup = (role == SERVICES.len()).then_some(backup);
        add_node(blueprint, number, Node { work, busy, backup });
    }
}

fn add_node(blueprint: &mut Blueprint, number: usize, node: Node) {
    let target = blueprint.target("node", format!("node-{:02}:9100", number + 1));
    add_processor(blueprint, target, node);
    add_memory_and_disk(blueprint, target, node);
    add_network(blueprint, target, node);
    let noise = Noise::absolute(0.5).remembering(30 * MINUTE_MS, 0.8);
    let temperature = Gauge::about(blueprint.random.between(33.0, 40.0), noise)
        .following(node.busy, blueprint.random.between(22.0, 32.0))
        .lagging(6 * MINUTE_MS)
        .in_steps_of(1.0);
    let labels = [("chip", "platform_coretemp_0"), ("sensor", "temp1")];
    blueprint.gauge(target, "node_hwmon_temp_celsius", &labels, Model::Gauge(temperature));
    let noise = Noise::absolute(blueprint.random.between_log(1e-5, 6e-5));
    let clock = Gauge::about(0.0, noise.heavy(4.0).remembering(20 * MINUTE_MS, 0.3));
    blueprint.gauge(
        target,
        "node_timex_offset_seconds",
        &[],
        Model::Gauge(clock.in_steps_of(1e-9)),
    );
}

fn add_processor(blueprint: &mut Blueprint, target: usize, node: Node) {
    let noise = Noise::relative(0.12).remembering(3 * MINUTE_MS, 0.5);
    let load = Gauge::about(0.05, noise)
        .congested_by(node.busy, PROCESSORS)
        .lagging(MINUTE_MS)
        .within(0.0, f64::INFINITY)
        .in_steps_of(0.01);
    blueprint.gauge(target, "node_load1", &[], Model::Gauge(load));
    let uptime_days = blueprint.random.between(3.0, 60.0);
    for (mode, base, gain, spread) in [
        ("user", 0.0, 0.79, 0.03),
        ("system", 0.003, 0.19, 0.05),
        ("iowait", 0.004, 0.01, 0.45),
        ("idle", 0.993, -0.985, 0.004),
    ] {
        let mut rate =
            Level { base, inputs: vec![Input { driver: node.busy, gain, congested: false }] };
        if mode == "iowait" {
            rate.inputs.extend(node.backs_up(0.008));
        }
        let interval_ms = blueprint.interval_ms;
        let counter =
            Counter::new(Unit::Seconds, rate, Noise::relative(spread), uptime_days, interval_ms);
        let labels = [("cpu", "0"), ("mode", mode)];
        blueprint.counter(target, "node_cpu_seconds_total", &labels, counter.at_most(1.0));
    }
}

fn add_memory_and_disk(blueprint: &mut Blueprint, target: usize, node: Node) {
    let random = &mut blueprint.random;
    let noise = Noise::absolute(0.3 * GIB).remembering(3 * HOUR_MS, 0.98);
    let memory = Gauge::about(random.between(17.0, 23.0) * GIB, noise)
        .following(node.work, -random.between(3.0, 7.0) * GIB)
        .lagging(15 * MINUTE_MS)
        .in_steps_of(4096.0);
    let noise = Noise::absolute(0.06 * GIB).remembering(6 * HOUR_MS, 0.97);
    let disk = Gauge::about(random.between(45.0, 75.0) * GIB, noise)
        .growing(-random.between_log(0.1, 0.9) * GIB)
        .within(0.0, 100.0 * GIB)
        .in_steps_of(4096.0);
    let (in_use, uptime_days) = (random.between(0.03, 0.12), random.between(3.0, 60.0));
    blueprint.gauge(target, "node_memory_MemAvailable_bytes", &[], Model::Gauge(memory));
    let labels = [("device", "/dev/nvme0n1p2"), ("fstype", "ext4"), ("mountpoint", "/")];
    blueprint.gauge(target, "node_filesystem_avail_bytes", &labels, Model::Gauge(disk));

    let mut rate = node.works(0.012, in_use);
    rate.inputs.extend(node.backs_up(0.08));
    let noise = Noise::relative(0.3).remembering(2 * MINUTE_MS, 0.3);
    let counter = Counter::new(Unit::Seconds, rate, noise, uptime_days, blueprint.interval_ms);
    let labels = [("device", "nvme0n1")];
    blueprint.counter(target, "node_disk_io_time_seconds_total", &labels, counter.at_most(1.0));
}

fn add_network(blueprint: &mut Blueprint, target: usize, node: Node) {
    let uptime_days = blueprint.random.between(3.0, 60.0);
    let interval_ms = blueprint.interval_ms;
    for (name, backup) in
        [("node_network_receive_bytes_total", 0.0), ("node_network_transmit_bytes_total", 4e6)]
    {
        let mut rate = node.works(1.2e5, blueprint.random.between_log(8e6, 4e7));
        if backup > 0.0 {
            rate.inputs.extend(node.backs_up(backup));
        }
        let noise = Noise::relative(0.14).remembering(3 * MINUTE_MS, 0.4);
        let counter = Counter::new(Unit::Bytes, rate, noise, uptime_days, interval_ms);
        blueprint.counter(target, name, &[("device", "eth0")], counter);
    }
}

impl Node {
    fn works(self, base: f64, gain: f64) -> Level {
        Level { base, inputs: vec![Input { driver: self.work, gain, congested: false }] }
    }

    fn backs_up(self, gain: f64) -> Option<Input> {
        self.backup.map(|driver| Input { driver, gain, congested: false })
    }
}
