use std::io::ErrorKind;

use proptest::prelude::*;

use super::*;
use crate::testing::FaultyStorage;

const FOLDER: &str = "cold";

fn options(segment_bytes_max: u64, write_bytes: usize) -> ColdOptions {
    let waiting_bytes_max = 1000;
    ColdOptions { segment_bytes_max, write_bytes, waiting_bytes_max, ..ColdOptions::default() }
}

/// Opens what is there; the given ones are still asked for.
fn open(storage: &FaultyStorage, options: &ColdOptions, living: &[Key]) -> ColdFiles {
    let living = living.iter().copied();
    ColdFiles::open(Arc::new(storage.clone()), options.clone(), Arc::default(), living)
        .expect("files")
}

fn state(number: u64) -> Vec<u8> {
    format!("state {number}").repeat(3).into_bytes()
}

fn files(storage: &FaultyStorage) -> usize {
    storage.list(FOLDER).expect("a list").len()
}

#[test]
fn what_was_made_durable_is_there_after_a_crash() {
    let storage = FaultyStorage::new(1);
    let options = options(1 << 20, 1 << 20);
    let cold = open(&storage, &options, &[]);
    (0..9).for_each(|number| cold.put((3, number), state(number)));
    assert_eq!((files(&storage), cold.figures().waiting_bytes > 0), (0, true));
    cold.sync().expect("a sync");
    cold.put((3, 9), state(9));
    assert_eq!(cold.get((3, 4)), Some(state(4)));
    assert_eq!(cold.get((3, 9)), Some(state(9)), "it waits");
    storage.crash();
    let keys: Vec<Key> = (0..9).map(|number| (3, number)).collect();
    let cold = open(&storage, &options, &keys);
    for &key in &keys {
        assert_eq!(cold.get(key), Some(state(key.1)));
    }
    assert_eq!(cold.get((2, 4)), None, "of another partition");
    assert_eq!(cold.figures().lost, 0);
}

#[test]
fn while_the_disk_refuses_states_wait_and_beyond_the_bound_they_are_lost() {
    let storage = FaultyStorage::new(1);
    let cold = open(&storage, &options(1 << 20, 100), &[]);
    storage.fail_from(0, ErrorKind::StorageFull);
    (0..20).for_each(|number| cold.put((0, number), state(number)));
    let figures = cold.figures();
    assert!(figures.failures > 2 && figures.lost == 0, "{figures:?}");
    assert!((0..20).all(|number| cold.get((0, number)) == Some(state(number))));
    assert!(cold.sync().is_err());
    (20..80).for_each(|number| cold.put((0, number), state(number)));
    let figures = cold.figures();
    assert!(figures.lost > 10 && figures.waiting_bytes <= 1100, "{figures:?}");
    assert!(figures.error.is_some_and(|error| error.contains("limit_bytes=`1000`")));
    storage.heal();
    cold.sync().expect("a sync");
    assert_eq!((cold.get((0, 0)), cold.get((0, 79))), (None, Some(state(79))));
}

#[test]
fn nobody_waits_for_the_disk_while_it_is_written_and_what_changes_meanwhile_counts() {
    let storage = FaultyStorage::new(1);
    let options = options(1 << 20, 1 << 20);
    let cold = Arc::new(open(&storage, &options, &[]));
    (0..4).for_each(|number| cold.put((0, number), state(number)));
    storage.while_next_syncing({
        let cold = Arc::clone(&cold);
        move || {
            assert!(cold.inner.try_lock().is_some(), "shards would wait for the disk");
            assert_eq!(cold.get((0, 0)), Some(state(0)), "what is being written is there");
            cold.forget((0, 1));
            cold.put((0, 2), state(22));
            cold.put((0, 4), state(4));
        }
    });
    cold.sync().expect("a sync");
    let now = [Some(state(0)), None, Some(state(22)), Some(state(3)), Some(state(4))];
    assert!((0..).zip(&now).all(|(number, state)| cold.get((0, number)) == *state));
    let waiting_bytes = (state(22).len() + state(4).len()) as u64;
    assert_eq!(cold.figures().waiting_bytes, waiting_bytes, "what came meanwhile still waits");
    cold.sync().expect("a sync");
    assert_eq!(cold.figures().waiting_bytes, 0);
    drop(cold);
    storage.crash();
    let cold = open(&storage, &options, &[(0, 0), (0, 2), (0, 3), (0, 4)]);
    assert!((0..).zip(&now).all(|(number, state)| cold.get((0, number)) == *state));
}

#[test]
fn what_is_damaged_or_missing_is_lost_and_said() {
    let storage = FaultyStorage::new(1);
    let cold = open(&storage, &options(1 << 20, 1 << 20), &[]);
    (0..3).for_each(|number| cold.put((0, number), state(number)));
    cold.sync().expect("a sync");
    let file = path(FOLDER, 1);
    let mut bytes = storage.content(&file).expect("a file");
    let last = bytes.len() - 6;
    bytes[last] ^= 1;
    storage.put(&file, bytes);
    assert_eq!((cold.get((0, 1)), cold.get((0, 2))), (Some(state(1)), None));
    let figures = cold.figures();
    assert_eq!(figures.lost, 1);
    assert!(figures.error.is_some_and(|error| error.contains("damaged")));
    cold.reject((0, 1));
    let figures = cold.figures();
    assert_eq!(figures.lost, 2);
    assert!(figures.error.is_some_and(|error| error.contains("not the one that was put away")));
    let cold = open(&storage, &options(1 << 20, 1 << 20), &[(0, 1), (0, 7)]);
    assert_eq!((cold.get((0, 1)), cold.get((0, 7))), (Some(state(1)), None));
    assert_eq!(
        cold.figures().error.as_deref(),
        Some("states of silent series are missing: count=`1`")
    );
}

#[test]
fn of_two_copies_the_one_that_is_whole_counts() {
    let storage = FaultyStorage::new(1);
    // Each write begins a file.
    let cold = open(&storage, &options(1, 1), &[]);
    cold.put((0, 1), state(1));
    cold.put((0, 1), state(1));
    let copy = path(FOLDER, 2);
    let mut bytes = storage.content(&copy).expect("a file");
    let last = bytes.len() - 6;
    bytes[last] ^= 1;
    storage.put(&copy, bytes);
    let cold = open(&storage, &options(1, 1), &[(0, 1)]);
    assert_eq!((cold.get((0, 1)), cold.figures().lost), (Some(state(1)), 0));
}

#[test]
fn a_file_of_a_later_version_is_refused_by_name() {
    let storage = FaultyStorage::new(1);
    let bytes = crate::format::stamp(*b"BWCOLDST", COLD_VERSION + 1).to_vec();
    storage.put(&path(FOLDER, 7), bytes);
    let opened = ColdFiles::open(
        Arc::new(storage),
        ColdOptions::default(),
        Arc::default(),
        std::iter::empty(),
    );
    let refused = opened.map(drop).expect_err("a refusal").to_string();
    assert!(refused.contains("version 2") && refused.contains("7.cold"), "{refused}");
}

#[test]
fn a_file_goes_when_no_checkpoint_that_is_kept_needs_it() {
    let storage = FaultyStorage::new(1);
    // Each write begins a file.
    let cold = open(&storage, &options(1, 1), &[]);
    (0..3).for_each(|number| cold.put((0, number), state(number)));
    cold.begin_checkpoint(1);
    cold.forget((0, 0));
    cold.release(1);
    assert_eq!(files(&storage), 3, "the first checkpoint may refer to it");
    cold.begin_checkpoint(2);
    cold.release(1);
    assert_eq!(files(&storage), 3, "the first checkpoint is still kept");
    cold.release(2);
    assert_eq!((files(&storage), cold.figures().segments), (2, 2));
    assert_eq!(cold.get((0, 2)), Some(state(2)));
    let cold = open(&storage, &options(1, 1), &[(0, 2)]);
    cold.begin_checkpoint(3);
    cold.release(3);
    assert_eq!((files(&storage), cold.get((0, 2))), (1, Some(state(2))));
}

#[test]
fn what_lives_in_a_file_that_is_mostly_dead_is_written_again_elsewhere() {
    let storage = FaultyStorage::new(1);
    let cold = open(&storage, &options(400, 1 << 20), &[]);
    (0..20).for_each(|number| cold.put((0, number), state(number)));
    cold.sync().expect("a sync");
    (0..19).for_each(|number| cold.forget((0, number)));
    cold.put((0, 20), state(20));
    cold.sync().expect("a sync");
    assert_eq!(files(&storage), 2);
    cold.begin_checkpoint(1);
    assert_eq!(cold.get((0, 19)), Some(state(19)));
    cold.sync().expect("a sync");
    cold.release(1);
    assert_eq!((files(&storage), cold.get((0, 19))), (1, Some(state(19))));
    storage.crash();
    let cold = open(&storage, &options(400, 1 << 20), &[(0, 19), (0, 20)]);
    assert_eq!((cold.get((0, 19)), cold.get((0, 20))), (Some(state(19)), Some(state(20))));
}

/// What may happen to files.
#[derive(Debug, Clone)]
enum Act {
    Put(u8, usize),
    Forget(prop::sample::Index),
    /// A checkpoint begins.
    Begin,
    /// Its part is saved.
    Save,
    /// It counts if everything is made durable.
    Commit,
    Fail(u64),
    Heal,
    Crash,
    Kill,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0..4_u8, 0..200_usize).prop_map(|(partition, bytes)| Act::Put(partition, bytes)),
        4 => any::<prop::sample::Index>().prop_map(Act::Forget),
        1 => Just(Act::Begin),
        1 => Just(Act::Save),
        2 => Just(Act::Commit),
        1 => (0..6_u64).prop_map(Act::Fail),
        1 => Just(Act::Heal),
        1 => Just(Act::Crash),
        1 => Just(Act::Kill),
    ]
}

/// What is there by its number, as a map that never fails.
type Known = BTreeMap<Key, Vec<u8>>;
/// The same as a checkpoint has it: its generation, what is there, and the next number.
type Saved = (u64, Known, u64);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Against a map, of which a copy is kept with each checkpoint.
    #[test]
    fn nothing_that_a_kept_checkpoint_refers_to_is_ever_lost(
        seed: u64,
        acts in proptest::collection::vec(act(), 1..120),
        segment_bytes_max in 1..600_u64,
        write_bytes in 1..400_usize,
        older in any::<bool>(),
    ) {
        let storage = FaultyStorage::new(seed);
        let options =
            ColdOptions { segment_bytes_max, write_bytes, ..ColdOptions::default() };
        let mut cold = open(&storage, &options, &[]);
        let (mut known, mut next) = (Known::new(), 0_u64);
        let mut checkpoints: Vec<Saved> = Vec::new();
        let (mut generation, mut begun) = (0, None::<Option<Saved>>);
        for act in acts {
            match act {
                Act::Put(partition, bytes) => {
                    let state: Vec<u8> = (0..bytes).map(|byte| (byte as u64 ^ next) as u8).collect();
                    cold.put((partition, next), state.clone());
                    known.insert((partition, next), state);
                    next += 1;
                }
                Act::Forget(index) if !known.is_empty() => {
                    let key = *known.keys().nth(index.index(known.len())).expect("a key");
                    cold.forget(key);
                    known.remove(&key);
                }
                Act::Forget(_) => {}
                Act::Begin => {
                    generation += 1;
                    cold.begin_checkpoint(generation);
                    begun = Some(None);
                }
                Act::Save => begun = begun.map(|_| Some((generation, known.clone(), next))),
                Act::Commit => {
                    if let Some(Some(saved)) = begun.take() && cold.sync().is_ok() {
                        checkpoints.push(saved);
                        let beyond = checkpoints.len().saturating_sub(2);
                        checkpoints.drain(..beyond);
                        cold.release(checkpoints[0].0);
                    }
                }
                Act::Fail(operations) => storage.fail_next(operations, ErrorKind::Other),
                Act::Heal => storage.heal(),
                Act::Crash | Act::Kill => {
                    if matches!(act, Act::Crash) { storage.crash() } else { storage.kill() }
                    if older && checkpoints.len() > 1 {
                        checkpoints.pop();
                    }
                    (known, next) = checkpoints.last().map_or_else(Default::default, |(_, known, next)| (known.clone(), *next));
                    begun = None;
                    let keys: Vec<Key> = known.keys().copied().collect();
                    cold = open(&storage, &options, &keys);
                }
            }
            for (&key, state) in &known {
                let found = cold.get(key);
                prop_assert_eq!(found.as_ref(), Some(state), "{:?}", key);
            }
            prop_assert_eq!(cold.figures().lost, 0);
        }
    }
}

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/cold/v1.bin");

#[test]
fn files_of_version_1_are_read_and_written_as_ever() {
    let storage = FaultyStorage::new(1);
    let cold = open(&storage, &options(1 << 20, 1 << 20), &[]);
    for (partition, number) in [(0, 0), (7, 1), (63, u64::MAX)] {
        cold.put((partition, number), state(number));
    }
    cold.sync().expect("a sync");
    let written = storage.content(&path(FOLDER, 1)).expect("a file");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(FIXTURE, &written).expect("a fixture");
    }
    let fixture = std::fs::read(FIXTURE).expect("a fixture");
    assert_eq!(written, fixture);
    let storage = FaultyStorage::new(1);
    storage.put(&path(FOLDER, 1), fixture);
    let cold = open(&storage, &options(1 << 20, 1 << 20), &[(7, 1), (63, u64::MAX)]);
    assert_eq!(cold.get((7, 1)), Some(state(1)));
    assert_eq!(cold.get((63, u64::MAX)), Some(state(u64::MAX)));
    assert_eq!(cold.figures().lost, 0);
}
