//! Checkpoints as their users see them, over a storage that fails.

use std::io::ErrorKind;
use std::path::Path;

use super::*;
use crate::testing::FaultyStorage;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/checkpoint/v1.bin");

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms)
}

fn open(storage: &FaultyStorage) -> Checkpoints {
    Checkpoints::open(Arc::new(storage.clone()), CheckpointOptions::default()).unwrap()
}

fn journal(covered_below: u64) -> Position {
    Position::Journal { covered_below }
}

/// Sections whose content says in which generation they were written.
fn contents(generation: u64) -> Vec<(Section, Position, Vec<u8>)> {
    let text = |what: &str| format!("{what} of {generation}").into_bytes();
    let topic = "metrics".to_owned();
    let kafka = KafkaOffset { topic, partition: 3, next_offset: generation as i64 };
    vec![
        (Section::Configuration, journal(generation * 10), text("configuration")),
        (Section::Intake, journal(generation * 10), text("intake")),
        (Section::Partition(0), journal(generation * 10 + 2), text("partition")),
        (Section::Partition(63), Position::Kafka(vec![kafka]), Vec::new()),
        (Section::Collector, journal(generation * 10 + 1), text("collector")),
        (Section::Deliveries, Position::Kafka(Vec::new()), text("sink")),
    ]
}

fn write(checkpoints: &mut Checkpoints) -> Result<Checkpoint, CheckpointError> {
    let mut writer = checkpoints.begin(at(5))?;
    for (section, position, content) in contents(writer.generation()) {
        writer.add(section, &position, &content)?;
    }
    checkpoints.commit(writer)
}

/// Whether `checkpoint` holds just what was written in its generation.
fn assert_whole(checkpoint: &Checkpoint) {
    let mut expected = contents(checkpoint.generation());
    expected.sort_by_key(|(section, _, _)| *section);
    let found: Vec<_> = checkpoint
        .sections()
        .map(|(section, position, bytes)| {
            let content = checkpoint.read(section).unwrap().unwrap();
            assert_eq!(content.len() as u64, bytes);
            (section, position.clone(), content)
        })
        .collect();
    assert_eq!(found, expected);
    assert_eq!(checkpoint.covered_below(), checkpoint.generation() * 10);
}

fn newest(storage: &FaultyStorage) -> (Option<Checkpoint>, Vec<Rejected>) {
    open(storage).newest_valid().unwrap()
}

fn path(generation: u64) -> String {
    format!("checkpoint/{generation:020}.checkpoint")
}

#[test]
fn a_checkpoint_comes_back_as_it_was_written() {
    let storage = FaultyStorage::new(1);
    assert!(newest(&storage).0.is_none());
    let written = write(&mut open(&storage)).unwrap();
    assert_whole(&written);
    storage.crash();
    let (found, rejected) = newest(&storage);
    let found = found.unwrap();
    assert_whole(&found);
    assert_eq!((found.generation(), found.created_at(), rejected.len()), (1, at(5), 0));
    assert_eq!(found.read(Section::Partition(1)).unwrap(), None);
}

#[test]
fn a_large_section_is_cut_into_chunks_and_put_together_again() {
    let storage = FaultyStorage::new(1);
    let mut checkpoints = open(&storage);
    let size = layout::CHUNK_BYTES_MAX;
    for bytes in [size - 1, size, size + 1, 2 * size] {
        let content: Vec<u8> = (0..bytes).map(|n| (n % 251) as u8).collect();
        let mut writer = checkpoints.begin(at(0)).unwrap();
        writer.add(Section::Intake, &journal(1), &content).unwrap();
        writer.add(Section::Collector, &journal(1), b"x").unwrap();
        let checkpoint = checkpoints.commit(writer).unwrap();
        let same = checkpoint.read(Section::Intake).unwrap().unwrap() == content;
        assert!(same, "{bytes}");
        assert_eq!(checkpoint.read(Section::Collector).unwrap().unwrap(), b"x");
    }
}

#[test]
fn a_checkpoint_flipped_at_any_byte_is_rejected_and_the_one_before_it_taken() {
    let storage = FaultyStorage::new(1);
    let mut checkpoints = open(&storage);
    write(&mut checkpoints).unwrap();
    write(&mut checkpoints).unwrap();
    let good = storage.content(&path(2)).unwrap();
    for (byte, mask) in (0..good.len()).flat_map(|byte| [(byte, 0xff), (byte, 1), (byte, 0x80)]) {
        let mut bad = good.clone();
        bad[byte] ^= mask;
        storage.put(&path(2), bad);
        let (found, rejected) = newest(&storage);
        assert_whole(&found.unwrap());
        assert_eq!(rejected.len(), 1, "byte {byte}");
        assert_eq!((&*rejected[0].file, rejected[0].generation), (&*path(2), 2));
    }
    println!("reliability damage: {} flips in a checkpoint, taken 0", 3 * good.len());
}

#[test]
fn a_checkpoint_cut_at_any_byte_or_longer_than_it_was_is_rejected() {
    let storage = FaultyStorage::new(1);
    let mut checkpoints = open(&storage);
    write(&mut checkpoints).unwrap();
    write(&mut checkpoints).unwrap();
    let good = storage.content(&path(2)).unwrap();
    for bytes in (0..good.len()).chain([good.len() + 1, good.len() * 2]) {
        let mut bad = good.clone();
        bad.resize(bytes, 0);
        storage.put(&path(2), bad);
        let (found, rejected) = newest(&storage);
        assert_eq!((found.unwrap().generation(), rejected.len()), (1, 1), "{bytes}");
    }
    println!("reliability damage: a checkpoint cut at {} places, taken 0", good.len());
    storage.put(&path(2), storage.content(&path(1)).unwrap());
    assert_eq!(newest(&storage).0.unwrap().generation(), 1, "one under another's name");
}

#[test]
fn the_disk_may_fail_at_any_point_and_a_valid_checkpoint_is_left() {
    for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
        let mut operations = 0..;
        let finished = operations.by_ref().take(200).find(|&operation| {
            let storage = FaultyStorage::new(operation);
            let mut checkpoints = open(&storage);
            write(&mut checkpoints).unwrap();
            storage.fail_next(operation, kind);
            let result = write(&mut checkpoints).and_then(|_| checkpoints.prune());
            let full = result.as_ref().is_err_and(CheckpointError::is_disk_full);
            assert_eq!(full, result.is_err() && kind == ErrorKind::StorageFull);
            // Whatever a crash makes of it.
            storage.crash();
            let (found, rejected) = newest(&storage);
            assert_whole(&found.unwrap());
            assert_eq!(rejected.len(), 0, "operation {operation}");
            let drafts = storage.list("checkpoint").unwrap();
            assert!(drafts.iter().all(|file| number_in(&file.name, DRAFT_SUFFIX).is_none()));
            // And it goes on.
            let again = write(&mut open(&storage)).unwrap();
            assert_whole(&again);
            result.is_ok()
        });
        assert!(finished.is_some_and(|operation| operation > 20), "{finished:?}");
    }
}

#[test]
fn a_crash_at_any_point_leaves_a_valid_checkpoint() {
    for (operation, seed) in
        (0..40).flat_map(|operation| (0..20).map(move |seed| (operation, seed)))
    {
        let storage = FaultyStorage::new(seed);
        let mut checkpoints = open(&storage);
        write(&mut checkpoints).unwrap();
        storage.fail_from(operation, ErrorKind::Other);
        // Nothing that it does from then on gets to the disk.
        _ = write(&mut checkpoints);
        storage.crash();
        let (found, rejected) = newest(&storage);
        assert_whole(&found.unwrap());
        assert_eq!(rejected.len(), 0, "operation {operation}, seed {seed}");
    }
}

#[test]
fn one_that_does_not_read_back_is_not_put_in_place() {
    let mut refused = 0;
    for operation in 0..30 {
        let storage = FaultyStorage::new(1);
        let mut checkpoints = open(&storage);
        write(&mut checkpoints).unwrap();
        storage.damage_next(operation);
        match write(&mut checkpoints) {
            // The operation was none that writes.
            Ok(second) => assert_whole(&second),
            Err(error) => {
                assert!(matches!(error, CheckpointError::Damaged { .. }), "{error}");
                assert_eq!(checkpoints.generations().collect::<Vec<_>>(), [1]);
                assert_eq!(storage.list("checkpoint").unwrap().len(), 1, "the draft is gone");
                refused += 1;
            }
        }
    }
    assert!(refused > 15, "{refused}");
}

#[test]
fn generations_beyond_those_kept_go_and_the_last_valid_one_never_does() {
    let storage = FaultyStorage::new(1);
    let mut checkpoints = open(&storage);
    for _ in 0..4 {
        write(&mut checkpoints).unwrap();
    }
    assert_eq!(checkpoints.prune().unwrap(), [1, 2]);
    // Both of the rest become bad: nothing valid is known, so nothing goes.
    for generation in [3, 4] {
        let mut bad = storage.content(&path(generation)).unwrap();
        bad[50] ^= 1;
        storage.put(&path(generation), bad);
    }
    let mut checkpoints = open(&storage);
    let (none, rejected) = checkpoints.newest_valid().unwrap();
    assert!(none.is_none() && rejected.len() == 2);
    assert!(checkpoints.prune().unwrap().is_empty());
    // A new one is the only valid one; the bad ones go.
    write(&mut checkpoints).unwrap();
    assert_eq!(checkpoints.prune().unwrap(), [3, 4]);
    assert_eq!(checkpoints.generations().collect::<Vec<_>>(), [5]);
}

#[test]
fn one_that_cannot_be_removed_keeps_no_other_from_going() {
    let storage = FaultyStorage::new(1);
    let mut checkpoints = open(&storage);
    for _ in 0..5 {
        write(&mut checkpoints).unwrap();
    }
    storage.fail_next(0, ErrorKind::PermissionDenied);
    let error = crate::with_causes(&checkpoints.prune().unwrap_err());
    assert!(error.contains(&path(1)) && error.ends_with(": ordered fault"), "{error}");
    assert_eq!(checkpoints.generations().collect::<Vec<_>>(), [1, 4, 5]);
    assert_eq!((checkpoints.oldest_kept(), checkpoints.covered_below()), (Some(4), 40));
    assert_eq!(checkpoints.prune().unwrap(), [1]);
    // Somebody else was faster.
    write(&mut checkpoints).unwrap();
    storage.remove(&path(4)).unwrap();
    assert_eq!(checkpoints.prune().unwrap(), [4]);
}

#[test]
fn without_a_word_on_validity_nothing_is_pruned() {
    let storage = FaultyStorage::new(1);
    let mut checkpoints = open(&storage);
    for _ in 0..4 {
        write(&mut checkpoints).unwrap();
    }
    assert!(open(&storage).prune().unwrap().is_empty());
}

#[test]
fn the_journal_is_covered_as_far_as_the_oldest_one_that_may_be_fallen_back_to() {
    let storage = FaultyStorage::new(1);
    let mut checkpoints = open(&storage);
    assert_eq!(checkpoints.covered_below(), 0);
    write(&mut checkpoints).unwrap();
    assert_eq!(checkpoints.covered_below(), 10);
    write(&mut checkpoints).unwrap();
    assert_eq!(checkpoints.covered_below(), 10);
    write(&mut checkpoints).unwrap();
    assert_eq!(checkpoints.covered_below(), 20);
    // After a restart, by the word of the footers.
    assert_eq!(open(&storage).covered_below(), 20);
    // Whose word cannot be had at the moment may be fallen back to later.
    storage.close(Some(&path(2)));
    assert_eq!(open(&storage).covered_below(), 0);
    storage.close(None);
    let mut bad = storage.content(&path(2)).unwrap();
    bad[0] ^= 1;
    storage.put(&path(2), bad);
    assert_eq!(open(&storage).covered_below(), 30);
}

#[test]
fn a_later_version_is_refused_by_name_and_not_passed_over() {
    let storage = FaultyStorage::new(1);
    let mut checkpoints = open(&storage);
    write(&mut checkpoints).unwrap();
    write(&mut checkpoints).unwrap();
    let mut later = storage.content(&path(2)).unwrap();
    later[..16].copy_from_slice(&crate::format::stamp(*b"BWCHKPNT", 9));
    storage.put(&path(2), later);
    let error = open(&storage).newest_valid().err().unwrap().to_string();
    let words = "checkpoint was written in format version 9, this program reads version 1: \
                 file=`checkpoint/00000000000000000002.checkpoint`";
    assert_eq!(error, words);
}

#[test]
fn a_section_of_a_later_version_is_refused_by_name_and_not_passed_over() {
    // The second one has what none of this version has: another kind, and one partition more.
    for section in [Section::Unknown { kind: 9, number: 3 }, Section::Partition(64)] {
        let storage = FaultyStorage::new(1);
        let mut checkpoints = open(&storage);
        write(&mut checkpoints).unwrap();
        let mut writer = checkpoints.begin(at(5)).unwrap();
        writer.add(Section::Intake, &journal(1), b"intake").unwrap();
        writer.chunk(section, 0, true, &journal(1).encode().unwrap(), b"news").unwrap();
        writer.seal().unwrap();
        let good = storage.content(writer.draft()).unwrap();
        drop(writer);
        storage.put(&path(2), good.clone());
        let error = open(&storage).newest_valid().err().unwrap().to_string();
        let words = "checkpoint was written by a later version of the program: \
                     file=`checkpoint/00000000000000000002.checkpoint`, section=`Unknown";
        assert!(error.starts_with(words), "{error}");
        // One that is damaged besides says nothing of who wrote it.
        let mut bad = good;
        let last = bad.len() - 1;
        bad[last] ^= 1;
        storage.put(&path(2), bad);
        assert_eq!(newest(&storage).0.unwrap().generation(), 1);
    }
}

#[test]
fn what_a_crash_left_aside_is_removed_and_so_is_what_was_given_up() {
    let storage = FaultyStorage::new(1);
    let mut checkpoints = open(&storage);
    let writer = checkpoints.begin(at(0)).unwrap();
    assert_eq!(storage.list("checkpoint").unwrap().len(), 1);
    drop(writer);
    assert_eq!(storage.list("checkpoint").unwrap(), []);
    storage.put("checkpoint/00000000000000000009.checkpoint.tmp", b"x".to_vec());
    open(&storage);
    assert_eq!(storage.list("checkpoint").unwrap(), []);
}

#[test]
fn one_that_was_put_in_place_by_whoever_was_killed_then_stays_once_it_was_found() {
    for seed in 0..20 {
        let storage = FaultyStorage::new(seed);
        let mut checkpoints = open(&storage);
        write(&mut checkpoints).unwrap();
        let before = storage.operations();
        write(&mut checkpoints).unwrap();
        let operations = storage.operations() - before;

        let storage = FaultyStorage::new(seed);
        let mut checkpoints = open(&storage);
        write(&mut checkpoints).unwrap();
        // The sync of the folder is the last of all.
        storage.stop_next(operations - 1);
        assert!(write(&mut checkpoints).is_err());
        storage.kill();
        open(&storage);
        storage.crash();
        assert_eq!(newest(&storage).0.unwrap().generation(), 2, "seed {seed}");
    }
}

#[test]
fn a_section_is_written_once_and_only_if_there_is_one_of_that_number() {
    let mut checkpoints = open(&FaultyStorage::new(1));
    let mut writer = checkpoints.begin(at(0)).unwrap();
    writer.add(Section::Partition(0), &journal(1), b"a").unwrap();
    for section in [Section::Partition(0), Section::Partition(64)] {
        let error = writer.add(section, &journal(1), b"b").unwrap_err();
        assert!(matches!(error, CheckpointError::InvalidSection(wrong) if wrong == section));
    }
    let checkpoint = checkpoints.commit(writer).unwrap();
    assert_eq!(checkpoint.sections().count(), 1);
    assert_eq!(checkpoint.read(Section::Partition(0)).unwrap().unwrap(), b"a");
}

#[test]
fn a_file_that_has_changed_since_it_was_verified_is_noticed() {
    let storage = FaultyStorage::new(1);
    let checkpoint = write(&mut open(&storage)).unwrap();
    let good = storage.content(&path(1)).unwrap();
    for byte in 0..good.len() {
        let mut bad = good.clone();
        bad[byte] ^= 1;
        storage.put(&path(1), bad);
        // The sections that the byte is not in are still what they were.
        for (section, _, content) in contents(1) {
            match checkpoint.read(section) {
                Ok(read) => assert_eq!(read, Some(content), "byte {byte}"),
                Err(error) => assert!(matches!(error, CheckpointError::Damaged { .. })),
            }
        }
    }
}

#[test]
fn a_checkpoint_of_version_1_is_read_and_still_written_the_same() {
    let storage = FaultyStorage::new(1);
    write(&mut open(&storage)).unwrap();
    let content = storage.content(&path(1)).unwrap();
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(Path::new(FIXTURE).parent().unwrap()).unwrap();
        std::fs::write(FIXTURE, &content).unwrap();
    }
    let fixture = std::fs::read(FIXTURE).unwrap();
    assert_eq!(fixture, content);
    let storage = FaultyStorage::new(1);
    storage.put(&path(1), fixture);
    assert_whole(&newest(&storage).0.unwrap());
}

#[test]
fn a_file_is_damaged_only_if_the_system_says_so_of_the_file() {
    use rustix::io::Errno;
    for about_the_file in [Errno::IO.into(), io::Error::other("bad sector")] {
        assert!(is_damage(&about_the_file), "{about_the_file}");
    }
    for errno in [Errno::ACCESS, Errno::MFILE, Errno::NOMEM] {
        assert!(!is_damage(&errno.into()), "{errno}");
    }
}
