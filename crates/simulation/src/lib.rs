//! The deterministic simulation: the real engine, journal and checkpoints on one thread, over a clock, a storage and a
//! network that are simulated and go wrong as a seed says.
//!
//! Senders repeat themselves, clocks jump, disks fail and fill up, sinks are slow, and the process or the machine stops within
//! any operation; then it starts again, with another number of shards or another configuration, or goes on from what was
//! learned elsewhere. Whatever happens, it must be where a plain sequential model is that is handed the records of the journal: same state, same events, same alerts,
//! and nothing acknowledged is lost.
//!
//! Equal seeds give equal runs: a failure names its seed, and the seed repeats it.

mod act;
mod adoption;
mod clock;
mod damage;
mod finish;
mod model;
mod plan;
mod random;
mod seen;
mod sender;
mod simulation;
mod sinks;
mod start;
mod trace;
mod truth;
mod webhook;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use seen::Seen;
use simulation::Simulation;

/// What became of a run in which all was well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// Of everything that happened: equal for equal runs.
    pub trace_hash: u64,
    /// What it went through.
    pub seen: Seen,
}

/// What went wrong in a run.
#[derive(Debug)]
pub struct Failed {
    /// The seed that repeats it.
    pub seed: u64,
    /// What must not be.
    pub reason: String,
    /// What the run is like.
    pub plan: String,
    /// What happened last.
    pub last: String,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seed, reason, plan, last } = self;
        write!(f, "{last}\n{plan}\nseed {seed}: {reason}\nrepeat with: ")?;
        write!(f, "cargo run --release -p bellwether-simulation -- --seeds 1 --from {seed}")
    }
}

/// Runs the simulation of a seed.
///
/// # Errors
/// When something is not as it must be.
pub fn run(seed: u64) -> Result<Passed, Box<Failed>> {
    let mut simulation = Simulation::new(seed);
    let ran = catch_unwind(AssertUnwindSafe(|| simulation.run()));
    let reason = match ran {
        Ok(Ok(())) => {
            let trace_hash = simulation.trace.hash();
            return Ok(Passed { trace_hash, seen: simulation.seen });
        }
        Ok(Err(reason)) => reason,
        // What it says has been printed by then.
        Err(_) => "panicked".to_owned(),
    };
    let plan = format!("{:?}", simulation.plan);
    Err(Box::new(Failed { seed, reason, plan, last: simulation.trace.last() }))
}
