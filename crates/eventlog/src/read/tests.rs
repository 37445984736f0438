use std::fs;
use std::sync::Arc;

use bellwether_runtime::EventSink as _;

use super::lines::LINE_BYTES_MAX;
use super::*;
use crate::rotated::rotated_name;
use crate::testing::{DAY_0_MS, DAY_MS, close, event, events, read_all, sequences};
use crate::{EventLogOptions, FileSink};

fn lines(events: &[Arc<Event>]) -> String {
    events.iter().map(|event| serde_json::to_string(&**event).unwrap() + "\n").collect()
}

/// A log of 3,000 events on each of three days, in one part a day.
fn log_in(folder: &Path) {
    let options = EventLogOptions {
        folder: folder.to_owned(),
        flush_interval_ms: 3_600_000,
        keep_ms: 0,
        queue_events_max: 20_000,
    };
    let sink = FileSink::event_log("event_log", options).unwrap();
    for n in 0..9000 {
        sink.publish(&event(n, DAY_0_MS + i64::from(n / 3000) * DAY_MS + i64::from(n)));
    }
    assert_eq!(close(&sink).delivered_events, 9000);
}

#[test]
fn a_rotated_set_is_read_oldest_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    for (number, range) in [(10, 0..2), (9, 2..3), (1, 3..5)] {
        fs::write(rotated_name(&path, number), lines(&events(range))).unwrap();
    }
    fs::write(folder.path().join("events.jsonl.bak"), "not ours").unwrap();
    assert_eq!(sequences(&path), [0, 1, 2, 3, 4]);
    fs::write(&path, lines(&events(5..6))).unwrap();
    assert_eq!(sequences(&path), [0, 1, 2, 3, 4, 5]);
    assert_eq!(sequences(&rotated_name(&path, 9)), [2]);
}

#[test]
fn a_bad_line_is_named_and_the_rest_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let [first, last] = [lines(&events(0..1)), lines(&events(1..2))];
    let newer = first.replacen("\"version\":1", "\"version\":7", 1);
    let long = "x".repeat(2 * LINE_BYTES_MAX as usize);
    let torn = &last[..last.len() / 2];
    fs::write(&path, format!("{first}{{}}\n\n{newer}{long}\n{last}{torn}")).unwrap();

    let read = read_all(&path);
    let errors: Vec<_> = read.iter().filter_map(|item| item.as_ref().err()).collect();
    assert_eq!(read.len(), 6, "{errors:?}");
    assert_eq!(read[0].as_ref().unwrap().sequence, 0);
    assert!(matches!(errors[0], ReadError::Line { line: 2, .. }));
    assert!(matches!(errors[1], ReadError::EventVersion { line: 4, version: 7, .. }));
    assert!(matches!(errors[2], ReadError::LongLine { line: 5, .. }));
    assert_eq!(read[4].as_ref().unwrap().sequence, 1);
    assert!(matches!(errors[3], ReadError::TornLine { line: 7, .. }));
    let message = format!("last line is cut short: path=`{}`, line=`7`", path.display());
    assert_eq!(errors[3].to_string(), message);
}

#[test]
fn a_last_line_that_lacks_only_its_end_is_an_event() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    fs::write(&path, lines(&events(0..2)).trim_end()).unwrap();
    assert_eq!(sequences(&path), [0, 1]);
}

#[test]
fn a_log_a_day_and_a_file_of_it_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    log_in(folder.path());
    let day = folder.path().join("day=2026-01-06");
    assert_eq!(sequences(folder.path()), (0..9000).collect::<Vec<_>>());
    assert_eq!(sequences(&day), (3000..6000).collect::<Vec<_>>());
    assert_eq!(sequences(&day.join("events-00001.parquet")), (3000..6000).collect::<Vec<_>>());
}

#[test]
fn days_that_are_not_wanted_are_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    log_in(folder.path());
    for day in ["day=2026-01-05", "day=2026-01-07"] {
        fs::write(folder.path().join(day).join("events-00001.parquet"), "damaged").unwrap();
    }
    let wanted =
        Wanted { since_ms: Some(DAY_0_MS + DAY_MS + 3010), until_ms: Some(DAY_0_MS + 2 * DAY_MS) };
    let read: Vec<_> =
        read(folder.path(), wanted).unwrap().map(|event| event.unwrap().sequence).collect();
    assert_eq!(read, (3010..6000).collect::<Vec<_>>());
}

#[test]
fn only_wanted_lines_are_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    fs::write(&path, lines(&events(0..5))).unwrap();
    let wanted = Wanted { since_ms: Some(DAY_0_MS + 1000), until_ms: Some(DAY_0_MS + 3000) };
    let read: Vec<_> = read(&path, wanted).unwrap().map(|event| event.unwrap().sequence).collect();
    assert_eq!(read, [1, 2]);
}

#[test]
fn a_damaged_file_is_named_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    log_in(folder.path());
    let damaged = folder.path().join("day=2026-01-06/events-00001.parquet");
    let whole = fs::read(&damaged).unwrap();
    fs::write(&damaged, &whole[..whole.len() - 10]).unwrap();
    let read = read_all(folder.path());
    assert_eq!(read.len(), 6001);
    assert!(matches!(&read[3000], Err(ReadError::Table { path, .. }) if *path == damaged));

    // A byte turned over anywhere is an error or another value, never the end of the process.
    for at in (0..whole.len()).step_by(whole.len() / 100) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xFF;
        fs::write(&damaged, bytes).unwrap();
        _ = read_all(&damaged);
    }
}

#[test]
fn a_damaged_row_group_is_named_and_the_next_is_read() {
    let folder = tempfile::tempdir().unwrap();
    log_in(folder.path());
    let path = folder.path().join("day=2026-01-06/events-00001.parquet");
    let mut bytes = fs::read(&path).unwrap();
    // The first page's header.
    bytes[4..40].fill(0xFF);
    fs::write(&path, bytes).unwrap();
    let read = read_all(&path);
    let [Err(ReadError::RowGroup { row_group: 0, .. }), others @ ..] = &read[..] else {
        panic!("{}", read.len())
    };
    // Of 3,000 rows, those behind the first group.
    assert_eq!(others.len(), 3_000 - 512);
    assert!(others.iter().all(Result::is_ok));
}

#[test]
fn an_unknown_version_is_refused_by_its_name() {
    use parquet::arrow::ArrowWriter;
    use parquet::file::metadata::KeyValue;
    use parquet::file::properties::WriterProperties;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.parquet");
    let batch = crate::table::encode(&events(0..1)).unwrap();
    let key = "bellwether.event_log.version".to_owned();
    for (pairs, name) in [(None, "none"), (Some(vec![KeyValue::new(key, "8".to_owned())]), "8")] {
        let properties = WriterProperties::builder().set_key_value_metadata(pairs).build();
        let file = File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let read = read_all(&path);
        let [Err(ReadError::FileVersion { version, .. })] = &read[..] else { panic!("{read:?}") };
        assert_eq!(version, name);
    }
}

#[test]
fn what_is_no_log_is_refused_and_an_empty_one_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    assert!(read_all(folder.path()).is_empty());
    let missing = folder.path().join("missing");
    assert!(matches!(read(&missing, Wanted::default()), Err(ReadError::Io { .. })));
    fs::write(folder.path().join("something"), "else").unwrap();
    assert!(matches!(read(folder.path(), Wanted::default()), Err(ReadError::NotALog { .. })));
    fs::write(&missing, "").unwrap();
    assert!(read_all(&missing).is_empty());
}
