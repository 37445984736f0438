//! History from files: the same samples give the same events, whatever file they are in and however its rows are ordered.
//!
//! `fixtures/history` has one small history in each format; `UPDATE_FIXTURES` writes it anew, `UPDATE_GOLDEN` its events.

mod damage;
mod formats;
mod read;
mod resume;
mod scored;
mod story;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use bellwether_detect::{DetectorSpec, WarmUp, iqr, seasonal, zscore};
use bellwether_engine::{Event, Settings};
use bellwether_eventlog::Wanted;
use bellwether_replay::history::{
    HistoryOptions, HistoryProgress, HistorySummary, Input, Listener, Part, Watch, replay_events,
    replay_history,
};
use bellwether_series::Timestamp;
use proptest::prelude::*;

use crate::golden::check;
use formats::{Format, Sample, write};

/// Detectors of the base tier by themselves, which are fast, and judge soon.
fn settings() -> Arc<Settings> {
    let mut settings = Settings::default();
    let warm_up_samples = WarmUp::try_from(10).expect("a warm-up");
    settings.rules[0].detectors = vec![
        DetectorSpec::Zscore(zscore::Params { warm_up_samples, ..Default::default() }),
        DetectorSpec::Iqr(iqr::Params { warm_up_samples, ..Default::default() }),
        DetectorSpec::Seasonal(seasonal::Params::default()),
    ];
    Arc::new(settings)
}

fn options(threads: usize) -> HistoryOptions {
    HistoryOptions { threads, scores: true, ..HistoryOptions::default() }
}

/// Replays files; gives the summary, the events and the bytes of the scores.
fn replay(paths: &[PathBuf], options: &HistoryOptions) -> (HistorySummary, String, Vec<u8>) {
    let output = tempfile::tempdir().expect("a folder");
    let inputs = Input::find(paths).expect("files");
    let stop = AtomicBool::new(false);
    let watch = Watch { note: &|_, _| {}, progress: &|_| {}, stop: &stop };
    let summary = replay_history(&inputs, output.path(), &settings(), options, &watch);
    let (summary, _) = summary.unwrap_or_else(|error| panic!("{paths:?}: {error}"));
    let read = |name: &str| fs::read(output.path().join(name)).expect("a result");
    let events = String::from_utf8(read("events.jsonl")).expect("text");
    let names: BTreeSet<_> = fs::read_dir(output.path())
        .expect("a folder")
        .map(|file| file.expect("a file").file_name())
        .collect();
    let expected = [
        "events.jsonl",
        "events.parquet",
        "replay.json",
        "report.html",
        "scores.parquet",
        "summary.json",
    ];
    assert_eq!(names, expected.map(Into::into).into(), "nothing else is left behind");
    (summary, events, read("scores.parquet"))
}

fn fixture(format: Format) -> PathBuf {
    Path::new("../../fixtures/history").join(format.file_name())
}

#[test]
fn every_format_gives_the_events_that_are_committed() {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        for format in Format::ALL {
            write(format, &story::samples(), &fixture(format));
        }
    }
    for format in Format::ALL {
        let (summary, events, _) = replay(&[fixture(format)], &options(1));
        assert!(summary.complete && summary.events.firing >= 3, "{format:?}: {summary:?}");
        check("history.jsonl", &events);
    }
}

/// What a reader sees of a page, a line for each text.
fn texts(page: &str) -> String {
    let (_, body) = page.split_once("<body>").expect("a body");
    let texts =
        body.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text.trim());
    texts.filter(|text| !text.is_empty()).map(|text| text.to_owned() + "\n").collect()
}

#[test]
fn the_report_says_what_is_committed_with_any_number_of_threads() {
    let pages = [1, 3].map(|threads| {
        let output = tempfile::tempdir().expect("a folder");
        let inputs = Input::find(&[fixture(Format::LongCsv)]).expect("files");
        let stop = AtomicBool::new(false);
        let watch = Watch { note: &|_, _| {}, progress: &|_| {}, stop: &stop };
        let options = HistoryOptions { scores: false, ..options(threads) };
        replay_history(&inputs, output.path(), &settings(), &options, &watch).expect("a summary");
        fs::read_to_string(output.path().join("report.html")).expect("a page")
    });
    assert_eq!(pages[0].matches("class=\"values\" d=\"M").count(), 3, "each incident has a plot");
    assert!(pages[0] == pages[1]);
    check("history_report.txt", &texts(&pages[0]));
}

#[test]
fn threads_memory_and_the_number_of_files_change_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let samples = story::samples();
    let (first, second) = (folder.path().join("a.csv"), folder.path().join("b.parquet"));
    let (one, two) = samples.split_at(samples.len() / 3);
    write(Format::LongCsv, two, &first);
    write(Format::LongParquet, one, &second);
    let (_, events, scores) = replay(&[fixture(Format::LongCsv)], &options(1));
    for threads in [1, 3] {
        for memory_bytes in [0, 1 << 28] {
            let options = HistoryOptions { memory_bytes, ..options(threads) };
            let (summary, told, judgements) = replay(&[first.clone(), second.clone()], &options);
            assert!(told == events && judgements == scores, "{threads} {memory_bytes}");
            assert_eq!(summary.spilled_rows > 0, memory_bytes == 0);
        }
    }
}

#[test]
fn files_that_are_read_at_a_time_count_one_after_the_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let samples = story::samples();
    // Each file has some of the samples of the one before, with other values, so that it matters whose come first.
    let paths: Vec<_> = (0..7)
        .map(|number| {
            let other = |sample: &Sample| Sample {
                value: sample.value.map(|value| value + f64::from(number)),
                ..sample.clone()
            };
            let begin = samples.len() * number as usize / 8;
            let part = &samples[begin..samples.len() * (number as usize + 2) / 8];
            let path = folder.path().join(format!("{number}.csv"));
            write(Format::LongCsv, &part.iter().map(other).collect::<Vec<_>>(), &path);
            path
        })
        .collect();
    let of = |threads| replay(&paths, &options(threads));
    let (alone, events, scores) = of(1);
    assert!(alone.samples > samples.len() as u64 && !events.is_empty());
    for threads in [2, 5, 16] {
        let (summary, told, judgements) = of(threads);
        assert!(told == events && judgements == scores, "{threads}");
        assert_eq!(summary, alone, "{threads}");
    }
    fs::write(&paths[3], "time,value\nnever,1\n").expect("a file");
    let inputs = Input::find(&paths).expect("files");
    let (stop, noted) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let note = |input: &Input, _: &str| noted.lock().expect("a list").push(input.path.clone());
    let watch = Watch { note: &note, progress: &|_| {}, stop: &stop };
    let output = tempfile::tempdir().expect("a folder");
    let refused = replay_history(&inputs, output.path(), &settings(), &options(5), &watch);
    let message = refused.expect_err("an error").to_string();
    assert!(message.contains("3.csv"), "{message}");
    assert_eq!(noted.into_inner().expect("a list"), paths[..4], "in the order of the files");
}

/// Keeps events as the lines of their log.
#[derive(Default)]
struct Lines(String);

impl Listener for Lines {
    fn hear(&mut self, event: &Event) {
        self.0 += &(serde_json::to_string(event).expect("JSON") + "\n");
    }
}

#[test]
fn events_alone_are_those_of_the_results_even_if_all_is_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let samples = story::samples();
    let (late, early) = (folder.path().join("a.csv"), folder.path().join("b.csv"));
    let (one, two) = samples.split_at(samples.len() / 3);
    write(Format::LongCsv, two, &late);
    write(Format::LongCsv, one, &early);
    let inputs = Input::find(&[late, early]).expect("files");
    let (summary, events, _) = replay(&[fixture(Format::LongCsv)], &options(1));
    for (threads, memory_bytes, attempts) in [(1, 1 << 28, 1), (1, 0, 2), (3, 0, 2)] {
        let options = HistoryOptions { memory_bytes, ..options(threads) };
        let (stop, begun) = (AtomicBool::new(false), Cell::new(0));
        let watch = Watch { note: &|_, _| {}, progress: &|_| {}, stop: &stop };
        let listener = || {
            begun.set(begun.get() + 1);
            Lines::default()
        };
        let (told, Lines(heard)) =
            replay_events(&inputs, &settings(), &options, None, &watch, &listener)
                .expect("a replay");
        assert!(heard == events, "{threads} {memory_bytes}: {heard}");
        assert_eq!((told.complete, told.events), (true, summary.events));
        assert_eq!((told.samples, told.judged_samples), (summary.samples, summary.judged_samples));
        assert_eq!(begun.get(), attempts, "{threads} {memory_bytes}");
    }
}

#[test]
fn parts_together_are_the_whole() {
    let (whole, events, _) = replay(&[fixture(Format::LongCsv)], &options(1));
    let mut lines = BTreeSet::new();
    let (mut judged, mut fired) = (0, 0);
    for number in 1..=3 {
        let part = Part::new(number, 3).expect("a part");
        let (summary, events, _) =
            replay(&[fixture(Format::LongCsv)], &HistoryOptions { part, ..options(number) });
        judged += summary.judged_samples;
        fired += summary.events.total;
        lines.extend(events.lines().map(str::to_owned));
    }
    assert_eq!((judged, fired), (whole.judged_samples, whole.events.total));
    assert_eq!(lines, events.lines().map(str::to_owned).collect());
}

#[test]
fn whoever_is_stopped_leaves_whole_files_and_says_so() {
    let output = tempfile::tempdir().expect("a folder");
    let inputs = Input::find(&[fixture(Format::LongCsv)]).expect("files");
    let stop = AtomicBool::new(false);
    let until = story::START_MS + 100 * story::MINUTE_MS;
    let progress = |progress: HistoryProgress| {
        if progress.at.is_some_and(|at| at.as_ms() >= until) {
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    };
    let watch = Watch { note: &|_, _| {}, progress: &progress, stop: &stop };
    let (summary, _) = replay_history(&inputs, output.path(), &settings(), &options(2), &watch)
        .expect("a summary");
    assert!(!summary.complete);
    assert_eq!(summary.last_received_ms.map(Timestamp::as_ms), Some(until));
    let read = bellwether_eventlog::read(&output.path().join("events.parquet"), Wanted::default());
    assert_eq!(read.expect("a table").count() as u64, summary.events.total);
    assert!(output.path().join("scores.parquet").exists());
    let written = fs::read_to_string(output.path().join("summary.json")).expect("a summary");
    assert!(written.contains("\"complete\": false"), "{written}");
}

#[test]
fn results_do_not_go_among_the_files_that_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("history.csv");
    write(Format::LongCsv, &story::samples()[..5], &path);
    let stop = AtomicBool::new(false);
    let watch = Watch { note: &|_, _| {}, progress: &|_| {}, stop: &stop };
    let inputs = Input::find(&[path]).expect("files");
    let refused = replay_history(&inputs, folder.path(), &settings(), &options(1), &watch);
    assert!(refused.is_err_and(|error| error.to_string().contains("folder that is read")));
}

/// Few series and times, so that times and whole samples occur twice; any values, some of them none.
fn any_history() -> impl Strategy<Value = Vec<Sample>> {
    let value = prop_oneof![
        8 => (-100.0..100.0).prop_map(Some),
        1 => Just(Some(f64::NAN)),
        1 => Just(None),
    ];
    let sample = (0..4_usize, 0..60_i64, 0..2_i64, value);
    proptest::collection::vec(sample, 150..400).prop_map(|all| {
        let sample = |(series, minute, jitter, value): (usize, i64, i64, Option<f64>)| Sample {
            metric: ["load", "requests_total"][series % 2].to_owned(),
            host: ["", "web-1"][series / 2].to_owned(),
            at_ms: story::START_MS + minute * story::MINUTE_MS + jitter * 700,
            value,
        };
        all.into_iter().map(sample).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn any_history_gives_the_same_in_every_format_and_order(
        samples in any_history(),
        shuffles in proptest::collection::vec(any::<u64>(), Format::ALL.len()),
        memory_bytes in prop_oneof![Just(0), Just(1_usize << 28)],
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut expected = None;
        for (format, seed) in Format::ALL.into_iter().zip(shuffles) {
            let mut noise = crate::fixture::Noise(seed);
            let mut rows: Vec<_> = samples.iter().map(|sample| (noise.uniform(), sample.clone())).collect();
            rows.sort_by(|one, other| one.0.total_cmp(&other.0));
            let rows: Vec<_> = rows.into_iter().map(|(_, sample)| sample).collect();
            let path = folder.path().join(format.file_name());
            write(format, &rows, &path);
            let options = HistoryOptions { memory_bytes, ..options(1 + (seed % 2) as usize) };
            let (mut summary, events, scores) = replay(&[path], &options);
            (summary.inputs, summary.read) = Default::default();
            let expected = expected.get_or_insert_with(|| (summary.clone(), events.clone(), scores.clone()));
            prop_assert!(summary.scores > 0);
            prop_assert_eq!(&summary, &expected.0, "{:?}", format);
            prop_assert_eq!(&events, &expected.1, "{:?}", format);
            prop_assert!(scores == expected.2, "{:?}", format);
        }
    }
}
