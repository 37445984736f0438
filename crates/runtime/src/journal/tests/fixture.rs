//! Journals of released versions, which every later one must read.

use std::path::Path;

use super::*;
use bellwether_wire::Format;

use crate::storage::DiskStorage;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures");

/// A journal of some records, restarts and a failure.
fn sample() -> FaultyStorage {
    let storage = FaultyStorage::new(1);
    let (mut journal, _) = open(&storage, options());
    journal.set_preamble(b"alerting: {}".to_vec()).unwrap();
    let header =
        RequestHeader { format: Format::REMOTE_WRITE_1, tenant: "", source: "10.0.0.1:4711" };
    let mut payload = Vec::new();
    header.encode(&mut payload).unwrap();
    journal.append(1, at(1_700_000_000_000), &[&payload, b"not a real body"]).unwrap();
    journal.append(2, at(1_700_000_010_000), &[]).unwrap();
    journal.commit().unwrap();
    journal.append(3, at(1_700_000_020_000), &[b"alerting: { for: 2m }"]).unwrap();
    storage.fail_next(1, ErrorKind::Other);
    journal.commit().unwrap_err();
    journal.recover_from_failure(at(1_700_000_021_000)).unwrap();
    journal.append(3, at(1_700_000_022_000), &[b"alerting: { for: 3m }"]).unwrap();
    journal.commit().unwrap();
    storage
}

#[test]
fn a_journal_of_version_1_is_read_and_still_written_the_same() {
    let storage = sample();
    let folder = Path::new(FIXTURES).join("journal/v1");
    for file in storage.list("journal").unwrap() {
        let content = storage.content(&format!("journal/{}", file.name)).unwrap();
        let path = folder.join(&file.name);
        if std::env::var_os("BLESS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &content).unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), content, "{}", file.name);
    }
    let fixtures = Arc::new(DiskStorage::new(FIXTURES));
    let reader = Reader::open(fixtures, "journal/v1", ReadFrom::Oldest).unwrap();
    let records: Vec<StoredRecord> = reader
        .map(|entry| match entry.unwrap() {
            Entry::Record(record) => record,
            Entry::Gap(gap) => panic!("{gap:?}"),
        })
        .collect();
    let kinds: Vec<(u64, u8, bool)> =
        records.iter().map(|record| (record.sequence, record.kind, record.restated)).collect();
    assert_eq!(kinds, [(1, 3, true), (1, 1, false), (2, 2, false), (3, 3, false)]);
    let (header, body) = RequestHeader::decode(&records[1].payload).unwrap();
    assert_eq!((header.source, body), ("10.0.0.1:4711", &b"not a real body"[..]));
    assert_eq!(records[3].payload, b"alerting: { for: 3m }");
    assert_eq!(records[3].received_at, at(1_700_000_022_000));
}
