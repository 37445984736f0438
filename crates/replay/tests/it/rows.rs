//! Rows of a corpus replay.

use std::fs;
use std::sync::Arc;

use bellwether_engine::Settings;
use bellwether_replay::corpus::replay_corpus;

use crate::fixture::{IDS, read};
use crate::golden::{check, fixtures};

/// Replays the corpus and returns the text of each result.
fn replay(threads: usize) -> Vec<String> {
    let output = tempfile::tempdir().expect("a folder");
    let manifest = fixtures().join("manifest.json");
    let settings = Arc::new(Settings::default());
    let report = replay_corpus(&manifest, output.path(), &settings, threads, &|_, _| {})
        .expect("the corpus replays");
    let results = IDS.map(|id| fs::read_to_string(output.path().join(id)).expect("a result"));
    assert_eq!(report.series, IDS.len());
    assert_eq!(report.rows, results.iter().map(|text| text.lines().count() - 1).sum::<usize>());
    results.into()
}

#[test]
fn every_row_scores_as_committed() {
    for (id, text) in IDS.into_iter().zip(replay(1)) {
        check(&format!("{id}.scores.csv"), &text);
    }
}

#[test]
fn the_number_of_threads_changes_no_row() {
    assert!(replay(1) == replay(3));
}

#[test]
fn there_is_one_row_for_each_input_row_and_a_refused_one_repeats_the_last_score() {
    for (id, result) in IDS.into_iter().zip(replay(1)) {
        let input = read(id);
        assert_eq!(result.lines().count(), input.lines().count());
        assert_eq!(result.lines().next(), Some("timestamp,score,is_alert,is_firing"));
        let (mut newest, mut last_score, mut refused) = (0, String::new(), 0);
        for (given, told) in input.lines().zip(result.lines()).skip(1) {
            let (given, told): (Vec<_>, Vec<_>) =
                (given.split(',').collect(), told.split(',').collect());
            assert_eq!(given[0], told[0]);
            let score: f64 = told[1].parse().expect("a score");
            assert!((0.0..1.0).contains(&score), "{score}");
            assert!(matches!(told[2], "0" | "1"));
            let seconds: u64 = given[0].parse().expect("a timestamp");
            if seconds <= newest || given[1] == "NaN" {
                assert_eq!((told[1], told[2]), (last_score.as_str(), "0"), "{id} {}", given[0]);
                refused += 1;
            } else {
                newest = seconds;
            }
            told[1].clone_into(&mut last_score);
        }
        assert_eq!(refused, if id == "queue.csv.gz" { 4 } else { 0 });
    }
}

#[test]
fn every_incident_of_the_corpus_rings() {
    for (id, result) in IDS.into_iter().zip(replay(1)) {
        let input = read(id);
        let rows = input.lines().zip(result.lines()).skip(1);
        let rang = rows
            .filter(|(given, told)| given.ends_with(",1") && told.split(',').nth(2) == Some("1"));
        assert!(rang.count() > 0, "{id}");
    }
}
