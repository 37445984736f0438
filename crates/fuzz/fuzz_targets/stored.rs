//! The payload of a journal record; the first byte is its kind.
#![no_main]

use bellwether_runtime::journal::StoredRecord;
use bellwether_runtime::stored::{StoredBody, decode, encode_settings};
use bellwether_series::Timestamp;
use libfuzzer_sys::fuzz_target;

fn record(kind: u8, payload: &[u8]) -> StoredRecord {
    let (received_at, payload) = (Timestamp::from_ms(0), payload.to_vec());
    StoredRecord { sequence: 1, kind, restated: false, received_at, payload }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, payload)) = bytes.split_first() else { return };
    match decode(&record(kind, payload)) {
        Ok((_, StoredBody::Configuration(settings))) => {
            let again = decode(&record(kind, &encode_settings(&settings)));
            let Ok((_, StoredBody::Configuration(again))) = again else {
                panic!("settings that were read are not read again: {again:?}")
            };
            assert_eq!(again, settings);
        }
        Ok((_, body)) => _ = body.as_record_body(),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
