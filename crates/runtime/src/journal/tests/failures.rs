//! A disk that refuses: nothing of a void group is ever read, and the journal goes on.

use super::*;

/// Fails the commit of a group of three at each of its operations, recovers, and goes on. Gives the number of failures.
fn fail_and_go_on(kind: ErrorKind, crash: bool) -> usize {
    let mut failures = 0;
    for (operation, seed) in (0..2).flat_map(|operation| (0..20).map(move |seed| (operation, seed)))
    {
        let storage = FaultyStorage::new(seed);
        let (mut journal, _) = open(&storage, options());
        write(&mut journal, 2);
        storage.fail_next(operation, kind);
        for sequence in 3..6 {
            assert_eq!(journal.append(KIND, at(0), &[b"void"]).unwrap(), sequence);
        }
        let error = journal.commit().unwrap_err();
        failures += 1;
        assert_eq!(error.is_disk_full(), kind == ErrorKind::StorageFull);
        assert!(journal.is_failed() && journal.figures().failures == 1);
        assert!(matches!(journal.append(KIND, at(0), &[b"x"]), Err(JournalError::Failed)));
        assert!(matches!(journal.commit(), Err(JournalError::Failed)));
        assert_eq!(journal.committed_below(), 3);
        journal.recover_from_failure(at(5)).unwrap();
        if crash {
            storage.crash();
        } else {
            write(&mut journal, 3);
        }
        let written = if crash { 2 } else { 5 };
        let read = read(&storage);
        let expected = (1..=written).map(|s| (s, payload(s))).collect();
        assert_eq!(read.records, expected, "operation {operation}, seed {seed}");
        assert_eq!((read.gaps, read.torn_tail), (Vec::new(), None));
        let (mut journal, recovery) = open(&storage, options());
        assert_eq!(recovery.next_sequence, written + 1);
        write(&mut journal, 5);
        assert_eq!(super::read(&storage).records.len() as u64, written + 5);
    }
    failures
}

#[test]
fn a_group_that_a_full_disk_refused_is_never_read() {
    let failures = fail_and_go_on(ErrorKind::StorageFull, false)
        + fail_and_go_on(ErrorKind::StorageFull, true);
    println!("reliability full disk: {failures} writes and syncs refused, read all the same 0");
}

#[test]
fn a_group_that_a_failing_disk_refused_is_never_read() {
    let failures = fail_and_go_on(ErrorKind::Other, false) + fail_and_go_on(ErrorKind::Other, true);
    println!("reliability void groups: {failures} writes and syncs failed, read all the same 0");
}

#[test]
fn attempts_to_recover_that_fail_leave_nothing_that_counts() {
    for operation in 0..4 {
        let storage = FaultyStorage::new(operation);
        let (mut journal, _) = open(&storage, options());
        write(&mut journal, 2);
        storage.fail_next(1, ErrorKind::Other);
        journal.append(KIND, at(0), &[b"void"]).unwrap();
        journal.commit().unwrap_err();
        for attempt in 0..3 {
            storage.fail_next(operation, ErrorKind::StorageFull);
            journal.recover_from_failure(at(attempt)).unwrap_err();
            assert!(journal.is_failed());
        }
        storage.heal();
        journal.recover_from_failure(at(9)).unwrap();
        write(&mut journal, 2);
        let read = read(&storage);
        assert_eq!(read.records, (1..=4).map(|s| (s, payload(s))).collect());
        assert_eq!((read.gaps, read.torn_tail), (Vec::new(), None));
        assert_eq!(storage.list("journal").unwrap().len(), 2, "void files are removed");
    }
}

#[test]
fn void_files_go_with_the_recovery_or_if_they_cannot_with_a_checkpoint() {
    let storage = FaultyStorage::new(1);
    let (mut journal, _) = open(&storage, options());
    write(&mut journal, 2);
    storage.fail_next(1, ErrorKind::Other);
    journal.append(KIND, at(0), &[b"void"]).unwrap();
    journal.commit().unwrap_err();
    // Only the creation succeeds, and neither the header nor the removal.
    storage.fail_from(1, ErrorKind::Other);
    journal.recover_from_failure(at(0)).unwrap_err();
    storage.heal();
    // The segment is created, with its header and the folder, and the removal fails again.
    storage.fail_next(4, ErrorKind::Other);
    journal.recover_from_failure(at(0)).unwrap();
    storage.heal();
    assert_eq!(storage.list("journal").unwrap().len(), 3);
    journal.retain(0, at(0)).unwrap();
    assert_eq!(storage.list("journal").unwrap().len(), 2);
    assert_eq!(read(&storage).records.len(), 2);

    // However often a first group fails.
    for attempt in 0..5 {
        storage.fail_next(0, ErrorKind::StorageFull);
        journal.append(KIND, at(attempt), &[b"void"]).unwrap();
        journal.commit().unwrap_err();
        storage.heal();
        journal.recover_from_failure(at(attempt)).unwrap();
    }
    assert_eq!(storage.list("journal").unwrap().len(), 2);
}

#[test]
fn a_full_disk_at_the_first_commit_is_a_failure_like_any_other() {
    let storage = FaultyStorage::new(1);
    let (mut journal, _) = open(&storage, options());
    storage.set_capacity(100);
    journal.append(KIND, at(0), &[&[1; 200]]).unwrap();
    assert!(journal.commit().unwrap_err().is_disk_full());
    journal.recover_from_failure(at(0)).unwrap_err();
    storage.set_capacity(10_000);
    journal.recover_from_failure(at(0)).unwrap();
    write(&mut journal, 2);
    assert_eq!(read(&storage).records.len(), 2);
}

#[test]
fn an_interval_sync_that_fails_keeps_what_was_acknowledged_if_it_got_to_the_disk() {
    let interval = SyncPolicy::Interval { interval_ms: 10 };
    let storage = FaultyStorage::new(1);
    let options = JournalOptions { sync: interval, ..options() };
    let (mut journal, _) = open(&storage, options.clone());
    write(&mut journal, 2);
    storage.fail_next(0, ErrorKind::Other);
    journal.sync_if_due(0).unwrap();
    journal.append(KIND, at(0), &[b"void"]).unwrap();
    journal.sync_if_due(10).unwrap_err();
    journal.recover_from_failure(at(0)).unwrap();
    write(&mut journal, 1);
    assert_eq!(read(&storage).records, (1..=3).map(|s| (s, payload(s))).collect());
}

#[test]
fn what_a_failed_sync_lost_after_all_is_named() {
    let never = JournalOptions { sync: SyncPolicy::Never, ..options() };
    let lost = (0..40).find_map(|seed| {
        let storage = FaultyStorage::new(seed);
        let (mut journal, _) = open(&storage, never.clone());
        write(&mut journal, 2);
        storage.fail_next(0, ErrorKind::Other);
        journal.sync().unwrap_err();
        journal.recover_from_failure(at(0)).unwrap();
        write(&mut journal, 1);
        journal.sync().unwrap();
        storage.crash();
        Some(read(&storage)).filter(|read| read.records.len() < 3)
    });
    let lost = lost.unwrap();
    assert_eq!(lost.records.keys().copied().collect::<Vec<_>>(), [3]);
    assert_eq!((lost.gaps[0].first_missing, lost.gaps[0].missing), (1, Some(2)));
}

#[test]
fn what_was_acknowledged_before_a_failed_write_survives_a_crash() {
    for seed in 0..20 {
        let storage = FaultyStorage::new(seed);
        let options = JournalOptions { sync: SyncPolicy::Never, ..options() };
        let (mut journal, _) = open(&storage, options.clone());
        write(&mut journal, 2);
        storage.fail_next(0, ErrorKind::StorageFull);
        journal.append(KIND, at(3), &[b"void"]).unwrap();
        journal.commit().unwrap_err();
        journal.recover_from_failure(at(4)).unwrap();
        drop(journal);
        storage.crash();
        let (_, recovery) = open(&storage, options);
        assert_eq!((recovery.next_sequence, recovery.gaps), (3, Vec::new()), "seed {seed}");
    }
}
