//! The science: windows, detectors, tails, combination and severity.
//!
//! Pure: no IO, clock, threads, randomness or global state. A detector judges an observation against
//! the past only and then learns from it; equal parameters and observations give equal verdicts on
//! every machine, which is why logarithms and the like come from `libm`.

mod bank;
pub mod combine;
mod granularity;
pub mod iqr;
mod params;
mod residual;
pub mod seasonal;
mod severity;
pub mod tail;
#[cfg(test)]
mod testing;
mod verdict;
mod window;
pub mod zscore;

pub use bank::{Bank, Judgement, Tables};
pub use params::{
    DetectorName, DetectorSpec, Direction, MinDeviation, ParamError, WarmUp, WarmUpDays, Window,
};
pub use severity::Severity;
pub use verdict::{Detector, Expected, ExpectedBand, Observation, Verdict};
