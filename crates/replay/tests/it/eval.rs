//! Figures of `fixtures/eval` against those that an independent reference gave for it, to three decimals.
//!
//! `UPDATE_FIXTURES=1 cargo test -p bellwether-replay --test it eval` writes the corpus and the results anew; the goldens
//! then have to be made anew by the reference, see `fixtures/eval/README.md`.

mod fixture;

use std::fs;
use std::path::{Path, PathBuf};

use bellwether_replay::eval::{CorpusFiles, EvalInput, Evaluation, evaluate};
use serde_json::{Map, Value, json};

const DECIMALS: f64 = 1e3;

pub(crate) fn folder() -> PathBuf {
    PathBuf::from("../../fixtures/eval")
}

fn evaluated(results: &Path, corpus: &Path, threshold: Option<f64>) -> Evaluation {
    let input = EvalInput {
        results: results.to_owned(),
        corpus: CorpusFiles {
            labels: corpus.join("labels.json"),
            manifest: Some(corpus.join("manifest.json")),
            data: None,
        },
        threshold,
        threads: 2,
    };
    evaluate(&input, &|_, _| {}).expect("the results are scored")
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("the golden is committed")).expect("JSON")
}

/// What is ours in the words of the reference.
fn in_its_words(evaluation: &Evaluation) -> Value {
    let ours = serde_json::to_value(evaluation).expect("JSON");
    let datasets = ours["datasets"].as_array().expect("a list");
    let named = |figures: &Value, name: &str| (name.to_owned(), figures.clone());
    let (mut fixed, mut ranking) = (Map::new(), Map::new());
    for figures in datasets {
        let name = figures["dataset"].as_str().expect("a name");
        let mut these = figures.as_object().expect("an object").clone();
        let ranks = json!({
            "series": these["labelled_series"], "vus_pr": these["vus_pr"], "auc_pr": these["auc_pr"],
        });
        ranking.extend([named(&ranks, name)]);
        for other in ["dataset", "series", "labelled_series", "vus_pr", "auc_pr"] {
            these.remove(other);
        }
        fixed.extend([named(&Value::Object(renamed(&these)), name)]);
    }
    let mut nab = Map::new();
    if let Some(figures) = ours["nab"].as_object() {
        for (profile, figures) in figures["profiles"].as_object().expect("an object") {
            let figures = json!({
                "optimised": figures["optimised"],
                // More than any score: nothing is detected.
                "optimised_threshold": figures["optimised_threshold"].as_f64().unwrap_or(1.1),
                "at_fixed": figures["fixed"],
            });
            nab.extend([named(&figures, profile)]);
        }
        nab.extend([named(&figures["windows"], "windows")]);
    }
    let per_series = ours["series"].as_array().expect("a list").iter();
    let per_series = per_series.filter(|figures| !figures["vus_pr"].is_null()).map(|figures| {
        json!({
            "id": figures["id"], "dataset": figures["dataset"],
            "vus_pr": figures["vus_pr"], "auc_pr": figures["auc_pr"],
        })
    });
    json!({
        "fixed": fixed, "ranking": ranking, "nab": nab,
        "macro": renamed(ours["mean"].as_object().expect("an object")),
        "per_series": per_series.collect::<Vec<_>>(),
    })
}

fn renamed(figures: &Map<String, Value>) -> Map<String, Value> {
    let named = |(name, value): (&String, &Value)| {
        (name.replace("false_alarms", "false_alerts"), value.clone())
    };
    figures.iter().map(named).collect()
}

/// Holds everything that the reference says against ours; gives the number of figures.
fn compare(reference: &Value, ours: &Value, place: &str) -> usize {
    match (reference, ours) {
        (Value::Object(reference), Value::Object(ours)) => {
            assert_eq!(reference.len(), ours.len(), "{place}: {reference:?} {ours:?}");
            let compared = reference.iter().map(|(name, value)| {
                let other = ours.get(name).unwrap_or_else(|| panic!("{place}.{name} is missing"));
                compare(value, other, &format!("{place}.{name}"))
            });
            compared.sum()
        }
        (Value::Array(reference), Value::Array(ours)) => {
            assert_eq!(reference.len(), ours.len(), "{place}");
            let pairs = reference.iter().zip(ours).enumerate();
            pairs.map(|(at, (a, b))| compare(a, b, &format!("{place}[{at}]"))).sum()
        }
        (Value::Number(reference), Value::Number(ours)) => {
            let (reference, ours) = (reference.as_f64().expect("f64"), ours.as_f64().expect("f64"));
            assert!((reference - ours).abs() < 0.5 / DECIMALS, "{place}: {reference} {ours}");
            1
        }
        _ => {
            assert_eq!(reference, ours, "{place}");
            1
        }
    }
}

/// Holds an evaluation against what the reference wrote into `golden`.
fn check(evaluation: &Evaluation, golden: &Path) {
    let mut reference = read(golden);
    let fields = reference.as_object_mut().expect("an object");
    let incomplete = fields.remove("incomplete_results").expect("a list");
    let rule = fields.remove("alert_rule").expect("text");
    assert_eq!(incomplete.as_array().map(Vec::len), Some(evaluation.incomplete.len()));
    let is_alert = serde_json::to_value(evaluation.alert_rule).expect("JSON") == "is_alert";
    assert_eq!(rule == "is_alert column", is_alert, "{rule}");
    let figures = compare(&reference, &in_its_words(evaluation), "");
    assert!(figures > 80, "{figures}");
}

#[test]
fn alerts_are_scored_as_the_reference_scores_them() {
    let evaluation = evaluated(&folder().join("results"), &folder(), None);
    check(&evaluation, &folder().join("golden/alerts.json"));
    // A fixture in which everything is found would compare little.
    let missed = evaluation.datasets.iter().filter(|figures| figures.found < figures.events);
    assert!(missed.count() >= 2);
    assert!(evaluation.datasets.iter().all(|figures| figures.false_alarms > 0));
}

#[test]
fn scores_over_a_given_threshold_are_scored_as_the_reference_scores_them() {
    let evaluation = evaluated(&folder().join("results"), &folder(), Some(0.7));
    check(&evaluation, &folder().join("golden/threshold.json"));
}

#[test]
fn missing_rows_and_results_are_scored_as_the_reference_scores_them() {
    let evaluation = evaluated(&folder().join("gaps"), &folder(), None);
    check(&evaluation, &folder().join("golden/gaps.json"));
    let missing = evaluation.incomplete.iter().filter(|result| result.matched_rows.is_none());
    assert_eq!(missing.count(), 1);
}

#[test]
fn labels_as_nab_writes_them_give_the_same_nab_score_with_and_without_a_manifest() {
    let nab = |labels: &str, manifest: Option<&str>, results: &str| {
        let input = EvalInput {
            results: folder().join(results),
            corpus: CorpusFiles {
                labels: folder().join(labels),
                manifest: manifest.map(|path| folder().join(path)),
                data: None,
            },
            threshold: None,
            threads: 1,
        };
        evaluate(&input, &|_, _| {}).expect("the results are scored").nab.expect("windows")
    };
    let seconds = nab("labels.json", Some("manifest.json"), "results");
    let dated = nab("nab/combined_windows.json", None, "results/nab");
    assert_eq!(seconds, dated);
}

#[test]
fn a_result_does_not_depend_on_how_the_times_of_labels_are_written() {
    let written = |windows: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let labels = folder.path().join("labels.json");
        fs::write(&labels, format!(r#"{{"hosts/b.csv": [{windows}]}}"#)).expect("labels");
        let input = EvalInput {
            results: self::folder().join("results"),
            corpus: CorpusFiles { labels, manifest: None, data: None },
            threshold: None,
            threads: 1,
        };
        evaluate(&input, &|_, _| {}).expect("the results are scored")
    };
    let seconds = written("[1700024000, 1700026400]");
    assert_eq!((seconds.datasets[0].dataset.as_str(), &seconds.nab), ("hosts", &None));
    for windows in [
        r#"["2023-11-15T04:53:20Z", "2023-11-15T05:33:20Z"]"#,
        r#"["2023-11-15T05:53:20+01:00", "2023-11-15T06:33:20+01:00"]"#,
        r#"["2023-11-15 04:53:20", 1700026400]"#,
    ] {
        assert_eq!(written(windows), seconds, "{windows}");
    }
    let nabs = written(r#"["2023-11-15 04:53:20.000000", "2023-11-15 05:33:20.000000"]"#);
    assert!(nabs.nab.is_some() && nabs.datasets[0].dataset == "nab");
}

#[test]
fn windows_that_count_for_nothing_are_counted_and_change_no_figure() {
    let evaluation = evaluated(&folder().join("results"), &folder(), None);
    let unscored = evaluation.unscored.iter();
    let unscored: Vec<_> =
        unscored.map(|of| (of.id.as_str(), of.windows, of.unscored_windows)).collect();
    assert_eq!(unscored, [("nab/steady/early.csv", 4, 1)]);
    // As the reference has it: not even the NAB score knows of them.
    assert_eq!(evaluation.nab.expect("windows").windows, 5);
}

/// The whole of a corpus that is not in this repository: `BELLWETHER_CORPUS` is its folder, and
/// `BELLWETHER_CORPUS_RESULTS` one with `results`, and with `reference.json` that the reference made of them.
#[test]
fn a_whole_corpus_is_scored_as_the_reference_scores_it() {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let (Some(corpus), Some(scored)) =
        (folder("BELLWETHER_CORPUS"), folder("BELLWETHER_CORPUS_RESULTS"))
    else {
        return;
    };
    let evaluation = evaluated(&scored.join("results"), &corpus, None);
    check(&evaluation, &scored.join("reference.json"));
}
