//! Tenants: whose series are whose, and how many each may have.
//!
//! A series carries its tenant as a label. So equal labels of different tenants are different series with different
//! fingerprints and episodes, no group mixes tenants, and whoever selects by labels (rules, maintenance, gauges, sinks) can
//! select by tenant. Which tenant a request is of is said by its record, never by what it brings: a series that has the
//! label already is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_series::METRIC_NAME;
use serde::{Deserialize, Serialize};

/// Longest name of a tenant, in bytes.
const NAME_BYTES_MAX: usize = 150;
/// Longest name of the label that carries it, in bytes.
const LABEL_BYTES_MAX: usize = 64;

/// The tenants that there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tenants {
    /// The label that carries a series' tenant. No sender may write it.
    pub label: Arc<str>,
    /// All tenants by name. What comes from another one is refused.
    pub limits: BTreeMap<Arc<str>, TenantLimits>,
}

/// What one tenant may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantLimits {
    /// Most series known at a time, watched or not.
    pub series_max: usize,
}

impl Default for Tenants {
    fn default() -> Self {
        Self { label: Arc::from("tenant"), limits: BTreeMap::new() }
    }
}

impl Default for TenantLimits {
    fn default() -> Self {
        Self { series_max: 150_000 }
    }
}

impl Tenants {
    /// Whether a tenant may be called so: 1 to 150 of `A-Z a-z 0-9 ! . _ * ' ( ) -`, but not `.` or `..`, as in Grafana
    /// Mimir.
    pub fn is_name(name: &str) -> bool {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!._*'()-".contains(&byte);
        (1..=NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(is_allowed)
            && name != "."
            && name != ".."
    }

    /// Whether a label of this name can carry the tenant; at most 64 bytes.
    pub fn is_label(name: &str) -> bool {
        (1..=LABEL_BYTES_MAX).contains(&name.len()) && name != METRIC_NAME
    }

    /// Whether there is a tenant of this name.
    pub fn knows(&self, tenant: &str) -> bool {
        self.limits.contains_key(tenant)
    }

    /// Whether the engine can live with it.
    pub(crate) fn is_sound(&self) -> bool {
        Self::is_label(&self.label) && self.limits.keys().all(|name| Self::is_name(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_mimir() {
        let longest = "x".repeat(150);
        for good in ["a", "Team-1", "a.b", "...", "!._*'()-", &longest] {
            assert!(Tenants::is_name(good), "{good}");
        }
        let too_long = "x".repeat(151);
        for bad in ["", ".", "..", "a b", "a|b", "a/b", "../a", "a\\b", "é", "a\n", &too_long] {
            assert!(!Tenants::is_name(bad), "{bad}");
        }
    }

    #[test]
    fn the_metric_name_carries_no_tenant() {
        assert!(Tenants::is_label("tenant") && Tenants::is_label("org id"));
        assert!(!Tenants::is_label(METRIC_NAME) && !Tenants::is_label(""));
    }
}
