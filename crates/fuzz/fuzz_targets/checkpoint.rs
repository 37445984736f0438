//! A checkpoint: first arbitrary bytes as one, then a whole one that the bytes damage.
#![no_main]

use std::sync::{Arc, OnceLock};

use bellwether_runtime::checkpoint::{
    Checkpoint, CheckpointOptions, Checkpoints, KafkaOffset, Position, Section,
};
use bellwether_runtime::testing::FaultyStorage;
use bellwether_series::Timestamp;
use libfuzzer_sys::fuzz_target;

#[path = "shared/damage.rs"]
mod damage;

const FILE: &str = "checkpoint/00000000000000000001.checkpoint";

fuzz_target!(|bytes: &[u8]| {
    if let Some(checkpoint) = load(bytes.to_vec()) {
        let sections: Vec<(Section, u64)> =
            checkpoint.sections().map(|(section, _, length)| (section, length)).collect();
        for (section, length) in sections {
            let content = checkpoint.read(section).expect("it was verified");
            assert_eq!(content.map(|content| content.len() as u64), Some(length));
        }
    }
    let good = whole();
    let mut bad = good.clone();
    damage::damage(&mut bad, bytes);
    assert_eq!(load(bad.clone()).is_some(), bad == good, "a damaged checkpoint was accepted");
});

/// The checkpoint that `file` is, if it is one.
fn load(file: Vec<u8>) -> Option<Checkpoint> {
    let storage = FaultyStorage::new(1);
    storage.put(FILE, file);
    open(storage).newest_valid().ok()?.0
}

fn open(storage: FaultyStorage) -> Checkpoints {
    Checkpoints::open(Arc::new(storage), CheckpointOptions::default()).expect("it is memory")
}

fn whole() -> Vec<u8> {
    static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
    let make = || {
        let storage = FaultyStorage::new(1);
        let mut checkpoints = open(storage.clone());
        let mut writer = checkpoints.begin(Timestamp::from_ms(0)).expect("nothing fails");
        let offset = KafkaOffset { topic: "metrics".to_owned(), partition: 1, next_offset: 2 };
        for (section, position) in [
            (Section::Intake, Position::Journal { covered_below: 9 }),
            (Section::Partition(5), Position::Kafka(vec![offset])),
        ] {
            writer.add(section, &position, &[7; 100]).expect("nothing fails");
        }
        checkpoints.commit(writer).expect("nothing fails");
        storage.content(FILE).expect("it was committed")
    };
    WHOLE.get_or_init(make).clone()
}
