//! Damaged files: an error that names the file, or rows, and never a panic.

use std::fs;

use bellwether_replay::history::Mapping;

use super::fixture;
use super::formats::Format;
use super::read::read;
use crate::fixture::Noise;

#[test]
fn no_damage_makes_a_reader_panic_and_whatever_it_refuses_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut noise = Noise(5);
    let mut below = |limit: usize| ((noise.uniform() + 0.5) * limit as f64) as usize;
    // Readers hold panics of the libraries; each would be told on standard error.
    for format in Format::ALL {
        let whole = fs::read(fixture(format)).expect("a fixture");
        let path = folder.path().join(format.file_name());
        let mut refused = 0;
        for round in 0..150 {
            let mut bytes = whole.clone();
            if round % 3 == 0 {
                bytes.truncate(below(whole.len()));
            } else {
                for _ in 0..=below(3) {
                    let at = below(bytes.len());
                    bytes[at] ^= 1 << below(8);
                }
            }
            fs::write(&path, &bytes).expect("a file");
            if let Err(error) = read(&path, &Mapping::default()) {
                assert!(error.to_string().contains(format.file_name()), "{error}");
                refused += 1;
            }
        }
        assert!(refused > 10, "{format:?}: {refused}");
    }
}
