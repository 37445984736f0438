//! Whose a request is, and how much of what all tenants share each of them may take at a time.
//!
//! A header names the tenant. It is plain text that anybody can write, so it is compared with a list, and where a tenant has
//! users, with who has logged in. What a tenant takes counts from the head of a request until the engine has answered:
//! requests under way, memory of bodies, and decoders. Beyond its share the answer is 503, and others go on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use axum::http::{HeaderMap, HeaderName};
use bellwether_engine::Tenants as EngineTenants;
use tokio::sync::Semaphore;

use super::budget::BodyBudget;
use crate::http::User;

/// Why a request is not let in as that of a tenant. Indexes [`super::ReceiverStats::tenants_refused`].
pub const TENANT_REFUSALS: [&str; 3] = ["missing", "invalid", "forbidden"];

/// How tenants are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantOptions {
    /// The header that names the tenant of a request.
    pub header: HeaderName,
    /// Whose a request is that has no such header; `None` refuses it. One of `tenants`.
    pub default: Option<Arc<str>>,
    /// All tenants by name.
    pub tenants: BTreeMap<Arc<str>, TenantAccess>,
}

/// Who may write as a tenant, and how much at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantAccess {
    /// The users that may; empty: whoever may write at all.
    pub users: BTreeSet<String>,
    /// Most requests under way; at least 1.
    pub requests_max: usize,
    /// How much of the memory for bodies and of the decoders it may take at a time: 1 to 100.
    pub share_percent: u8,
}

/// See [`TENANT_REFUSALS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TenantRefusal {
    Missing,
    Invalid,
    Forbidden,
}

/// What a receiver shares among tenants.
pub(super) struct Shared {
    pub(super) budget: Arc<BodyBudget>,
    /// A body of this size is taken whatever the share.
    pub(super) body_bytes_max: usize,
    pub(super) decodes_max: usize,
}

/// All tenants.
pub(super) struct Tenants {
    options: TenantOptions,
    all: BTreeMap<Arc<str>, Arc<Tenant>>,
}

/// One tenant, and what it takes at present.
pub(super) struct Tenant {
    name: Arc<str>,
    access: TenantAccess,
    requests: AtomicUsize,
    pub(super) budget: Arc<BodyBudget>,
    pub(super) decode_slots: Arc<Semaphore>,
    counts: Arc<TenantCounts>,
}

#[derive(Default)]
struct TenantCounts {
    requests_refused: AtomicU64,
    samples_accepted: AtomicU64,
    samples_rejected: AtomicU64,
}

/// What one tenant has sent since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantFigures {
    /// Its name.
    pub name: Arc<str>,
    /// Requests under way.
    pub requests: usize,
    /// Requests refused because it had its share.
    pub requests_refused: u64,
    /// Samples that the engine accepted.
    pub samples_accepted: u64,
    /// Samples that the engine refused.
    pub samples_rejected: u64,
}

impl Tenants {
    /// The tenants of `options`. Those of whom nothing has changed stay who they were `before`.
    pub(super) fn new(options: TenantOptions, before: Option<&Self>, shared: &Shared) -> Self {
        let tenant = |(name, access): (&Arc<str>, &TenantAccess)| {
            let known = before.and_then(|before| before.all.get(name));
            let tenant = match known.filter(|known| known.access == *access) {
                Some(known) => Arc::clone(known),
                None => Arc::new(Tenant::new(name, access, known, shared)),
            };
            (Arc::clone(name), tenant)
        };
        Self { all: options.tenants.iter().map(tenant).collect(), options }
    }

    /// The tenant of a request with `headers` from `user`, if that one may write as it.
    pub(super) fn of(
        &self,
        headers: &HeaderMap,
        user: Option<&User>,
    ) -> Result<&Arc<Tenant>, TenantRefusal> {
        let mut values = headers.get_all(&self.options.header).iter();
        let name = match (values.next(), values.next()) {
            (None, _) => self.options.default.as_deref().ok_or(TenantRefusal::Missing)?,
            (Some(value), None) => {
                let name = value.to_str().ok().filter(|name| EngineTenants::is_name(name));
                name.ok_or(TenantRefusal::Invalid)?
            }
            // Of two, nobody knows which one somebody else has checked.
            (Some(_), Some(_)) => return Err(TenantRefusal::Invalid),
        };
        let tenant = self.all.get(name).filter(|tenant| tenant.admits(user));
        tenant.ok_or(TenantRefusal::Forbidden)
    }

    /// What to say of a refusal. It does not tell which tenants there are.
    pub(super) fn text(&self, refusal: TenantRefusal) -> String {
        let header = &self.options.header;
        match refusal {
            TenantRefusal::Missing => format!("header {header} is missing: it names the tenant"),
            TenantRefusal::Invalid => format!("header {header} names no tenant"),
            TenantRefusal::Forbidden => format!("you may not write as the tenant of {header}"),
        }
    }

    /// What each has sent.
    pub(super) fn figures(&self) -> Vec<TenantFigures> {
        self.all.values().map(|tenant| tenant.figures()).collect()
    }
}

impl Tenant {
    fn new(
        name: &Arc<str>,
        access: &TenantAccess,
        known: Option<&Arc<Self>>,
        shared: &Shared,
    ) -> Self {
        let part = |all: usize| (all / 100).saturating_mul(access.share_percent.into());
        let bytes_max = part(shared.budget.bytes_max()).max(shared.body_bytes_max);
        let decodes = shared.decodes_max.saturating_mul(access.share_percent.into()) / 100;
        Self {
            name: Arc::clone(name),
            access: access.clone(),
            requests: AtomicUsize::new(0),
            budget: BodyBudget::within(&shared.budget, bytes_max),
            decode_slots: Arc::new(Semaphore::new(decodes.max(1))),
            counts: known.map(|known| Arc::clone(&known.counts)).unwrap_or_default(),
        }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn admits(&self, user: Option<&User>) -> bool {
        let users = &self.access.users;
        users.is_empty() || user.is_some_and(|user| users.contains(user.name()))
    }

    /// A place for one more request; `None`, and counted, if it has its share.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Place> {
        let place = Place(Arc::clone(self));
        let before = self.requests.fetch_add(1, Ordering::Relaxed);
        if before < self.access.requests_max && self.decode_slots.available_permits() > 0 {
            return Some(place);
        }
        self.count_refused();
        None
    }

    pub(super) fn count_refused(&self) {
        self.counts.requests_refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_samples(&self, accepted: u64, rejected: u64) {
        self.counts.samples_accepted.fetch_add(accepted, Ordering::Relaxed);
        self.counts.samples_rejected.fetch_add(rejected, Ordering::Relaxed);
    }

    fn figures(&self) -> TenantFigures {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TenantFigures {
            name: Arc::clone(&self.name),
            requests: self.requests.load(Ordering::Relaxed),
            requests_refused: load(&self.counts.requests_refused),
            samples_accepted: load(&self.counts.samples_accepted),
            samples_rejected: load(&self.counts.samples_rejected),
        }
    }
}

/// One request of a tenant that is under way, as long as this lives.
pub(super) struct Place(Arc<Tenant>);

impl std::ops::Deref for Place {
    type Target = Tenant;

    fn deref(&self) -> &Tenant {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "x-scope-orgid";

    fn tenants(default: Option<&str>) -> Tenants {
        let access = |users: &[&str]| TenantAccess {
            users: users.iter().map(|&user| user.to_owned()).collect(),
            requests_max: 2,
            share_percent: 50,
        };
        let all = [("open", access(&[])), ("shop", access(&["alice", "bob"]))];
        let options = TenantOptions {
            header: HeaderName::from_static(HEADER),
            default: default.map(Arc::from),
            tenants: all.into_iter().map(|(name, access)| (name.into(), access)).collect(),
        };
        Tenants::new(options, None, &shared())
    }

    fn shared() -> Shared {
        Shared { budget: BodyBudget::new(1000), body_bytes_max: 10, decodes_max: 1 }
    }

    fn of(tenants: &Tenants, names: &[&[u8]], user: Option<&str>) -> Result<String, TenantRefusal> {
        let mut headers = HeaderMap::new();
        for name in names {
            headers.append(HEADER, axum::http::HeaderValue::from_bytes(name).unwrap());
        }
        let user = user.map(User::new);
        tenants.of(&headers, user.as_ref()).map(|tenant| tenant.name().to_string())
    }

    #[test]
    fn only_tenants_of_the_list_are_let_in_and_only_by_their_users() {
        use TenantRefusal::{Forbidden, Invalid, Missing};
        let tenants = tenants(None);
        assert_eq!(of(&tenants, &[b"open"], None), Ok("open".to_owned()));
        assert_eq!(of(&tenants, &[b"open"], Some("eve")), Ok("open".to_owned()));
        assert_eq!(of(&tenants, &[b"shop"], Some("bob")), Ok("shop".to_owned()));
        assert_eq!(of(&tenants, &[b"shop"], Some("eve")), Err(Forbidden));
        assert_eq!(of(&tenants, &[b"shop"], None), Err(Forbidden));
        assert_eq!(of(&tenants, &[b"other"], Some("bob")), Err(Forbidden));
        assert_eq!(of(&tenants, &[], Some("bob")), Err(Missing));
        for bad in [&b""[..], b"..", b"open|shop", b"../open", b"\xff"] {
            assert_eq!(of(&tenants, &[bad], None), Err(Invalid), "{bad:?}");
        }
        assert_eq!(of(&tenants, &[b"open", b"open"], None), Err(Invalid));
    }

    #[test]
    fn without_a_header_it_is_the_default_tenant_if_that_is_yours() {
        assert_eq!(of(&tenants(Some("open")), &[], None), Ok("open".to_owned()));
        let theirs = tenants(Some("shop"));
        assert_eq!(of(&theirs, &[], Some("alice")), Ok("shop".to_owned()));
        assert_eq!(of(&theirs, &[], None), Err(TenantRefusal::Forbidden));
    }

    #[test]
    fn each_has_its_own_share_of_requests_and_gives_it_back() {
        let tenants = tenants(None);
        let [open, shop] = ["open", "shop"].map(|name| &tenants.all[name]);
        let first = open.enter().unwrap();
        let _second = open.enter().unwrap();
        assert!(open.enter().is_none() && shop.enter().is_some());
        drop(first);
        assert!(open.enter().is_some());
        let requests: Vec<_> =
            tenants.figures().iter().map(|own| (own.requests, own.requests_refused)).collect();
        assert_eq!(requests, [(1, 1), (0, 0)]);
    }

    #[test]
    fn another_configuration_keeps_counts_and_who_is_under_way() {
        let before = tenants(None);
        let _place = before.all["open"].enter().unwrap();
        before.all["shop"].count_samples(3, 4);
        let mut options = before.options.clone();
        options.tenants.get_mut("shop").unwrap().requests_max = 7;
        let after = Tenants::new(options, Some(&before), &shared());
        assert_eq!(after.figures()[0].requests, 1);
        assert_eq!(after.figures()[1].samples_rejected, 4);
        assert_eq!(after.all["shop"].access.requests_max, 7);
    }
}
