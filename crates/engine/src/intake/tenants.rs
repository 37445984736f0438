//! Tenants at the door: the label that each of their series gets, and how much each of them has.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether_series::{LabelError, LabelSet, label_field};

use super::{Intake, Refusal};
use crate::outcome::RejectReason;
use crate::settings::Settings;

impl Intake {
    /// How many of its series each tenant of the configuration has, by name.
    pub fn series_by_tenant(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        let tenants = self.settings.tenants.iter().flat_map(|tenants| tenants.limits.keys());
        tenants.map(|tenant| (tenant, self.holdings.of(tenant).series))
    }

    /// Rises with every change of [`Intake::series_by_tenant`].
    pub fn tenant_changes(&self) -> u64 {
        self.holdings.changes()
    }

    /// Refuses a new series of a tenant that has as many as it may.
    pub(super) fn check_tenant_limit(&self, labels: &LabelSet) -> Result<(), Refusal> {
        let Some(tenants) = &self.settings.tenants else { return Ok(()) };
        let tenant = self.settings.tenant_of(labels);
        let limit = tenants.limits.get(tenant).map_or(0, |limits| limits.series_max);
        if self.holdings.of(tenant).series < limit {
            return Ok(());
        }
        let message = format!(
            "limit on active series of the tenant is reached: limit=`{limit}`, series=`{labels}`"
        );
        Err((RejectReason::TenantLimit, message))
    }
}

/// What the request's tenant adds to the labels that it sends.
#[derive(Debug)]
pub(super) struct Stamp<'r> {
    /// Label and tenant; `None` without tenants.
    label: Option<(Arc<str>, &'r str)>,
    /// The label as it stands within the labels of a series; empty without tenants.
    field: Vec<u8>,
}

impl<'r> Stamp<'r> {
    /// Without tenants.
    pub(super) const fn none() -> Self {
        Self { label: None, field: Vec::new() }
    }

    /// That of a `tenant`; `None` if there is no such tenant.
    pub(super) fn of(settings: &Settings, tenant: &'r str) -> Option<Self> {
        let Some(tenants) = &settings.tenants else { return Some(Self::none()) };
        let field = label_field(&tenants.label, tenant);
        tenants
            .knows(tenant)
            .then(|| Self { label: Some((Arc::clone(&tenants.label), tenant)), field })
    }

    /// Whose request it is; `None` without tenants.
    pub(super) fn tenant(&self) -> Option<&'r str> {
        self.label.as_ref().map(|&(_, tenant)| tenant)
    }

    pub(super) fn field(&self) -> &[u8] {
        &self.field
    }

    /// The identity of what was sent with these `labels`.
    pub(super) fn put_on(&self, labels: LabelSet) -> Result<LabelSet, Refusal> {
        let Some((name, tenant)) = &self.label else { return Ok(labels) };
        labels.with(name, tenant).map_err(|error| {
            let message = match error {
                LabelError::DuplicateName { .. } => {
                    format!("label `{name}` is that of the tenant: series=`{labels}`")
                }
                error => error.to_string(),
            };
            (RejectReason::InvalidLabels, message)
        })
    }
}

/// Where the [`Stamp`] is within the labels of a series; empty without tenants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct StampPlace {
    at: u32,
    bytes: u16,
}

impl StampPlace {
    /// Where it is in `labels`; `None` if it should be there and is not.
    pub(super) fn find(settings: &Settings, labels: &LabelSet) -> Option<Self> {
        let Some(tenants) = &settings.tenants else { return Some(Self::default()) };
        let place = labels.place_of(&tenants.label)?;
        Some(Self { at: place.start.try_into().ok()?, bytes: place.len().try_into().ok()? })
    }

    /// Whether `known` is what a request whose stamp is `field` means by the labels `wire`.
    #[inline]
    pub(super) fn joins(self, known: &[u8], field: &[u8], wire: &[u8]) -> bool {
        if usize::from(self.bytes) != field.len() {
            return false;
        }
        if field.is_empty() {
            return known == wire;
        }
        let (before, own, after) = self.split(known);
        own == field
            && wire.len() == before.len() + after.len()
            && wire.starts_with(before)
            && wire.ends_with(after)
    }

    /// What comes before the stamp, the stamp, and what comes after it.
    pub(super) fn split(self, known: &[u8]) -> (&[u8], &[u8], &[u8]) {
        let (before, rest) = known.split_at_checked(self.at as usize).unwrap_or((known, &[]));
        let (own, after) = rest.split_at_checked(usize::from(self.bytes)).unwrap_or((rest, &[]));
        (before, own, after)
    }
}

/// `name` among those of all tenants: none of these has a `/` in its own. Without tenants, `name` itself.
pub(super) fn qualified<'n>(tenant: &str, name: &'n str) -> Cow<'n, str> {
    if tenant.is_empty() { name.into() } else { format!("{tenant}/{name}").into() }
}

/// The tenant of a name that [`qualified`] made.
pub(super) fn tenant_of_qualified(name: &str) -> &str {
    name.split_once('/').map_or("", |(tenant, _)| tenant)
}

/// How much each tenant has. Without tenants, one without a name has it all.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    all: BTreeMap<Box<str>, Holding>,
    /// How often anything changed.
    changes: u64,
}

/// What one tenant has.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Holding {
    pub(super) series: usize,
    pub(super) families: usize,
}

impl Holdings {
    /// What a tenant has.
    pub(super) fn of(&self, tenant: &str) -> Holding {
        self.all.get(tenant).copied().unwrap_or_default()
    }

    /// To count anew.
    pub(super) fn emptied(&self) -> Self {
        Self { all: BTreeMap::new(), changes: self.changes + 1 }
    }

    /// How often anything changed.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// To change what a tenant has.
    pub(super) fn of_mut(&mut self, tenant: &str) -> &mut Holding {
        self.changes += 1;
        self.all.entry(tenant.into()).or_default()
    }
}
