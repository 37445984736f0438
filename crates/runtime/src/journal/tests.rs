//! The journal as its users see it, over a storage that fails.

mod damage;
mod failures;
mod fixture;
mod model;

use std::collections::BTreeMap;
use std::io::ErrorKind;

use super::*;
use crate::testing::FaultyStorage;

pub(super) const KIND: u8 = 1;

pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms)
}

pub(super) fn options() -> JournalOptions {
    JournalOptions { segment_bytes_max: 300, retention_bytes_max: 0, ..JournalOptions::default() }
}

pub(super) fn open(storage: &FaultyStorage, options: JournalOptions) -> (Journal, Recovery) {
    Journal::open(Arc::new(storage.clone()), options, 0, 7).unwrap()
}

/// Commits `count` records, each alone, with payloads that differ.
pub(super) fn write(journal: &mut Journal, count: u64) {
    for _ in 0..count {
        let sequence = journal.committed_below();
        let payload = payload(sequence);
        assert_eq!(journal.append(KIND, at(sequence as i64), &[&payload]).unwrap(), sequence);
        journal.commit().unwrap();
    }
}

pub(super) fn payload(sequence: u64) -> Vec<u8> {
    format!("record {sequence} ").repeat(3).into_bytes()
}

/// What a reader gives.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Read {
    pub(super) records: BTreeMap<u64, Vec<u8>>,
    pub(super) restated: Vec<(u64, Vec<u8>)>,
    pub(super) gaps: Vec<Gap>,
    pub(super) torn_tail: Option<TornTail>,
}

pub(super) fn read_from(storage: &FaultyStorage, from: ReadFrom, below: u64) -> Read {
    let reader = Reader::open(Arc::new(storage.clone()), "journal", from).unwrap();
    let mut reader = reader.below(below);
    let mut read = Read::default();
    for entry in &mut reader {
        match entry.unwrap() {
            Entry::Gap(gap) => read.gaps.push(gap),
            Entry::Record(record) if record.restated => {
                read.restated.push((record.sequence, record.payload));
            }
            Entry::Record(record) => {
                let later = read.records.last_key_value().is_none_or(|(&s, _)| s < record.sequence);
                assert!(later, "out of order: {}", record.sequence);
                read.records.insert(record.sequence, record.payload);
            }
        }
    }
    read.torn_tail = reader.torn_tail().cloned();
    read
}

pub(super) fn read(storage: &FaultyStorage) -> Read {
    read_from(storage, ReadFrom::Oldest, u64::MAX)
}

pub(super) fn segment_path(number: u64) -> String {
    path_of("journal", number)
}

#[test]
fn records_come_back_in_order_over_segments_and_restarts() {
    let storage = FaultyStorage::new(1);
    for start in 0..3 {
        let (mut journal, recovery) = open(&storage, options());
        assert_eq!(recovery, Recovery { next_sequence: 10 * start + 1, ..Recovery::default() });
        write(&mut journal, 10);
        assert!(journal.figures().segments > 1);
    }
    let read = read(&storage);
    assert_eq!(read.records, (1..=30).map(|s| (s, payload(s))).collect());
    assert_eq!((read.gaps.len(), read.torn_tail, read.restated.len()), (0, None, 0));
    for from in 0..32 {
        let read = read_from(&storage, ReadFrom::Sequence(from), u64::MAX);
        assert_eq!(read.records, (from.max(1)..=30).map(|s| (s, payload(s))).collect(), "{from}");
        assert_eq!(read.gaps, [], "{from}");
    }
}

#[test]
fn a_reader_says_where_each_record_is() {
    let storage = FaultyStorage::new(1);
    let (mut journal, _) = open(&storage, options());
    journal.set_preamble(b"configuration".to_vec()).unwrap();
    write(&mut journal, 10);
    let mut reader = Reader::open(Arc::new(storage.clone()), "journal", ReadFrom::Oldest).unwrap();
    assert_eq!(reader.place(), None);
    let mut files = std::collections::BTreeSet::new();
    while let Some(entry) = reader.next() {
        let Entry::Record(record) = entry.unwrap() else { panic!("a gap") };
        let (file, offset) = reader.place().unwrap();
        let bytes = storage.content(&file).unwrap();
        // Behind the length of the payload.
        let at = offset as usize + 4;
        assert_eq!(bytes[at..at + 8], record.sequence.to_le_bytes(), "{}", record.sequence);
        files.insert(file);
    }
    assert!(files.len() > 1);
}

#[test]
fn a_record_keeps_kind_receipt_time_and_the_parts_of_its_payload() {
    let storage = FaultyStorage::new(1);
    let (mut journal, _) = open(&storage, options());
    journal.append(4, at(-9), &[b"ab", b"", b"c"]).unwrap();
    journal.append(2, at(9), &[]).unwrap();
    journal.commit().unwrap();
    let entries: Result<Vec<Entry>, ReadError> =
        Reader::open(Arc::new(storage), "journal", ReadFrom::Oldest).unwrap().collect();
    let record = |sequence, kind, ms, payload: &[u8]| {
        let (received_at, payload) = (at(ms), payload.to_vec());
        Entry::Record(StoredRecord { sequence, kind, restated: false, received_at, payload })
    };
    assert_eq!(entries.unwrap(), [record(1, 4, -9, b"abc"), record(2, 2, 9, b"")]);
}

#[test]
fn nothing_is_there_before_it_is_committed_and_opening_writes_nothing() {
    let storage = FaultyStorage::new(1);
    let (mut journal, _) = open(&storage, options());
    journal.commit().unwrap();
    assert_eq!(storage.operations(), 0);
    journal.append(KIND, at(0), &[b"x"]).unwrap();
    assert_eq!(storage.operations(), 0);
    assert_eq!(read(&storage), Read::default());
    journal.commit().unwrap();
    assert_eq!(read(&storage).records.len(), 1);
}

#[test]
fn what_cannot_be_taken_is_refused_and_counted() {
    let limits = JournalOptions { record_bytes_max: 100, group_bytes_max: 150, ..options() };
    let (mut journal, _) = open(&FaultyStorage::new(1), limits);
    let error = journal.append(KIND, at(0), &[&[0; 60], &[0; 41]]).unwrap_err();
    assert!(matches!(error, JournalError::RecordTooLarge { bytes: 101, bytes_max: 100 }));
    for kind in [0, 128, 255] {
        let error = journal.append(kind, at(0), &[]).unwrap_err();
        assert!(matches!(error, JournalError::InvalidKind(_)));
    }
    assert_eq!(journal.append(KIND, at(0), &[&[0; 100]]).unwrap(), 1);
    let error = journal.append(KIND, at(0), &[&[0; 100]]).unwrap_err();
    assert!(matches!(error, JournalError::GroupFull { bytes_max: 150 }));
    journal.commit().unwrap();
    assert_eq!(journal.append(KIND, at(0), &[&[0; 100]]).unwrap(), 2);
    let figures = journal.figures();
    assert_eq!((figures.records_refused, figures.groups_full), (1, 1));
}

#[test]
fn each_segment_restates_the_preamble_and_a_reader_gives_only_the_first() {
    let storage = FaultyStorage::new(1);
    let (mut journal, _) = open(&storage, options());
    journal.set_preamble(b"one".to_vec()).unwrap();
    write(&mut journal, 5);
    journal.set_preamble(b"two".to_vec()).unwrap();
    write(&mut journal, 10);
    assert_eq!(read(&storage).restated, [(1, b"one".to_vec())]);
    assert_eq!(read(&storage).records.len(), 15);
    journal.retain(13, at(0)).unwrap();
    let left = read(&storage);
    let first = *left.records.first_key_value().unwrap().0;
    assert!(first > 5 && first <= 13, "{first}");
    assert_eq!(left.restated, [(first, b"two".to_vec())]);
    assert_eq!(left.gaps, [], "what retention took is not missed");
    assert_eq!(read_from(&storage, ReadFrom::Sequence(first + 1), 99).restated, []);
    assert_eq!(read_from(&storage, ReadFrom::Sequence(15), 99).records.len(), 1);
}

#[test]
fn an_open_journal_is_read_up_to_what_is_committed() {
    let storage = FaultyStorage::new(1);
    let (mut journal, _) = open(&storage, options());
    write(&mut journal, 3);
    let reader = Reader::open(Arc::new(storage.clone()), "journal", ReadFrom::Oldest).unwrap();
    let mut early = reader.below(journal.committed_below());
    assert!(early.next().is_some());
    write(&mut journal, 20);
    assert_eq!(early.count(), 2);
    // One that was begun before there were further segments finds them.
    let reader =
        Reader::open(Arc::new(storage.clone()), "journal", ReadFrom::Sequence(20)).unwrap();
    let mut late = reader.below(40);
    assert!(late.next().is_some());
    write(&mut journal, 20);
    assert_eq!(late.count(), 19);
}

#[test]
fn what_is_kept_for_replay_only_makes_room_on_a_full_disk_oldest_first() {
    let storage = FaultyStorage::new(1);
    let kept = JournalOptions { retention_bytes_max: 1 << 30, ..options() };
    let (mut journal, _) = open(&storage, kept);
    write(&mut journal, 30);
    assert!(!journal.give_up_oldest().unwrap(), "nothing is covered");
    let before = journal.figures();
    journal.retain(21, at(30)).unwrap();
    assert_eq!(journal.figures().segments, before.segments, "all of it is kept for replay");
    let mut given_up = 0;
    while journal.give_up_oldest().unwrap() {
        given_up += 1;
        assert_eq!(journal.figures().segments_given_up, given_up);
    }
    assert!(given_up > 1, "{given_up}");
    journal.options.keep_when_full = true;
    journal.retain(31, at(30)).unwrap();
    assert!(!journal.give_up_oldest().unwrap(), "it is to stay");
    let read = read(&storage);
    assert!((21..=30).all(|sequence| read.records.contains_key(&sequence)), "{read:?}");
    assert_eq!((read.gaps, read.torn_tail), (Vec::new(), None));
}

#[test]
fn covered_segments_go_when_there_are_too_many_bytes_or_they_are_too_old() {
    let storage = FaultyStorage::new(1);
    let kept = JournalOptions { retention_bytes_max: 700, retention_ms_max: 1000, ..options() };
    let (mut journal, _) = open(&storage, kept);
    write(&mut journal, 30);
    let before = journal.figures();
    assert_eq!(journal.retain(1, at(30)).unwrap(), 0, "nothing is covered");
    assert!(journal.retain(31, at(30)).unwrap() > 0);
    let after = journal.figures();
    assert!(after.bytes <= 700 && after.segments > 1, "{after:?}");
    assert_eq!(after.segments + after.segments_removed, before.segments);
    assert_eq!(read(&storage).records.len() as u64, 31 - after.oldest_sequence);
    journal.retain(31, at(2000)).unwrap();
    assert_eq!(journal.figures().segments, 1, "the open one stays");
    drop(journal);
    let (mut journal, _) = open(&storage, JournalOptions { retention_bytes_max: 0, ..options() });
    assert_eq!(journal.retain(31, at(i64::MAX)).unwrap(), 0, "the newest stays");
    write(&mut journal, 1);
    assert_eq!(journal.retain(31, at(0)).unwrap(), 1);
    assert_eq!(read(&storage).records.keys().copied().collect::<Vec<_>>(), [31]);
}

#[test]
fn no_sequence_below_what_a_checkpoint_covers_is_given_again() {
    let storage = FaultyStorage::new(1);
    let (mut journal, recovery) =
        Journal::open(Arc::new(storage.clone()), options(), 100, 7).unwrap();
    assert_eq!(recovery.next_sequence, 100);
    write(&mut journal, 1);
    assert_eq!(read_from(&storage, ReadFrom::Sequence(100), 200).gaps, []);
    let read = read_from(&storage, ReadFrom::Sequence(90), 200);
    assert_eq!((read.gaps[0].first_missing, read.gaps[0].missing), (90, Some(10)));
}

#[test]
fn a_segment_of_another_version_is_refused_by_name() {
    let storage = FaultyStorage::new(1);
    let (mut journal, _) = open(&storage, options());
    write(&mut journal, 10);
    let mut bytes = storage.content(&segment_path(2)).unwrap();
    bytes[..16].copy_from_slice(&crate::format::stamp(*b"BWJOURNL", 2));
    storage.put(&segment_path(2), bytes);
    let error = Journal::open(Arc::new(storage), options(), 0, 7).err().unwrap().to_string();
    let words = "journal was written in format version 2, this program reads version 1: \
                 file=`journal/00000000000000000002.journal`";
    assert_eq!(error, words);
}

#[test]
fn a_policy_keeps_what_it_promises_when_the_machine_stops() {
    let each = crash_after_commits(SyncPolicy::EachCommit, 0);
    assert!(each.iter().all(|&kept| kept == 5));
    let due = crash_after_commits(SyncPolicy::Interval { interval_ms: 10 }, 10);
    assert!(due.iter().all(|&kept| kept == 5));
    let early = crash_after_commits(SyncPolicy::Interval { interval_ms: 10 }, 9);
    let never = crash_after_commits(SyncPolicy::Never, 1_000_000);
    for kept in [early, never] {
        assert!(kept.iter().any(|&kept| kept < 5) && kept.iter().any(|&kept| kept > 0));
    }
}

/// How many of five committed records there are after a crash, `waited_ms` later, for some seeds.
fn crash_after_commits(sync: SyncPolicy, waited_ms: u64) -> Vec<usize> {
    let kept = |seed| {
        let storage = FaultyStorage::new(seed);
        let options =
            JournalOptions { sync, segment_bytes_max: 1 << 20, ..JournalOptions::default() };
        let (mut journal, _) = open(&storage, options);
        write(&mut journal, 5);
        journal.sync_if_due(1_000).unwrap();
        journal.sync_if_due(1_000 + waited_ms).unwrap();
        storage.crash();
        read(&storage).records.len()
    };
    (0..50).map(kept).collect()
}

#[test]
fn a_read_that_fails_is_an_error_and_ends_the_reader() {
    let storage = FaultyStorage::new(1);
    let (mut journal, _) = open(&storage, options());
    write(&mut journal, 10);
    let mut reader = Reader::open(Arc::new(storage.clone()), "journal", ReadFrom::Oldest).unwrap();
    assert!(reader.next().unwrap().is_ok());
    storage.remove(&segment_path(2)).unwrap();
    let error = reader.find_map(Result::err).unwrap();
    assert!(error.to_string().contains("00000000000000000002.journal"), "{error}");
    assert!(
        matches!(error, ReadError::Storage { source, .. } if source.kind() == ErrorKind::NotFound)
    );
    assert!(reader.next().is_none());
}
