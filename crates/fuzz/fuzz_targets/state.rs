//! Saved states. The first byte says whose; a header that fits is put in front of the others, so that these are read.
#![no_main]

use std::sync::{Arc, LazyLock};

use bellwether_detect::Tables;
use bellwether_engine::{AlertCap, Intake, Partition, STATE_VERSION, Settings};
use libfuzzer_sys::fuzz_target;

static SHARED: LazyLock<(Arc<Settings>, Tables)> = LazyLock::new(Default::default);

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, rest)) = bytes.split_first() else { return };
    let (settings, tables) = &*SHARED;
    let digest = settings.digest.as_bytes();
    let state = [&[kind, STATE_VERSION as u8, digest.len() as u8], digest, rest].concat();
    let settings = || Arc::clone(settings);
    // What is accepted can be saved, and is then the same.
    let mut again = Vec::new();
    if let Ok(intake) = Intake::restore(settings(), 1, &state) {
        again = intake.save().encode();
    } else if let Ok(partition) = Partition::restore(settings(), tables.clone(), &state) {
        partition.save(&mut again);
    } else if let Ok(cap) = AlertCap::restore(settings(), &state) {
        cap.save(&mut again);
    }
    assert!(again.len() <= state.len(), "a state grew");
});
