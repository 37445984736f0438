//! A request of OpenTelemetry, as protobuf and as JSON.
#![no_main]

#[path = "shared/walk.rs"]
mod walk;

use bellwether_wire::Message;
use libfuzzer_sys::fuzz_target;
use walk::walk;

fuzz_target!(|bytes: &[u8]| {
    walk(Message::Otlp, bytes);
    walk(Message::OtlpJson, bytes);
});
