//! Tenants: what the engine and the receiver must know of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::HeaderName;
use bellwether_connect::http::SecurityOptions;
use bellwether_connect::source::receiver::{TenantAccess, TenantOptions};
use bellwether_engine::{TenantLimits, Tenants};

use super::Builder;
use crate::config::raw::{RawConfig, RawTenant};

impl Builder<'_, '_> {
    /// For the engine, and for the receiver; `None` for both where nothing names the tenant of a request. `security` is
    /// `None` if it has a fault.
    pub(super) fn tenants(
        &mut self,
        raw: &RawConfig,
        security: Option<&SecurityOptions>,
    ) -> Option<(Tenants, TenantOptions)> {
        let tenants = &raw.tenants;
        self.tenant_label(raw);
        let mut limits = BTreeMap::new();
        let mut access = BTreeMap::new();
        for (index, tenant) in tenants.allow.iter().enumerate() {
            self.tenant(index, tenant, security);
            let name: Arc<str> = tenant.name.as_deref().unwrap_or_default().into();
            let series_max = tenant.series_max.unwrap_or(tenants.series_max);
            if limits.insert(Arc::clone(&name), TenantLimits { series_max }).is_some() {
                let field = format!("tenants.allow[{index}].name");
                self.faults.value(&field, "this tenant is there twice", "keep one of them");
            }
            let share_percent = tenant.queue_percent.unwrap_or(tenants.queue_percent);
            let requests_max = raw.runtime.queue_requests_max * usize::from(share_percent) / 100;
            let users = tenant.users.iter().cloned().collect();
            let requests_max = requests_max.max(1);
            access.insert(name, TenantAccess { users, requests_max, share_percent });
        }
        let default = tenants.default.as_deref().map(Arc::from);
        if let Some(default) = &default
            && !limits.contains_key(default)
        {
            let mend = "name one of those under `tenants.allow`";
            self.faults.value("tenants.default", "there is no such tenant", mend);
        }
        let Some(header) = &tenants.header else {
            if !tenants.allow.is_empty() {
                let mend = "say `header: X-Scope-OrgID` under `tenants`, or remove them";
                self.faults.value("tenants.allow", "no header names these tenants", mend);
            }
            return None;
        };
        if limits.is_empty() {
            let mend = "list every tenant under `tenants.allow`";
            self.faults.value("tenants.header", "there is no tenant that could be named", mend);
        }
        let header = self.tenant_header(header)?;
        let engine = Tenants { label: tenants.label.as_str().into(), limits };
        Some((engine, TenantOptions { header, default, tenants: access }))
    }

    fn tenant(&mut self, index: usize, tenant: &RawTenant, security: Option<&SecurityOptions>) {
        let field = format!("tenants.allow[{index}].name");
        match &tenant.name {
            None => {
                let mend = "add one, for example `name: shop`";
                self.faults.value(&field, "the tenant has no name", mend);
            }
            Some(name) if !Tenants::is_name(name) => {
                let mend = "write letters, digits and `! . _ * ' ( ) -`, but not `.` or `..`";
                self.faults.value(&field, "no tenant can be called so", mend);
            }
            Some(_) => {}
        }
        let Some(security) = security else { return };
        for (place, user) in tenant.users.iter().enumerate() {
            if !security.users.contains_key(user) {
                let mend = "name one of `basic_auth_users` in the file that `server.web_config_file` names";
                let field = format!("tenants.allow[{index}].users[{place}]");
                self.faults.value(&field, "there is no such user", mend);
            }
        }
    }

    fn tenant_label(&mut self, raw: &RawConfig) {
        let label = &raw.tenants.label;
        if !Tenants::is_label(label) {
            let mend = "name a label, for example `tenant`";
            self.faults.value("tenants.label", "no tenant can stand there", mend);
        } else if raw.ha.replica_labels.contains(label) {
            let mend = "name a label that replicas do not write";
            self.faults.value("tenants.label", "this label is one of `ha.replica_labels`", mend);
        }
    }

    fn tenant_header(&mut self, name: &str) -> Option<HeaderName> {
        /// Headers that say something else already.
        const TAKEN: [&str; 6] = [
            "authorization",
            "content-encoding",
            "content-length",
            "content-type",
            "host",
            "retry-attempt",
        ];
        match HeaderName::try_from(name) {
            Ok(header) if !TAKEN.contains(&header.as_str()) => Some(header),
            _ => {
                let mend = "for example `X-Scope-OrgID`";
                self.faults.value("tenants.header", "this is no header for a tenant", mend);
                None
            }
        }
    }
}
