//! The science: windows, detectors, tails, combination and severity.
//!
//! Pure: no IO, clock, threads, randomness or global state. A detector judges an observation against
//! the past only and then learns from it; equal parameters and observations give equal verdicts on
//! every machine, which is why logarithms and the like come from `libm`.
//!
//! A rule's [`Bank`] runs `zscore`, `iqr` and `seasonal`. The other detectors, the profile of a signal and the
//! calibration with its fusion are complete by themselves and measured alone; no bank runs them yet.

pub mod absent;
pub mod autoencoder;
mod bank;
pub mod calibrate;
pub mod changepoint;
pub mod combine;
mod deep;
pub mod flatline;
pub mod forecast;
pub mod fuse;
mod granularity;
pub mod iqr;
pub mod isolation_forest;
mod local_time;
#[cfg(test)]
mod nulls;
mod params;
pub mod peer;
pub mod periods;
pub mod profile;
pub mod random_cut_forest;
mod residual;
pub mod seasonal;
pub mod seasonal_residual;
mod severity;
pub mod subspace;
pub mod tail;
#[cfg(test)]
mod testing;
pub mod threshold;
pub mod trend;
mod verdict;
mod window;
pub mod zscore;

pub use bank::{Bank, Judgement, Tables};
pub use deep::{DeepDetector, GroupDetector};
pub use local_time::LocalTime;
pub use params::{
    DetectorName, DetectorSpec, Direction, MinDeviation, ParamError, WarmUp, WarmUpDays, Window,
};
pub use severity::Severity;
pub use verdict::{Detector, Expected, ExpectedBand, Observation, Verdict};
