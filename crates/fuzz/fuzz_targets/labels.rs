//! The label fields of one series.
#![no_main]

use bellwether_series::{LabelLimits, LabelSet};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = LabelLimits::default();
    let Ok(labels) = LabelSet::from_wire(bytes, &limits) else { return };
    assert!(!labels.metric_name().is_empty());
    assert!(labels.iter().count() <= limits.labels_max);
    assert!(labels.iter().is_sorted_by(|a, b| a.0 < b.0));
    assert!(labels.iter().all(|(_, value)| !value.is_empty()));
    let again = LabelSet::from_wire(labels.as_wire(), &limits);
    assert_eq!(again.as_ref(), Ok(&labels), "the canonical form is not a fixed point");
});
