//! Odd shapes of one signal and odd joint values of a group: points that few random cuts set apart.
//!
//! Method: Liu, Ting & Zhou (2008), "Isolation forest". A tree cuts a sample of points at random values of random
//! features until each is alone; what is unlike the rest is alone early. Scores are 2 to the power of minus
//! the average path over that among as many ordinary points, and agree with those of scikit-learn.
//!
//! * [`Forest`]: the paper's, over a table of records; an estimator of linfa.
//! * [`IsolationForest`]: twelve features of a signal, namely its value, its moves since 1, 2, 4 and 8 samples ago,
//!   the means of the last 4, 16 and 64, its distances from these, and how much it moves of late.
//! * [`GroupForest`]: all signals of a group, each standardised. Features are drawn in proportion to the root of their
//!   spread: where all count alike, cuts through dozens of signals seldom meet those few that are odd.
//!
//! The latter two keep a sample of past rows whose ages fall off geometrically (Aggarwal 2006) and grow one tree anew
//! every few rows, so that none waits for a refit. A tree ends where its sample does, hence all that is far
//! outside would be equally odd; so each tree knows the box of its sample, and the chance that a first cut through
//! the box with the new point in it sets that apart shortens the path (the idea of Guha et al. 2016, at the
//! root only). The score is the fifth power of the usual path by this one, and most of it an average over two
//! hours, at most 32 samples (signals), or ten rows (groups). 1 to 2 is ordinary, 10,000 the most.
//!
//! State: 58.2 KiB per signal; 46 to 63 KiB per group. A fitted tree over 256 records: 6 KiB (`f64`).
//! Cost of a record of four columns by a [`Forest`] of 100 trees: 0.9 µs. Of the others: 2,300 ns a sample; a row of 38 signals 6,100 ns. A row with a new tree
//! takes ten to twenty times as long. Memory: 6,000 samples.
//!
//! Blind spot: what is odd at this time of day but usual at another; what is rare but near to much else, such as a
//! gap between two usual values that is narrow beside the range; in groups, a relation that breaks while each signal
//! stays near its middle (that is for `subspace`).

mod estimator;
mod evolving;
mod group;
mod perfect;
mod random;
mod signal;
mod tree;

pub use estimator::{Forest, ForestError, ForestParams, ForestValidParams};
pub use group::{GroupForest, GroupState};
pub use signal::{IsolationForest, SignalState};
