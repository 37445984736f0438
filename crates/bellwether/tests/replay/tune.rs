//! `bellwether tune` on a journal.

use super::*;

/// Exit code, standard output, and the warnings on standard error: a machine that is slow hears of progress there, too.
fn tune(journal: &Path, more: &[&str]) -> (i32, String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tuned.yml");
    let mut command = Command::cargo_bin("bellwether").unwrap();
    command.arg("tune").arg(journal).args(["--trials", "1", "--output"]).arg(&path).args(more);
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let err = text(output.stderr);
    let warnings = err.lines().filter(|line| line.starts_with("warning: "));
    let warnings = warnings.map(str::to_owned).collect();
    (output.status.code().unwrap(), text(output.stdout), warnings)
}

#[test]
fn a_journal_that_is_shorter_than_a_day_is_not_said_to_be_one() {
    let (code, out, warnings) = tune(RECORDED.0.path(), &[]);
    assert!(code == 0 && warnings.is_empty(), "{out}{warnings:?}");
    assert!(out.starts_with("1 candidate, the default\n"), "{out}");
    assert!(
        out.contains(
            "\n4 blocks of 41m each are scored, behind a part that is only learned from\n\
             False alarms a day of a block are extrapolated from 41m, of all from 2h 47m; within the limit a block may have 0 false alarms\n"
        ),
        "{out}"
    );
    assert!(
        out.contains("within 1 false alarm a day") || out.contains("as 1 false alarm a day allows"),
        "{out}"
    );
}

#[test]
fn damage_is_named_and_json_stays_json() {
    let damaged = damaged(2, |bytes| flip_the_middle(bytes));
    let (code, out, warnings) = tune(damaged.path(), &["--format", "json"]);
    assert_eq!(code, 0, "{out}");
    let [warning] = &*warnings else { panic!("{warnings:?}") };
    assert!(warning.starts_with("warning: damage in the journal: file=`"), "{warning}");
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["objective"], "alerts", "{json}");
}
