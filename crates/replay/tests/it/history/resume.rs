//! A replay that ended early, by Ctrl-C or by a kill, goes on and ends with the results of one that did not.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bellwether_engine::Settings;
use bellwether_replay::history::{
    Checkpoints, HistoryError, HistoryOptions, HistoryProgress, HistorySummary, Input, Part, Watch,
    replay_history,
};
use bellwether_replay::{Exclusion, Exclusions};
use bellwether_series::{Matchers, Timestamp};
use parquet::file::reader::SerializedFileReader;
use proptest::prelude::*;

use super::formats::{Format, write};
use super::{fixture, story};

const RESULTS: [&str; 5] =
    ["events.jsonl", "events.parquet", "summary.json", "replay.json", "report.html"];
/// As long as a test takes at the most.
const NEVER: Duration = Duration::from_hours(1);

/// With samples that are held back, series that leave memory and come back, and a part that is left out.
fn settings() -> Arc<Settings> {
    let mut settings = Settings::clone(&super::settings());
    settings.digest = "resumed".into();
    settings.ordering.lateness_ms = 2 * story::MINUTE_MS;
    settings.series.idle_after_ms = 5 * story::MINUTE_MS;
    Arc::new(settings)
}

fn options(threads: usize, every: Duration, resume: bool) -> HistoryOptions {
    let at = |minute| Timestamp::from_ms(story::START_MS + minute * story::MINUTE_MS);
    let (from, until) = (at(141), at(144));
    let exclusion = Exclusion { from, until, series: Matchers::default() };
    HistoryOptions {
        exclusions: Exclusions::new(vec![exclusion]),
        checkpoints: Some(Checkpoints { every, resume }),
        ..HistoryOptions { scores: false, ..super::options(threads) }
    }
}

/// Replays the fixture into `output` until `hears` says that it is enough.
fn replay(
    input: &Path,
    output: &Path,
    options: &HistoryOptions,
    hears: &(dyn Fn(HistoryProgress) -> bool + Sync),
) -> Result<HistorySummary, HistoryError> {
    let inputs = Input::find(&[input.to_owned()])?;
    let stop = AtomicBool::new(false);
    let progress = |progress| {
        if hears(progress) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let watch = Watch { note: &|_, _| {}, progress: &progress, stop: &stop };
    replay_history(&inputs, output, &settings(), options, &watch).map(|(summary, _)| summary)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("it works")
        .map(|file| file.expect("it works").file_name().into())
        .collect();
    files.sort();
    files
}

/// What is in `folder`, which holds the results of a whole replay and nothing else.
fn results(folder: &Path) -> Vec<Vec<u8>> {
    let mut expected = RESULTS.map(PathBuf::from);
    expected.sort();
    assert_eq!(files(folder), expected);
    RESULTS.map(|name| fs::read(folder.join(name)).expect("it works")).into()
}

/// The results without an interruption.
fn whole(input: &Path, options: &HistoryOptions) -> Vec<Vec<u8>> {
    let output = tempfile::tempdir().expect("it works");
    let summary = replay(input, output.path(), options, &|_| false).expect("it works");
    assert!(summary.complete && summary.events.firing >= 2 && summary.excluded_samples > 0);
    results(output.path())
}

fn assert_same(found: &[Vec<u8>], expected: &[Vec<u8>], what: &str) {
    for ((name, found), expected) in RESULTS.iter().zip(found).zip(expected) {
        let shown =
            |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(4000)]).into_owned();
        assert!(found == expected, "{what}: {name}: {}\n{}", shown(found), shown(expected));
    }
}

/// Stops after each of `stops` samples, and goes on.
fn check_stops(input: &Path, options_of: &dyn Fn(bool) -> HistoryOptions, stops: &[u64]) {
    let expected = whole(input, &options_of(false));
    let output = tempfile::tempdir().expect("it works");
    for (index, &samples) in stops.iter().enumerate() {
        let enough = |progress: HistoryProgress| progress.replayed_samples >= samples;
        let options = options_of(index > 0);
        let summary = replay(input, output.path(), &options, &enough).expect("it works");
        assert!(!summary.complete, "{samples}");
        let checkpoint = output.path().join("replay.checkpoint");
        assert_eq!(checkpoint.exists(), samples > 0, "{samples}");
    }
    let summary = replay(input, output.path(), &options_of(true), &|_| false).expect("it works");
    assert!(summary.complete);
    assert_same(&results(output.path()), &expected, &format!("{stops:?}"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    #[test]
    fn whoever_goes_on_ends_with_the_same_bytes(
        threads in 1..4_usize,
        mut stops in proptest::collection::vec(0..1700_u64, 1..4),
        sorts in any::<bool>(),
    ) {
        stops.sort_unstable();
        let memory_bytes = if sorts { 0 } else { 1 << 28 };
        let of = |resume| HistoryOptions { memory_bytes, ..options(threads, NEVER, resume) };
        let format = if sorts { Format::SeriesLines } else { Format::LongCsv };
        check_stops(&fixture(format), &of, &stops);
    }
}

#[test]
fn a_part_goes_on_as_a_part() {
    let of = |resume| HistoryOptions {
        part: Part::new(1, 2).expect("it works"),
        ..options(2, NEVER, resume)
    };
    let output = tempfile::tempdir().expect("it works");
    let expected = {
        replay(&fixture(Format::LongCsv), output.path(), &of(false), &|_| false).expect("it works");
        results(output.path())
    };
    let enough = |progress: HistoryProgress| progress.replayed_samples >= 900;
    replay(&fixture(Format::LongCsv), output.path(), &of(false), &enough).expect("it works");
    replay(&fixture(Format::LongCsv), output.path(), &of(true), &|_| false).expect("it works");
    assert_same(&results(output.path()), &expected, "part");
}

#[test]
fn whoever_was_killed_goes_on_from_the_newest_state() {
    let input = fixture(Format::LongCsv);
    for threads in [1, 3] {
        let expected = whole(&input, &options(threads, Duration::ZERO, false));
        let (output, copy) =
            (tempfile::tempdir().expect("it works"), tempfile::tempdir().expect("it works"));
        for killed_after in [100, 1000, 1600] {
            // What is there at some moment, with lines behind the newest state and half a file, is what a kill leaves.
            let copied = AtomicBool::new(false);
            let look = |progress: HistoryProgress| {
                let is_time = progress.replayed_samples >= killed_after
                    && output.path().join("replay.checkpoint").exists();
                if is_time && !copied.swap(true, Ordering::Relaxed) {
                    for file in files(copy.path()) {
                        fs::remove_file(copy.path().join(file)).expect("it works");
                    }
                    let state =
                        fs::read(output.path().join("replay.checkpoint")).expect("it works");
                    let lines = fs::read(output.path().join("events.jsonl")).expect("it works");
                    fs::write(copy.path().join("replay.checkpoint"), state).expect("it works");
                    fs::write(copy.path().join("events.jsonl"), [&lines, &b"{\"half"[..]].concat())
                        .expect("it works");
                }
                false
            };
            let every = options(threads, Duration::ZERO, false);
            replay(&input, output.path(), &every, &look).expect("it works");
            assert!(copied.into_inner());
            let summary = replay(&input, copy.path(), &options(threads, NEVER, true), &|_| false)
                .expect("it works");
            assert!(summary.complete);
            assert_same(&results(copy.path()), &expected, &format!("{threads} {killed_after}"));
        }
    }
}

/// The judgements in `folder`, as text.
fn judgements(folder: &Path) -> Vec<String> {
    let file = fs::File::open(folder.join("scores.parquet")).expect("it is there");
    let rows = SerializedFileReader::new(file).expect("Parquet").into_iter();
    rows.map(|row| row.expect("a row").to_string()).collect()
}

#[test]
fn judgements_go_on_row_by_row() {
    let input = fixture(Format::LongCsv);
    for (threads, every) in [(1, NEVER), (3, NEVER), (1, Duration::ZERO)] {
        let of = |resume| HistoryOptions { scores: true, ..options(threads, every, resume) };
        let whole = tempfile::tempdir().expect("it works");
        replay(&input, whole.path(), &of(false), &|_| false).expect("it works");
        let expected = judgements(whole.path());
        let output = tempfile::tempdir().expect("it works");
        for (samples, resume) in [(0, false), (400, true), (1300, true)] {
            let enough = |progress: HistoryProgress| progress.replayed_samples >= samples;
            let summary = replay(&input, output.path(), &of(resume), &enough).expect("it works");
            let found = judgements(output.path());
            assert_eq!((summary.complete, summary.scores), (false, found.len() as u64));
            assert_eq!(found, expected[..found.len()], "{samples}");
            assert!(found.len() < expected.len() && (found.is_empty() == (samples == 0)));
        }
        replay(&input, output.path(), &of(true), &|_| false).expect("it works");
        assert_eq!(judgements(output.path()), expected, "{threads} {every:?}");
        assert_eq!(files(output.path()), files(whole.path()), "nothing else is left");
        assert_eq!(files(whole.path()).len(), RESULTS.len() + 1);
    }
}

#[test]
fn what_seemed_to_be_in_order_and_was_not_goes_on_all_the_same() {
    // The last rows belong to the beginning; memory is so small that this is noticed late.
    let folder = tempfile::tempdir().expect("it works");
    let input = folder.path().join("history.csv");
    let mut samples = story::samples();
    let early: Vec<_> = samples.drain(10..20).collect();
    samples.extend(early);
    write(Format::LongCsv, &samples, &input);
    let of = |resume| HistoryOptions { memory_bytes: 1, ..options(1, Duration::ZERO, resume) };
    let expected = whole(&input, &of(false));
    let output = tempfile::tempdir().expect("it works");
    let enough = |progress: HistoryProgress| progress.replayed_samples >= 300;
    replay(&input, output.path(), &of(false), &enough).expect("it works");
    replay(&input, output.path(), &of(true), &|_| false).expect("it works");
    assert_same(&results(output.path()), &expected, "disorder");
}

#[test]
fn nothing_goes_on_from_another_replay() {
    let folder = tempfile::tempdir().expect("it works");
    let (input, output) = (folder.path().join("history.csv"), folder.path().join("results"));
    write(Format::LongCsv, &story::samples(), &input);
    let enough = |progress: HistoryProgress| progress.replayed_samples >= 900;
    replay(&input, &output, &options(1, NEVER, false), &enough).expect("it works");
    let refused = |options: &HistoryOptions| {
        let error = replay(&input, &output, options, &|_| false).expect_err("an error");
        assert!(matches!(error, HistoryError::Resume { .. }), "{error}");
        error.to_string()
    };
    let again = options(1, NEVER, true);
    let other = HistoryOptions { exclusions: Exclusions::default(), ..again.clone() };
    assert!(refused(&other).contains("--exclude is another one"));
    fs::write(&input, fs::read(&input).expect("it works")).expect("it works");
    let touched = fs::File::options().write(true).open(&input).expect("it works");
    touched.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("it works");
    let message = refused(&again);
    assert!(
        message.contains("input is another one: then=`") && message.contains("history.csv, "),
        "{message}"
    );
    assert!(message.contains("begin anew without --resume"), "{message}");
    // Whoever begins anew leaves nothing to go on from but a state of its own.
    let summary = replay(&input, &output, &options(1, NEVER, false), &|_| false).expect("it works");
    assert!(summary.complete);
    assert_eq!(results(&output).len(), 5);
    // Where there is nothing to go on from it begins.
    assert!(replay(&input, &output, &again, &|_| false).expect("it works").complete);
}

#[test]
fn lines_that_were_lost_are_noticed() {
    let output = tempfile::tempdir().expect("it works");
    let enough = |progress: HistoryProgress| progress.replayed_samples >= 1700;
    let input = fixture(Format::LongCsv);
    replay(&input, output.path(), &options(1, NEVER, false), &enough).expect("it works");
    fs::write(output.path().join("events.jsonl"), "").expect("it works");
    let error =
        replay(&input, output.path(), &options(1, NEVER, true), &|_| false).expect_err("an error");
    assert!(error.to_string().contains("events.jsonl is another one"), "{error}");
}
