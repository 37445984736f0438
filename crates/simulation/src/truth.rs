//! What the journal holds: the records that count.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bellwether_runtime::journal::{Entry, ReadFrom, Reader, RequestHeader, StoredRecord};
use bellwether_runtime::testing::FaultyStorage;

/// `RecordKind::Request`.
const REQUEST: u8 = bellwether_engine::RecordKind::Request as u8;

/// Records by sequence.
#[derive(Debug, Clone, Default)]
pub(crate) struct Truth(pub(crate) BTreeMap<u64, StoredRecord>);

impl Truth {
    /// The records that are in the journal now, below `below`. Where some are missing there are gaps, which are counted.
    pub(crate) fn read(storage: &FaultyStorage, below: u64) -> Result<(Self, u64), String> {
        let reader = Reader::open(Arc::new(storage.clone()), "journal", ReadFrom::Oldest);
        let reader = reader.map_err(|error| format!("journal cannot be read: {error}"))?;
        let (mut records, mut gaps, mut behind_gap) = (BTreeMap::new(), 0, false);
        for entry in reader.below(below) {
            match entry.map_err(|error| format!("journal cannot be read: {error}"))? {
                Entry::Gap(_) => (gaps, behind_gap) = (gaps + 1, true),
                Entry::Record(record) if record.restated => {
                    // It stands for what is missing before it: damaged, or covered by checkpoints of which none may be left.
                    if (behind_gap || records.is_empty()) && record.sequence > 1 {
                        records.entry(record.sequence - 1).or_insert(record);
                    }
                }
                Entry::Record(record) => {
                    behind_gap = false;
                    records.insert(record.sequence, record);
                }
            }
        }
        Ok((Self(records), gaps))
    }

    /// Takes in what is in the journal of a process that runs; nothing that is known changes by that. What comes before
    /// `adopted_below` is no more than what an adopted state stands for.
    pub(crate) fn learn(&mut self, found: Self, adopted_below: u64) -> Result<(), String> {
        for (sequence, record) in found.0 {
            // What it stands for may be known by a checkpoint.
            if record.restated {
                if sequence >= adopted_below {
                    self.0.entry(sequence).or_insert(record);
                }
                continue;
            }
            if let Some(known) = self.0.insert(sequence, record.clone())
                && known != record
            {
                return Err(format!("record {sequence} changed: {known:?}, now {record:?}"));
            }
        }
        Ok(())
    }

    /// The sources of its requests: what is in it counts.
    pub(crate) fn sources(&self) -> BTreeSet<String> {
        let requests = self.0.values().filter(|record| record.kind == REQUEST);
        requests.filter_map(source).collect()
    }
}

/// Who sent a request.
pub(crate) fn source(record: &StoredRecord) -> Option<String> {
    let (header, _) = RequestHeader::decode(&record.payload).ok()?;
    Some(header.source.to_owned())
}
