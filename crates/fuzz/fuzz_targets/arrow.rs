//! Streams of Arrow's IPC format.
#![no_main]

#[path = "shared/walk.rs"]
mod walk;

use std::panic;

use bellwether_wire::Message;
use libfuzzer_sys::fuzz_target;
use walk::walk;

fuzz_target!(
    init: {
        // Of any other panic this is the end; those of the library become errors.
        let end = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !info.location().is_some_and(|place| place.file().contains("/arrow-")) {
                end(info);
            }
        }));
    },
    |bytes: &[u8]| {
        walk(Message::Arrow, bytes);
    }
);
