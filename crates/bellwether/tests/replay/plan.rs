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

#[test]
fn a_journal_that_came_in_a_burst_is_as_long_as_its_samples_say() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Arc::new(DiskStorage::new(folder.path()));
    let (mut journal, _) = Journal::open(storage, JournalOptions::default(), 0, 7).unwrap();
    let mut header = Vec::new();
    let format = Format::REMOTE_WRITE_1;
    RequestHeader { format, tenant: "", source: "10.0.0.1" }.encode(&mut header).unwrap();
    for minute in [0, 20] {
        let timestamp = Timestamp::from_ms(START_MS + minute * MINUTE_MS);
        let body = request(None, &[RawSample { timestamp, value: 1.0 }], false);
        let received_at = Timestamp::from_ms(START_MS + 100 * MINUTE_MS + minute);
        let parts: [&[u8]; 2] = [&header, &compress(&body)];
        journal.append(RecordKind::Request as u8, received_at, &parts).unwrap();
    }
    journal.commit().unwrap();
    let config = folder.path().join("new.yml");
    fs::write(&config, "").unwrap();
    let plan = |format: &str| {
        let mut command = Command::cargo_bin("bellwether").unwrap();
        command.args(["plan", "--format", format, "--new"]).arg(&config).arg(folder.path());
        let output = command.output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{err}");
        let warning = "warning: the journal does not say under which configuration it begins: the defaults were taken; \
                       name one with --old\n";
        assert_eq!(err, warning);
        String::from_utf8(output.stdout).unwrap()
    };
    let json: Value = serde_json::from_str(&plan("json")).unwrap();
    let times = (json["since_ms"].as_i64(), json["until_ms"].as_i64());
    assert_eq!(times, (Some(START_MS), Some(START_MS + 20 * MINUTE_MS)), "{json}");
    let text = plan("text");
    assert!(
        text.contains(" UTC (20m)\n") && text.contains("0.00 a day, extrapolated from 20m;"),
        "{text}"
    );
}
