//! Which routing key a series has, for whoever spreads series over machines.
//!
//! What decides in which partition of the engine a series is kept decides here, too: series that are judged together, and what
//! the replicas of a pair write for one series, have the same key. Nothing is remembered and no limit on numbers applies: what is
//! refused here would be refused by every engine under the same configuration, whatever it knows.

use std::sync::Arc;

use bellwether_series::{Fingerprint, LabelError, LabelSet};

use super::Refusal;
use super::tenants::Stamp;
use crate::outcome::RejectReason;
use crate::settings::Settings;
use crate::units::Party;

/// The routing keys of series under one configuration.
///
/// ```
/// use std::sync::Arc;
///
/// use bellwether_engine::{Routing, Settings};
/// use bellwether_series::LabelSet;
///
/// let routing = Routing::new(Arc::new(Settings::default()));
/// let sender = routing.of_tenant("").expect("without tenants everybody is known");
/// let key = |name: &str| {
///     let labels = LabelSet::from_pairs([("__name__", name), ("instance", "a")]).unwrap();
///     sender.key(labels.as_wire()).unwrap()
/// };
/// assert_eq!(key("load"), key("memory"), "series of one instance are judged together");
/// ```
#[derive(Debug, Clone)]
pub struct Routing {
    settings: Arc<Settings>,
}

/// The routing keys of what one tenant sends.
#[derive(Debug)]
pub struct TenantRouting<'r> {
    settings: &'r Settings,
    stamp: Stamp<'r>,
}

impl Routing {
    /// Under `settings`.
    pub fn new(settings: Arc<Settings>) -> Self {
        Self { settings }
    }

    /// The configuration in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Of what `tenant` sends; `None` if there is no such tenant. Without tenants its name is of no account.
    pub fn of_tenant<'r>(&'r self, tenant: &'r str) -> Option<TenantRouting<'r>> {
        let stamp = Stamp::of(&self.settings, tenant)?;
        Some(TenantRouting { settings: &self.settings, stamp })
    }
}

impl TenantRouting<'_> {
    /// Whose series these are; empty without tenants.
    pub fn tenant(&self) -> &str {
        self.stamp.tenant().unwrap_or_default()
    }

    /// The routing key of the series that was sent with the label bytes `wire`.
    ///
    /// # Errors
    /// When no engine would take it: why, and words for the sender.
    pub fn key(&self, wire: &[u8]) -> Result<Fingerprint, (RejectReason, String)> {
        let mut labels = sent_labels(self.settings, &self.stamp, wire, None)?;
        if self.settings.ha.replica(&labels).is_some() {
            let identity = self.settings.ha.identity(&labels);
            labels = identity.map_err(|error| (RejectReason::InvalidLabels, error.to_string()))?;
        }
        Ok(routing_key(Party::of(self.settings, &labels), labels.fingerprint()))
    }
}

/// The key of the series with this `fingerprint`: its own, or that of its group.
pub(super) fn routing_key(party: Party, fingerprint: Fingerprint) -> Fingerprint {
    party.group.map_or(fingerprint, |(_, shared)| shared)
}

/// The labels that were sent as `wire`, with those that the tenant adds; from a clone of `known` if the caller has these bytes
/// as a label set.
pub(super) fn sent_labels(
    settings: &Settings,
    stamp: &Stamp<'_>,
    wire: &[u8],
    known: Option<&LabelSet>,
) -> Result<LabelSet, Refusal> {
    let labels = LabelSet::from_wire(wire, &settings.series.labels).map_err(|error| {
        let reason = match error {
            LabelError::TooMany { .. } | LabelError::TooLong { .. } => RejectReason::LabelLimit,
            _ => RejectReason::InvalidLabels,
        };
        (reason, error.to_string())
    })?;
    // Both are the same; a clone is known again without a look at its bytes.
    stamp.put_on(known.cloned().unwrap_or(labels))
}
