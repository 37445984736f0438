//! The whole path against the real thing: a real Prometheus scrapes real programs and writes to
//! `bellwether run`, and what it finds is read back from a real Alertmanager.
//!
//! Needs Debian's `prometheus`, `prometheus-alertmanager`, `prometheus-node-exporter` and `victoria-metrics`
//! in the folder that `BELLWETHER_PEERS` names, or on the `PATH`; `.ci/peers` fetches them. So that
//! `cargo test --workspace` needs no server, this test is only built when it is named:
//!
//! ```text
//! BELLWETHER_PEERS="$(.ci/peers)" BELLWETHER_KAFKA="$(.ci/kafka)" BELLWETHER_MOTO="$(.ci/moto)" \
//!     cargo test --release -p bellwether --test e2e -- --test-threads=1
//! ```

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod alerts;
mod bellwether;
mod exposition;
mod gauges;
mod history;
mod http;
#[cfg(feature = "kafka")]
mod kafka;
mod load;
mod peers;
mod poll;
mod process;
mod shop;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::alerts::{Alert, Alertmanager};
use crate::bellwether::Bellwether;
use crate::exposition::total;
use crate::load::Load;
use crate::peers::{NodeExporter, Prometheus};
use crate::poll::{seconds, until};
use crate::shop::Shop;

/// Scrapes before the fault: detectors have their 60 samples, twice over.
const WARM_UP_SCRAPES: u64 = 130;

/// What the fault touches.
const FAULTY: [&str; 2] = ["shop_errors_total", "shop_request_latency_seconds"];

#[test]
fn a_fault_in_a_scraped_program_rings_in_alertmanager_and_resolves() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::start(7);
    let node_exporter = NodeExporter::start(dir.path());
    let alertmanager = Alertmanager::start(dir.path());
    let bellwether = Bellwether::start(dir.path(), &alertmanager.url());
    let prometheus = Prometheus::start(
        dir.path(),
        &[("node", node_exporter.address()), ("shop", shop.address())],
        &format!("http://{}/api/v1/write", bellwether.address()),
    );

    until(seconds(300), "the detectors to warm up", || {
        let alerts = alertmanager.alerts("shop");
        assert!(alerts.is_empty(), "a healthy program rang: {alerts:#?}");
        (shop.scrapes() >= WARM_UP_SCRAPES).then_some(())
    });
    assert!(total(&bellwether.metrics(), "bellwether_samples_received_total") > 1000.0);

    let fault_at = Timestamp::now();
    shop.set_fault(true);
    let ringing = until(seconds(60), "the fault to ring", || {
        let alerts = alertmanager.alerts("shop");
        (metrics_of(&alerts) == BTreeSet::from(FAULTY.map(str::to_owned))).then_some(alerts)
    });
    for alert in &ringing {
        assert_alert_says_what_happened(alert, &shop, fault_at);
    }

    shop.set_fault(false);
    until(seconds(90), "the alerts to resolve", || {
        let alerts = alertmanager.alerts("shop");
        for metric in metrics_of(&alerts) {
            assert!(FAULTY.contains(&metric.as_str()), "a healthy metric rang: {alerts:#?}");
        }
        alerts.is_empty().then_some(())
    });

    let own = bellwether.metrics();
    assert!(total(&own, "bellwether_samples_rejected_total").abs() < 0.5, "{own}");
    peers::promtool_check_metrics(&own);
    let theirs = prometheus.metrics();
    for lost in ["failed", "dropped"] {
        let name = format!("prometheus_remote_storage_samples_{lost}_total");
        assert!(total(&theirs, &name).abs() < 0.5, "Prometheus lost samples: {name}");
    }
    assert!(total(&theirs, "prometheus_remote_storage_samples_total") > 1000.0);
}

fn metrics_of(alerts: &[Alert]) -> BTreeSet<String> {
    alerts.iter().map(|alert| alert.label("metric").to_owned()).collect()
}

fn assert_alert_says_what_happened(alert: &Alert, shop: &Shop, fault_at: Timestamp) {
    assert_eq!(alert.label("alertname"), "ShopAnomaly", "{alert:#?}");
    assert_eq!(alert.label("job"), "shop", "{alert:#?}");
    assert_eq!(alert.label("instance"), shop.address().to_string(), "{alert:#?}");
    assert!(["warning", "critical"].contains(&alert.label("severity")), "{alert:#?}");
    assert!(!alert.labels.contains_key("__name__"), "{alert:#?}");
    assert!(alert.annotations.contains_key("episode_id"), "{alert:#?}");
    assert!(alert.annotations.values().any(|text| text.contains("expected")), "{alert:#?}");
    assert!(alert.generator_url.starts_with("http"), "{alert:#?}");
    // The sample that starts an episode is stamped by Prometheus just before the scrape it is from.
    assert!(alert.starts_at >= fault_at - SignedDuration::from_secs(2), "{alert:#?}");
    // Far enough ahead that only a resolve, and no expiry, can end the alert in the time we wait.
    assert!(alert.ends_at > Timestamp::now() + SignedDuration::from_secs(120), "{alert:#?}");
}

#[test]
fn sigterm_under_load_ends_with_code_0_within_10_seconds() {
    let dir = tempfile::tempdir().unwrap();
    // Port 9 of the loopback (discard) refuses connections: the stop must not wait for a sink.
    let mut bellwether = Bellwether::start(dir.path(), "http://127.0.0.1:9");
    let load = Load::start(bellwether.address(), 4);
    until(seconds(60), "the load to get going", || (load.accepted() >= 200).then_some(()));

    let asked = Instant::now();
    load.expect_the_end();
    let status = bellwether.terminate(Duration::from_secs(10));
    let report = load.stop();
    assert_eq!(status.code(), Some(0), "after {:?}: {status}", asked.elapsed());
    assert_eq!(report.unexpected, Vec::<String>::new());
}
