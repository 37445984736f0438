//! Which records the engine is given, under which configuration, and what is said of the others.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bellwether_engine::{RecordKind, Settings};
use bellwether_runtime::journal::{Journal, JournalOptions};
use bellwether_runtime::storage::DiskStorage;
use bellwether_runtime::stored::encode_settings;
use bellwether_series::Timestamp;

use super::figures::Summary;
use super::*;
use crate::exclude::Exclusions;

const HEARTBEAT: u8 = RecordKind::Heartbeat as u8;
const CONFIGURATION: u8 = RecordKind::Configuration as u8;
const CONTROL: u8 = RecordKind::Control as u8;

fn settings(digest: &str) -> Settings {
    Settings { digest: Arc::from(digest), ..Settings::default() }
}

/// A journal in `folder` whose segments hold `segment_bytes_max` bytes and restate nothing yet.
fn journal(folder: &Path, segment_bytes_max: u64) -> Journal {
    let options = JournalOptions { segment_bytes_max, ..JournalOptions::default() };
    Journal::open(Arc::new(DiskStorage::new(folder)), options, 0, 7).unwrap().0
}

/// Commits a record, received a second after the one before.
fn write(journal: &mut Journal, kind: u8, payload: &[u8]) {
    let at = Timestamp::from_ms(1000 * journal.committed_below() as i64);
    journal.append(kind, at, &[payload]).unwrap();
    journal.commit().unwrap();
}

fn replay(folder: &Path, settings: Option<Settings>) -> Summary {
    let output = tempfile::tempdir().unwrap();
    let settings = settings.map(Arc::new);
    let summary = replay_journal(
        folder,
        output.path(),
        settings,
        &Exclusions::default(),
        1 << 20,
        &mut |_| {},
    )
    .unwrap()
    .0;
    let text = fs::read_to_string(output.path().join("summary.json")).unwrap();
    let written: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(written, serde_json::to_value(&summary).unwrap());
    summary
}

/// The digest in force after each record.
fn digests(folder: &Path, settings: Option<Settings>) -> Vec<(u64, String)> {
    let mut tape = tape::Tape::open(folder, settings.map(Arc::new)).unwrap();
    let mut digests = vec![(0, tape.settings().digest.to_string())];
    while let Some(played) = tape.next().unwrap() {
        digests.push((played.sequence, tape.settings().digest.to_string()));
    }
    digests
}

fn told(digests: &[(u64, String)]) -> Vec<(u64, &str)> {
    digests.iter().map(|(sequence, digest)| (*sequence, digest.as_str())).collect()
}

/// Damages the header of a segment, so that nothing in it can be read.
fn damage(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    bytes[20] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[test]
fn the_configuration_records_rule_unless_one_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = journal(folder.path(), 1 << 20);
    write(&mut journal, CONFIGURATION, &encode_settings(&settings("one")));
    write(&mut journal, HEARTBEAT, b"");
    write(&mut journal, CONFIGURATION, &encode_settings(&settings("two")));
    write(&mut journal, HEARTBEAT, b"");
    assert_eq!(
        told(&digests(folder.path(), None)),
        [(0, "one"), (1, "one"), (2, "one"), (3, "two"), (4, "two")]
    );
    let fixed = digests(folder.path(), Some(settings("mine")));
    assert!(fixed.len() == 5 && fixed.iter().all(|(_, digest)| digest == "mine"), "{fixed:?}");

    let own = replay(folder.path(), None);
    assert_eq!((own.records, own.heartbeats, own.configurations), (4, 2, 2));
    assert_eq!((own.first_sequence, own.last_sequence), (Some(1), Some(4)));
    assert_eq!(own.last_received_ms, Some(Timestamp::from_ms(4000)));
    assert_eq!(own.config_digest, "two");
    assert_eq!(own.findings, Findings::default());
    let fixed = replay(folder.path(), Some(settings("mine")));
    assert_eq!((fixed.records, fixed.heartbeats, fixed.configurations), (4, 2, 2));
    assert_eq!(fixed.config_digest, "mine");
}

#[test]
fn what_a_segment_restates_is_where_the_engine_begins_and_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = journal(folder.path(), 300);
    journal.set_preamble(encode_settings(&settings("restated"))).unwrap();
    for _ in 0..3 {
        write(&mut journal, HEARTBEAT, b"");
    }
    assert!(journal.figures().segments > 1);
    let told_all = [(0, "restated"), (1, "restated"), (2, "restated"), (3, "restated")];
    assert_eq!(told(&digests(folder.path(), None)), told_all);
    // Retention took the first.
    fs::remove_file(folder.path().join("journal/00000000000000000001.journal")).unwrap();
    let summary = replay(&folder.path().join("journal"), None);
    assert_eq!((summary.records, summary.first_sequence), (2, Some(2)));
    assert_eq!(summary.config_digest, "restated");
    assert_eq!(summary.findings, Findings::default());
}

#[test]
fn behind_a_gap_what_is_restated_is_a_change_if_it_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = journal(folder.path(), 300);
    journal.set_preamble(encode_settings(&settings("one"))).unwrap();
    write(&mut journal, HEARTBEAT, b"");
    write(&mut journal, HEARTBEAT, b"");
    // This record will be lost, and with it the only one that says so.
    write(&mut journal, CONFIGURATION, &encode_settings(&settings("two")));
    journal.set_preamble(encode_settings(&settings("two"))).unwrap();
    write(&mut journal, HEARTBEAT, b"");
    write(&mut journal, HEARTBEAT, b"");
    for number in [2, 3] {
        damage(&folder.path().join(format!("journal/{number:020}.journal")));
    }
    let damaged = digests(folder.path(), None);
    assert_eq!(
        told(&damaged),
        [(0, "one"), (1, "one"), (4, "two"), (4, "two"), (5, "two")],
        "the change comes before the record that restates it"
    );
    let findings = replay(folder.path(), None).findings;
    assert_eq!((findings.gaps, findings.missing_records), (1, 2));
    assert_eq!((findings.first_gaps[0].first_missing, findings.first_gaps.len()), (2, 1));
    assert_eq!(digests(folder.path(), Some(settings("mine"))).len(), 4);
}

#[test]
fn what_means_nothing_is_named_with_its_place_and_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = journal(folder.path(), 1 << 20);
    write(&mut journal, HEARTBEAT, b"");
    write(&mut journal, CONTROL, b"later");
    write(&mut journal, CONFIGURATION, br#"{"news": 1}"#);
    write(&mut journal, HEARTBEAT, b"");
    let Summary { records, findings, .. } = replay(folder.path(), None);
    assert_eq!((records, findings.undecodable), (2, 2));
    assert!(findings.configuration_unknown);
    let places: Vec<_> = findings.first_undecodable.iter().map(|found| found.sequence).collect();
    assert_eq!(places, [2, 3]);
    for found in &findings.first_undecodable {
        let bytes = fs::read(folder.path().join(&found.file)).unwrap();
        let at = found.offset as usize + 4;
        assert_eq!(bytes[at..at + 8], found.sequence.to_le_bytes());
    }
    assert!(findings.first_undecodable[1].cause.contains("unknown field"), "{findings:?}");
}

#[test]
fn a_torn_tail_is_named_and_all_before_it_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = journal(folder.path(), 1 << 20);
    write(&mut journal, HEARTBEAT, b"");
    write(&mut journal, HEARTBEAT, b"");
    let file = folder.path().join("journal/00000000000000000001.journal");
    let mut bytes = fs::read(&file).unwrap();
    bytes.truncate(bytes.len() - 3);
    fs::write(&file, bytes).unwrap();
    let summary = replay(folder.path(), Some(settings("mine")));
    assert_eq!(summary.records, 1);
    assert_eq!(summary.findings.torn_tail.map(|tail| tail.bytes), Some(26));
}

#[test]
fn what_is_written_meanwhile_is_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = journal(folder.path(), 1 << 20);
    write(&mut journal, CONFIGURATION, &encode_settings(&settings("one")));
    write(&mut journal, HEARTBEAT, b"");
    let verification = verify_journal(folder.path(), None, 1, None, &mut |pass, _| {
        if pass > 0 && journal.committed_below() < 100 {
            write(&mut journal, HEARTBEAT, b"");
        }
    });
    let Verification { results, sequences, .. } = verification.unwrap();
    assert_eq!(results.iter().map(|result| result.records).collect::<Vec<_>>(), [2; 5]);
    assert_eq!(sequences, Some((1, 2)));
}

#[test]
fn without_a_journal_or_a_place_for_results_nothing_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let into = |output: &Path| {
        replay_journal(folder.path(), output, None, &Exclusions::default(), 1 << 20, &mut |_| {})
            .unwrap_err()
    };
    let output = tempfile::tempdir().unwrap();
    assert!(matches!(into(output.path()), JournalReplayError::NoJournal { .. }));
    write(&mut journal(folder.path(), 1 << 20), HEARTBEAT, b"");
    assert!(matches!(into(folder.path()), JournalReplayError::OutputIsInput { .. }));
    let file = output.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(into(&file), JournalReplayError::Output { .. }));
}
