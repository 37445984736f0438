//! Tenants, as they are written.

use bellwether_engine::TenantLimits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How tenants are told apart, and how much each may have.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Tenants")]
pub(in crate::config) struct RawTenants {
    /// The header that names the tenant of a request. Without this key there are no tenants. The header is plain text: let
    /// only those reach the server who may write as any tenant, or give tenants `users`.
    #[schemars(length(min = 1, max = 64), example = "X-Scope-OrgID")]
    pub header: Option<String>,
    /// Whose a request is without the header: one of `allow`. Without this key such a request is refused.
    #[schemars(length(min = 1, max = 150))]
    pub default: Option<String>,
    /// The label that carries the tenant of a series, in alerts and everywhere. A series that is sent with it is refused.
    #[schemars(length(min = 1, max = 64))]
    pub label: String,
    /// Most series of one tenant known at a time, watched or not; further ones are refused.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub series_max: usize,
    /// How much one tenant may have of `runtime.queue_requests_max`, of the memory for bodies and of the decoders, in percent.
    /// What it sends beyond it is answered 503.
    #[schemars(range(min = 1, max = 100))]
    pub queue_percent: u8,
    /// The tenants that there are. A request of any other is refused.
    #[schemars(length(max = 1000))]
    pub allow: Vec<RawTenant>,
}

impl Default for RawTenants {
    fn default() -> Self {
        Self {
            header: None,
            default: None,
            label: bellwether_engine::Tenants::default().label.to_string(),
            series_max: TenantLimits::default().series_max,
            queue_percent: 50,
            allow: Vec::new(),
        }
    }
}

/// A tenant.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Tenant", extend("required" = ["name"]))]
pub(in crate::config) struct RawTenant {
    /// What the header says: 1 to 150 of letters, digits and `! . _ * ' ( ) -`, but not `.` or `..`.
    #[schemars(length(min = 1, max = 150))]
    pub name: Option<String>,
    /// As `tenants.series_max`, for this one.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub series_max: Option<usize>,
    /// As `tenants.queue_percent`, for this one.
    #[schemars(range(min = 1, max = 100))]
    pub queue_percent: Option<u8>,
    /// Users of the web configuration file (`basic_auth_users`) that may write as this tenant. Without any, whoever may write
    /// at all may.
    #[schemars(length(max = 100), inner(length(min = 1)))]
    pub users: Vec<String>,
}
