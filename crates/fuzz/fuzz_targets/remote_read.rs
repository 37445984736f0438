//! An answer of a server to remote read, decompressed.
#![no_main]

use bellwether_wire::remote_read::decode;
use bellwether_wire::remote_write::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { decoded_bytes_max: 1 << 20, ..Limits::default() };
    let Ok(answers) = decode(bytes, &limits) else { return };
    for answer in &answers {
        let samples: usize = answer.series().map(|series| series.samples.len()).sum();
        assert_eq!(samples, answer.sample_count());
    }
});
