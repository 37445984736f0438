//! What is worth watching in a raw series: selectors, counter rates, the sampling interval. Pure.

mod selector;

pub use selector::{SelectorError, parse_selector};
