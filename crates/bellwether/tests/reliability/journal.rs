//! What is in a journal, read with the reader that recovery uses.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use bellwether_engine::RecordKind;
use bellwether_runtime::journal::{Entry, JournalOptions, ReadFrom, Reader, RequestHeader};
use bellwether_runtime::storage::DiskStorage;
use bellwether_series::Timestamp;

use crate::fleet::Fleet;

/// Calls `each` with time of receipt and body of every request in the journal under `data_dir`, in order; says how many
/// gaps it has.
pub(crate) fn for_each_request(data_dir: &Path, mut each: impl FnMut(Timestamp, &[u8])) -> usize {
    let storage = Arc::new(DiskStorage::new(data_dir));
    let mut gaps = 0;
    for entry in Reader::open(storage, &JournalOptions::default().folder, ReadFrom::Oldest).unwrap()
    {
        match entry.unwrap() {
            Entry::Gap(_) => gaps += 1,
            Entry::Record(record) if record.kind == RecordKind::Request as u8 => {
                each(record.received_at, RequestHeader::decode(&record.payload).unwrap().1);
            }
            Entry::Record(_) => {}
        }
    }
    gaps
}

/// How many of the first `steps` of each fleet, all acknowledged, are not in the journal under `data_dir`.
///
/// # Panics
/// When the journal has gaps.
pub(crate) fn lost(data_dir: &Path, fleets: &[Fleet], steps: &[usize]) -> usize {
    let mut there = HashSet::new();
    let gaps = for_each_request(data_dir, |_, body| {
        there.insert(hash(body));
    });
    assert_eq!(gaps, 0, "gaps in the journal");
    let acknowledged = fleets
        .iter()
        .zip(steps)
        .flat_map(|(fleet, &steps)| (0..steps).map(|step| fleet.body(step)));
    acknowledged.filter(|body| !there.contains(&hash(body))).count()
}

fn hash(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}
