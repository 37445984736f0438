//! The judgements of a replay held against labels: as if each series had a file of results of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMillisecondType, UInt32Type};
use bellwether_replay::eval::{CorpusFiles, EvalError, EvalInput, Evaluation, evaluate};
use bellwether_replay::history::{Input, Watch, replay_history};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;

use super::formats::Format;
use super::{fixture, options, settings};

/// Series as a file of results names them, as somebody may write them, and as Prometheus does; one has no result.
const SERIES: [(&str, &str, &str); 3] = [
    ("web-1", r#"{ host="web-1", __name__="queue_depth" }"#, r#"queue_depth{host="web-1"}"#),
    ("web-2", r#"queue_depth{host="web-2"}"#, r#"queue_depth{host="web-2"}"#),
    ("db", r#"queue_depth{host="db \"1\""}"#, r#"queue_depth{host="db \"1\""}"#),
];

/// A window within each hour, of 20 minutes.
fn windows() -> Vec<[i64; 2]> {
    let start = 1_750_032_000;
    (0..5).map(|hour| start + hour * 3600).map(|at| [at + 600, at + 1800]).collect()
}

fn labelled(folder: &Path, names: impl Iterator<Item = &'static str>) -> EvalInput {
    let labels: BTreeMap<_, _> = names.map(|name| (name, windows())).collect();
    let path = folder.join("labels.json");
    fs::write(&path, json!(labels).to_string()).expect("it works");
    let corpus = CorpusFiles { labels: path, manifest: None, data: None };
    EvalInput { results: folder.to_owned(), corpus, threshold: None, threads: 1 }
}

/// What `folder` has in `scores.parquet`, as a file of text for each series.
fn written_out(folder: &Path, output: &Path) {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    let file = File::open(folder.join("scores.parquet")).expect("it is there");
    let rows = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
    for batch in rows.build().expect("Parquet").map(|batch| batch.expect("rows")) {
        let column = |name| batch.column_by_name(name).expect("a column");
        let series = column("series").as_dictionary::<UInt32Type>();
        let names = series.values().as_string::<i32>();
        let times = column("timestamp").as_primitive::<TimestampMillisecondType>();
        let scores = column("score").as_primitive::<Float64Type>();
        let alerts = column("is_alert").as_boolean();
        for row in 0..batch.num_rows() {
            let name = names.value(series.keys().value(row) as usize).to_owned();
            let text = texts.entry(name).or_insert("timestamp,score,is_alert\n".to_owned());
            let (at, is_alert) = (times.value(row) / 1000, u8::from(alerts.value(row)));
            writeln!(text, "{at},{},{is_alert}", scores.value(row)).expect("a text");
        }
    }
    for (file, _, name) in SERIES {
        fs::write(output.join(file), &texts[name]).expect("it works");
    }
}

/// All that is not a name.
fn figures(evaluation: &Evaluation) -> serde_json::Value {
    let mut all = serde_json::to_value(evaluation).expect("JSON");
    for list in ["series", "unscored"] {
        let series = all[list].as_array_mut().expect("a list");
        for one in series.iter_mut() {
            one["id"] = "".into();
        }
        series.sort_by_key(ToString::to_string);
    }
    all
}

#[test]
fn the_judgements_of_a_replay_score_as_files_with_the_same_rows() {
    let (results, files) = (tempfile::tempdir().expect("it"), tempfile::tempdir().expect("it"));
    let inputs = Input::find(&[fixture(Format::LongCsv)]).expect("a file");
    let stop = AtomicBool::new(false);
    let watch = Watch { note: &|_, _| {}, progress: &|_| {}, stop: &stop };
    replay_history(&inputs, results.path(), &settings(), &options(1), &watch).expect("it works");
    written_out(results.path(), files.path());
    let of = |input: &EvalInput| evaluate(input, &|_, _| {}).expect("figures");
    let ours = of(&labelled(results.path(), SERIES.iter().map(|series| series.1)));
    let expected = of(&labelled(files.path(), SERIES.iter().map(|series| series.0)));
    assert_eq!(figures(&ours), figures(&expected));
    let found: usize = ours.series.iter().map(|series| series.found).sum();
    assert!(found > 0 && ours.series.iter().all(|series| series.vus_pr.is_some()), "{ours:?}");

    let nobody = labelled(results.path(), ["queue_depth", "../x"].into_iter());
    let refused = evaluate(&nobody, &|_, _| {});
    assert!(matches!(refused, Err(EvalError::NoResults { .. })), "{refused:?}");
    let twice = [r#"queue_depth{host="web-1"}"#, r#"queue_depth{ host="web-1" }"#];
    let refused = evaluate(&labelled(results.path(), twice.into_iter()), &|_, _| {});
    assert!(matches!(refused, Err(EvalError::Twice { .. })), "{refused:?}");
    let damaged = labelled(results.path(), SERIES.iter().map(|series| series.1));
    fs::write(results.path().join("scores.parquet"), "PAR1").expect("it works");
    let refused = evaluate(&damaged, &|_, _| {});
    assert!(matches!(refused, Err(EvalError::Scores { .. })), "{refused:?}");
}
