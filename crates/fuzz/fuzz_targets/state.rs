//! The saved state of an engine: first arbitrary bytes as one, then a whole one that the bytes damage. Whoever keeps states keeps
//! checksums with them, so one that was damaged may be taken: it must be none that ends the process later.
#![no_main]

use std::sync::{Arc, OnceLock};

use bellwether_engine::{Engine, Outputs, Record, RecordBody, Settings};
use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::{Limits, RawSample, WriteRequest, WriteRequestBuilder};
use libfuzzer_sys::fuzz_target;

#[path = "shared/damage.rs"]
mod damage;

const MINUTE_MS: i64 = 60_000;
const LEARNED: i64 = 40;
/// What the damage is spread over: a place has sixteen bits.
const WITHIN_BYTES: usize = 1 << 16;

fuzz_target!(|bytes: &[u8]| {
    go_on(bytes);
    let whole = whole();
    let (from, orders) = bytes.split_first().map_or((0, bytes), |(&from, orders)| (from, orders));
    let from = whole.len() * usize::from(from) / 256;
    let to = whole.len().min(from + WITHIN_BYTES);
    let mut bad = whole[from..to].to_vec();
    damage::damage(&mut bad, orders);
    go_on(&[&whole[..from], &bad, &whole[to..]].concat());
});

/// Judges a few records more, if the bytes are a state.
fn go_on(state: &[u8]) {
    match Engine::restore(&settings(), 1, state) {
        Ok(mut engine) => {
            (LEARNED..LEARNED + 4).for_each(|step| apply(&mut engine, step));
            assert!(!engine.save().is_empty());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn settings() -> Arc<Settings> {
    static SETTINGS: OnceLock<Arc<Settings>> = OnceLock::new();
    Arc::clone(SETTINGS.get_or_init(Arc::default))
}

fn whole() -> &'static Vec<u8> {
    static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let mut engine = Engine::new(&settings(), 1);
        (0..LEARNED).for_each(|step| apply(&mut engine, step));
        engine.save()
    })
}

/// What two series of an instance say in that minute.
fn apply(engine: &mut Engine, step: i64) {
    let received_at = Timestamp::from_ms(1_750_000_020_000 + step * MINUTE_MS);
    let mut request = WriteRequestBuilder::default();
    for (name, value) in [("load", (step % 7) as f64), ("requests_total", (step * step) as f64)] {
        let labels = LabelSet::from_pairs([("__name__", name), ("instance", "a")]).expect("labels");
        request.series(&labels, &[RawSample { timestamp: received_at, value }]);
    }
    let request = WriteRequest::decode(request.encode(), &Limits::default()).expect("a request");
    let body = RecordBody::request(&request);
    engine.apply(&Record { received_at, body }, &mut Outputs::default());
}
