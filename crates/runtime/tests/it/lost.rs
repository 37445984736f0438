//! What is gone as a whole is missed: the journal, its beginning, the checkpoints.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bellwether_engine::Settings;
use bellwether_runtime::journal::{Entry, Gap, JournalOptions, ReadFrom, Reader};
use bellwether_runtime::storage::DiskStorage;
use bellwether_runtime::{Durability, Recovery};
use tempfile::TempDir;

use crate::durable::{copy, durability, open, send};
use crate::support::{Told as Log, options, start_durable};

/// Of a segment.
const HEADER_BYTES: u64 = 68;

/// What a process leaves that took `steps`, made a checkpoint behind each of `checkpoints`, and was killed.
fn killed(steps: usize, checkpoints: &[usize]) -> TempDir {
    let (log, folder) = (Log::default(), tempfile::tempdir().expect("a folder"));
    let (runtime, found) = open(folder.path(), 2, &log);
    assert_eq!(found.gaps, []);
    for step in 0..steps {
        send(&runtime, step).expect("taken");
        if checkpoints.contains(&step) {
            runtime.handle().checkpoint().expect("a checkpoint");
        }
    }
    let left = copy(folder.path());
    runtime.stop();
    left
}

/// The sequences of all records.
fn sequences(folder: &Path) -> Vec<u64> {
    let storage = Arc::new(DiskStorage::new(folder));
    let reader = Reader::open(storage, "journal", ReadFrom::Oldest).expect("a journal");
    let record = |entry| match entry {
        Entry::Record(record) if !record.restated => Some(record.sequence),
        _ => None,
    };
    reader.filter_map(|entry| record(entry.expect("no fault"))).collect()
}

/// A start that finds `gaps`, and takes a few steps from `step` on. Says what else it found.
fn starts_with(folder: &Path, gaps: &[Gap], missing: u64, step: usize) -> Recovery {
    let (runtime, found) = open(folder, 3, &Log::default());
    assert_eq!(found.gaps, gaps);
    let kept = runtime.handle().stats().kept();
    assert_eq!((kept.journal_gaps, kept.journal_records_missing), (gaps.len() as u64, missing));
    for step in step..step + 3 {
        send(&runtime, step).expect("taken");
    }
    runtime.stop();
    found
}

#[test]
fn a_journal_that_is_gone_is_missed_and_no_sequence_is_given_twice() {
    let folder = killed(60, &[20, 40]);
    let newest = sequences(folder.path()).last().copied().expect("records");
    fs::remove_dir_all(folder.path().join("journal")).expect("a journal");
    // The first record is the configuration.
    let covered_below = 43;
    assert!(newest > covered_below);
    let file = "journal".to_owned();
    let lost = Gap { file, offset: 0, first_missing: covered_below, missing: None };
    let found = starts_with(folder.path(), &[lost], 0, 60);
    assert_eq!((found.generation, found.records), (Some(2), 0));
    assert!(sequences(folder.path()).iter().eq(&[43, 44, 45]));
    // It goes on, so nothing is missing any more for whoever begins with that checkpoint.
    let found = starts_with(folder.path(), &[], 0, 63);
    assert_eq!((found.generation, found.records), (Some(2), 3));
}

#[test]
fn a_journal_that_ends_before_what_the_checkpoint_covers_is_missed() {
    let folder = killed(120, &[110]);
    let mut files = files(folder.path());
    assert!(files.len() > 1, "{files:?}");
    fs::remove_file(files.pop().expect("segments")).expect("a segment");
    let last = sequences(folder.path()).last().copied().expect("records");
    let left = files.pop().expect("a segment");
    let offset = fs::metadata(&left).expect("a segment").len();
    let file = left.strip_prefix(folder.path()).expect("it is in there").display().to_string();
    let covered_below = 113;
    assert!(last + 1 < covered_below, "{last}");
    let gap = Gap { file, offset, first_missing: covered_below, missing: None };
    starts_with(folder.path(), &[gap], 0, 120);
    assert!(sequences(folder.path()).iter().rev().take(3).eq(&[115, 114, 113]));
}

#[test]
fn without_a_checkpoint_what_is_before_the_oldest_record_is_missed() {
    let folder = killed(120, &[100]);
    let files = files(folder.path());
    fs::remove_file(&files[0]).expect("a segment");
    // Whoever has the checkpoint needs none of it.
    let whole = copy(folder.path());
    assert_eq!(starts_with(whole.path(), &[], 0, 120).generation, Some(1));
    fs::remove_dir_all(folder.path().join("checkpoint")).expect("checkpoints");
    let first = sequences(folder.path())[0];
    assert!(first > 1);
    let file = files[1].strip_prefix(folder.path()).expect("it is in there").display().to_string();
    let lost = Gap { file, offset: 0, first_missing: 1, missing: Some(first - 1) };
    let found = starts_with(folder.path(), &[lost], first - 1, 120);
    assert_eq!((found.generation, found.records), (None, 121 - (first - 1)));
}

#[test]
fn a_checkpoint_stands_behind_what_is_lost_before_it() {
    let folder = killed(120, &[]);
    let mut files = files(folder.path());
    // The header of the newest segment says with which record it would begin; those of the segment before it are gone.
    let newest = files.pop().expect("segments");
    let newest = fs::OpenOptions::new().write(true).open(newest).expect("a segment");
    newest.set_len(HEADER_BYTES).expect("a segment");
    fs::remove_file(files.pop().expect("segments")).expect("a segment");
    let last = sequences(folder.path()).last().copied().expect("records");
    let (runtime, _) = open(folder.path(), 2, &Log::default());
    runtime.handle().checkpoint().expect("a checkpoint");
    send(&runtime, 120).expect("taken");
    let left = copy(folder.path());
    runtime.stop();
    let next = sequences(left.path()).last().copied().expect("records");
    assert!(next > last + 1);
    let found = starts_with(left.path(), &[], 0, 121);
    assert_eq!((found.generation, found.covered_below, found.records), (Some(1), next, 1));
}

#[test]
fn a_start_removes_what_is_left_beyond_the_checkpoints_that_are_kept() {
    let (folder, other) = (killed(80, &[20, 40, 60]), killed(30, &[20]));
    let beyond = "checkpoint/00000000000000000001.checkpoint";
    let there = || folder.path().join(beyond).exists();
    assert!(!there());
    // As if the process had ended just before it removed it.
    fs::copy(other.path().join(beyond), folder.path().join(beyond)).expect("a checkpoint");
    assert_eq!(starts_with(folder.path(), &[], 0, 80).generation, Some(3));
    assert!(!there());
}

#[test]
fn what_retention_took_is_not_missed() {
    let folder = tempfile::tempdir().expect("a folder");
    let durability = || {
        let journal = durability(folder.path()).journal;
        let journal = JournalOptions { retention_bytes_max: 0, ..journal };
        Durability { journal, ..durability(folder.path()) }
    };
    for round in 0..4 {
        let listener = Log::default().listener();
        let runtime = start_durable(Settings::default(), options(2), listener, durability());
        let found = runtime.recovering().wait().expect("what was kept can be read");
        assert_eq!((found.gaps, found.records), (Vec::new(), 0), "{round}");
        for step in round * 60..(round + 1) * 60 {
            send(&runtime, step).expect("taken");
        }
        for _ in 0..3 {
            runtime.handle().checkpoint().expect("a checkpoint");
        }
        runtime.stop();
        assert!(round == 0 || sequences(folder.path())[0] > 1);
    }
}

/// The segments of the journal, oldest first.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(folder.join("journal")).expect("a journal");
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    files
}
