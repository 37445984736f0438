//! How long series that leave memory hold up the sequencer: a fleet falls silent at once, while a few go on sending and time goes
//! by. A checkpoint holds what was saved of the intake all the while. Prints the longest record in CPU time, and how many
//! records it took.
//!
//! ```sh
//! cargo run --release -p bellwether-benches --example sweep -- [SERIES]
//! ```

use std::sync::Arc;
use std::time::Duration;

use bellwether_benches::{Fleet, cpu_ns, three_detectors};
use bellwether_engine::{Intake, Record, RecordBody, Work};
use bellwether_series::Timestamp;
use bellwether_wire::remote_write::{Limits, WriteRequest, decompress};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Records follow each other like this: 20 requests a second.
const RECORD_MS: i64 = 50;

fn main() {
    let series: usize =
        std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let settings = Arc::new(three_detectors());
    let idle_after_ms = settings.series.idle_after_ms;
    let (mut intake, mut work) = (Intake::new(settings, 1), [Work::default()]);
    let (fleet, limits) = (Fleet::new(series), Limits::default());
    for body in fleet.bodies(0) {
        let plain = decompress(&body, &limits).expect("a snappy block");
        let request = WriteRequest::decode(plain, &limits).expect("a request");
        apply(&mut intake, &mut work, Fleet::at(0), RecordBody::request(&request));
    }
    // Until just before they have been silent for long enough; at most a minute of it counts for a record.
    let mut at = Fleet::at(0);
    let idle_at = at.plus_ms(idle_after_ms);
    while at < idle_at {
        at = at.plus_ms(10_000);
        apply(&mut intake, &mut work, at, RecordBody::Heartbeat);
    }
    let (mut records, mut longest, mut longest_beside) = (0_u32, Duration::ZERO, Duration::ZERO);
    let mut saved = intake.save();
    while intake.series() > 0 {
        at = at.plus_ms(RECORD_MS);
        // A few times while it goes on, as often as anybody makes a checkpoint, and more.
        let is_saved = records.is_multiple_of(100);
        if is_saved {
            saved = intake.save();
        }
        let took = apply(&mut intake, &mut work, at, RecordBody::Heartbeat);
        longest = longest.max(took);
        longest_beside = longest_beside.max(if is_saved { took } else { Duration::ZERO });
        records += 1;
    }
    drop(saved);
    println!(
        "{series} series left memory in {records} records, longest {longest:?}, longest behind a save {longest_beside:?}"
    );
}

fn apply(
    intake: &mut Intake,
    work: &mut [Work],
    received_at: Timestamp,
    body: RecordBody<'_>,
) -> Duration {
    work.iter_mut().for_each(Work::clear);
    let begun = cpu_ns();
    intake.apply(&Record { received_at, body }, work);
    Duration::from_nanos((cpu_ns() - begun) as u64)
}
