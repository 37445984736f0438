//! Files of silent series, for tests of whoever damages them.

use std::sync::Arc;

use super::FaultyStorage;
use crate::cold::{ColdError, ColdFiles, ColdOptions};

/// The partition and the number of a state.
pub type ColdKey = (u8, u64);

const FILE: &str = "cold/00000000000000000001.cold";

/// The file that keeps these states.
///
/// # Errors
/// None that storage in memory gives.
pub fn write_cold(states: &[(ColdKey, Vec<u8>)]) -> Result<Vec<u8>, ColdError> {
    let storage = FaultyStorage::new(1);
    let files = open(&storage, &[])?;
    for (key, state) in states {
        files.put(*key, state.clone());
    }
    files.sync()?;
    Ok(storage.content(FILE).unwrap_or_default())
}

/// What a start finds in such a `file` of each of `keys`; `None` for what is lost.
///
/// # Errors
/// `UnsupportedVersion` when a later program wrote it.
pub fn read_cold(file: Vec<u8>, keys: &[ColdKey]) -> Result<Vec<Option<Vec<u8>>>, ColdError> {
    let storage = FaultyStorage::new(1);
    storage.put(FILE, file);
    let files = open(&storage, keys)?;
    Ok(keys.iter().map(|&key| files.get(key)).collect())
}

fn open(storage: &FaultyStorage, living: &[ColdKey]) -> Result<ColdFiles, ColdError> {
    let storage = Arc::new(storage.clone());
    ColdFiles::open(storage, ColdOptions::default(), Arc::default(), living.iter().copied())
}
