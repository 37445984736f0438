//! Which configuration suits recorded history: a few candidates, each replayed over all of it, scored by blocks of time.
//!
//! Learning is streaming, so one replay of a candidate scores all blocks: the first fifth of history is only learned from, the rest
//! is cut into [`BLOCKS`] blocks. With labels the candidate with the best F1 of events wins, among those whose false alarms
//! stay within a limit in every block; how good that choice is, is told by blocks that had no say in it. Without labels the
//! most sensitive candidate wins whose alerts stay within the limit in every block. Nothing here is random but the
//! resampling of series for the interval, which a seed decides.

mod candidate;
mod choose;
mod score;

pub use candidate::Candidate;
pub use choose::{Choice, HeldOut, choose};
pub use score::{BLOCKS, Blocks, Score, Trial, Windows};
