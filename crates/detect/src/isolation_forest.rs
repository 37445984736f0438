//! Odd shapes of one signal and odd joint values of a group: points that few random cuts set apart.

mod estimator;
mod evolving;
mod group;
mod random;
mod signal;
mod tree;

pub use estimator::{Forest, ForestError, ForestParams, ForestValidParams};
pub use group::{GroupForest, GroupState};
pub use signal::{IsolationForest, SignalState};
