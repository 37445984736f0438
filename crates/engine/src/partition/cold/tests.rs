use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bellwether_series::LabelSet;
use proptest::prelude::*;

use super::*;
use crate::cold::ColdMemory;
use crate::event::{ChangeKind, ResolveReason};
use crate::record::RecordBody;
use crate::settings::{AlertPolicy, Rule, Settings};
use crate::testing::{MINUTE_MS, Rig, calm, request, series};

/// Series are silent after ten minutes.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.series.idle_after_ms = 10 * MINUTE_MS;
    settings
}

fn bytes(rig: &mut Rig) -> usize {
    rig.engine.partitions().iter().map(Partition::state_bytes).sum()
}

fn cold(rig: &mut Rig) -> usize {
    rig.engine.partitions().iter().map(Partition::cold_series).sum()
}

/// Nothing arrives in these minutes.
fn pass(rig: &mut Rig, minutes: std::ops::Range<i64>) {
    minutes.for_each(|minute| rig.quiet(minute * MINUTE_MS));
}

/// Samples of each series in these minutes.
fn touch(rig: &mut Rig, all: &[LabelSet], minutes: std::ops::Range<i64>) {
    for minute in minutes {
        let samples = [(minute * MINUTE_MS, calm(minute))];
        let all: Vec<_> = all.iter().map(|labels| (labels, &samples[..])).collect();
        rig.record(minute * MINUTE_MS, RecordBody::request(&request(&all)));
    }
}

fn fleet(name: &str, count: usize) -> Vec<LabelSet> {
    (0..count).map(|number| series(name, &format!("{name}-{number}"))).collect()
}

#[test]
fn silent_series_give_nearly_all_of_their_memory_back() {
    for deep_bytes in [0, Settings::default().deep.memory_bytes] {
        let mut settings = settings();
        settings.deep.memory_bytes = deep_bytes;
        let mut rig = Rig::new(settings);
        // Some live on, in every partition.
        let living = fleet("lives", 128);
        touch(&mut rig, &living, 0..2);
        let before = bytes(&mut rig);
        let many = fleet("depth", 6400);
        touch(&mut rig, &many, 2..4);
        let taken = bytes(&mut rig) - before;
        touch(&mut rig, &living, 4..20);
        assert_eq!((cold(&mut rig), rig.engine.intake().series()), (6400, 128));
        let (mut cold_bytes, mut states) = (0, 0);
        for partition in rig.engine.partitions() {
            cold_bytes += partition.cold.memory_bytes();
            // Kept in memory here, in files elsewhere.
            states += partition.cold.bytes() as usize;
        }
        let index = cold_bytes - states;
        let left = bytes(&mut rig) - before;
        assert!(
            left - cold_bytes <= taken / 20,
            "{left} of {taken} bytes are left, {cold_bytes} of the index and the states"
        );
        assert!(index <= taken / 8, "{index} of {taken}");
        touch(&mut rig, &many, 20..21);
        assert_eq!((cold(&mut rig), rig.outputs.counts.cold_reloaded), (0, 6400));
        assert!(bytes(&mut rig) - before <= taken + taken / 10);
    }
}

#[test]
fn an_alert_of_a_silent_series_ends_as_it_always_does() {
    let mut settings = settings();
    // Silent before it is given up.
    settings.series.idle_after_ms = MINUTE_MS;
    let mut rig = Rig::new(settings);
    let labels = series("depth", "a");
    rig.calm(&labels, 0..120);
    rig.broken(&labels, 120..124);
    let minute = |at: i64| at * MINUTE_MS;
    pass(&mut rig, 124..127);
    assert_eq!((rig.engine.intake().series(), cold(&mut rig), rig.open()), (0, 0, 1));
    pass(&mut rig, 127..135);
    let last = rig.events.last().expect("events");
    assert_eq!((last.change, last.reason), (ChangeKind::Resolved, Some(ResolveReason::Silent)));
    assert_eq!(last.at_ms.as_ms(), minute(123));
    assert_eq!((cold(&mut rig), rig.open()), (1, 0));
    rig.sample(&labels, minute(135), calm(135));
    assert_eq!((rig.outputs.counts.judged, rig.outputs.counts.cold_reloaded), (1, 1));
}

#[test]
fn those_that_were_silent_for_longest_are_forgotten_when_they_are_too_many() {
    let mut settings = settings();
    settings.series.cold_max = 2;
    let mut rig = Rig::new(settings);
    let all = fleet("depth", 4);
    for (series, minute) in all.iter().zip(0..) {
        rig.sample(series, minute * MINUTE_MS, 1.0);
    }
    let mut forgotten = 0;
    for minute in 4..20 {
        rig.quiet(minute * MINUTE_MS);
        forgotten += rig.outputs.counts.cold_forgotten;
    }
    assert_eq!((forgotten, rig.engine.intake().cold(), cold(&mut rig)), (2, 2, 2));
    touch(&mut rig, &all, 20..21);
    assert_eq!(rig.outputs.counts.cold_reloaded, 2);
}

#[test]
fn those_that_left_first_are_forgotten_when_they_take_too_many_bytes() {
    let mut settings = settings();
    settings.deep.memory_bytes = 0;
    let mut rig = Rig::new(settings.clone());
    let all = fleet("depth", 640);
    touch(&mut rig, &all, 0..70);
    pass(&mut rig, 70..85);
    let kept: u64 = rig.engine.partitions().iter().map(Partition::cold_bytes).sum();
    assert_eq!(cold(&mut rig), 640);
    settings.series.cold_bytes_max = kept / 2;
    rig.configure(85 * MINUTE_MS, settings);
    let (forgotten, left) = (rig.outputs.counts.cold_forgotten, cold(&mut rig));
    assert_eq!(forgotten as usize + left, 640);
    assert!((200..400).contains(&left), "{left}");
    let now: u64 = rig.engine.partitions().iter().map(Partition::cold_bytes).sum();
    assert!(now <= kept / 2, "{now} of {kept}");
    touch(&mut rig, &all, 86..87);
    assert_eq!(rig.outputs.counts.cold_reloaded as usize, left);
    assert_eq!(rig.outputs.counts.warming_up as usize, 640 - left);
}

#[test]
fn a_configuration_that_judges_otherwise_forgets_them_and_another_one_does_not() {
    let alert = AlertPolicy { for_ms: 0, ..AlertPolicy::default() };
    let alike = Settings { rules: vec![Rule { alert, ..Rule::default() }], ..settings() };
    let mut other = alike.clone();
    other.rules[0].name = "Other".into();
    let labels = series("depth", "a");
    for (changed, reloaded) in [(alike, 1), (other, 0)] {
        let mut rig = Rig::new(settings());
        rig.calm(&labels, 0..100);
        pass(&mut rig, 100..120);
        rig.configure(120 * MINUTE_MS, changed);
        assert_eq!((rig.engine.intake().cold(), cold(&mut rig)), (reloaded, reloaded));
        assert_eq!(rig.outputs.counts.cold_forgotten as usize, 1 - reloaded);
        rig.sample(&labels, 120 * MINUTE_MS, calm(120));
        assert_eq!(rig.outputs.counts.cold_reloaded as usize, reloaded);
        assert_eq!(rig.outputs.counts.judged as usize, reloaded);
    }
}

/// A store that counts what it gave back and was not what had been put there.
#[derive(Debug, Default)]
struct Counting(ColdMemory, Arc<AtomicUsize>);

impl ColdStore for Counting {
    fn put(&mut self, number: u64, state: Vec<u8>) {
        self.0.put(number, state);
    }

    fn get(&self, number: u64) -> Option<Vec<u8>> {
        self.0.get(number)
    }

    fn reject(&mut self, _: u64) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }

    fn forget(&mut self, number: u64) {
        self.0.forget(number);
    }

    fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }
}

#[test]
fn what_cannot_be_read_is_counted_and_begins_anew() {
    let labels = series("depth", "a");
    for damaged in [vec![], vec![1, 2, 3]] {
        let mut rig = Rig::new(settings());
        rig.calm(&labels, 0..100);
        pass(&mut rig, 100..120);
        let rejected = Arc::new(AtomicUsize::new(0));
        for partition in rig.engine.partitions() {
            let mut store = Counting(ColdMemory::default(), Arc::clone(&rejected));
            if !damaged.is_empty() {
                store.put(0, damaged.clone());
            }
            partition.keep_cold_in(Box::new(store));
        }
        rig.sample(&labels, 120 * MINUTE_MS, calm(120));
        let counts = rig.outputs.counts;
        assert_eq!((counts.cold_lost, counts.cold_reloaded, counts.warming_up), (1, 0, 1));
        assert_eq!(rejected.load(Ordering::Relaxed), usize::from(!damaged.is_empty()));
        assert_eq!((cold(&mut rig), rig.engine.intake().cold()), (0, 0));
        rig.calm(&labels, 121..240);
        assert_eq!(rig.outputs.counts.judged, 1, "detection goes on");
    }
}

#[test]
fn a_series_that_outlives_its_time_out_of_memory_is_forgotten() {
    let mut settings = settings();
    settings.series.time_to_live_ms = 60 * MINUTE_MS;
    let mut rig = Rig::new(settings);
    let group: Vec<_> = (0..6).map(|metric| series(&format!("m{metric}"), "a")).collect();
    touch(&mut rig, &group, 0..100);
    touch(&mut rig, &group[..3], 100..101);
    pass(&mut rig, 101..161);
    assert_eq!((rig.engine.intake().cold(), cold(&mut rig)), (3, 3), "half of a group");
    touch(&mut rig, &group[..1], 160..161);
    assert_eq!(rig.outputs.counts.cold_reloaded, 3);
    pass(&mut rig, 161..225);
    assert_eq!((rig.engine.intake().cold(), cold(&mut rig)), (0, 0));
    assert_eq!(bytes(&mut rig), 0);
}

proptest! {
    #[test]
    fn no_bytes_of_a_unit_panic(place in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>()) {
        let mut rig = Rig::new(settings());
        let group: Vec<_> = (0..5).map(|metric| series(&format!("m{metric}"), "a")).collect();
        touch(&mut rig, &group, 0..3);
        pass(&mut rig, 3..20);
        let partition = rig.engine.partitions().iter_mut().find(|partition| partition.cold_series() > 0);
        let partition = partition.expect("a group out of memory");
        let (_, mut state) = partition.cold_states().remove(0);
        let place = place.index(state.len());
        state[place] = byte;
        state.truncate(cut.index(state.len()) + 1);
        let mut moved = BTreeMap::new();
        // Mostly refused; if not, it is some state.
        _ = partition.read_unit(&state, &mut moved);
        for &aside in moved.values() {
            partition.remove(aside, &mut Outputs::default());
        }
    }
}
