//! The command as a shell sees it: exit codes, output, errors.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use assert_cmd::cargo::CommandCargoExt;

fn bellwether() -> Command {
    let mut command = Command::cargo_bin("bellwether").unwrap();
    command.env_remove("ALERTMANAGER_PASSWORD").env_remove("ALERTMANAGER_TOKEN");
    command.env_remove("WEBHOOK_KEY");
    command
}

/// Cargo runs tests in the folder of their package.
fn fixture(path: &str) -> PathBuf {
    Path::new("../../fixtures/config").join(path)
}

/// Exit code, standard output and standard error.
fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn check_answers_0_for_good_files_and_counts_their_rules() {
    let files = [fixture("good/rules.yml"), fixture("good/minimal.yml")];
    let (code, out, err) = run(bellwether().arg("check").args(files));
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("rules.yml: good (rules: 3, Alertmanagers: 0, digest: "), "{out}");
    assert_eq!(out.lines().count(), 2);
}

#[test]
fn check_answers_1_when_one_file_is_bad_and_still_reads_the_others() {
    let files = [fixture("bad/many.yml"), fixture("good/minimal.yml")];
    let (code, out, _) = run(bellwether().arg("check").args(files));
    assert_eq!(code, 1);
    assert!(
        out.contains("many.yml:4:3") && out.contains("did you mean `connections_max`?"),
        "{out}"
    );
    assert!(out.contains("minimal.yml: good"), "{out}");
}

#[test]
fn check_reads_the_environment() {
    let full = fixture("good/full.yml");
    let (code, out, _) = run(bellwether().arg("check").arg(&full));
    assert_eq!(code, 1);
    assert!(out.contains("environment variable ALERTMANAGER_PASSWORD is not set"), "{out}");
    let mut command = bellwether();
    command.env("ALERTMANAGER_PASSWORD", "hunter2").env("ALERTMANAGER_TOKEN", "hunter3");
    command.env("WEBHOOK_KEY", "hunter4");
    let (code, out, err) = run(command.arg("check").arg(&full));
    assert_eq!(code, 0, "{out}");
    assert!(!out.contains("hunter") && !err.contains("hunter"));
}

#[test]
fn check_says_why_a_file_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let (large, binary) = (folder.path().join("large.yml"), folder.path().join("binary.yml"));
    fs::write(&large, "#".repeat((1 << 20) + 1)).unwrap();
    fs::write(&binary, b"data_dir: \xff").unwrap();
    let cases = [
        (large, "configuration file is too large"),
        (binary, "configuration file is not UTF-8"),
        (folder.path().join("absent.yml"), "configuration file cannot be read"),
    ];
    for (path, message) in cases {
        let (code, out, _) = run(bellwether().arg("check").arg(path));
        assert_eq!(code, 1);
        assert!(out.starts_with(&format!("error: {message}")), "{out}");
    }
}

#[test]
fn presets_are_listed_printed_and_counted() {
    let (code, out, _) = run(bellwether().arg("presets"));
    assert_eq!((code, out.lines().count()), (0, 5), "{out}");
    assert!(out.starts_with("node-exporter  "), "{out}");
    let (code, yaml, _) = run(bellwether().args(["presets", "kafka"]));
    assert_eq!(code, 0);
    assert_eq!(yaml, fs::read_to_string("../../models/presets/kafka.yml").unwrap());
    let (code, _, err) = run(bellwether().args(["presets", "kafca"]));
    assert_eq!(code, 2);
    assert!(err.contains("'kafka'"), "{err}");
    let rules = yaml.matches("- name:").count();
    let (code, out, _) = run(bellwether().arg("check").arg(fixture("good/preset.yml")));
    assert_eq!(code, 0);
    // One of ours replaces one of theirs.
    let counted = format!("good (rules: {rules}, {} of them from presets, ", rules - 1);
    assert!(out.contains(&counted), "{out}");
}

#[test]
fn wrong_usage_answers_2() {
    for arguments in [&["check"][..], &["run", "--listen", "nowhere"], &["banana"], &[]] {
        let (code, _, err) = run(bellwether().args(arguments));
        assert_eq!(code, 2, "{arguments:?}");
        assert!(err.contains("--help") || err.contains("Usage:"), "{err}");
    }
}

#[test]
fn help_explains_itself_with_examples() {
    for arguments in
        [&["--help"][..], &["run", "--help"], &["check", "--help"], &["demo", "--help"]]
    {
        let (code, out, _) = run(bellwether().args(arguments));
        assert_eq!(code, 0);
        assert!(out.contains("Examples:"), "{out}");
    }
}

#[test]
fn schema_and_completions_are_printed() {
    let (code, out, _) = run(bellwether().arg("schema"));
    assert_eq!(code, 0);
    let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(schema, bellwether::config::json_schema());
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (code, out, _) = run(bellwether().args(["completions", shell]));
        assert_eq!(code, 0);
        assert!(out.contains("data-dir"), "{shell}: {out}");
    }
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let full = fixture("bad/many.yml");
    for arguments in [
        vec!["schema".into()],
        vec!["completions".into(), "bash".into()],
        vec!["check".into(), full],
    ] {
        let mut child = bellwether()
            .args(&arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Closed before anything is read, so that the first write already fails if it comes later.
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
        assert_ne!(output.status.code(), Some(101), "{arguments:?}");
    }
}
