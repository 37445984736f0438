//! Kinds of series for which operators write alerts by hand: each as a series in which a fault happens at a known time, and
//! as a healthy twin in which it does not. Ten days of a sample a minute, from a Monday's midnight on.

use std::f64::consts::TAU;
use std::ops::Range;

use crate::fixture::Noise;

pub(super) const HOUR: usize = 60;
pub(super) const DAY: usize = 24 * HOUR;
/// Length of every series in minutes.
pub(super) const MINUTES: usize = 10 * DAY;

/// One kind of series and its fault. Times are in minutes since the start.
pub(super) struct Scenario {
    /// The rule that must alert.
    pub(super) rule: &'static str,
    pub(super) metric: &'static str,
    /// The label that tells the series apart, and its values: of the one with the fault, and of its healthy twin.
    pub(super) label: &'static str,
    pub(super) twins: [&'static str; 2],
    /// When the fault lasts; up to [`MINUTES`] if it does not end.
    pub(super) fault: Range<usize>,
    /// At most so long after the fault began does the alert fire, and so long after it ended is it resolved.
    pub(super) firing_within: usize,
    pub(super) resolved_within: usize,
    /// A value for each minute in which there is one, with the fault in those of the range.
    pub(super) values: fn(&mut Noise, &Range<usize>) -> Vec<Option<f64>>,
}

/// Day and hour as minutes.
const fn at(day: usize, hour: usize, minute: usize) -> usize {
    day * DAY + hour * HOUR + minute
}

pub(super) const SCENARIOS: [Scenario; 12] = [
    Scenario {
        rule: "MemoryLeak",
        metric: "process_resident_memory_bytes",
        label: "instance",
        twins: ["gateway-0:9090", "gateway-1:9090"],
        fault: DAY..MINUTES,
        firing_within: 8 * DAY,
        resolved_within: DAY,
        values: resident,
    },
    Scenario {
        rule: "MemoryRunsOut",
        metric: "node_memory_MemAvailable_bytes",
        label: "instance",
        twins: ["node-2:9100", "node-3:9100"],
        fault: at(6, 10, 0)..at(7, 19, 0),
        firing_within: 30 * HOUR,
        resolved_within: DAY,
        values: available,
    },
    Scenario {
        rule: "TrainingLossPlateau",
        metric: "training_loss_best",
        label: "run",
        twins: ["large-a", "large-b"],
        fault: at(7, 3, 0)..at(8, 9, 0),
        firing_within: 12 * HOUR,
        resolved_within: HOUR,
        values: loss,
    },
    Scenario {
        rule: "StalledProgress",
        metric: "training_steps_total",
        label: "run",
        twins: ["large-a", "large-b"],
        fault: at(6, 22, 17)..at(7, 1, 40),
        firing_within: HOUR,
        resolved_within: HOUR,
        values: steps,
    },
    Scenario {
        rule: "ErrorRateJump",
        metric: "http_requests_total",
        label: "instance",
        twins: ["shop-0:8080", "shop-1:8080"],
        fault: at(6, 14, 5)..at(6, 15, 5),
        firing_within: 15,
        resolved_within: HOUR,
        values: errors,
    },
    Scenario {
        rule: "LatencySpike",
        metric: "http_request_duration_seconds",
        label: "instance",
        twins: ["shop-0:8080", "shop-1:8080"],
        fault: at(7, 20, 30)..at(7, 20, 55),
        firing_within: 15,
        resolved_within: HOUR,
        values: latency,
    },
    Scenario {
        rule: "NodeDown",
        metric: "up",
        label: "instance",
        twins: ["node-0:9100", "node-1:9100"],
        fault: at(8, 4, 12)..at(8, 4, 52),
        firing_within: 15,
        resolved_within: HOUR,
        values: up,
    },
    Scenario {
        rule: "TooFewPeers",
        metric: "kube_statefulset_status_replicas_ready",
        label: "statefulset",
        twins: ["search", "basket"],
        fault: at(7, 16, 0)..at(7, 17, 10),
        firing_within: 45,
        resolved_within: HOUR,
        values: replicas,
    },
    Scenario {
        rule: "TooFewPeers",
        metric: "p2p_peers",
        label: "instance",
        twins: ["chain-0:6060", "chain-1:6060"],
        fault: at(9, 2, 0)..at(9, 3, 10),
        firing_within: 45,
        resolved_within: HOUR,
        values: peers,
    },
    Scenario {
        rule: "AccuracyDrop",
        metric: "model_accuracy",
        label: "model",
        twins: ["ranking", "fraud"],
        fault: at(8, 9, 0)..at(8, 15, 0),
        firing_within: HOUR,
        resolved_within: HOUR,
        values: accuracy,
    },
    Scenario {
        rule: "DiskFilling",
        metric: "node_filesystem_avail_bytes",
        label: "instance",
        twins: ["db-0:9100", "db-1:9100"],
        fault: at(6, 8, 0)..at(7, 16, 0),
        firing_within: 28 * HOUR,
        resolved_within: 12 * HOUR,
        values: disk,
    },
    Scenario {
        rule: "CacheHitRatioFalling",
        metric: "cache_hit_ratio",
        label: "instance",
        twins: ["redis-0:9121", "redis-1:9121"],
        fault: at(8, 18, 0)..at(8, 22, 0),
        firing_within: 90,
        resolved_within: 4 * HOUR,
        values: cache,
    },
];

/// A value for every minute.
fn each_minute(value: impl FnMut(usize) -> f64) -> Vec<Option<f64>> {
    (0..MINUTES).map(value).map(Some).collect()
}

/// From -1 in the small hours to 1 in the afternoon.
fn wave(minute: usize) -> f64 {
    -libm::cos(TAU * (minute as f64 / DAY as f64 - 2.0 / 24.0))
}

/// What wanders around 0 with a deviation of about 1 and forgets within `minutes` (autoregressive, order 1).
struct Wander {
    keep: f64,
    state: f64,
}

impl Wander {
    fn over(minutes: f64) -> Self {
        Self { keep: libm::exp(-1.0 / minutes), state: 0.0 }
    }

    fn next(&mut self, noise: &mut Noise) -> f64 {
        self.state = self.keep * self.state + (1.0 - self.keep * self.keep).sqrt() * noise.next();
        self.state
    }
}

/// Resident memory of a process that was deployed on day 1; if there is a fault, it has leaked a sixth a day ever since.
fn resident(noise: &mut Noise, fault: &Range<usize>) -> Vec<Option<f64>> {
    let mut wander = Wander::over(60.0);
    let mut value = |age: usize| {
        let leaked = if fault.is_empty() { 0.0 } else { age as f64 * 100e6 / DAY as f64 };
        600e6 + 10e6 * wave(age) + leaked + 8e6 * wander.next(noise) + 4e6 * noise.next()
    };
    (0..MINUTES).map(|minute| Some(value(minute.checked_sub(DAY)?))).collect()
}

/// Memory that a host has left, less by day; in the fault a process leaks 40 MB an hour until it is restarted.
fn available(noise: &mut Noise, fault: &Range<usize>) -> Vec<Option<f64>> {
    let mut wander = Wander::over(60.0);
    let value = |minute: usize| {
        let since = if fault.contains(&minute) { minute - fault.start } else { 0 };
        let leaked = since as f64 * 40e6 / HOUR as f64;
        1.4e9 - 30e6 * wave(minute) - leaked + 8e6 * wander.next(noise) + 4e6 * noise.next()
    };
    each_minute(value)
}

/// The best loss so far of a training run that is evaluated every ten minutes. In the fault no evaluation is
/// any better.
fn loss(noise: &mut Noise, fault: &Range<usize>) -> Vec<Option<f64>> {
    let (mut best, mut learned) = (f64::INFINITY, 0.0);
    let value = |minute: usize| {
        let stuck = fault.contains(&minute);
        learned += if stuck { 0.0 } else { 1.0 };
        if minute.is_multiple_of(10) {
            let worse = if stuck { 0.002 } else { 0.0 };
            let loss =
                2.0 + 1.5 * libm::pow(1.0 + learned / 360.0, -0.3) + worse + 2e-4 * noise.next();
            best = loss.min(best);
        }
        best
    };
    each_minute(value)
}

/// Steps of a training run, a count that stands still for three minutes while a checkpoint is written every six hours.
fn steps(noise: &mut Noise, fault: &Range<usize>) -> Vec<Option<f64>> {
    let mut count = 0.0;
    let value = |minute: usize| {
        if !fault.contains(&minute) && minute % (6 * HOUR) > 3 {
            count += (120.0 + 4.0 * noise.next()).round();
        }
        count
    };
    each_minute(value)
}

/// Answers with a 5xx: one in 250 of a traffic with a daily wave; in the fault one in twenty.
fn errors(noise: &mut Noise, fault: &Range<usize>) -> Vec<Option<f64>> {
    let mut count = 0.0;
    let value = |minute: usize| {
        let requests = 600.0 * (1.0 + 0.5 * wave(minute));
        let share = if fault.contains(&minute) { 0.05 } else { 0.004 };
        count += poisson(noise, share * requests);
        count
    };
    each_minute(value)
}

/// 99th percentile of a latency with skewed noise, a daily wave and lone slow minutes; in the fault five times as
/// much.
fn latency(noise: &mut Noise, fault: &Range<usize>) -> Vec<Option<f64>> {
    let mut wander = Wander::over(20.0);
    let value = |minute: usize| {
        let spread = 0.08 * wander.next(noise) + 0.1 * noise.next();
        let lone = if noise.uniform() + 0.5 < 1.0 / 400.0 { 1.6 } else { 1.0 };
        let slow = if fault.contains(&minute) { 5.0 } else { lone };
        0.25 * (1.0 + 0.15 * wave(minute)) * slow * libm::exp(spread)
    };
    each_minute(value)
}

/// Whether a target answers. One scrape in a thousand or so fails.
fn up(noise: &mut Noise, fault: &Range<usize>) -> Vec<Option<f64>> {
    let value = |minute: usize| {
        let failed = noise.uniform() + 0.5 < 1e-3;
        f64::from(u8::from(!failed && !fault.contains(&minute)))
    };
    each_minute(value)
}

/// Ready replicas, twelve. On working days at eleven a rollout restarts one at a time; in the fault three are missing.
fn replicas(noise: &mut Noise, fault: &Range<usize>) -> Vec<Option<f64>> {
    let value = |minute: usize| {
        let rollout =
            minute / DAY % 7 < 5 && (at(0, 11, 0)..at(0, 11, 12)).contains(&(minute % DAY));
        let restarting = if rollout && noise.uniform() < 0.2 { 1.0 } else { 0.0 };
        if fault.contains(&minute) { 9.0 } else { 12.0 - restarting }
    };
    each_minute(value)
}

/// Peers that a node of a network is connected to, some fifty that come and go; in the fault it loses half of them.
fn peers(noise: &mut Noise, fault: &Range<usize>) -> Vec<Option<f64>> {
    let mut wander = Wander::over(90.0);
    let value = |minute: usize| {
        let lost = if fault.contains(&minute) { 25.0 } else { 0.0 };
        (50.0 - lost + 2.5 * wander.next(noise) + 0.5 * noise.next()).round()
    };
    each_minute(value)
}

/// Accuracy of a model over its last answers, a little worse by night; in the fault six points lower.
fn accuracy(noise: &mut Noise, fault: &Range<usize>) -> Vec<Option<f64>> {
    let mut wander = Wander::over(30.0);
    let value = |minute: usize| {
        let lost = if fault.contains(&minute) { 0.06 } else { 0.0 };
        0.93 + 0.008 * wave(minute) - lost + 0.004 * wander.next(noise) + 0.004 * noise.next()
    };
    each_minute(value)
}

/// Free space of a disk on which logs grow by day and are rotated at midnight; in the fault something
/// would fill it within a day and a half.
fn disk(noise: &mut Noise, fault: &Range<usize>) -> Vec<Option<f64>> {
    let mut written = 0.0;
    let value = |minute: usize| {
        written += if fault.contains(&minute) { 0.058e9 } else { 0.0 };
        let filled = if minute < fault.end { written } else { 0.0 };
        let log = (minute % DAY) as f64 * 0.002e9;
        120e9 - log - filled + 0.05e9 * noise.next()
    };
    each_minute(value)
}

/// Hit ratio of a cache, better by day; in the fault it falls for an hour and a half and stays low.
fn cache(noise: &mut Noise, fault: &Range<usize>) -> Vec<Option<f64>> {
    let mut wander = Wander::over(30.0);
    let value = |minute: usize| {
        let since = if fault.contains(&minute) { minute - fault.start } else { 0 };
        let lost = 0.15 * (since as f64 / 90.0).min(1.0);
        0.94 + 0.015 * wave(minute) - lost + 0.003 * wander.next(noise) + 0.003 * noise.next()
    };
    each_minute(value)
}

/// A random count with this small mean (Knuth).
fn poisson(noise: &mut Noise, mean: f64) -> f64 {
    let floor = libm::exp(-mean);
    let (mut product, mut count) = (noise.uniform() + 0.5, 0.0);
    while product > floor {
        product *= noise.uniform() + 0.5;
        count += 1.0;
    }
    count
}
