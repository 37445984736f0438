//! A fleet like those that Prometheus scrapes: 10 labels a series, one sample a series and step, in order,
//! 2,000 series a request.

use std::ops::Range;

use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::{RawSample, WriteRequestBuilder, compress};

/// Series a request, as Prometheus sends them.
pub const BATCH: usize = 2000;
/// Event time between the first steps. Long, so that few steps are two days and every detector judges.
const LONG_STEP_MS: i64 = 900_000;
/// How many those are: a little over two days.
const LONG_STEPS: usize = 200;
/// Event time between the others.
const STEP_MS: i64 = 60_000;
/// Steps after which all detectors judge, and have got used to one a minute.
pub const WARM_STEPS: usize = LONG_STEPS + 70;

const START: Timestamp = Timestamp::from_ms(1_750_000_000_000);
const METRICS: [&str; 20] = [
    "container_cpu_usage_cores",
    "container_memory_working_set_bytes",
    "container_network_receive_bytes",
    "container_network_transmit_bytes",
    "container_fs_reads_bytes",
    "go_goroutines",
    "go_memstats_heap_inuse_bytes",
    "process_open_fds",
    "process_resident_memory_bytes",
    "http_requests_in_flight",
    "http_request_duration_seconds_p50",
    "http_request_duration_seconds_p99",
    "http_requests_per_second",
    "db_client_connections_usage",
    "cache_hit_ratio",
    "queue_depth",
    "queue_oldest_message_age_seconds",
    "node_load1",
    "node_filesystem_avail_bytes",
    "kafka_consumer_lag",
];
const TEAMS: [&str; 8] = [
    "payments",
    "checkout",
    "search",
    "catalog",
    "identity",
    "shipping",
    "platform",
    "observability",
];

/// Series and their values at any step: a daily wave with noise.
#[derive(Debug)]
pub struct Fleet {
    /// Number of the first one.
    first: usize,
    labels: Vec<LabelSet>,
    /// Whether each step has its series in an order of its own.
    is_shuffled: bool,
}

impl Fleet {
    /// A fleet of `series` series.
    pub fn new(series: usize) -> Self {
        Self::of(0..series)
    }

    /// The part of a larger fleet with these numbers.
    pub fn of(series: Range<usize>) -> Self {
        Self { first: series.start, labels: series.map(labels).collect(), is_shuffled: false }
    }

    /// The same fleet as the replica `name` of a pair writes it.
    #[must_use]
    pub fn written_by(&self, name: &str) -> Self {
        let written = |labels: &LabelSet| {
            let pairs = labels.iter().chain([("__replica__", name)]);
            LabelSet::from_pairs(pairs).unwrap_or_else(|error| unreachable!("{error}"))
        };
        Self { labels: self.labels.iter().map(written).collect(), ..*self }
    }

    /// The same fleet, with the series of each step in a random order of its own.
    #[must_use]
    pub fn shuffled(self) -> Self {
        Self { is_shuffled: true, ..self }
    }

    /// Number of series.
    pub fn series(&self) -> usize {
        self.labels.len()
    }

    /// When step `step` happened.
    pub fn at(step: usize) -> Timestamp {
        START.plus_ms(since_start_ms(step))
    }

    /// The compressed requests of step `step`, one at a time.
    pub fn bodies(&self, step: usize) -> impl Iterator<Item = Vec<u8>> {
        let timestamp = Self::at(step);
        let mut order: Vec<usize> = (0..self.labels.len()).collect();
        if self.is_shuffled {
            order.sort_by_cached_key(|&series| mix((step as u64) << 32 | series as u64));
        }
        let batches = order.len().div_ceil(BATCH);
        (0..batches).map(move |batch| {
            let mut builder = WriteRequestBuilder::default();
            for &series in &order[batch * BATCH..order.len().min((batch + 1) * BATCH)] {
                let value = value(self.first + series, step);
                builder.series(&self.labels[series], &[RawSample { timestamp, value }]);
            }
            let mut body = compress(&builder.encode());
            body.shrink_to_fit();
            body
        })
    }
}

fn labels(series: usize) -> LabelSet {
    let target = series / METRICS.len();
    let team = TEAMS[mix(target as u64 / 12) as usize % TEAMS.len()];
    let id = mix(target as u64);
    let instance = format!("10.{}.{}.{}:9100", target >> 16, target >> 8 & 255, target & 255);
    let pod = format!("{team}-api-{:08x}-{:05x}", id >> 32, id & 0xf_ffff);
    let node = format!("ip-10-0-{}-{}.compute.internal", id >> 20 & 255, id >> 28 & 15);
    let pairs = [
        ("__name__", METRICS[series % METRICS.len()]),
        ("cluster", "eu-west-1-prod-a"),
        ("container", &format!("{team}-api")),
        ("env", "production"),
        ("instance", &instance),
        ("job", &format!("kubernetes-pods/{team}")),
        ("namespace", team),
        ("node", &node),
        ("pod", &pod),
        ("service", &format!("{team}-api-{}", id % 40)),
    ];
    LabelSet::from_pairs(pairs).unwrap_or_else(|error| unreachable!("{error}"))
}

fn since_start_ms(step: usize) -> i64 {
    let long = step.min(LONG_STEPS) as i64;
    long * LONG_STEP_MS + (step as i64 - long) * STEP_MS
}

/// Three decimals, as measured values have them.
fn value(series: usize, step: usize) -> f64 {
    let base = 10.0 + (mix(series as u64) % 1_000_000) as f64 / 1000.0;
    let days = since_start_ms(step) as f64 / 86_400_000.0 + (series % 97) as f64 / 97.0;
    let wave = 1.0 + 0.3 * (std::f64::consts::TAU * days).sin();
    let bits = mix((series as u64) << 32 | step as u64);
    let noise: f64 = (0..4).map(|part| (bits >> (16 * part) & 0xffff) as f64 / 65536.0 - 0.5).sum();
    (base * (wave + 0.035 * noise) * 1000.0).round() / 1000.0
}

/// Splitmix64.
fn mix(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
