//! How many instructions a judged sample takes in a partition: a figure that other work on the machine does not move.
//!
//! ```sh
//! export CARGO_PROFILE_RELEASE_STRIP=none
//! cargo build --release -p bellwether-benches --example instructions
//! valgrind --tool=callgrind --toggle-collect='*judge_all*' target/release/examples/instructions
//! callgrind_annotate callgrind.out.*    # divide by the samples that it printed
//! target/release/examples/instructions digest
//! ```
//!
//! `digest` prints one of all judgements and events, of every class of series and with all detectors of the base tier
//! besides: a change that is to cost less and to alter nothing leaves it as it is.

use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;

use bellwether_benches::{Null, base_tier, three_detectors};
use bellwether_detect::tail::Tail;
use bellwether_detect::{ExpectedBand, Tables};
use bellwether_engine::{Input, Outputs, Partition, Row, Settings};
use bellwether_series::{Fingerprint, LabelSet, Timestamp};
use bellwether_signal::SeriesKind;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// So many series of each class.
const SEEDS: Range<u64> = 1..3;
/// One a minute: past the warm-up of every detector, then as many that count.
const WARM_STEPS: usize = 4000;
const STEPS: usize = 4000;
const STEP_MS: i64 = 60_000;
const START: Timestamp = Timestamp::from_ms(1_750_000_000_000);
/// Samples from one fault to the next, and what a fault is.
const FAULT_EVERY: usize = 997;
const FAULT_SAMPLES: usize = 6;
const FAULT_SIZE: f64 = 12.0;

/// Samples that come together, and the record time at which they do.
type Arrival = (i64, Vec<Row>);

fn values(class: Null, seed: u64, fault_size: f64) -> Vec<f64> {
    let with_faults = |(step, value): (usize, f64)| {
        let since_fault = (step + 100 * seed as usize) % FAULT_EVERY;
        value + if since_fault < FAULT_SAMPLES { fault_size } else { 0.0 }
    };
    class.series(seed).take(WARM_STEPS + STEPS).enumerate().map(with_faults).collect()
}

/// The samples of all series of `classes`, step by step, and how many series that are.
fn arrivals(classes: &[Null], fault_size: f64) -> (Vec<Arrival>, usize) {
    let all: Vec<_> = SEEDS
        .flat_map(|seed| classes.iter().map(move |&class| values(class, seed, fault_size)))
        .collect();
    let of = |step: usize| {
        let elapsed_ms = step as i64 * STEP_MS;
        let at = START.plus_ms(elapsed_ms);
        let row =
            |(slot, values): (usize, &Vec<f64>)| Row { slot: slot as u32, at, value: values[step] };
        (elapsed_ms, all.iter().enumerate().map(row).collect())
    };
    ((0..WARM_STEPS + STEPS).map(of).collect(), all.len())
}

/// A partition that watches `series` gauges.
fn partition(settings: Settings, series: usize) -> Partition {
    let mut partition = Partition::new(Arc::new(settings), Tables::default());
    for slot in 0..series {
        let labels = LabelSet::from_pairs([("__name__", format!("series_{slot}").as_str())])
            .unwrap_or_else(|error| unreachable!("{error}"));
        let (slot, fingerprint, kind) = (slot as u32, labels.fingerprint(), SeriesKind::Gauge);
        let admit = Input::Admit { slot, labels, fingerprint, kind };
        partition.step(0, admit, &mut Outputs::default());
    }
    partition
}

#[inline(never)]
fn judge_all(partition: &mut Partition, arrivals: &[Arrival], outputs: &mut Outputs) {
    for (elapsed_ms, rows) in arrivals {
        partition.samples(*elapsed_ms, rows, outputs);
    }
}

/// A judgement with its band, all of which is digested.
#[derive(Debug)]
#[expect(dead_code, reason = "its text is what counts")]
struct Score {
    fingerprint: Fingerprint,
    at: Timestamp,
    value: f64,
    surprise: f64,
    expected: f64,
    lower: f64,
    upper: f64,
}

impl Score {
    fn of(score: bellwether_engine::Score, tail: &Tail) -> Self {
        let ExpectedBand { lower, upper } = score.band(tail);
        let bellwether_engine::Score { fingerprint, at, value, surprise, expected } = score;
        Self { fingerprint, at, value, surprise, expected: expected.center, lower, upper }
    }
}

fn digest(name: &str, settings: Settings) {
    let (arrivals, series) =
        arrivals(&[&Null::CONTINUOUS[..], &Null::DISCRETE[..]].concat(), FAULT_SIZE);
    let mut outputs = Outputs { scores: Some(Vec::new()), ..Outputs::default() };
    judge_all(&mut partition(settings, series), &arrivals, &mut outputs);
    let tail = Tail::new();
    let scores = outputs.scores.take().unwrap_or_default();
    let scores: Vec<_> = scores.into_iter().map(|score| Score::of(score, &tail)).collect();
    let (text, events) = (format!("{scores:?}"), format!("{:?}", outputs.events));
    let digest = Fingerprint::of_parts(&[text.as_bytes(), events.as_bytes()]);
    println!("{name}: {} judgements, {} events: {digest}", scores.len(), outputs.events.len());
}

fn main() {
    if std::env::args().any(|argument| argument == "digest") {
        digest("three detectors", three_detectors());
        digest("base tier", base_tier());
        return;
    }
    let (arrivals, series) = arrivals(&Null::CONTINUOUS, 0.0);
    let (warm_up, counted) = arrivals.split_at(WARM_STEPS);
    let mut partition = partition(three_detectors(), series);
    let mut outputs = Outputs::default();
    for (elapsed_ms, rows) in warm_up {
        partition.samples(*elapsed_ms, rows, &mut outputs);
    }
    outputs.clear();
    judge_all(black_box(&mut partition), black_box(counted), black_box(&mut outputs));
    println!("{} samples judged, {} events", outputs.counts.judged, outputs.events.len());
}
