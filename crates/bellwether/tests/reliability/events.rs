//! The events that a run has written, to compare runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use serde_json::Value;

/// An alert of the engine about itself follows from the wall clock; no other run repeats it.
const OF_THE_CLOCK: &str = "BellwetherHealth";

/// The events of a run: of each series, in order.
#[derive(Debug, Default)]
pub(crate) struct Events {
    by_series: BTreeMap<String, Vec<String>>,
    /// Events whose id another one has.
    pub(crate) doubled: usize,
}

impl Events {
    /// Those in the JSON lines at `path`. A line that a crash cut short is none.
    pub(crate) fn read(path: &Path) -> Self {
        let mut events = Self::default();
        let mut ids = BTreeSet::new();
        for line in fs::read_to_string(path).unwrap_or_default().lines() {
            let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
            if event["rule"] == OF_THE_CLOCK {
                continue;
            }
            if !ids.insert(event["id"].as_str().unwrap().to_owned()) {
                events.doubled += 1;
            }
            let series = event["fingerprint"].as_str().unwrap().to_owned();
            events.by_series.entry(series).or_default().push(line.to_owned());
        }
        events
    }

    /// Those of series whose labels have `value` for the label `name`, and no others.
    pub(crate) fn only(mut self, name: &str, value: &str) -> Self {
        self.by_series.retain(|_, lines| {
            let event: Value = serde_json::from_str(&lines[0]).unwrap();
            event["labels"][name] == value
        });
        self
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.by_series.values().map(Vec::len).sum()
    }

    /// One number for all of them.
    pub(crate) fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.by_series.hash(&mut hasher);
        hasher.finish()
    }

    /// Fails unless these are those of an undisturbed run, with something to compare at all.
    pub(crate) fn assert_same_as(&self, undisturbed: &Self) {
        assert!(undisturbed.count() > 0, "nothing happened, so nothing is shown");
        let series: BTreeSet<&String> =
            self.by_series.keys().chain(undisturbed.by_series.keys()).collect();
        for series in series {
            let [here, there] = [self, undisturbed]
                .map(|run| run.by_series.get(series).map_or(&[][..], Vec::as_slice));
            for index in 0..here.len().max(there.len()) {
                assert_eq!(here.get(index), there.get(index), "event {index} of series {series}");
            }
        }
    }
}

#[test]
fn another_order_of_series_is_the_same_and_another_order_within_one_is_not() {
    let line = |series: &str, id: &str| {
        format!(
            r#"{{"id":"{id}","fingerprint":"{series}","rule":"r","labels":{{"job":"{series}"}}}}"#
        )
    };
    let dir = tempfile::tempdir().unwrap();
    let read = |lines: &[String]| {
        let path = dir.path().join("events.jsonl");
        fs::write(&path, lines.join("\n")).unwrap();
        Events::read(&path)
    };
    let [a0, a1, b0] = [line("a", "a-0"), line("a", "a-1"), line("b", "b-0")];
    let straight = read(&[a0.clone(), a1.clone(), b0.clone()]);
    let other = read(&[b0.clone(), a0.clone(), "{\"id\":".to_owned(), a1.clone()]);
    assert_eq!((straight.hash(), straight.count()), (other.hash(), 3));
    other.assert_same_as(&straight);
    assert_ne!(straight.hash(), read(&[a1, a0.clone(), b0]).hash());
    assert_eq!(read(&[a0.clone(), a0]).doubled, 1);
    assert_eq!(straight.only("job", "a").count(), 2);
}
