//! A partition's synchronous core: registry, ordering, detection, alert lifecycle.

mod event;
mod outcome;
mod settings;

pub use event::{
    ChangeKind, DetectorEvidence, Event, FORMAT_VERSION, ResolveReason, SignalKind,
};
pub use outcome::{Outcome, RejectReason};
pub use settings::{
    AlertPolicy, Budget, DEFAULT_RULE, Importance, Ordering, Rule, Selection, SeriesLimits, Settings,
};
