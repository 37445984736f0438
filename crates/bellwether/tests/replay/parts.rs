//! A history that several processes share, as the pods of an indexed Job do.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use assert_cmd::cargo::CommandCargoExt;
use serde_json::Value;

use super::{json, replay};

const PARTS: usize = 3;
const HOSTS: i64 = 24;
const MINUTES: i64 = 240;

/// A load of each host and minute; every other host has a fault, at a time of its own.
fn history() -> String {
    let mut text = String::from("timestamp,host,load\n");
    for minute in 0..MINUTES {
        for host in 0..HOSTS {
            let noise = (minute * 7919 + host * 104_729) % 17;
            let fault = 150 + host..170 + host;
            let is_faulty = host % 2 == 0 && fault.contains(&minute);
            let load = 100 + noise + if is_faulty { 500 } else { 0 };
            let at = 1_760_000_000 + minute * 60;
            writeln!(text, "{at},host-{host},{load}").unwrap();
        }
    }
    text
}

/// The events in a folder of results: each with its content, by id.
fn events(results: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(results.join("events.jsonl")).unwrap();
    let events: BTreeSet<_> = text.lines().map(str::to_owned).collect();
    assert_eq!(events.len(), text.lines().count(), "no event is there twice");
    events
}

#[test]
fn the_events_of_processes_that_share_a_history_are_together_those_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("history.csv");
    fs::write(&input, history()).unwrap();
    let whole = folder.path().join("whole");
    let (code, _, err) = replay([&input, &"--output", &whole]);
    assert_eq!(code, 0, "{err}");

    let results = |part: usize| folder.path().join(format!("part-{part}"));
    // From 0, as a Job counts.
    let mut processes: Vec<_> = (0..PARTS)
        .map(|part| {
            let mut command = Command::cargo_bin("bellwether").unwrap();
            command.arg("replay").arg(&input).arg("--output").arg(results(part));
            command.arg("--partition").arg(format!("{part}/{PARTS}"));
            command.spawn().unwrap()
        })
        .collect();
    for process in &mut processes {
        assert!(process.wait().unwrap().success());
    }

    let mut together = BTreeSet::new();
    for part in 0..PARTS {
        let own = events(&results(part));
        assert!(!own.is_empty(), "part {part} has none of the faults");
        assert!(own.iter().all(|event| together.insert(event.clone())), "two parts say the same");
        assert_eq!(json(&results(part).join("summary.json"))["complete"], Value::Bool(true));
    }
    let expected = events(&whole);
    assert!(expected.len() >= 2 * HOSTS as usize / 2, "{}", expected.len());
    assert_eq!(together, expected);
}
