use std::sync::Arc;

use arrow_array::builder::{MapBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, DictionaryArray, Float32Array, Float64Array, Int32Array, Int64Array,
    LargeStringArray, NullArray, StringArray, StringViewArray, TimestampNanosecondArray,
    TimestampSecondArray,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use bellwether_series::LabelSet;

use super::*;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    )
    .unwrap()
}

fn stream(batches: &[RecordBatch], compression: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let mut stream = Vec::new();
    let schema = batches[0].schema();
    let mut writer = StreamWriter::try_new_with_options(&mut stream, &schema, options).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    drop(writer);
    stream
}

/// As many samples of `up` as `rows`, of two jobs in turn.
fn ups(rows: i64) -> RecordBatch {
    let jobs = (0..rows).map(|row| if row % 2 == 0 { "a" } else { "b" });
    batch(vec![
        ("timestamp_ms", Arc::new(Int64Array::from_iter_values(0..rows))),
        ("value", Arc::new(Float64Array::from_iter_values((0..rows).map(|row| row as f64)))),
        ("name", Arc::new(StringArray::from_iter_values((0..rows).map(|_| "up")))),
        ("job", Arc::new(StringArray::from_iter_values(jobs))),
    ])
}

fn request(stream: &[u8]) -> WriteRequest {
    decode(stream, &Limits::default()).unwrap()
}

fn fault(stream: &[u8]) -> String {
    decode(stream, &Limits::default()).unwrap_err().to_string()
}

type Series = (Vec<u8>, Vec<(i64, f64)>);

fn series(request: &WriteRequest) -> Vec<Series> {
    let samples = |samples: &[RawSample]| {
        samples.iter().map(|sample| (sample.timestamp.as_ms(), sample.value)).collect()
    };
    request.series().map(|series| (series.labels.to_vec(), samples(series.samples))).collect()
}

fn wire(labels: &[(&str, &str)]) -> Vec<u8> {
    LabelSet::from_pairs(labels.iter().copied()).unwrap().as_wire().to_vec()
}

#[test]
fn rows_are_samples_and_columns_of_text_are_labels_in_every_layout() {
    let texts: [ArrayRef; 4] = [
        Arc::new(StringArray::from(vec![Some("a"), None, Some("")])),
        Arc::new(LargeStringArray::from(vec![Some("a"), None, Some("")])),
        Arc::new(StringViewArray::from(vec![Some("a"), None, Some("")])),
        Arc::new(DictionaryArray::new(
            Int32Array::from(vec![Some(1), None, Some(0)]),
            Arc::new(StringArray::from(vec!["", "a"])),
        )),
    ];
    let named = wire(&[("__name__", "up"), ("job", "a")]);
    let bare = wire(&[("__name__", "up")]);
    for jobs in texts {
        for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
            let batch = batch(vec![
                (
                    "timestamp",
                    Arc::new(TimestampSecondArray::from(vec![1, 2, 3]).with_timezone("UTC")),
                ),
                ("metric", Arc::new(StringArray::from(vec!["up"; 3]))),
                ("value", Arc::new(Float32Array::from(vec![0.5, f32::NAN, 2.0]))),
                ("job", Arc::clone(&jobs)),
            ]);
            let request = request(&stream(&[batch.clone(), batch], compression));
            let found = series(&request);
            assert_eq!(found.len(), 4);
            assert_eq!(found[0], (named.clone(), vec![(1000, 0.5)]));
            assert_eq!(found[1].0, bare);
            assert!(found[1].1[0].1.is_nan() && found[1].1[1] == (3000, 2.0));
            assert_eq!(found[2], found[0]);
        }
    }
}

#[test]
fn labels_may_be_a_map_as_well() {
    let mut labels = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    labels.keys().append_value("job");
    labels.values().append_value("a");
    labels.keys().append_value("empty");
    labels.values().append_null();
    labels.append(true).unwrap();
    labels.append(false).unwrap();
    let batch = batch(vec![
        ("timestamp", Arc::new(TimestampNanosecondArray::from(vec![1_999_999, 2_000_000]))),
        ("labels", Arc::new(labels.finish())),
        ("__name__", Arc::new(StringArray::from(vec!["up"; 2]))),
        ("value", Arc::new(Int64Array::from(vec![7, -7]))),
    ]);
    let expected = [
        (wire(&[("__name__", "up"), ("job", "a")]), vec![(1, 7.0)]),
        (wire(&[("__name__", "up")]), vec![(2, -7.0)]),
    ];
    assert_eq!(series(&request(&stream(&[batch], None))), expected);
}

#[test]
fn a_row_without_a_value_is_none_and_one_without_a_time_is_named() {
    let batch = batch(vec![
        (
            "timestamp",
            Arc::new(TimestampSecondArray::from(vec![Some(1), None, None, Some(i64::MAX)])),
        ),
        ("value", Arc::new(Float64Array::from(vec![Some(1.0), None, Some(2.0), Some(3.0)]))),
    ]);
    let request = request(&stream(&[batch], None));
    assert_eq!(request.sample_count(), 1);
    let faults = request.invalid_points();
    assert_eq!(faults.count(), 2);
    assert_eq!(
        faults.messages(),
        [
            "row is invalid: batch=`1`, row=`3`, fault=`timestamp is missing`",
            "row is invalid: batch=`1`, row=`4`, fault=`timestamp is out of range`",
        ]
    );
}

#[test]
fn columns_that_would_be_lost_are_refused() {
    let timestamp: (&str, ArrayRef) = ("timestamp_ms", Arc::new(Int64Array::from(vec![1])));
    let value: (&str, ArrayRef) = ("value", Arc::new(Float64Array::from(vec![1.0])));
    let whole: (&str, ArrayRef) = ("shard", Arc::new(Int64Array::from(vec![3])));
    let nothing: (&str, ArrayRef) = ("labels", Arc::new(NullArray::new(1)));
    let fault = |columns: &[&(&str, ArrayRef)]| {
        fault(&stream(&[batch(columns.iter().map(|&column| column.clone()).collect())], None))
    };
    assert!(fault(&[&timestamp]).contains("there is no column `value`"));
    assert!(fault(&[&value]).contains("there is no column `timestamp`"));
    assert!(fault(&[&timestamp, &value, &whole]).contains("column=`shard`, type=`Int64`"));
    assert!(fault(&[&timestamp, &value, &nothing]).contains("column=`labels`, type=`Null`"));
    assert!(fault(&[&timestamp, &timestamp, &value]).contains("two columns of timestamps"));
}

#[test]
fn limits_hold_before_anything_is_decoded() {
    let stream = stream(&[ups(100)], Some(CompressionType::LZ4_FRAME));
    let decoded = |limits: Limits| decode(&stream, &limits).map(|request| request.sample_count());
    assert_eq!(decoded(Limits::default()), Ok(100));
    let refused = decoded(Limits { samples_max: 99, ..Limits::default() }).unwrap_err();
    assert_eq!(refused.reason(), "too_many_objects");
    let refused = decoded(Limits { objects_max: 99, ..Limits::default() }).unwrap_err();
    assert_eq!(refused.reason(), "too_many_objects");
    let refused = decoded(Limits { decoded_bytes_max: 1000, ..Limits::default() }).unwrap_err();
    assert!(matches!(refused, DecodeError::TooLarge { part: "decoded", .. }), "{refused}");
    // Buffers that claim to be huge: all that say how long they are now say the most that can be said.
    let mut bomb = stream.clone();
    for at in (0..bomb.len() - 8).step_by(8) {
        if bomb[at..at + 8] == 800_i64.to_le_bytes() {
            bomb[at..at + 8].copy_from_slice(&i64::MAX.to_le_bytes());
        }
    }
    assert_ne!(bomb, stream);
    let refused = decode(&bomb, &Limits::default()).unwrap_err();
    assert_eq!(refused.reason(), "too_large", "{refused}");
}

#[test]
fn whatever_is_cut_or_changed_is_refused_or_taken_and_never_panics() {
    let whole = stream(&[ups(3)], Some(CompressionType::ZSTD));
    for end in 0..whole.len() {
        _ = decode(&whole[..end], &Limits::default());
    }
    for at in 0..whole.len() {
        for flip in [1, 0x80, 0xFF] {
            let mut changed = whole.clone();
            changed[at] ^= flip;
            _ = decode(&changed, &Limits::default());
        }
    }
    assert!(fault(b"").contains("stream has no schema"));
    assert!(fault(b"ARROW1\0\0").contains("offset=`0`"), "{}", fault(b"ARROW1\0\0"));
    assert!(fault(&[&whole[..], b"more"].concat()).contains("behind the end of the stream"));
}

/// The seeds of the fuzz target are what pyarrow 26 writes.
#[test]
fn streams_of_pyarrow_are_read() {
    let seed = |name: &str| {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/fuzz/arrow");
        std::fs::read(format!("{seeds}/{name}")).unwrap()
    };
    let named = |name: &str| wire(&[("__name__", name)]);
    let (at, then) = (1_700_000_000_000, 1_700_000_015_000);
    let replaced = [(named("up"), vec![(at, 1.0)]), (named("left"), vec![(at, 3.0), (then, 4.0)])];
    assert_eq!(series(&request(&seed("dictionary"))), replaced);
    let mapped = request(&seed("map"));
    let node = wire(&[("__name__", "up"), ("job", "node")]);
    assert_eq!(series(&mapped), [(node.clone(), vec![(1, 1.0)])]);
    assert_eq!(mapped.invalid_points().count(), 1);
    let plain = series(&request(&seed("plain")));
    assert_eq!((&plain[0], &plain[1].0), (&(node, vec![(at, 1.0)]), &named("up")));
    for compressed in ["lz4", "zstd"] {
        let request = request(&seed(compressed));
        assert_eq!((request.sample_count(), request.series_count()), (64, 1), "{compressed}");
    }
}
