//! A file of silent series: first arbitrary bytes as one, then a whole one that the bytes damage.
#![no_main]

use std::sync::OnceLock;

use bellwether_runtime::testing::{ColdKey, read_cold, write_cold};
use libfuzzer_sys::fuzz_target;

#[path = "shared/damage.rs"]
mod damage;

const KEYS: [ColdKey; 3] = [(0, 1), (0, 2), (63, u64::MAX)];

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = read_cold(bytes.to_vec(), &KEYS) {
        assert!(!error.to_string().is_empty());
    }
    let mut bad = whole().clone();
    damage::damage(&mut bad, bytes);
    let Ok(found) = read_cold(bad, &KEYS) else { return };
    for (found, written) in found.into_iter().zip(states()) {
        assert!(found.is_none_or(|found| found == written.1), "a damaged state was taken");
    }
});

fn states() -> [(ColdKey, Vec<u8>); 3] {
    [(KEYS[0], vec![1; 100]), (KEYS[1], Vec::new()), (KEYS[2], vec![3; 40])]
}

fn whole() -> &'static Vec<u8> {
    static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
    WHOLE.get_or_init(|| write_cold(&states()).expect("nothing fails"))
}
