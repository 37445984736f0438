//! Own figures about tenants. Their names come from the configuration; where there are none, nothing is shown.

use std::fmt;
use std::sync::atomic::Ordering;

use bellwether_connect::source::receiver::{Receiver, TENANT_REFUSALS};

use super::exposition::Families;
use crate::service::App;

pub(super) fn metrics(families: &mut Families<'_>, app: &App) -> fmt::Result {
    let settings = app.live.engine();
    let Some(tenants) = &settings.tenants else { return Ok(()) };
    let known = app.engine.stats().series_by_tenant();
    families.gauges(
        "bellwether_tenant_series_active",
        "Series known of a tenant",
        "tenant",
        known.iter().map(|(tenant, series)| (tenant, *series as f64)),
    )?;
    families.gauges(
        "bellwether_tenant_series_limit",
        "Series that may be known of a tenant",
        "tenant",
        tenants.limits.iter().map(|(tenant, limits)| (tenant, limits.series_max as f64)),
    )?;
    families.counter(
        "bellwether_tenant_requests_held",
        "Requests that waited for others of their tenant, so that other tenants need not",
        &app.engine.stats().tenant_requests_held(),
    )?;
    sent(families, &app.receiver)
}

/// What tenants have sent, and who was refused as none.
pub(super) fn sent(families: &mut Families<'_>, receiver: &Receiver) -> fmt::Result {
    let refused = receiver.stats().tenants_refused.iter();
    families.counters(
        "bellwether_tenant_headers_refused",
        "Requests refused because of the tenant that they name or do not name",
        "reason",
        TENANT_REFUSALS.iter().zip(refused.map(|count| count.load(Ordering::Relaxed))),
    )?;
    let sent = receiver.tenants();
    families.gauges(
        "bellwether_tenant_requests_waiting",
        "Requests of a tenant that are read or wait for the engine",
        "tenant",
        sent.iter().map(|tenant| (&tenant.name, tenant.requests as f64)),
    )?;
    families.counters(
        "bellwether_tenant_requests_refused",
        "Requests refused because their tenant had its share of the queue",
        "tenant",
        sent.iter().map(|tenant| (&tenant.name, tenant.requests_refused)),
    )?;
    families.counters(
        "bellwether_tenant_samples_accepted",
        "Samples of a tenant taken",
        "tenant",
        sent.iter().map(|tenant| (&tenant.name, tenant.samples_accepted)),
    )?;
    families.counters(
        "bellwether_tenant_samples_rejected",
        "Samples of a tenant refused, and the sender told so",
        "tenant",
        sent.iter().map(|tenant| (&tenant.name, tenant.samples_rejected)),
    )
}
