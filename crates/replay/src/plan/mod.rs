//! What another configuration would change: the same input under both, and the alerts of one held against those of the other.
//!
//! Ids of alerts contain the rule and the start, so the same trouble has other ids under another configuration. Alerts are
//! therefore matched by series and time: [`compare()`] pairs those of a series that overlap. What has no partner appears or
//! vanishes; of a pair that differs [`Change`] says how.

mod alert;
mod compare;
mod error;
mod markdown;
mod model;
mod run;
mod text;

pub use alert::{Alert, Alerts};
pub use compare::compare;
pub use error::PlanError;
pub use markdown::markdown;
pub use model::{Change, ChangeCounts, Difference, Plan, Side};
pub use run::{PlanInput, PlanWatch, Replayed, replay_alerts, replay_both};
pub use text::text;
