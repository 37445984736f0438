//! Odd shapes of one signal and odd joint values of a group: Mahalanobis distance by streaming covariance.
//!
//! Method: principal components of lag windows (Aggarwal, "Outlier Analysis", 2017, section 3.3: the Mahalanobis
//! distance is the reconstruction error over all components, each divided by its variance), with an
//! exponentially forgetting covariance in place of a refit. Shrinking towards the identity (Ledoit & Wolf 2004)
//! turns it softly into the error outside the leading subspace: components of less variance than the shrinkage
//! count alike. The Cholesky factor of the shrunk covariance, renewed every 16 samples, gives the
//! distance without eigenvectors.
//!
//! * [`LagSubspace`]: the last 48 samples of a signal, newest first. In that order the factor whitens each sample
//!   by the newer ones, so that every prefix of the whitened window is the distance of a shorter window.
//!   With weight 1/k the k-th sample counts about as in a mean over windows of 1, 2, 4, .. samples: points and
//!   shapes at once.
//! * [`GroupSubspace`]: the vector of all signals, standardised each and compressed by arsinh.
//!
//! Scores average 1 on noise, less where much of the variance is shared (the shrinkage), and are at most 10,000.
//! Most of a score is an average over two hours, at most 32 samples (lags), or ten rows (groups): an incident
//! is a run of odd observations.
//!
//! State: 9.5 KiB per signal; `4 n (n + 1) + 32 n` bytes and some 130 per group of `n` signals, 18.4 KiB for 64.
//! Cost: 1,300 ns a sample; a row of 38 signals 2,500 ns. Memory: 20,000 samples.
//! Blind spot: a slow drift moves the mean along; an oddity that repeats is learned after some repetitions.

mod covariance;
pub(crate) mod follow;
mod group;
mod lag;
pub(crate) mod standard;

pub use group::{GroupState, GroupSubspace};
pub use lag::{LagState, LagSubspace};

/// Memory of means and covariances in samples.
const MEMORY: f64 = 20_000.0;
/// The largest score.
const SCORE_MAX: f64 = 1e4;
