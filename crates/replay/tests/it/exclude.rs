//! What is excluded was never there: state and events are those of a history without it.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bellwether_engine::{RecordKind, Settings};
use bellwether_replay::history::{HistoryOptions, Input, Watch, replay_history};
use bellwether_replay::journal::replay_journal;
use bellwether_replay::{Exclusion, Exclusions};
use bellwether_runtime::Learned;
use bellwether_runtime::journal::{Journal, JournalOptions, RequestHeader};
use bellwether_runtime::storage::DiskStorage;
use bellwether_series::{LabelSet, MatchOp, Matcher, Matchers, Timestamp};
use bellwether_wire::Format;
use bellwether_wire::remote_write::{MetricType, RawSample, WriteRequestBuilder, compress};
use proptest::prelude::*;

use crate::fixture::Noise;

const START_MS: i64 = 1_750_032_000_000;
const MINUTE_MS: i64 = 60_000;
const MINUTES: i64 = 200;
const HOSTS: [&str; 3] = ["a", "b", "c"];

/// Leaves out minutes of some hosts.
#[derive(Debug, Clone, Copy)]
struct Window {
    from: i64,
    minutes: i64,
    /// Of all hosts without one.
    host: Option<&'static str>,
}

impl Window {
    fn excludes(self, minute: i64, host: &str) -> bool {
        (self.from..self.from + self.minutes).contains(&minute)
            && self.host.is_none_or(|only| only == host)
    }
}

fn windows() -> impl Strategy<Value = Vec<Window>> {
    let host = prop_oneof![Just(None), prop::sample::select(&HOSTS[..]).prop_map(Some)];
    let window = (0..MINUTES, 1..60_i64, host);
    let window = window.prop_map(|(from, minutes, host)| Window { from, minutes, host });
    prop::collection::vec(window, 1..4)
}

fn exclusions(windows: &[Window]) -> Exclusions {
    let exclusion = |window: &Window| {
        let only = |host| Matcher::new("host", MatchOp::Equal, host).expect("a matcher");
        let from = Timestamp::from_ms(START_MS + window.from * MINUTE_MS);
        let until = from.plus_ms(window.minutes * MINUTE_MS);
        let series = Matchers::new(window.host.map(only).into_iter().collect());
        Exclusion { from, until, series }
    };
    Exclusions::new(windows.iter().map(exclusion).collect())
}

/// Minute, host and value: one of the hosts breaks for a while.
fn samples() -> Vec<(i64, &'static str, f64)> {
    let mut noise = Noise(5);
    let of = |minute| HOSTS.map(|host| (minute, host));
    (0..MINUTES)
        .flat_map(of)
        .map(|(minute, host)| {
            let factor = if host == "b" && (150..170).contains(&minute) { 10.0 } else { 1.0 };
            (minute, host, (100.0 + 2.0 * noise.next()) * factor)
        })
        .collect()
}

/// All that is known, as bytes.
fn state(learned: &Learned) -> Vec<u8> {
    let mut bytes = learned.intake.save().encode().clone();
    learned.partitions.iter().for_each(|partition| partition.save(&mut bytes));
    bytes
}

/// Writes those of the samples for which `is_kept` says so, replays them, and gives state and events.
fn of_files(
    is_kept: impl Fn(i64, &str) -> bool,
    exclusions: Exclusions,
    threads: usize,
) -> (Vec<u8>, String, u64) {
    let (folder, output) =
        (tempfile::tempdir().expect("it works"), tempfile::tempdir().expect("it works"));
    let mut text = "time,__name__,host,value\n".to_owned();
    for (minute, host, value) in samples() {
        if is_kept(minute, host) {
            let at = START_MS + minute * MINUTE_MS;
            writeln!(text, "{at},load,{host},{value}").expect("a string");
        }
    }
    let path = folder.path().join("history.csv");
    fs::write(&path, text).expect("it works");
    let stop = AtomicBool::new(false);
    let watch = Watch { note: &|_, _| {}, progress: &|_| {}, stop: &stop };
    let options = HistoryOptions { exclusions, threads, ..HistoryOptions::default() };
    let (inputs, settings) =
        (Input::find(&[path]).expect("it works"), Arc::new(Settings::default()));
    let (summary, learned) =
        replay_history(&inputs, output.path(), &settings, &options, &watch).expect("it works");
    let events = fs::read_to_string(output.path().join("events.jsonl")).expect("it works");
    (state(&learned.expect("all partitions")), events, summary.excluded_samples)
}

/// Writes a journal in which each minute is a request of those samples for which `is_kept` says so, be there any or not, and
/// replays it.
fn of_journal(
    is_kept: impl Fn(i64, &str) -> bool,
    exclusions: &Exclusions,
) -> (Vec<u8>, String, u64) {
    let (folder, output) =
        (tempfile::tempdir().expect("it works"), tempfile::tempdir().expect("it works"));
    let samples = samples();
    let mut journal = journal(folder.path());
    let mut header = Vec::new();
    let format = Format::REMOTE_WRITE_1;
    RequestHeader { format, tenant: "", source: "10.0.0.1" }.encode(&mut header).expect("it works");
    for minute in 0..MINUTES {
        let timestamp = Timestamp::from_ms(START_MS + minute * MINUTE_MS);
        let mut builder = WriteRequestBuilder::default();
        builder.metadata("load", MetricType::Gauge, "", "");
        for &(_, host, value) in samples.iter().filter(|(at, ..)| *at == minute) {
            let labels =
                LabelSet::from_pairs([("__name__", "load"), ("host", host)]).expect("it works");
            if is_kept(minute, host) {
                builder.series(&labels, &[RawSample { timestamp, value }]);
            }
        }
        let body = compress(&builder.encode());
        journal.append(RecordKind::Request as u8, timestamp, &[&header, &body]).expect("it works");
        journal.commit().expect("it works");
    }
    drop(journal);
    let settings = Some(Arc::new(Settings::default()));
    let (summary, learned) =
        replay_journal(folder.path(), output.path(), settings, exclusions, 1 << 20, &mut |_| {})
            .expect("it works");
    assert_eq!((summary.records, summary.last_sequence), (200, Some(200)));
    let events = fs::read_to_string(output.path().join("events.jsonl")).expect("it works");
    (state(&learned), events, summary.excluded_samples)
}

fn journal(folder: &Path) -> Journal {
    let storage = Arc::new(DiskStorage::new(folder));
    Journal::open(storage, JournalOptions::default(), 0, 7).expect("it works").0
}

fn excluded(windows: &[Window]) -> u64 {
    let is_out = |(minute, host): (i64, &str)| windows.iter().any(|one| one.excludes(minute, host));
    samples().into_iter().filter(|&(minute, host, _)| is_out((minute, host))).count() as u64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn what_is_excluded_from_files_was_never_there(windows in windows(), threads in 1..3_usize) {
        let is_kept =
            |minute, host: &str| !windows.iter().any(|window| window.excludes(minute, host));
        let (state, events, none) = of_files(is_kept, Exclusions::default(), 1);
        let (same, told, left_out) = of_files(|_, _| true, exclusions(&windows), threads);
        prop_assert_eq!(none, 0);
        prop_assert_eq!(left_out, excluded(&windows));
        prop_assert_eq!(events, told);
        prop_assert!(state == same, "another state");
    }

    #[test]
    fn what_is_excluded_from_a_journal_was_never_there(windows in windows()) {
        let is_kept =
            |minute, host: &str| !windows.iter().any(|window| window.excludes(minute, host));
        let (state, events, none) = of_journal(is_kept, &Exclusions::default());
        let (same, told, left_out) = of_journal(|_, _| true, &exclusions(&windows));
        prop_assert_eq!(none, 0);
        prop_assert_eq!(left_out, excluded(&windows));
        prop_assert_eq!(events, told);
        prop_assert!(state == same, "another state");
    }
}

#[test]
fn an_incident_that_is_excluded_alerts_nobody_and_else_somebody() {
    let incident = [Window { from: 150, minutes: 20, host: Some("b") }];
    let (_, events, _) = of_journal(|_, _| true, &Exclusions::default());
    assert!(events.contains("\"firing\""), "{events}");
    let (_, events, left_out) = of_journal(|_, _| true, &exclusions(&incident));
    assert!(left_out == 20 && !events.contains("\"firing\""), "{events}");
}
