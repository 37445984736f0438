//! A gateway against librdkafka's mock cluster: what is answered, and what is in the topic by then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderName;
use bellwether_connect::gateway::{Gateway, GatewayOptions};
use bellwether_connect::source::receiver::{TenantAccess, TenantOptions};
use bellwether_engine::{Outcome, Settings, TenantLimits, Tenants};
use bellwether_runtime::{Ingest, Request, SubmitError};
use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::{
    Limits, MetricType, RawSample, WriteRequest, WriteRequestBuilder,
};
use rdkafka::types::RDKafkaRespErr;
use tokio::sync::oneshot;

use super::NOW;
use super::topic::{Cluster, ReadRecord};
use crate::support::{PATIENCE, until};

const PARTITIONS: i32 = 4;
const INSTANCES: i64 = 20;

type Answer = Result<Outcome, SubmitError>;

fn options(cluster: &Cluster) -> GatewayOptions {
    GatewayOptions {
        confirm_timeout: Duration::from_secs(1),
        threads: 2,
        ..GatewayOptions::new(cluster.address(), "metrics".to_owned())
    }
}

fn start(options: GatewayOptions) -> Arc<Gateway> {
    Arc::new(Gateway::start(options, Arc::default(), None, || NOW).unwrap())
}

async fn until_ready(gateway: &Gateway) {
    until("it is ready", || gateway.is_ready()).await;
}

/// A sample of each instance.
fn write(value: i64) -> WriteRequest {
    let mut builder = WriteRequestBuilder::default();
    builder.metadata("requests", MetricType::Counter, "", "");
    for instance in 0..INSTANCES {
        let instance = format!("host-{instance}");
        let labels = LabelSet::from_pairs([("__name__", "load"), ("instance", &instance)]).unwrap();
        let sample = RawSample { timestamp: NOW.plus_ms(value), value: value as f64 };
        builder.series(&labels, &[sample]);
    }
    decode(&builder.encode())
}

fn decode(value: &[u8]) -> WriteRequest {
    WriteRequest::decode(value.to_vec(), &Limits::default()).unwrap()
}

/// What a sender of `write` as `tenant` hears.
async fn send(gateway: &Gateway, tenant: Option<&str>, write: WriteRequest) -> Answer {
    let (sender, answer) = oneshot::channel();
    let tenant = tenant.map(Arc::from);
    let request = Request { tenant, write, received_at: NOW, received: None };
    gateway.submit(request, Box::new(move |result| sender.send(result).unwrap()))?;
    tokio::time::timeout(PATIENCE, answer).await.expect("an answer").unwrap()
}

/// The records of each partition that have a value, and how many have none.
fn read(cluster: &Cluster) -> (BTreeMap<i32, Vec<ReadRecord>>, usize) {
    let (mut all, mut heartbeats) = (BTreeMap::new(), 0);
    for partition in 0..PARTITIONS {
        let (beats, records): (Vec<_>, Vec<_>) = cluster
            .read_partition("metrics", partition)
            .into_iter()
            .partition(|record| record.value.is_none());
        for beat in &beats {
            assert_eq!(beat.header("bellwether.heartbeat").as_deref(), Some("1"));
        }
        heartbeats += beats.len();
        all.insert(partition, records);
    }
    (all, heartbeats)
}

/// The values of each instance in the order of the topic. Each instance is in one partition only.
fn values(records: &BTreeMap<i32, Vec<ReadRecord>>) -> BTreeMap<Vec<u8>, Vec<i64>> {
    let mut values = BTreeMap::<_, Vec<i64>>::new();
    for records in records.values() {
        let mut own = BTreeMap::<_, Vec<i64>>::new();
        for record in records {
            for series in decode(record.value.as_ref().unwrap()).series() {
                let of_series = own.entry(series.labels.to_vec()).or_default();
                of_series.extend(series.samples.iter().map(|sample| sample.value as i64));
            }
        }
        for (series, own) in own {
            assert!(values.insert(series, own).is_none(), "a series of two partitions");
        }
    }
    values
}

#[tokio::test]
async fn what_is_answered_is_in_the_topic_each_series_in_its_partition_and_in_order() {
    let cluster = Cluster::start(PARTITIONS);
    let gateway = start(options(&cluster));
    assert_eq!(gateway.check(), Err(SubmitError::Unreachable), "nobody has answered yet");
    until_ready(&gateway).await;
    for value in 0..5 {
        let outcome = send(&gateway, None, write(value)).await.unwrap();
        assert_eq!(outcome.accepted_samples, INSTANCES as u64);
    }
    until("heartbeats", || gateway.figures().heartbeats == PARTITIONS as u64).await;
    let (records, heartbeats) = read(&cluster);
    assert_eq!(heartbeats, PARTITIONS as usize);
    let found = values(&records);
    assert_eq!(found.len(), INSTANCES as usize);
    assert!(found.values().all(|values| *values == [0, 1, 2, 3, 4]), "{found:?}");
    for (partition, records) in &records {
        let of = |record: &ReadRecord| decode(record.value.as_ref().unwrap()).metadata().count();
        let told: Vec<_> = records.iter().map(of).collect();
        assert_eq!(told, [1, 0, 0, 0, 0], "partition {partition} hears once what a family is");
        assert!(records.iter().all(|record| record.timestamp_ms == Some(NOW.as_ms())));
    }
    assert!(gateway.stop(PATIENCE));
    let figures = gateway.figures();
    assert_eq!((figures.requests_confirmed, figures.requests_unconfirmed), (5, 0));
    assert_eq!((figures.records_confirmed, figures.under_way_bytes), (20, 0));
    assert_eq!((figures.families_told, figures.families), (1, 1));
    assert_eq!(gateway.check(), Err(SubmitError::Stopping));
}

#[tokio::test]
async fn while_the_broker_is_away_nothing_is_acknowledged_and_afterwards_all_goes_on() {
    let cluster = Cluster::start(PARTITIONS);
    let gateway = start(options(&cluster));
    until_ready(&gateway).await;
    send(&gateway, None, write(0)).await.unwrap();
    cluster.down();
    // Before anybody has noticed, or after: both are no.
    let answer = send(&gateway, None, write(1)).await;
    let refused = [SubmitError::Unconfirmed, SubmitError::Unreachable];
    assert!(refused.iter().any(|error| answer.as_ref() == Err(error)), "{answer:?}");
    until("that is noticed", || !gateway.is_ready()).await;
    assert_eq!(send(&gateway, None, write(1)).await.unwrap_err(), SubmitError::Unreachable);
    cluster.up();
    until_ready(&gateway).await;
    send(&gateway, None, write(2)).await.unwrap();
    let (records, _) = read(&cluster);
    for values in values(&records).values() {
        // What was not confirmed may be there.
        let acknowledged: Vec<_> = values.iter().filter(|&&value| value != 1).collect();
        assert_eq!(acknowledged, [&0, &2]);
    }
}

#[tokio::test]
async fn what_the_topic_does_not_take_is_not_acknowledged() {
    let cluster = Cluster::start(PARTITIONS);
    let gateway = start(options(&cluster));
    until_ready(&gateway).await;
    cluster.refuse_next_produce(RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    let answer = send(&gateway, None, write(0)).await;
    assert_eq!(answer.unwrap_err(), SubmitError::Unconfirmed);
    let figures = gateway.figures();
    assert_eq!((figures.requests_unconfirmed, figures.families), (1, 0));
    assert!(figures.records_too_large > 0, "{figures:?}");
    assert_eq!(figures.records_too_large, figures.records_failed);
    send(&gateway, None, write(1)).await.unwrap();
    assert_eq!(gateway.figures().families, 1);
}

#[tokio::test]
async fn a_record_names_its_tenant_as_the_source_expects_it() {
    let cluster = Cluster::start(PARTITIONS);
    let access = TenantAccess { users: [].into(), requests_max: 1, share_percent: 50 };
    let senders = TenantOptions {
        header: HeaderName::from_static("x-scope-orgid"),
        default: None,
        tenants: ["bank", "shop"].map(|name| (name.into(), access.clone())).into(),
    };
    let limits = ["bank", "shop"].map(|name| (name.into(), TenantLimits::default())).into();
    let tenants = Some(Tenants { limits, ..Tenants::default() });
    let settings = Arc::new(Settings { tenants, ..Settings::default() });
    let gateway = Gateway::start(options(&cluster), settings, Some(&senders), || NOW).unwrap();
    until_ready(&gateway).await;
    for tenant in ["bank", "shop"] {
        send(&gateway, Some(tenant), write(0)).await.unwrap();
    }
    let nobody = send(&gateway, Some("nobody"), write(0)).await;
    assert_eq!(nobody.unwrap_err(), SubmitError::UnknownTenant);
    let (records, _) = read(&cluster);
    let mut named = BTreeMap::<String, usize>::new();
    for record in records.values().flatten() {
        *named.entry(record.header("x-scope-orgid").unwrap()).or_default() +=
            decode(record.value.as_ref().unwrap()).sample_count();
    }
    let all = INSTANCES as usize;
    assert_eq!(named, BTreeMap::from([("bank".to_owned(), all), ("shop".to_owned(), all)]));
}

#[tokio::test]
async fn a_request_larger_than_all_that_may_be_under_way_takes_its_turns() {
    let cluster = Cluster::start(PARTITIONS);
    let small = GatewayOptions::RECORD_BYTES_MIN;
    let patient = Duration::from_secs(20);
    let gateway = start(GatewayOptions {
        record_bytes_max: small,
        buffer_bytes_max: small,
        confirm_timeout: patient,
        ..options(&cluster)
    });
    until_ready(&gateway).await;
    let mut builder = WriteRequestBuilder::default();
    let at = |number: i64| Timestamp::from_ms(1_000_000 + number);
    let samples: Vec<_> =
        (0..20_000).map(|number| RawSample { timestamp: at(number), value: 1.0 }).collect();
    let labels = LabelSet::from_pairs([("__name__", "load"), ("instance", "a")]).unwrap();
    builder.series(&labels, &samples);
    let outcome = send(&gateway, None, decode(&builder.encode())).await.unwrap();
    assert_eq!(outcome.accepted_samples, 20_000);
    let (records, _) = read(&cluster);
    let records: Vec<_> = records.into_values().flatten().collect();
    assert!(records.len() > 5, "{}", records.len());
    let written = records.iter().flat_map(|record| {
        let request = decode(record.value.as_ref().unwrap());
        request.series().flat_map(|series| series.samples.to_vec()).collect::<Vec<_>>()
    });
    assert!(written.eq(samples));
}
