//! What a routing key says is what the engine does.

use bellwether_wire::remote_write::{RawSample, WriteRequestBuilder};

use super::*;
use crate::group_rule::GroupRule;
use crate::tenants::{TenantLimits, Tenants};

/// Metrics, instances, replicas: some in groups, some of one series.
fn fleet() -> Vec<LabelSet> {
    let mut all = Vec::new();
    for metric in ["load", "memory", "step"] {
        for instance in 0..40 {
            for replica in ["", "a", "b"] {
                let instance = format!("host-{instance}");
                let pairs =
                    [("__name__", metric), ("instance", &instance), ("__replica__", replica)];
                let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
                all.push(LabelSet::from_pairs(given).unwrap());
            }
        }
    }
    all
}

fn settings(tenants: Option<Tenants>) -> Settings {
    let apart = GroupRule {
        name: Arc::from("Apart"),
        matchers: matchers("__name__", "step"),
        by: Vec::new(),
        ..GroupRule::default()
    };
    Settings { groups: vec![Arc::new(apart), Arc::default()], tenants, ..Settings::default() }
}

/// Each series of the fleet is kept where its key says, and two share a key exactly if they are one or of one group.
fn holds(settings: &Settings, tenant: &str) {
    let routing = Routing::new(Arc::new(settings.clone()));
    let sender = routing.of_tenant(tenant).unwrap();
    for labels in fleet() {
        let key = sender.key(labels.as_wire()).unwrap();
        // One that has seen nothing, so that any replica is elected.
        let mut rig = Rig::new(settings.clone());
        rig.touch_as(tenant, &[&labels]);
        let [(partition, _, _)] = rig.admitted()[..] else { panic!("{labels} is not watched") };
        assert_eq!(partition_of(key), partition, "{labels}");
        let plain = labels.iter().filter(|&(name, _)| name != "__replica__");
        let plain = LabelSet::from_pairs(plain).unwrap();
        assert_eq!(sender.key(plain.as_wire()).unwrap(), key, "{labels}");
        let load = LabelSet::from_pairs(
            plain
                .iter()
                .map(|(name, value)| (name, if name == "__name__" { "load" } else { value })),
        );
        let of_load = sender.key(load.unwrap().as_wire()).unwrap();
        assert_eq!(of_load == key, plain.metric_name() != "step", "{labels}");
    }
}

#[test]
fn a_series_is_kept_where_its_key_says() {
    holds(&settings(None), "");
    let limits = ["shop", "bank"].map(|name| (name.into(), TenantLimits::default())).into();
    let tenants = Tenants { limits, ..Tenants::default() };
    holds(&settings(Some(tenants.clone())), "shop");
    let routing = Routing::new(Arc::new(settings(Some(tenants))));
    let key = |tenant| {
        let sender = routing.of_tenant(tenant).unwrap();
        sender.key(series("load", "a").as_wire()).unwrap()
    };
    assert_ne!(key("shop"), key("bank"), "no group mixes tenants");
    assert!(routing.of_tenant("nobody").is_none());
}

#[test]
fn what_no_engine_takes_has_no_key_and_the_sender_hears_the_same() {
    let mut few = Settings::default();
    few.series.labels.labels_max = 2;
    let routing = Routing::new(Arc::new(few.clone()));
    let sender = routing.of_tenant("").unwrap();
    let sample = [RawSample { timestamp: Timestamp::from_ms(0), value: 1.0 }];
    let three = LabelSet::from_pairs([("__name__", "up"), ("a", "1"), ("b", "2")]).unwrap();
    let replica_only = LabelSet::from_pairs([("__name__", "up"), ("__replica__", "2")]).unwrap();
    assert!(sender.key(replica_only.as_wire()).is_ok());
    for wire in [three.as_wire(), b"\x0a\x02\x0a\xff", b""] {
        let (reason, message) = sender.key(wire).unwrap_err();
        let mut builder = WriteRequestBuilder::default();
        builder.wire_series(wire, &sample);
        let outcome = Rig::new(few.clone()).send(&decode(builder)).outcome;
        assert_eq!(
            (outcome.rejected_samples[reason.index()], outcome.examples),
            (1, vec![message])
        );
    }
}
