//! What the benches share: a fleet that sends, the bare decode that everything is measured against, and series in
//! which nothing happens.
//! How to run them and what they gave: `benches/README.md`.

mod bare;
mod fleet;
mod nulls;
mod process;
mod shares;
mod trial;
mod warm;

pub use bare::bare_decode;
pub use fleet::{BATCH, Fleet, WARM_STEPS};
pub use nulls::{Noise, Null};
pub use process::{cpu_ns, kernel_ns, resident_bytes};
pub use shares::Shares;
pub use trial::{Outcome, Trial};
pub use warm::{WarmEngine, base_tier, forest_for_one_in_sixteen, full_base_tier, three_detectors};
