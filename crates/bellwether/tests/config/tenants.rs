//! Tenants in the configuration.

use std::collections::BTreeSet;

use crate::{good, text};

#[test]
fn tenants_inherit_what_they_do_not_say() {
    let config = good("tenants.yml");
    let senders = config.tenants.unwrap();
    assert_eq!(senders.header.as_str(), "x-scope-orgid");
    assert_eq!(senders.default.as_deref(), Some("infrastructure"));
    let access: Vec<_> = senders
        .tenants
        .iter()
        .map(|(name, access)| (&**name, access.share_percent, access.requests_max))
        .collect();
    assert_eq!(access, [("infrastructure", 40, 25), ("shop.eu", 60, 38)]);
    assert_eq!(senders.tenants["shop.eu"].users, BTreeSet::from(["prometheus".to_owned()]));
    let engine = config.engine.tenants.unwrap();
    assert_eq!(&*engine.label, "team");
    let limits: Vec<_> = engine.limits.values().map(|limits| limits.series_max).collect();
    assert_eq!(limits, [200_000, 500_000]);
}

#[test]
fn a_tenant_has_room_for_one_request_at_least() {
    let yaml = "runtime: { queue_requests_max: 3 }\n\
                tenants: { header: T, queue_percent: 1, allow: [{ name: a }] }";
    let senders = text(yaml).unwrap().tenants.unwrap();
    assert_eq!(senders.tenants["a"].requests_max, 1);
}

#[test]
fn the_digest_follows_what_tenants_are_and_may_have_and_not_who_may_write() {
    let digest = |tenants: &str| text(&format!("tenants: {{ {tenants} }}")).unwrap().engine.digest;
    let plain = text("").unwrap().engine.digest;
    assert_eq!(plain, digest("label: team, series_max: 7, queue_percent: 3"));
    let one = digest("header: T, allow: [{ name: a }]");
    assert_eq!(one, digest("header: U, default: a, queue_percent: 3, allow: [{ name: a }]"));
    let different = [
        "header: T, allow: [{ name: b }]",
        "header: T, allow: [{ name: a }, { name: b }]",
        "header: T, label: team, allow: [{ name: a }]",
        "header: T, series_max: 7, allow: [{ name: a }]",
        "header: T, allow: [{ name: a, series_max: 8 }]",
    ];
    let digests: BTreeSet<_> = different.into_iter().map(digest).chain([plain, one]).collect();
    assert_eq!(digests.len(), different.len() + 2);
}
