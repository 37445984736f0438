//! What the benches share: a fleet that sends, and the bare decode that everything is measured against.
//! How to run them and what they gave: `benches/README.md`.

mod bare;
mod fleet;
mod process;
mod warm;

pub use bare::bare_decode;
pub use fleet::{BATCH, Fleet, STEP_MS};
pub use process::{cpu_ns, resident_bytes};
pub use warm::WarmEngine;
