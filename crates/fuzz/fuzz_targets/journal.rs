//! A journal: first arbitrary bytes as a segment, then a whole journal that the bytes damage.
#![no_main]

use std::sync::{Arc, OnceLock};

use bellwether_runtime::journal::{
    Entry, Journal, JournalOptions, ReadFrom, Reader, RequestHeader, StoredRecord,
};
use bellwether_runtime::testing::FaultyStorage;
use bellwether_series::Timestamp;
use libfuzzer_sys::fuzz_target;

#[path = "shared/damage.rs"]
mod damage;

const SEGMENT: &str = "journal/00000000000000000001.journal";

fuzz_target!(|bytes: &[u8]| {
    _ = RequestHeader::decode(bytes);
    let storage = FaultyStorage::new(1);
    storage.put(SEGMENT, bytes.to_vec());
    go_on(&storage);
    let storage = FaultyStorage::new(1);
    let mut whole = whole();
    damage::damage(&mut whole, bytes);
    storage.put(SEGMENT, whole);
    for record in go_on(&storage) {
        assert_eq!(record.payload, payload(record.sequence), "a damaged record was accepted");
    }
});

/// Reads what is there, then appends a record and expects to read it. Gives the records that were there.
fn go_on(storage: &FaultyStorage) -> Vec<StoredRecord> {
    let Some(before) = read(storage) else { return Vec::new() };
    let options = JournalOptions::default();
    let (mut journal, recovery) =
        Journal::open(Arc::new(storage.clone()), options, 0, 2).expect("it could be read");
    let last = before.last().map_or(0, |record| record.sequence);
    assert!(recovery.next_sequence > last);
    let sequence = journal.append(1, Timestamp::from_ms(0), &[b"new"]).expect("nothing has failed");
    assert_eq!(sequence, recovery.next_sequence);
    journal.commit().expect("nothing fails");
    let mut after = read(storage).expect("it could be read before");
    assert_eq!(after.pop().expect("it was committed").payload, b"new");
    assert_eq!(after, before, "appending changed what is read");
    before
}

/// The records of the journal, without those that restate; `None` when another version wrote it.
fn read(storage: &FaultyStorage) -> Option<Vec<StoredRecord>> {
    let reader = Reader::open(Arc::new(storage.clone()), "journal", ReadFrom::Oldest).ok()?;
    let entries = reader.map(|entry| entry.expect("memory can be read"));
    let records: Vec<StoredRecord> = entries
        .filter_map(|entry| match entry {
            // What a segment without any record restates goes with it.
            Entry::Record(record) => Some(record).filter(|record| !record.restated),
            Entry::Gap(_) => None,
        })
        .collect();
    assert!(records.is_sorted_by(|a, b| a.sequence < b.sequence));
    Some(records)
}

/// A segment of ten records.
fn whole() -> Vec<u8> {
    static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
    let make = || {
        let storage = FaultyStorage::new(1);
        let options = JournalOptions::default();
        let (mut journal, _) =
            Journal::open(Arc::new(storage.clone()), options, 0, 1).expect("it is empty");
        for sequence in 1..=10 {
            let payload = payload(sequence);
            journal.append(1, Timestamp::from_ms(0), &[&payload]).expect("nothing has failed");
            journal.commit().expect("nothing fails");
        }
        storage.content(SEGMENT).expect("it was committed")
    };
    WHOLE.get_or_init(make).clone()
}

fn payload(sequence: u64) -> Vec<u8> {
    vec![sequence as u8; 7 * sequence as usize]
}
