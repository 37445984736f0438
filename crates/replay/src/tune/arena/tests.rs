use bellwether_engine::RecordKind;
use bellwether_runtime::journal::{Journal, JournalOptions, RequestHeader};
use bellwether_runtime::storage::DiskStorage;
use bellwether_wire::Format;
use bellwether_wire::remote_write::{RawSample, WriteRequestBuilder, compress};

use super::*;

const HOUR_MS: i64 = 3_600_000;
const START_MS: i64 = 1_750_000_000_000;
const HOURS: i64 = 121;
/// When the journal was received, all of it within seconds.
const RECEIVED_MS: i64 = START_MS + 300 * HOUR_MS;

/// A journal that was received in a burst: five days of samples, one an hour, and those at `others`.
fn burst(folder: &Path, others: &[i64]) {
    let storage = Arc::new(DiskStorage::new(folder));
    let (mut journal, _) = Journal::open(storage, JournalOptions::default(), 0, 7).unwrap();
    let mut header = Vec::new();
    let format = Format::REMOTE_WRITE_1;
    RequestHeader { format, tenant: "", source: "10.0.0.1" }.encode(&mut header).unwrap();
    let labels = LabelSet::from_pairs([("__name__", "load")]).unwrap();
    let hours = (0..HOURS).map(|hour| START_MS + hour * HOUR_MS);
    for (index, at_ms) in (0..).zip(hours.chain(others.iter().copied())) {
        let mut request = WriteRequestBuilder::default();
        let sample = RawSample { timestamp: Timestamp::from_ms(at_ms), value: index as f64 };
        request.series(&labels, &[sample]);
        let received_at = Timestamp::from_ms(RECEIVED_MS + index);
        let parts: [&[u8]; 2] = [&header, &compress(&request.encode())];
        journal.append(RecordKind::Request as u8, received_at, &parts).unwrap();
    }
    journal.commit().unwrap();
}

fn look_at(folder: &Path, windows: Option<Windows>) -> Result<Arena, TuneError> {
    let watch = ArenaWatch { note: &|_, _| {}, stop: &AtomicBool::new(false) };
    Arena::of_input(PlanInput::Journal(folder.to_owned()), windows, 1, &watch)
}

#[test]
fn a_journal_that_came_in_a_burst_is_cut_by_the_time_of_its_samples() {
    let folder = tempfile::tempdir().unwrap();
    // What is of the future the engine refuses.
    burst(folder.path(), &[RECEIVED_MS + 9000 * HOUR_MS]);
    // One in what is only learned from, one in each block.
    let window =
        |day: i64| (START_MS + (24 * day + 3) * HOUR_MS, START_MS + (24 * day + 4) * HOUR_MS);
    let windows = Windows::from([("load".to_owned(), (0..5).map(window).collect())]);
    let arena = look_at(folder.path(), Some(windows)).unwrap();
    assert_eq!(arena.fit(), Some(Fit { windows: 5, of_unknown_series: 0, outside: 1 }));
    let trial = arena.play(&Arc::default(), Share::WHOLE, &AtomicBool::new(false)).unwrap();
    assert!(trial.days.iter().all(|days| (days - 1.0).abs() < 1e-9), "{:?}", trial.days);
    assert_eq!(trial.series["load"].map(|score| score.windows), [1; BLOCKS]);
}

#[test]
fn a_block_without_a_sample_is_named() {
    let folder = tempfile::tempdir().unwrap();
    // A clock that began anew: all else lies in the last block.
    burst(folder.path(), &[0]);
    let Err(error) = look_at(folder.path(), None) else { panic!("one sample in all four blocks") };
    assert!(matches!(error, TuneError::EmptyBlock { block: 1, first_ms: 0, .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.starts_with("block 1 of 4 holds no sample") && text.contains("1970-01-01"),
        "{text}"
    );
}

#[test]
fn what_is_wrong_with_a_journal_is_found() {
    let folder = tempfile::tempdir().unwrap();
    burst(folder.path(), &[]);
    assert_eq!(look_at(folder.path(), None).unwrap().findings(), &Findings::default());
    let file = folder.path().join("journal/00000000000000000001.journal");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 3]).unwrap();
    assert!(look_at(folder.path(), None).unwrap().findings().torn_tail.is_some());
}

#[test]
fn windows_are_of_a_series_however_its_labels_are_written() {
    let written = [(r#"{ b="2", a="1", __name__="up" }"#, (1, 2)), (r#"up{a="1",b="2"}"#, (3, 4))];
    let written = written.map(|(series, window)| (series.to_owned(), vec![window]));
    let expected = Windows::from([(r#"up{a="1",b="2"}"#.to_owned(), vec![(1, 2), (3, 4)])]);
    let mut found = named(written.into());
    for windows in found.values_mut() {
        windows.sort_unstable();
    }
    assert_eq!(found, expected);
}
