//! The journal against a model of what it promises, under crashes and failing disks.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Append { bytes: usize },
    Commit,
    Sync,
    Crash,
    Kill,
    Fail { operations: u64, full: bool },
    Recover,
    Retain,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..1500_usize).prop_map(|bytes| Step::Append { bytes }),
        4 => Just(Step::Commit),
        1 => Just(Step::Sync),
        1 => Just(Step::Crash),
        1 => Just(Step::Kill),
        1 => (0..6_u64, any::<bool>()).prop_map(|(operations, full)| Step::Fail { operations, full }),
        2 => Just(Step::Recover),
        1 => Just(Step::Retain),
    ]
}

/// What must be true, kept beside the journal.
#[derive(Default)]
struct Model {
    /// Committed, by sequence; they must be read until retention takes them.
    committed: BTreeMap<u64, Vec<u8>>,
    /// Of these, the ones that no sync has followed: a crash may take them.
    unsynced: BTreeSet<u64>,
    /// What a sync that failed was to make durable: should it be read even so, a later crash may still take it.
    doubtful: BTreeSet<u64>,
    /// Written or waiting and not acknowledged: a crash may leave them.
    pending: BTreeMap<u64, Vec<u8>>,
    /// The same of earlier processes, until a later segment says that it is void.
    left_over: Vec<(u64, Vec<u8>)>,
    /// Sequences that nobody will see again.
    retained_below: u64,
    appended: u64,
}

impl Model {
    /// Compares what is read after a restart with what must be there, and takes on what else is there.
    fn restart(&mut self, read: &Read) {
        self.left_over.extend(std::mem::take(&mut self.pending));
        for (sequence, payload) in &self.committed {
            let lost = self.may_be_lost(*sequence) && !read.records.contains_key(sequence);
            let found = read.records.get(sequence);
            // Removing a segment may not have been durable yet; then the records are there again.
            assert!(lost || found == Some(payload), "acknowledged record {sequence} is lost");
        }
        for (sequence, payload) in &read.records {
            let left_over = self.left_over.iter().any(|(s, p)| (s, p) == (sequence, payload));
            let known = match self.committed.get(sequence) {
                Some(committed) => committed == payload,
                None => left_over || *sequence < self.retained_below,
            };
            assert!(known, "record {sequence} was never written so");
        }
        for gap in &read.gaps {
            let missing = gap.first_missing..gap.first_missing + gap.missing.unwrap();
            for sequence in missing {
                let acknowledged = self.committed.contains_key(&sequence);
                assert!(
                    !acknowledged || self.may_be_lost(sequence),
                    "gap over acknowledged record {sequence}"
                );
            }
        }
        let kept = read.records.iter().filter(|(s, _)| **s >= self.retained_below);
        self.committed = kept.map(|(s, p)| (*s, p.clone())).collect();
        self.unsynced.clear();
    }

    fn may_be_lost(&self, sequence: u64) -> bool {
        self.unsynced.contains(&sequence) || self.doubtful.contains(&sequence)
    }

    fn sync_failed(&mut self) {
        self.doubtful.extend(self.pending.keys());
        self.doubtful.extend(&self.unsynced);
    }
}

fn run(seed: u64, sync: SyncPolicy, steps: &[Step]) {
    let storage = FaultyStorage::new(seed);
    let options = JournalOptions { segment_bytes_max: 2000, sync, ..options() };
    let mut journal = open(&storage, options.clone()).0;
    journal.set_preamble(b"configuration".to_vec()).unwrap();
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Append { bytes } => {
                model.appended += 1;
                let mut payload = model.appended.to_le_bytes().to_vec();
                payload.resize(8 + bytes, model.appended as u8);
                if let Ok(sequence) = journal.append(KIND, at(0), &[&payload]) {
                    model.doubtful.remove(&sequence);
                    model.pending.insert(sequence, payload);
                }
            }
            Step::Commit => {
                if journal.commit().is_ok() {
                    model.unsynced.extend(model.pending.keys());
                    model.committed.append(&mut model.pending);
                    model.left_over.clear();
                    if sync == SyncPolicy::EachCommit {
                        model.unsynced.clear();
                    }
                } else {
                    model.sync_failed();
                }
            }
            Step::Sync => match journal.sync() {
                Ok(()) => model.unsynced.clear(),
                Err(_) => model.sync_failed(),
            },
            Step::Crash | Step::Kill => {
                match step {
                    Step::Crash => storage.crash(),
                    _ => storage.kill(),
                }
                journal = open(&storage, options.clone()).0;
                journal.set_preamble(b"configuration".to_vec()).unwrap();
                model.restart(&read(&storage));
            }
            Step::Fail { operations, full } => {
                let kind = if *full { ErrorKind::StorageFull } else { ErrorKind::Other };
                storage.fail_next(*operations, kind);
            }
            Step::Recover => {
                if journal.is_failed() && journal.recover_from_failure(at(0)).is_ok() {
                    // Void for good.
                    model.pending.clear();
                    model.left_over.clear();
                }
            }
            Step::Retain => {
                // Half of what is committed, as a checkpoint would have it.
                let covered = model.committed.keys().nth(model.committed.len() / 2);
                if let Some(&covered) = covered {
                    // When the disk refuses, some may be gone even so.
                    _ = journal.retain(covered, at(0));
                    let left = read_from(&storage, ReadFrom::Oldest, journal.committed_below());
                    let oldest = left.records.keys().find(|s| **s >= model.retained_below);
                    model.retained_below = *oldest.unwrap();
                    assert!(model.retained_below <= covered, "uncovered records were removed");
                    model.committed = model.committed.split_off(&model.retained_below);
                }
            }
        }
        if !journal.is_failed() {
            let mut live = read_from(&storage, ReadFrom::Oldest, journal.committed_below()).records;
            // A removal that was not durable may have been undone by a crash.
            live = live.split_off(&model.retained_below);
            let same = live == model.committed;
            let sequences: (Vec<&u64>, Vec<&u64>) =
                (live.keys().collect(), model.committed.keys().collect());
            assert!(same, "read and committed differ after {step:?}: {sequences:?}");
        }
    }
}

proptest! {
    #[test]
    fn what_was_acknowledged_is_read_and_nothing_else(
        seed in any::<u64>(),
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        run(seed, SyncPolicy::EachCommit, &steps);
    }

    #[test]
    fn without_sync_at_each_commit_only_what_was_not_synced_can_be_lost(
        seed in any::<u64>(),
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        run(seed, SyncPolicy::Never, &steps);
    }
}

/// Runs `steps` with many seeds.
fn run_often(steps: &[Step]) {
    for seed in 0..60 {
        run(seed, SyncPolicy::EachCommit, steps);
        run(seed, SyncPolicy::Never, steps);
    }
}

#[test]
fn what_a_lost_header_declared_void_stays_void() {
    use Step::{Append, Commit, Crash, Fail, Kill, Recover};
    let append = || Append { bytes: 0 };
    for (write, header) in (0..3).flat_map(|write| (0..4).map(move |header| (write, header))) {
        run_often(&[
            append(),
            Commit,
            append(),
            append(),
            Fail { operations: write, full: false },
            Commit,
            // The header of the next segment can be read, and the crash takes it.
            Fail { operations: header, full: false },
            Recover,
            Kill,
            append(),
            Commit,
            Crash,
        ]);
    }
}

#[test]
fn what_is_void_stays_void_when_retention_takes_what_says_so() {
    use Step::{Append, Commit, Crash, Fail, Recover, Retain};
    for operations in 0..7 {
        run_often(&[
            Append { bytes: 0 },
            Append { bytes: 0 },
            Append { bytes: 0 },
            Fail { operations, full: false },
            Commit,
            Recover,
            Append { bytes: 900 },
            Append { bytes: 1100 },
            Commit,
            Append { bytes: 0 },
            Append { bytes: 0 },
            Commit,
            Crash,
            Retain,
        ]);
    }
}
