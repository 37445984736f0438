//! The engine: what becomes of a sample between the journal and the sinks.
//!
//! Everything here is synchronous and pure: no IO, clock, threads or randomness. `now` is the receipt time
//! of a journal record, so the same records and the same configuration give the same events, bit for bit.
//!
//! The path of a sample: [`Intake`] (one, in journal order: which series is this, is it
//! welcome, which partition owns it) → [`Partition`] (order, signal, detectors, alert lifecycle) →
//! [`AlertCap`] (one, in log order). [`Engine`] runs all of it on one thread; the runtime spreads
//! [`Shard`]s over several.
//!
//! Each of these can be saved and restored; [`StateError`] says why bytes are no state.

mod calendar;
mod cap;
mod cold;
mod debt;
mod engine;
mod event;
mod explain;
mod group_rule;
mod ha;
mod intake;
mod judges;
mod lifecycle;
mod memory;
mod order;
mod outcome;
mod outputs;
mod own;
mod partition;
mod promise;
mod record;
mod settings;
mod slab;
mod state;
mod tenants;
#[cfg(test)]
mod testing;
mod threshold;
mod trace;
mod units;

pub use calendar::{
    Calendar, DaysOfMonth, Holiday, Maintenance, MaintenanceTime, Months, TimeInterval, TimeRange,
    Weekdays, Years, Zone, instant,
};
pub use cap::{AlertCap, CAP_RULE};
pub use cold::{ColdMemory, ColdStore};
pub use engine::{Engine, Shard};
pub use event::{ChangeKind, DetectorEvidence, Event, FORMAT_VERSION, ResolveReason, SignalKind};
pub use explain::{number_text, one_in_text};
pub use group_rule::{GROUP_RULE, GroupRule};
pub use ha::HaPairs;
pub use intake::{Intake, IntakeState, Routed, Routing, TenantRouting, Work};
pub use memory::{MemoryUse, MetricUse, Usage};
pub use outcome::{Outcome, RejectReason};
pub use outputs::{CalibrationCounts, Counts, DropReason, Gauge, GaugeReading, Outputs, Score};
pub use own::{HEALTH_RULE, next_own_event, own_event};
pub use partition::{Input, PARTITIONS, Partition, Row, SeriesView};
pub use record::{NumberedSample, Record, RecordBody, RecordKind, Samples};
pub use settings::{
    AlertPolicy, Budget, DEFAULT_RULE, DeepTier, Importance, Ordering, Rule, Selection,
    SeriesLimits, Settings,
};
pub use state::{STATE_VERSION, StateError};
pub use tenants::{TenantLimits, Tenants};
pub use threshold::{Limit, Shares, Threshold};
pub use trace::{Assessment, Gate, Trace, Traces};
