//! Whose a record is.
//!
//! As with HTTP, a name is compared with a list. Who wrote the record is not known, so a tenant's `users` have no say: whoever may
//! write to the topic may write as any tenant.

use std::sync::Arc;

use rdkafka::message::OwnedHeaders;

use super::headers::values;
use super::line::Record;
use super::options::TenantFrom;
use super::poison::Poison;
use crate::source::receiver::TenantOptions;

/// Whose `record` is. `None` where there are no tenants.
pub(super) fn tenant_of(
    record: &Record,
    from: TenantFrom,
    tenants: Option<&TenantOptions>,
) -> Result<Option<Arc<str>>, Poison> {
    let Some(tenants) = tenants else { return Ok(None) };
    let named = match from {
        TenantFrom::Key => record.key.clone(),
        TenantFrom::Header => {
            let headers = record.headers.as_ref();
            headers.map_or(Ok(None), |headers| header(headers, tenants.header.as_str()))?
        }
    };
    let Some(named) = named else {
        let default = tenants.default.clone();
        return default.map(Some).ok_or(Poison::Tenant("record names no tenant"));
    };
    let named = std::str::from_utf8(&named).ok();
    let known = named.and_then(|name| tenants.tenants.get_key_value(name));
    known.map(|(name, _)| Some(Arc::clone(name))).ok_or(Poison::Tenant("there is no such tenant"))
}

/// Somebody who may write whatever there is: for requests that hold nothing.
pub(super) fn anybody(tenants: Option<&TenantOptions>) -> Option<Arc<str>> {
    tenants.and_then(|tenants| tenants.tenants.keys().next().cloned())
}

/// The value of the header called `name`; of two nobody knows which one somebody else has checked.
fn header(headers: &OwnedHeaders, name: &str) -> Result<Option<Vec<u8>>, Poison> {
    let mut found = values(headers, |key| key.eq_ignore_ascii_case(name))?;
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => Err(Poison::Tenant("record names two tenants")),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;
    use rdkafka::message::Header;

    use super::*;
    use crate::source::receiver::TenantAccess;

    fn tenants(default: Option<&str>) -> TenantOptions {
        let access = TenantAccess { users: [].into(), requests_max: 1, share_percent: 50 };
        TenantOptions {
            header: HeaderName::from_static("x-scope-orgid"),
            default: default.map(Arc::from),
            tenants: ["open", "shop"].map(|name| (name.into(), access.clone())).into(),
        }
    }

    fn record(key: Option<&[u8]>, headers: &[(&str, &[u8])]) -> Record {
        let mut owned = OwnedHeaders::new();
        for &(key, value) in headers {
            owned = owned.insert(Header { key, value: Some(value) });
        }
        Record { key: key.map(<[u8]>::to_vec), headers: Some(owned), ..Record::default() }
    }

    #[track_caller]
    fn is(record: &Record, from: TenantFrom, default: Option<&str>, expected: Option<&str>) {
        let found = tenant_of(record, from, Some(&tenants(default)));
        assert_eq!(found.ok().flatten().as_deref(), expected);
    }

    #[test]
    fn a_key_or_a_header_names_one_of_the_list() {
        use TenantFrom::{Header, Key};
        is(&record(Some(b"shop"), &[]), Key, None, Some("shop"));
        is(&record(Some(b"shop"), &[]), Header, Some("open"), Some("open"));
        is(&record(None, &[]), Key, None, None);
        is(&record(Some(b"other"), &[]), Key, Some("open"), None);
        is(&record(Some(b"\xff"), &[]), Key, Some("open"), None);
        is(&record(None, &[("X-Scope-OrgID", b"shop")]), Header, None, Some("shop"));
        is(
            &record(None, &[("a", b"open"), ("x-scope-orgid", b"shop")]),
            Header,
            None,
            Some("shop"),
        );
        let two: [(&str, &[u8]); 2] = [("X-Scope-OrgID", b"shop"), ("x-scope-orgid", b"open")];
        is(&record(None, &two), Header, Some("open"), None);
        assert!(tenant_of(&record(None, &two), Header, None).unwrap().is_none());
        assert_eq!(anybody(Some(&tenants(None))).as_deref(), Some("open"));
    }
}
