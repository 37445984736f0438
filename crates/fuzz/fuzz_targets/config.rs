//! A configuration file.
#![no_main]

use std::collections::HashMap;
use std::path::Path;

use bellwether::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // A folder that does not exist: files that it names are not there.
    let folder = Path::new("/nonexistent");
    let variables = HashMap::from([("NAME".to_owned(), "value".to_owned())]);
    if let Err(faults) = Config::parse(text, "fuzz.yml", folder, &variables) {
        assert!(!faults.to_string().is_empty());
    }
});
