//! The science: windows, detectors, tails, combination and severity. Pure.

pub mod iqr;
mod params;
pub mod seasonal;
mod severity;
pub mod zscore;

pub use params::{
    DetectorName, DetectorSpec, Direction, MinDeviation, ParamError, WarmUp, Window,
};
pub use severity::Severity;
