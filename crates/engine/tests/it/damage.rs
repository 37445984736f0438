//! Bytes that are no state are refused with a reason: never a panic, never more memory than there are bytes for.

use std::sync::{Arc, LazyLock};

use bellwether_detect::Tables;
use bellwether_engine::{
    AlertCap, Engine, Intake, Outputs, PARTITIONS, Partition, Record, RecordBody, STATE_VERSION,
    Settings, Shard, StateError, Work,
};
use proptest::prelude::*;

use crate::world::World;

const WORLD: World =
    World { seed: 9, steps: 275, step_ms: 60_000, lateness_ms: 90_000, deep_per_partition: 4 };
/// Making tables takes longer than reading a small state.
static TABLES: LazyLock<Tables> = LazyLock::new(Tables::default);

fn settings() -> Arc<Settings> {
    WORLD.settings(0)
}

/// States of each kind after some time.
struct States {
    intake: Vec<u8>,
    cap: Vec<u8>,
    /// The largest partition, with and without a deep tier.
    large: Vec<u8>,
    small: Vec<u8>,
}

static STATES: LazyLock<States> = LazyLock::new(|| {
    let [(intake, cap, large), (.., small)] = [4, 0].map(|deep_per_partition| {
        let world = World { deep_per_partition, ..WORLD };
        saved(&world)
    });
    States { intake, cap, large, small }
});

/// The states of intake, cap and largest partition at the end of a world.
fn saved(world: &World) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let settings = world.settings(0);
    let mut intake = Intake::new(Arc::clone(&settings), 1);
    let mut shard = Shard::new(&settings, &TABLES, 0, 1);
    let mut cap = AlertCap::new(settings);
    let (mut outputs, mut work) = (Outputs::default(), [Work::default()]);
    for (received_at, news) in &world.news() {
        // Only one configuration: these bytes must fit it.
        let RecordBody::Request { .. } = news.body() else { continue };
        let record = Record { received_at: *received_at, body: news.body() };
        let routed = intake.apply(&record, &mut work);
        shard.apply(routed.elapsed_ms, &mut work[0], &mut outputs);
        cap.apply(std::mem::take(&mut outputs.events), routed.elapsed_ms);
    }
    let mut cap_state = Vec::new();
    cap.save(&mut cap_state);
    let partitions = shard.partitions().iter().map(|partition| {
        let mut out = Vec::new();
        partition.save(&mut out);
        out
    });
    (intake.save().encode(), cap_state, partitions.max_by_key(Vec::len).unwrap_or_default())
}

fn read_intake(bytes: &[u8]) -> Result<(), StateError> {
    Intake::restore(settings(), 1, bytes).map(drop)
}

fn read_cap(bytes: &[u8]) -> Result<(), StateError> {
    AlertCap::restore(settings(), bytes).map(drop)
}

fn read_partition(bytes: &[u8]) -> Result<(), StateError> {
    Partition::restore(settings(), TABLES.clone(), bytes).map(drop)
}

type Read = fn(&[u8]) -> Result<(), StateError>;

fn all_kinds() -> [(&'static [u8], Read); 4] {
    let States { intake, cap, large, small } = &*STATES;
    [(intake, read_intake), (cap, read_cap), (large, read_partition), (small, read_partition)]
}

#[test]
fn the_states_that_are_damaged_below_are_whole_and_not_empty() {
    for (bytes, read) in all_kinds() {
        assert_eq!(read(bytes), Ok(()));
    }
    let [intake, cap, large, small] = all_kinds().map(|(bytes, _)| bytes.len());
    let sizes = [intake, cap, large, small];
    assert!(intake > 1000 && cap > 100 && large > 200_000 && small < 60_000, "{sizes:?}");
}

#[test]
fn every_beginning_of_a_state_is_refused() {
    for (bytes, read) in all_kinds() {
        // All of them where there are thousands, else some everywhere.
        let stride = 1 + bytes.len() / 1000;
        for end in (0..bytes.len()).step_by(stride) {
            assert!(read(&bytes[..end]).is_err(), "{end} of {}", bytes.len());
        }
        let more = [bytes, &[0]].concat();
        let trailing = StateError::Trailing { offset: bytes.len(), left_bytes: 1 };
        assert_eq!(read(&more), Err(trailing));
    }
}

#[test]
fn a_state_of_something_else_another_version_or_another_configuration_is_refused_by_name() {
    let intake = &STATES.intake;
    assert_eq!(read_partition(intake), Err(StateError::Kind { found: Some(b'I') }));
    assert_eq!(read_partition(&[]), Err(StateError::Kind { found: None }));
    let mut newer = intake.clone();
    newer[1] += 1;
    assert_eq!(read_intake(&newer), Err(StateError::Version { found: STATE_VERSION + 1 }));
    let refused = Intake::restore(WORLD.settings(7), 1, intake).map(drop).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "state was saved under another configuration: saved=`version-0`, current=`version-7`"
    );
}

#[test]
fn parts_of_different_engines_are_no_engine() {
    let settings = settings();
    let [mut one, other] = [1, 2].map(|seed| Engine::new(&settings, seed));
    for (received_at, news) in &WORLD.news()[..20] {
        one.apply(
            &Record { received_at: *received_at, body: news.body() },
            &mut Outputs::default(),
        );
    }
    let (one, other) = (one.save(), other.save());
    // No partition has silent series; the intake comes next, with its length in front of it, then the cap and the partitions.
    let header = 2 + 1 + settings.digest.len() + PARTITIONS;
    let intake_of = |bytes: &[u8], wanted: bool| {
        let (mut at, mut length, mut shift) = (header, 0_usize, 0);
        while shift == 0 || bytes[at - 1] >= 0x80 {
            length |= usize::from(bytes[at] & 0x7F) << shift;
            (at, shift) = (at + 1, shift + 7);
        }
        let end = at + length;
        if wanted { bytes[header..end].to_vec() } else { bytes[end..].to_vec() }
    };
    let mixed = |intake: &[u8], rest: &[u8]| {
        let mixed = [&one[..header], &intake_of(intake, true), &intake_of(rest, false)].concat();
        Engine::restore(&settings, 1, &mixed).map(drop)
    };
    assert_eq!(mixed(&one, &one), Ok(()));
    for (intake, rest) in [(&one, &other), (&other, &one)] {
        let refused = mixed(intake, rest);
        assert!(matches!(refused, Err(StateError::Contradiction { .. })), "{refused:?}");
    }
}

/// The header of a state, so that what follows is read.
fn header(kind: u8) -> Vec<u8> {
    let digest = settings().digest.clone();
    [&[kind, STATE_VERSION as u8, digest.len() as u8], digest.as_bytes()].concat()
}

#[test]
fn numbers_of_parts_that_cannot_be_there_take_no_memory() {
    let huge = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F];
    // Shares and the times of what was done last, then the number of slots.
    let partition = [header(b'P'), vec![0; 16 + 2], huge.to_vec()].concat();
    let refused = read_partition(&partition);
    assert!(matches!(refused, Err(StateError::Contradiction { .. })), "{refused:?}");
    // Clock, sweep and shares, no families, then the number of series.
    let intake = [header(b'I'), vec![0; 4 + 16 + 1], huge.to_vec()].concat();
    let refused = read_intake(&intake);
    assert!(matches!(refused, Err(StateError::Contradiction { .. })), "{refused:?}");
    let cap = [header(b'C'), vec![0, 0], huge.to_vec()].concat();
    assert!(matches!(read_cap(&cap), Err(StateError::Damaged { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        for (kind, read) in [(b'I', read_intake as Read), (b'C', read_cap), (b'P', read_partition)] {
            let _ = read(&bytes);
            let _ = read(&[header(kind), bytes.clone()].concat());
        }
    }

    #[test]
    fn a_state_with_some_other_bytes_never_panics(
        kind in 0..4_usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (bytes, read) = all_kinds()[kind];
        let mut bytes = bytes.to_vec();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let _ = read(&bytes);
    }

    #[test]
    fn a_state_with_a_piece_cut_out_never_panics(
        kind in 0..4_usize,
        from in any::<prop::sample::Index>(),
        length in 1..50_usize,
    ) {
        let (bytes, read) = all_kinds()[kind];
        let from = from.index(bytes.len());
        let rest = &bytes[(from + length).min(bytes.len())..];
        let _ = read(&[&bytes[..from], rest].concat());
    }
}
