//! What the first sample of a series costs, by part: it is decoded, its labels are read, checked and kept, and its partition lays
//! out the states of its detectors.
//!
//! ```sh
//! cargo run --release -p bellwether-benches --example first -- [SERIES]
//! ```
//!
//! CPU time, of which the kernel's is a good part: it clears the memory that is touched for the first time. The samples after
//! the first are there to compare with.

use std::sync::Arc;

use bellwether_benches::{Fleet, cpu_ns, kernel_ns, three_detectors};
use bellwether_detect::Tables;
use bellwether_engine::{Intake, Outputs, Record, RecordBody, Shard, Work};
use bellwether_wire::remote_write::{Limits, WriteRequest, decompress};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Times that each series is sampled: first, second and one more.
const STEPS: usize = 3;

/// CPU time of a step in nanoseconds, by part.
#[derive(Debug, Default)]
struct Cost {
    decode: u64,
    intake: u64,
    shard: u64,
}

/// An engine in the parts that run on threads of their own.
struct Parts {
    intake: Intake,
    shard: Shard,
    work: [Work; 1],
    outputs: Outputs,
}

impl Parts {
    fn new() -> Self {
        let settings = Arc::new(three_detectors());
        let shard = Shard::new(&settings, &Tables::default(), 0, 1);
        let intake = Intake::new(settings, 7);
        Self { intake, shard, work: [Work::default()], outputs: Outputs::default() }
    }

    #[inline(never)]
    fn take_in(&mut self, step: usize, request: &WriteRequest) -> i64 {
        let record = Record { received_at: Fleet::at(step), body: RecordBody::request(request) };
        self.intake.apply(&record, &mut self.work).elapsed_ms
    }

    #[inline(never)]
    fn judge(&mut self, elapsed_ms: i64) {
        self.outputs.clear();
        self.shard.apply(elapsed_ms, &mut self.work[0], &mut self.outputs);
    }

    fn step(&mut self, step: usize, bodies: &[Vec<u8>]) -> Cost {
        let (limits, mut cost) = (Limits::default(), Cost::default());
        for body in bodies {
            let start = cpu_ns();
            let plain = decompress(body, &limits).expect("a snappy block");
            let request = WriteRequest::decode(plain, &limits).expect("a request");
            let decoded = cpu_ns();
            let elapsed_ms = self.take_in(step, &request);
            let taken_in = cpu_ns();
            self.judge(elapsed_ms);
            cost.decode += decoded - start;
            cost.intake += taken_in - decoded;
            cost.shard += cpu_ns() - taken_in;
        }
        cost
    }
}

fn main() {
    let series: usize =
        std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let fleet = Fleet::new(series);
    let mut parts = Parts::new();
    for step in 0..STEPS {
        let bodies: Vec<_> = fleet.bodies(step).collect();
        let before = kernel_ns();
        let Cost { decode, intake, shard } = parts.step(step, &bodies);
        let in_kernel = kernel_ns() - before;
        let all = decode + intake + shard;
        let [decode, intake, shard, all, in_kernel] =
            [decode, intake, shard, all, in_kernel].map(|ns| ns / series as u64);
        println!(
            "sample {}, CPU ns: decode {decode}, intake {intake}, shard {shard}, all {all}, of which \
             in the kernel {in_kernel}",
            step + 1
        );
    }
}
