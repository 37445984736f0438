//! Derived gauges in the stores that people have: a real Prometheus and a real `VictoriaMetrics`.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::{RawSample, WriteRequestBuilder, compress};
use serde_json::Value;

use crate::bellwether::Bellwether;
use crate::exposition::total;
use crate::http;
use crate::peers::{Prometheus, VictoriaMetrics, free_address};
use crate::poll::{seconds, until};

const SAMPLES: i64 = 200;

#[test]
fn gauges_arrive_in_prometheus_and_victoria_metrics_end_there_and_do_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let listen = free_address();
    let victoria_metrics = VictoriaMetrics::start(dir.path());
    // It passes everything on to bellwether, the gauges that bellwether sends it included.
    let prometheus = Prometheus::start(dir.path(), &[], &format!("http://{listen}/api/v1/write"));
    let stores = [prometheus.address(), victoria_metrics.address()];
    let configuration = format!(
        "server: {{ listen: '{listen}' }}\n\
         signals: {{ include: ['{{job=\"line\"}}'] }}\n\
         gauges:\n  match: ['queue_depth{{job=\"line\"}}']\n  flush_interval: 1s\n  remote_write:\n\
         \x20   - url: http://{}/api/v1/write\n    - url: http://{}/api/v1/write\n",
        stores[0], stores[1],
    );
    let mut bellwether = Bellwether::configured(dir.path(), &configuration);
    for metric in ["queue_depth", "not_selected"] {
        send(listen, &samples(metric, SAMPLES));
    }
    let judged = until(seconds(20), "the samples to be judged", || {
        let judged = total(&bellwether.metrics(), "bellwether_samples_judged_total");
        (judged > 200.0).then_some(judged / 2.0)
    });

    let of_series = r#"{metric="queue_depth",job="line",rule="MetricAnomaly"}"#;
    for store in stores {
        for gauge in ["surprise", "expected", "expected_lower", "expected_upper"] {
            let count = format!("count_over_time(bellwether_{gauge}{of_series}[1h])");
            until(seconds(30), "every judged sample to arrive", || {
                let counted = query(store, &count)?;
                (counted >= judged).then_some(counted)
            });
        }
        assert!(query(store, "count(bellwether_surprise)").is_some_and(|series| series < 1.5));
        let band = format!("bellwether_expected_upper{of_series} - bellwether_expected_lower");
        assert!(query(store, &band).is_some_and(|width| width > 0.0));
    }
    // Prometheus passes on what is newer than its own start.
    until(seconds(30), "the gauges to come back and be dropped", || {
        send(listen, &samples("queue_depth", 1));
        let metrics = bellwether.metrics();
        let dropped = "bellwether_samples_dropped_total{reason=\"own_metric\"} ";
        let dropped = metrics.lines().find_map(|line| line.strip_prefix(dropped))?;
        (dropped.parse::<f64>().unwrap() > 0.5).then_some(())
    });
    assert!((total(&bellwether.metrics(), "bellwether_series_watched") - 2.0).abs() < 0.5);
    until(seconds(30), "everything to be sent", || {
        let metrics = bellwether.metrics();
        let sent = total(&metrics, "bellwether_derived_samples_sent_total");
        let exported = total(&metrics, "bellwether_samples_judged_total") - judged;
        ((sent - 2.0 * 4.0 * exported).abs() < 0.5).then_some(())
    });

    assert_eq!(bellwether.terminate(Duration::from_secs(10)).code(), Some(0));
    for store in stores {
        until(seconds(20), "the series to have ended", || {
            query(store, "bellwether_surprise").is_none().then_some(())
        });
    }
}

/// The value of the only series that `query` finds, if there is one.
fn query(store: SocketAddr, query: &str) -> Option<f64> {
    let mut path = "/api/v1/query?query=".to_owned();
    for byte in query.bytes() {
        write!(path, "%{byte:02x}").unwrap();
    }
    let answer = http::get(store, &path).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
}

fn send(bellwether: SocketAddr, body: &[u8]) {
    let answer = http::post_remote_write(bellwether, "/api/v1/write", body).unwrap();
    assert_eq!(answer.status, 204, "{}", answer.body);
}

/// A sample a second up to now.
fn samples(metric: &str, count: i64) -> Vec<u8> {
    let labels = LabelSet::from_pairs([("__name__", metric), ("job", "line")]).unwrap();
    let now = jiff::Timestamp::now().as_millisecond();
    let samples: Vec<RawSample> = (0..count)
        .map(|index| RawSample {
            timestamp: Timestamp::from_ms(now - (count - 1 - index) * 1000),
            value: 100.0 + ((index * 7919) % 101) as f64 / 10.0,
        })
        .collect();
    let mut builder = WriteRequestBuilder::default();
    builder.series(&labels, &samples);
    compress(&builder.encode())
}
