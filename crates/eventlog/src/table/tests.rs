use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use proptest::prelude::*;

use super::*;
use crate::testing::{bare_event, event};

/// There and back through the bytes of a Parquet file.
fn through_parquet(events: &[Arc<Event>]) -> Vec<Event> {
    let mut writer = writer(Vec::new()).unwrap();
    writer.write(&encode(events).unwrap()).unwrap();
    let file = bytes_of(writer);
    let batches = ParquetRecordBatchReader::try_new(file, 2).unwrap();
    let rows = batches.flat_map(|batch| {
        let batch = batch.unwrap();
        (0..batch.num_rows()).map(|row| decode(&batch, row).unwrap()).collect::<Vec<_>>()
    });
    rows.collect()
}

fn bytes_of(writer: ArrowWriter<Vec<u8>>) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&writer.into_inner().unwrap()).unwrap();
    file
}

/// Equal down to the bits of the numbers: NaN is NaN, and 0 is not -0.
fn assert_same(read: &[Event], written: &[Arc<Event>]) {
    assert_eq!(format!("{read:#?}"), format!("{written:#?}"));
}

#[test]
fn an_event_is_the_same_after_parquet() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 5e-324, f64::MAX, 0.1];
    let written = [event(1, 0), bare_event(odd), event(2, i64::MAX - 60_000), event(3, -1)];
    assert_same(&through_parquet(&written), &written);
}

#[test]
fn a_file_from_before_demotion_was_told_reads_as_of_series_that_are_not() {
    let mut batch = encode(&[event(1, 0)]).unwrap();
    assert!(decode(&batch, 0).unwrap().threshold_raised_by > 0.0);
    batch.remove_column(batch.schema().index_of("threshold_raised_by").unwrap());
    assert!(decode(&batch, 0).unwrap().threshold_raised_by <= 0.0);
}

#[test]
fn no_events_are_a_table_too() {
    assert!(through_parquet(&[]).is_empty());
}

#[test]
fn a_row_that_is_no_event_says_why() {
    let batch = encode(&[event(1, 0)]).unwrap();
    let without = |name: &str| {
        let mut less = batch.clone();
        less.remove_column(batch.schema().index_of(name).unwrap());
        decode(&less, 0).unwrap_err().to_string()
    };
    assert_eq!(
        without("threshold"),
        "column is missing, empty or of another type: column=`threshold`"
    );
    assert_eq!(without("labels"), "column is missing, empty or of another type: column=`labels`");

    let mut columns = batch.columns().to_vec();
    columns[batch.schema().index_of("severity").unwrap()] =
        Arc::new(StringArray::from(vec!["dreadful"]));
    let odd = RecordBatch::try_new(batch.schema(), columns).unwrap();
    let error = decode(&odd, 0).unwrap_err().to_string();
    assert_eq!(error, "value is not known: column=`severity`, value=`dreadful`");
}

proptest! {
    #[test]
    fn any_event_is_the_same_after_parquet(
        numbers: [f64; 7],
        at_ms: i64,
        explanation: String,
        labels in proptest::collection::btree_map(".{1,8}", ".{1,8}", 0..5),
    ) {
        let labels = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let labels = LabelSet::from_pairs(labels.chain([("__name__", "m")])).unwrap();
        let at_ms = Timestamp::from_ms(at_ms);
        let event = Event { labels, explanation, at_ms, ..(*bare_event(numbers)).clone() };
        let events = [Arc::new(event)];
        assert_same(&through_parquet(&events), &events);
    }
}
