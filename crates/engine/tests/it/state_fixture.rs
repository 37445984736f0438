//! What a saved state looks like in bytes: a layout that changes under the same version would be misread in silence.

use std::path::PathBuf;

use bellwether_engine::{Engine, Event, Outputs, Partition, Record, STATE_VERSION};
use bellwether_series::Timestamp;
use bellwether_wire::remote_write::{Limits, compress, decompress};

use crate::world::{News, World};

/// Every detector, the default chain with its deep tier, groups, pairs, changed configurations, samples that wait for their order.
/// Steps are an hour wide because some detectors need days.
const WORLD: World =
    World { seed: 9, steps: 370, step_ms: 3_600_000, lateness_ms: 150_000, deep_per_partition: 3 };
/// Records before the state is saved: alerts are open then, and some series are out of memory.
const SAVED_AFTER: usize = 520;

/// Applies `news`; the events that come, as they would be written.
fn apply(engine: &mut Engine, news: &[(Timestamp, News)]) -> Vec<String> {
    let (mut outputs, mut lines) = (Outputs::default(), Vec::new());
    for (received_at, news) in news {
        engine.apply(&Record { received_at: *received_at, body: news.body() }, &mut outputs);
        let line = |event: &Event| serde_json::to_string(event).expect("an event is JSON");
        lines.extend(outputs.events.iter().map(line));
    }
    lines
}

#[test]
fn a_saved_state_has_the_bytes_that_its_version_says_and_goes_on_as_if_never_saved() {
    let news = WORLD.news();
    let (before, after) = news.split_at(SAVED_AFTER);
    let settings = before.iter().rev().find_map(|(_, news)| match news {
        News::Settings(settings) => Some(settings.clone()),
        _ => None,
    });
    let settings = settings.unwrap_or_else(|| WORLD.settings(0));
    let mut engine = Engine::new(&WORLD.settings(0), 1);
    apply(&mut engine, before);
    let open: usize = engine.partitions().iter().map(Partition::open_episodes).sum();
    let cold: usize = engine.partitions().iter().map(|one| one.cold_states().len()).sum();
    assert!(open > 0 && cold > 0, "{open} alerts are open, {cold} series are out of memory");
    let saved = engine.save();

    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join(format!("../../fixtures/state/v{STATE_VERSION}.bin"));
    if std::env::var_os("BLESS").is_some() {
        assert!(!path.exists(), "{} is there: raise STATE_VERSION or remove it", path.display());
        std::fs::write(&path, compress(&saved)).expect("the fixture is written");
    }
    let fixture = std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}: BLESS=1 makes the fixture of a new version", path.display())
    });
    let limits = Limits { body_bytes_max: 16 << 20, ..Limits::default() };
    let fixture = decompress(&fixture, &limits).expect("the fixture is whole");
    let differs_at = saved.iter().zip(&fixture).position(|(ours, theirs)| ours != theirs);
    assert!(
        saved == fixture,
        "states of {} and {} bytes differ from byte {differs_at:?} on. If the layout or the meaning of a state has changed, \
         raise STATE_VERSION in crates/engine/src/state.rs, else states that were saved before are misread; only if \
         detectors learn other numbers and understand the old ones, remove {}. Either way run this test with BLESS=1.",
        saved.len(),
        fixture.len(),
        path.display(),
    );

    let mut restored = Engine::restore(&settings, 2, &fixture).expect("a state");
    let expected = apply(&mut engine, after);
    let text = expected.concat();
    for heard in ["GroupAnomaly", "Unlike", "random_cut_forest", "\"firing\"", "\"resolved\""] {
        assert!(text.contains(heard), "{heard} {expected:#?}");
    }
    assert_eq!(apply(&mut restored, after), expected);
}
