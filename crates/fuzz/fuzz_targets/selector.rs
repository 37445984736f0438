//! A selector, as rules and the query parameter `match` have it.
#![no_main]

use bellwether_signal::parse_selector;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match parse_selector(text) {
        Ok(matchers) => _ = matchers,
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
