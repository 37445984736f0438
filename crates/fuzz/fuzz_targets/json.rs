//! JSON records: ours and Telegraf's.
#![no_main]

#[path = "shared/walk.rs"]
mod walk;

use bellwether_wire::{Message, Precision};
use libfuzzer_sys::fuzz_target;
use walk::walk;

fuzz_target!(|bytes: &[u8]| {
    walk(Message::Json, bytes);
    walk(Message::Telegraf(Precision::Seconds), bytes);
});
