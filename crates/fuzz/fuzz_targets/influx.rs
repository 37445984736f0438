//! Lines of InfluxDB's protocol.
#![no_main]

#[path = "shared/walk.rs"]
mod walk;

use bellwether_wire::{Message, Precision};
use libfuzzer_sys::fuzz_target;
use walk::walk;

fuzz_target!(|bytes: &[u8]| {
    walk(Message::Influx(Precision::Nanoseconds), bytes);
});
