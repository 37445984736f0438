//! What a series costs in memory, all told: labels, look-up, state, allocator. Fails above 2 KiB.
//!
//! ```sh
//! cargo run --release -p bellwether-benches --example memory -- [SERIES]
//! ```

use std::process::ExitCode;
use std::sync::Arc;

use bellwether_benches::{Fleet, resident_bytes, three_detectors};
use bellwether_engine::{Engine, Outputs, Partition, Record, RecordBody};
use bellwether_wire::remote_write::{Limits, WriteRequest, decompress};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BYTES_MAX: usize = 2048;
/// Enough for every detector to have laid out its state.
const STEPS: usize = 70;

fn main() -> ExitCode {
    let series: usize =
        std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let fleet = Fleet::new(series);
    // Once through everything with a throw-away engine, so that code, buffers and what the generator needs are
    // resident before.
    run(&mut Engine::new(&Arc::new(three_detectors()), 1), &Fleet::new(2000), 2);
    fleet.bodies(0).for_each(drop);
    let before = resident_bytes();
    let mut engine = Engine::new(&Arc::new(three_detectors()), 1);
    run(&mut engine, &fleet, STEPS);
    let grown = resident_bytes().saturating_sub(before);
    let state: usize = engine.partitions().iter().map(Partition::state_bytes).sum();
    println!(
        "{series} series, bytes a series: state {}, all told {}",
        state / series,
        grown / series
    );
    if grown / series <= BYTES_MAX { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(engine: &mut Engine, fleet: &Fleet, steps: usize) {
    let (limits, mut outputs) = (Limits::default(), Outputs::default());
    for step in 0..steps {
        for body in fleet.bodies(step) {
            let plain = decompress(&body, &limits).expect("a snappy block");
            let request = WriteRequest::decode(plain, &limits).expect("a request");
            let received_at = Fleet::at(step);
            let record = Record { received_at, body: RecordBody::request(&request) };
            engine.apply(&record, &mut outputs);
        }
    }
}
