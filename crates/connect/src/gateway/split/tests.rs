use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bellwether_engine::{Routing, Settings};
use bellwether_series::LabelSet;
use bellwether_wire::remote_write::{Limits, MetricType};
use proptest::prelude::*;

use super::*;

const NEWEST: Timestamp = Timestamp::from_ms(1_000_000);

/// Series, each with its samples, by partition: what was split, put together again.
type Content = BTreeMap<Vec<u8>, Vec<RawSample>>;

fn series(name: &str, instance: &str) -> LabelSet {
    LabelSet::from_pairs([("__name__", name), ("instance", instance)]).unwrap()
}

fn decode(value: &[u8]) -> WriteRequest {
    WriteRequest::decode(value.to_vec(), &Limits::default()).unwrap()
}

fn add(content: &mut Content, request: &WriteRequest) {
    for series in request.series() {
        content.entry(series.labels.to_vec()).or_default().extend(series.samples);
    }
}

fn split(
    request: &WriteRequest,
    news: &[MetadataRef<'_>],
    partitions: u32,
    record_bytes_max: usize,
) -> (Vec<Part>, Outcome) {
    let routing = Routing::new(Arc::new(Settings::default()));
    let sender = &routing.of_tenant("").unwrap();
    let partitions = NonZeroU32::new(partitions).unwrap();
    Splitter { sender, partitions, newest: NEWEST, record_bytes_max }.split(request, news)
}

fn request(all: &[(LabelSet, Vec<RawSample>)]) -> WriteRequest {
    let mut builder = WriteRequestBuilder::default();
    for (labels, samples) in all {
        builder.series(labels, samples);
    }
    decode(&builder.encode())
}

fn sample(ms: i64) -> RawSample {
    RawSample { timestamp: Timestamp::from_ms(ms), value: ms as f64 }
}

#[test]
fn what_is_refused_here_is_counted_and_the_rest_goes_on() {
    let ahead = NEWEST.as_ms() + 1;
    let mut builder = WriteRequestBuilder::default();
    builder.series(&series("good", "a"), &[sample(1), sample(ahead), sample(2)]);
    builder.series(&series("ahead", "a"), &[sample(ahead)]);
    builder.wire_series(b"\x0a\x02\x0a\xff", &[sample(1), sample(2)]);
    let (parts, outcome) = split(&decode(&builder.encode()), &[], 8, 1 << 20);
    assert_eq!(outcome.accepted_samples, 2);
    assert_eq!(outcome.rejected_samples[RejectReason::Future.index()], 2);
    assert_eq!(outcome.rejected_samples[RejectReason::InvalidLabels.index()], 2);
    let mut content = Content::new();
    for part in &parts {
        add(&mut content, &decode(&part.value));
    }
    let expected = [(series("good", "a").as_wire().to_vec(), vec![sample(1), sample(2)])];
    assert_eq!(content, expected.into());
}

#[test]
fn every_partition_hears_what_a_family_is_and_of_nothing_else_that_is_not_its_own() {
    let news = [MetadataRef { family: "requests", kind: MetricType::Counter }];
    let request = request(&[(series("requests", "a"), vec![sample(1)])]);
    let (parts, _) = split(&request, &news, 16, 1 << 20);
    let partitions: Vec<_> = parts.iter().map(|part| part.partition).collect();
    assert_eq!(partitions, (0..16).collect::<Vec<_>>());
    let mut samples = 0;
    for part in &parts {
        let written = decode(&part.value);
        assert_eq!(written.metadata().collect::<Vec<_>>(), news);
        samples += written.sample_count();
    }
    assert_eq!(samples, 1);
    assert_eq!(split(&request, &[], 16, 1 << 20).0.len(), 1, "one record for each one touched");
}

#[test]
fn one_instance_is_in_one_partition_and_instances_are_in_many() {
    let all = |instance: u32| {
        ["load", "memory", "disk"]
            .map(|name| (series(name, &format!("host-{instance}")), vec![sample(1)]))
    };
    let mut used = BTreeSet::new();
    for instance in 0..40 {
        let (parts, _) = split(&request(&all(instance)), &[], 8, 1 << 20);
        assert_eq!(parts.len(), 1);
        used.insert(parts[0].partition);
    }
    assert_eq!(used.len(), 8);
}

#[test]
fn the_partition_of_a_key_never_changes() {
    let of = |key: u128, partitions: u32| {
        partition_of(Fingerprint::from_u128(key), NonZeroU32::new(partitions).unwrap())
    };
    // Series stay with their states because of it.
    assert_eq!((of(u128::MAX, 64), of(u128::MAX << 64, 64), of(65, 64)), (63, 0, 1));
    assert_eq!(of(10, 7), 3);
}

proptest! {
    /// Whatever the size of records, the same samples arrive in the same order, each in the partition of its series.
    #[test]
    fn records_put_together_are_the_request(
        all in proptest::collection::vec((0..5_u8, 0..9_u8, 1..40_usize), 0..60),
        partitions in 1..20_u32,
        record_bytes_max in 64..4000_usize,
    ) {
        let numbered = all.iter().enumerate().map(|(index, &(name, instance, count))| {
            let labels = series(&format!("m{name}"), &format!("i{instance}"));
            (labels, (0..count).map(|number| sample((index * 100 + number) as i64)).collect())
        });
        let request = request(&numbered.collect::<Vec<_>>());
        let (parts, outcome) = split(&request, &[], partitions, record_bytes_max);
        prop_assert_eq!(outcome.accepted_samples, request.sample_count() as u64);
        let (mut expected, mut content) = (Content::new(), Content::new());
        add(&mut expected, &request);
        let mut homes: BTreeMap<Vec<u8>, i32> = BTreeMap::new();
        for part in &parts {
            let written = decode(&part.value);
            add(&mut content, &written);
            for series in written.series() {
                let home = *homes.entry(series.labels.to_vec()).or_insert(part.partition);
                prop_assert_eq!(home, part.partition);
            }
            // No labels are long here, so none makes a larger record.
            let has_room = part.value.len() <= record_bytes_max.max(100);
            prop_assert!(has_room, "{} bytes", part.value.len());
        }
        prop_assert_eq!(content, expected);
    }
}
