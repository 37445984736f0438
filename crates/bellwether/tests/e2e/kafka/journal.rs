//! What the journal of an engine says that it has taken.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bellwether_engine::RecordKind;
use bellwether_runtime::KafkaRecord;
use bellwether_runtime::journal::{Entry, ReadFrom, Reader, RequestHeader};
use bellwether_runtime::storage::DiskStorage;

/// Of each partition the offsets in the order in which they were taken, by the engine that ran in `dir`.
pub(super) fn offsets(dir: &Path) -> BTreeMap<i32, Vec<i64>> {
    let storage = Arc::new(DiskStorage::new(dir.join("bellwether/bellwether-data")));
    let mut all = BTreeMap::<i32, Vec<i64>>::new();
    for entry in Reader::open(storage, "journal", ReadFrom::Oldest).unwrap() {
        let Entry::Record(record) = entry.unwrap() else { panic!("a gap") };
        if record.kind != RecordKind::Request as u8 {
            continue;
        }
        let (header, _) = RequestHeader::decode(&record.payload).unwrap();
        let KafkaRecord { at, offset } = KafkaRecord::parse(header.source).unwrap();
        all.entry(at.partition).or_default().push(offset);
    }
    all
}
