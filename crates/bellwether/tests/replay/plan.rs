//! `bellwether plan` of a journal.

use super::*;

#[test]
fn a_journal_is_held_against_what_was_in_force_when_it_was_written() {
    let (folder, lines) = recorded();
    let told = |line: &String| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["change"] == "firing" && event["alert"] == true
    };
    let alerts = lines.iter().filter(|line| told(line)).count();
    let config = folder.path().join("new.yml");
    fs::write(&config, "alerting: { budget: { cap_per_day: 100 } }\n").unwrap();
    let output = Command::cargo_bin("bellwether")
        .unwrap()
        .args(["plan", "--format", "json", "--new"])
        .args([config.as_os_str(), folder.path().as_os_str()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["old"]["alerts"], alerts);
    assert_eq!(json["old"]["config_digest"], "second");
    // The cap held some back.
    assert!(json["counts"]["appeared"].as_u64().unwrap() > 0, "{json}");
}
