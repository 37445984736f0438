//! Gauges on a topic: a record a sample, which is read as any other JSON.

use bellwether_connect::sink::gauges::{GAUGE_NAMES, Gauges, GaugesOptions, TopicOptions};
use bellwether_wire::remote_write::Limits;
use bellwether_wire::{Compression, Format, Message};

use super::topic::Cluster;
use crate::gauges::news;
use crate::support::PATIENCE;

#[tokio::test]
async fn every_sample_is_in_the_topic_and_the_end_of_a_series_is_not() {
    let cluster = Cluster::start(1);
    let topic = TopicOptions { cluster: cluster.address(), topic: "gauges".to_owned() };
    let options = GaugesOptions { topic: Some(topic), ..GaugesOptions::default() };
    let gauges = Gauges::start_with_clock(options, || 5).unwrap();
    gauges.publish(vec![news("a", 1_000, Some(4.5)), news("b", 1_000, Some(0.5))]);
    gauges.publish(vec![news("a", 2_000, Some(1.5)), news("b", 3_000, None)]);
    gauges.shutdown(PATIENCE).await;
    let records = cluster.read_all("gauges", 3 * GAUGE_NAMES.len());
    let format = Format::new(Message::Json, Compression::None);
    let mut surprises = Vec::new();
    for record in &records {
        let value = record.value.as_ref().unwrap();
        let request = format.decode(value, &Limits::default()).unwrap();
        assert_eq!((request.series_count(), request.sample_count()), (1, 1));
        let json: serde_json::Value = serde_json::from_slice(value).unwrap();
        assert_eq!(json["labels"]["metric"], "load");
        if json["labels"]["__name__"] == GAUGE_NAMES[0] {
            let instance = json["labels"]["instance"].as_str().unwrap().to_owned();
            surprises.push((instance, json["timestamp_ms"].as_i64(), json["value"].as_f64()));
        }
    }
    let is = |instance: &str, at_ms, value| (instance.to_owned(), Some(at_ms), Some(value));
    assert_eq!(surprises, [is("a", 1_000, 4.5), is("b", 1_000, 0.5), is("a", 2_000, 1.5)]);
    let stats = gauges.stats().targets.remove(0);
    assert_eq!(
        (stats.url.as_str(), stats.sent_samples, stats.pending_samples),
        ("kafka:gauges", 12, 0)
    );
}

#[tokio::test]
async fn what_there_is_no_room_for_is_counted() {
    let cluster = Cluster::start(1);
    cluster.down();
    let topic = TopicOptions { cluster: cluster.address(), topic: "gauges".to_owned() };
    let options =
        GaugesOptions { topic: Some(topic), queue_samples_max: 4, ..GaugesOptions::default() };
    let gauges = Gauges::start_with_clock(options, || 5).unwrap();
    gauges.publish(vec![news("a", 1_000, Some(4.5)), news("b", 1_000, Some(0.5))]);
    let stats = gauges.stats().targets.remove(0);
    assert_eq!((stats.pending_samples, stats.dropped_samples), (4, 4));
}
