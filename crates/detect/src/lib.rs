//! The science: windows, detectors, tails, combination and severity.
//!
//! Pure: no IO, clock, threads, randomness or global state. A detector judges an observation against
//! the past only and then learns from it; equal parameters and observations give equal verdicts on
//! every machine, which is why logarithms and the like come from `libm`.
//!
//! A rule's [`Bank`] runs the detectors that the rule names, in two tiers. Those of the base tier ([`Detector`]) judge
//! every series in some hundred nanoseconds and say what they expected. Those of the deep tier ([`DeepDetector`])
//! take kilobytes and microseconds, know shapes, and have their scores [calibrated](calibrate) against the series' own past and
//! against the [population]. [`fuse`] makes one reading of all, and a [`ladder`] a surprise of that.
//!
//! States are plain records with serde's derives: [`Bank::saved`] and [`Bank::restore`] move those of a series, bit for bit.

pub mod absent;
pub mod autoencoder;
mod bank;
pub mod calibrate;
pub mod changepoint;
mod column;
pub mod combine;
mod deep;
mod deep_column;
pub mod flatline;
pub mod forecast;
pub mod fuse;
mod granularity;
pub mod group;
#[cfg(test)]
mod invariance;
pub mod iqr;
pub mod isolation_forest;
pub mod ladder;
mod lanes;
pub mod lasting;
mod local_time;
#[cfg(test)]
mod nulls;
mod number;
mod ordinary;
mod params;
pub mod peer;
pub mod periods;
pub mod population;
mod predictor;
pub mod profile;
pub mod random_cut_forest;
#[cfg(test)]
mod reference;
mod residual;
mod saved;
pub mod scatter;
pub mod seasonal;
pub mod seasonal_residual;
mod segments;
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

pub use bank::{Bank, Judgement, Muted, Opinion, SavedSeries, Standing, Steps, Tables, Worth};
pub use deep::{DeepDetector, GroupDetector};
pub use deep_column::Oddity;
pub use lanes::Lesson;
pub use local_time::LocalTime;
pub use params::{
    DetectorName, DetectorSpec, Direction, MinDeviation, ParamError, WarmUp, WarmUpDays, Window,
};
pub use predictor::{Alone, AloneState, Outlook, Predictor, Silence};
pub use severity::Severity;
pub use verdict::{Detector, Expected, ExpectedBand, Observation, Verdict};
