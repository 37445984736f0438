//! The `bellwether` command as a library: command line, configuration, logging and wiring.
//!
//! Whatever detects, journals or talks on sockets lives in the other crates; this one reads what the
//! operator wants and puts them together. It never contains an algorithm of detection.

mod adoptions;
pub mod check;
pub mod cli;
pub mod completions;
pub mod config;
pub mod demo;
pub mod eval;
mod events;
pub mod explain;
pub mod gateway;
mod health;
mod http;
pub mod logging;
mod outlets;
pub mod output;
mod panics;
pub mod plan;
pub mod presets;
pub mod process;
pub mod replay;
pub mod report;
pub mod run;
mod service;
mod topics;
pub mod tune;
pub mod usage;

#[doc(hidden)]
pub use http::takes_query;
