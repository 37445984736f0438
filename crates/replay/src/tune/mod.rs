//! Which configuration suits recorded history: a seeded search, judged by blocks of time that had no say.
//!
//! Candidates are drawn from the space of what rules can say ([`candidates`]) and tried on ever larger shares of the input, of
//! which ever fewer go on ([`Arena::shares`], [`search()`]). Learning is streaming, so one replay of a candidate scores all
//! blocks: the first part of history is only learned from, the rest is cut into [`BLOCKS`] blocks. With labels the best F1 of
//! events wins; without, faults are put into the history and the largest share of them that is found wins; both among those
//! whose false alarms stay within a limit in every block. How good such a choice is, is told by blocks that had no say in it,
//! and what is not better than the default for sure is not proposed. Everything follows from the input and a seed.

mod arena;
mod candidate;
mod choose;
mod corpus;
mod error;
mod faults;
mod fit;
mod halving;
mod score;
mod search;
mod sieve;
mod space;
mod state;
mod windows;

pub use arena::{Arena, ArenaWatch};
pub use candidate::{Candidate, Chain, Side};
pub use choose::{Choice, Drawn, HeldOut, Objective, Rule, Verdict, choose, ranked};
pub use error::TuneError;
pub use fit::Fit;
pub use halving::{Field, Share};
pub use score::{BLOCKS, Blocks, Score, Trial};
pub use search::{Found, Rung, SearchOptions, SearchProgress, SearchWatch, Tried, search};
pub use space::candidates;
pub use state::State;
pub use windows::Windows;
