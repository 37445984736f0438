//! Damaged files: an error that names the file, or rows, and never a panic.

use std::error::Error;
use std::fs;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use bellwether_replay::history::Mapping;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

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

#[test]
fn a_small_file_that_claims_much_is_refused_before_there_is_room_for_it() {
    let column = |name, array: ArrayRef| (name, array);
    let times = Arc::new(Int64Array::from_iter_values((0..200).map(|row| row * 60_000)));
    let values = Arc::new(Float64Array::from(vec![1.5; 200]));
    let table = RecordBatch::try_from_iter([column("time", times), column("value", values)]);
    let table = table.expect("a table");
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(false)
        .build();
    let mut bytes = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut bytes, table.schema(), Some(properties)).expect("a file");
    writer.write(&table).expect("a file");
    writer.close().expect("a file");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("claims.parquet");
    fs::write(&path, &bytes).expect("a file");
    read(&path, &Mapping::default()).expect("a whole file");
    // Kind and length of the only page of values, 200 of 8 bytes.
    let claim = [0x15, 0x00, 0x15, 0x80, 0x19];
    let places = bytes.windows(claim.len()).enumerate().filter(|(_, at)| *at == claim);
    let place = places.map(|(place, _)| place).next_back().expect("a page");
    bytes[place + 3..][..2].copy_from_slice(&[0xfe, 0x7f]);
    fs::write(&path, &bytes).expect("a file");
    let error = read(&path, &Mapping::default()).expect_err("a claim");
    assert!(error.to_string().contains("claims.parquet"), "{error}");
    let cause = error.source().expect("a cause").to_string();
    assert!(cause.contains("bytes cannot have 8191"), "{cause}");
}
