//! What a sample costs against a bare decode of the same request, both measured in turns, so that a
//! machine that drifts does so for both. Fails when the whole step costs more than it may.
//!
//! ```sh
//! cargo run --release -p bellwether-benches --example ratio -- [SERIES] [shuffled|base|forest]
//! ```
//!
//! By default each request has its series in the order of the one before, and three detectors judge. `shuffled`: each step has its
//! series in an order of its own. `base`: `changepoint`, `flatline` and `absent` judge as well. `forest`: of one in sixteen series
//! the isolation forest does.

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;

use bellwether_benches::{
    Fleet, WarmEngine, bare_decode, cpu_ns, forest_for_one_in_sixteen, full_base_tier,
    three_detectors,
};
use bellwether_engine::{Intake, Record, RecordBody, Settings, Work};
use bellwether_wire::remote_write::{Limits, WriteRequest, decompress};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 10;
const SAMPLES_A_ROUND: usize = 400_000;

fn decode(body: &[u8]) -> WriteRequest {
    let limits = Limits::default();
    let plain = decompress(body, &limits).expect("a snappy block");
    WriteRequest::decode(plain, &limits).expect("a request")
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let series = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let mut fleet = Fleet::new(series);
    let (settings, ratio_max) = match arguments.next().as_deref() {
        None => (three_detectors(), 5.0),
        Some("shuffled") => {
            fleet = fleet.shuffled();
            (three_detectors(), 9.0)
        }
        Some("base") => (full_base_tier(), 9.0),
        Some("forest") => (forest_for_one_in_sixteen(), 9.0),
        Some(other) => {
            eprintln!("there is no such mode: mode=`{other}`");
            return ExitCode::from(2);
        }
    };
    let mut warm = WarmEngine::of(&fleet, settings);
    let steps_a_round = SAMPLES_A_ROUND.div_ceil(series);
    let samples = (ROUNDS * steps_a_round * series) as f64;
    let mut intake = Intake::new(Arc::new(Settings::default()), 7);
    let (mut buffer, mut work) = (Vec::new(), [Work::default()]);
    let (mut bare, mut decoded, mut found, mut step) = (0.0, 0.0, 0.0, 0.0);
    for _ in 0..ROUNDS {
        let steps = warm.next_steps(&fleet, steps_a_round);
        let cost = |work: &mut dyn FnMut(usize, &[u8])| {
            let start = cpu_ns();
            for (step, bodies) in &steps {
                for body in bodies {
                    work(*step, body);
                }
            }
            (cpu_ns() - start) as f64 / samples
        };
        bare += cost(&mut |_, body| _ = black_box(bare_decode(body, &mut buffer)));
        decoded += cost(&mut |_, body| _ = black_box(decode(body)));
        let mut find = |step, body: &[u8]| {
            let request = decode(body);
            let body = RecordBody::request(&request);
            black_box(intake.apply(&Record { received_at: Fleet::at(step), body }, &mut work));
            work[0].clear();
        };
        if found == 0.0 {
            // The first time they are created, not found.
            cost(&mut find);
        }
        found += cost(&mut find);
        step += cost(&mut |step, body| _ = black_box(warm.apply(body, step)));
    }
    let ratio = step / bare;
    println!(
        "{series} series, CPU ns a sample: bare decode {bare:.0}, decode {decoded:.0}, decode and \
         look-up {found:.0}, step {step:.0}"
    );
    println!("the whole step costs {ratio:.2} bare decodes (at most {ratio_max})");
    if ratio <= ratio_max { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
