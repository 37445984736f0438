//! `bellwether explain` as a shell sees it, on the journal of the scene.
//!
//! `UPDATE_GOLDEN=1 cargo test -p bellwether --test replay` writes the goldens anew.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use bellwether_engine::Event;
use bellwether_eventlog::{EventLogOptions, FileSink};
use bellwether_runtime::EventSink;

use super::*;

/// Exit code, standard output and standard error of `bellwether explain`.
pub(super) fn explain(arguments: &[&dyn AsRef<OsStr>]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("bellwether").unwrap();
    let output = command.arg("explain").args(arguments.iter().map(AsRef::as_ref)).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn journal() -> &'static Path {
    RECORDED.0.path()
}

fn events() -> Vec<Event> {
    RECORDED.1.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The lines as a file of JSON lines.
fn stored(lines: &[String]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    (folder, path)
}

/// The moment of a step, as it is given on the command line.
fn at(step: i64) -> String {
    (START_MS + step * MINUTE_MS).to_string()
}

fn why_not(series: &str, step: i64, more: &[&dyn AsRef<OsStr>]) -> String {
    let at = at(step);
    let mut arguments: Vec<&dyn AsRef<OsStr>> =
        vec![&"--series", &series, &"--at", &at, &"--journal"];
    let folder = journal();
    arguments.push(&folder);
    arguments.extend(more);
    let (code, out, err) = explain(&arguments);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    out
}

fn golden(name: &str, text: &str) {
    let path = Path::new("../../fixtures/explain").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(&path).unwrap(), "{}", path.display());
    for line in text.lines() {
        assert!(line.chars().count() <= 100 && !line.contains(char::is_control), "{line}");
    }
}

#[test]
fn every_event_that_was_stored_is_recomputed_equal_in_every_field() {
    let (_keep, path) = stored(&RECORDED.1);
    for event in events() {
        let (code, out, err) =
            explain(&[&event.id, &"--journal", &journal(), &"--events", &path, &"--json"]);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        let json: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(json["event"], serde_json::to_value(&event).unwrap());
        let recomputed = &json["recomputed"];
        assert_eq!((&recomputed["equal"], &recomputed["found"]), (&true.into(), &true.into()));
        assert_eq!(recomputed["differences"], Value::Array(Vec::new()));
        let sample = &recomputed["sample"];
        if *event.rule == *"BellwetherAlertCap" {
            assert!(sample.is_null());
            continue;
        }
        assert_eq!(sample["at_ms"], event.at_ms.as_ms());
        assert_eq!(sample["state_digest"], event.state_digest.to_string());
        assert_eq!(sample["threshold"]["value"], event.threshold);
        let gate = sample["gate"].as_str().unwrap();
        match serde_json::to_value(event.change).unwrap().as_str().unwrap() {
            "resolved" => assert_eq!(gate, "resolved"),
            "noticed" => assert!(!["passed", "cap"].contains(&gate), "{gate}"),
            _ => assert_eq!(gate, if event.alert { "passed" } else { "cap" }),
        }
    }
}

#[test]
fn what_is_stored_otherwise_than_it_is_recomputed_is_named_and_answered_1() {
    let mut lines = RECORDED.1.clone();
    let mut event: Value = serde_json::from_str(&lines[0]).unwrap();
    event["value"] = 7.5.into();
    event["detectors"][1]["surprise"] = 0.25.into();
    event["labels"]["extra"] = "x".into();
    lines[0] = event.to_string();
    let (_keep, path) = stored(&lines);
    let id = event["id"].as_str().unwrap();
    let (code, out, _) = explain(&[&id, &"--journal", &journal(), &"--events", &path]);
    assert_eq!(code, 1, "{out}");
    let differences: Vec<_> =
        out.lines().filter(|line| line.contains(": stored ")).map(str::trim).collect();
    assert_eq!(differences.len(), 3, "{out}");
    assert!(differences[0].starts_with("detectors.1.surprise: stored 0.25, recomputed "), "{out}");
    assert!(differences[1].starts_with("labels.extra: stored \"x\", recomputed nothing"), "{out}");
    assert!(differences[2].starts_with("value: stored 7.5, recomputed "), "{out}");
}

#[test]
fn an_event_that_the_journal_does_not_give_is_said_to_be_so_and_answered_1() {
    let mut event: Value = serde_json::from_str(&RECORDED.1[0]).unwrap();
    event["id"] = "abcdef0123456789abcdef0123456789-0".into();
    event["episode_id"] = "abcdef0123456789abcdef0123456789".into();
    let (_keep, path) = stored(&[event.to_string()]);
    let (code, out, _) = explain(&[&"abcdef01", &"--journal", &journal(), &"--events", &path]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("NOT RECOMPUTED: the journal does not give this event"), "{out}");
}

#[test]
fn the_text_about_an_event_is_as_committed() {
    let (_keep, path) = stored(&RECORDED.1);
    let place = path.display().to_string();
    let fired = events().into_iter().find(|event| event.alert).unwrap();
    let arguments: [&dyn AsRef<OsStr>; 3] = [&fired.id, &"--events", &path];
    let (code, alone, err) = explain(&arguments);
    assert_eq!((code, err.as_str()), (0, ""));
    golden("stored.txt", &alone.replace(&place, "events.jsonl"));
    let mut arguments = arguments.to_vec();
    let folder = journal();
    arguments.extend::<[&dyn AsRef<OsStr>; 2]>([&"--journal", &folder]);
    let (code, out, err) = explain(&arguments);
    assert_eq!((code, err.as_str()), (0, ""));
    golden("event.txt", &out.replace(&place, "events.jsonl"));
}

#[test]
fn the_text_about_a_moment_is_as_committed() {
    let (all, host) = ("queue_depth", "queue_depth{instance=\"host-0\"}");
    golden("warm_up.txt", &why_not(host, 30, &[]));
    golden("below_info.txt", &why_not(host, 105, &[]));
    golden("pending.txt", &why_not(host, 110, &[]));
    golden("keep_firing.txt", &why_not(host, 132, &[]));
    golden("several.txt", &why_not(all, 142, &[&"--limit", &"2"]));
}

#[test]
fn a_moment_is_about_the_newest_sample_before_it_and_says_how_old_that_is() {
    let json = |step: i64| -> Value {
        let out = why_not("requests{instance=\"host-1\"}", step, &[&"--json"]);
        serde_json::from_str(&out).unwrap()
    };
    let now = json(100);
    assert_eq!(
        (&now["series"][0]["at_ms"], &now["series"][0]["age_ms"]),
        (&now["at_ms"], &0.into())
    );
    let later = json(STEPS + 9);
    let sample = &later["series"][0];
    assert_eq!(sample["at_ms"], START_MS + (STEPS - 1) * MINUTE_MS);
    assert_eq!(sample["age_ms"], 10 * MINUTE_MS);
    assert_eq!((&later["more"], sample["signal"].as_str()), (&0.into(), Some("rate")));
    let text = why_not("requests{instance=\"host-1\"}", STEPS + 9, &[]);
    assert!(text.contains("10m before") && text.contains("nothing came between"), "{text}");
}

/// A data folder: the journal, and the events in an event log beside it.
fn data_folder(lines: &[String]) -> TempDir {
    let data = tempfile::tempdir().unwrap();
    fs::create_dir(data.path().join("journal")).unwrap();
    for entry in fs::read_dir(journal().join("journal")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, data.path().join("journal").join(path.file_name().unwrap())).unwrap();
    }
    let options = EventLogOptions {
        folder: data.path().join("events"),
        flush_interval_ms: 60_000,
        keep_ms: 0,
        queue_events_max: 1000,
    };
    let log = FileSink::event_log("event_log", options).unwrap();
    for line in lines {
        log.publish(&Arc::new(serde_json::from_str(line).unwrap()));
    }
    log.close(Duration::from_secs(20));
    data
}

#[test]
fn an_episode_means_the_event_that_fired_and_a_data_folder_has_it_or_its_journal_does() {
    let all = events();
    let fired = all.iter().find(|event| event.alert).unwrap();
    let data = data_folder(&RECORDED.1);
    let episode = fired.episode_id.to_string();
    for beginning in [&episode[..], &episode[..8]] {
        let (code, out, err) = explain(&[&beginning, &"--journal", &data.path()]);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert!(out.contains(&format!("{}, from {}", fired.id, data.path().display())), "{out}");
        assert!(out.ends_with("every field equals what was stored\n"), "{out}");
    }
    let data = data_folder(&RECORDED.1[5..]);
    let (code, out, _) = explain(&[&fired.id, &"--journal", &data.path()]);
    assert_eq!(code, 0);
    assert!(out.ends_with("nothing is stored to compare it with\n"), "the log has lost it: {out}");
}

/// Answers one request with `status` and `body`; the first line of the request.
fn server(status: &'static str, body: String) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        let length = body.len();
        write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
        let request = String::from_utf8(request).unwrap();
        request.lines().next().unwrap().to_owned()
    });
    (url, served)
}

#[test]
fn a_running_server_has_the_newest_events_and_the_journal_recomputes_them() {
    let all = events();
    let body = serde_json::json!({ "anomalies": all }).to_string();
    let id = &all[0].id;
    let (url, served) = server("200 OK", body.clone());
    let (code, out, err) = explain(&[id, &"--url", &url]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.ends_with(
        "not recomputed: this is what the event says; name the journal with --journal\n"
    ));
    let asked = format!("episode={} HTTP/1.1", all[0].episode_id);
    let request = served.join().unwrap();
    assert!(request.starts_with("GET /api/v1/anomalies?severity=info&"), "{request}");
    assert!(request.ends_with(&asked), "{request}");

    let (url, served) = server("200 OK", body);
    let (code, out, _) = explain(&[id, &"--url", &url, &"--journal", &journal()]);
    served.join().unwrap();
    assert_eq!(code, 0);
    assert!(out.ends_with("every field equals what was stored\n"), "{out}");

    for (status, body, mend) in [
        ("401 Unauthorized", "{}", "write user and password into the URL"),
        ("200 OK", "{\"anomalies\":[]}", "look into its event log with --events"),
        ("200 OK", "<html>", "not that of bellwether's /api/v1/anomalies"),
    ] {
        let (url, served) = server(status, body.to_owned());
        let (code, _, err) = explain(&[id, &"--url", &url]);
        served.join().unwrap();
        assert_eq!(code, 1);
        assert!(err.contains(mend), "{err}");
    }
}

#[test]
fn what_cannot_be_explained_comes_with_a_mend() {
    let nothing = tempfile::tempdir().unwrap();
    let (empty, folder) = (nothing.path(), journal());
    let (_keep, path) = stored(&RECORDED.1);
    let at = at(100);
    let cases: [(&[&dyn AsRef<OsStr>], &str); 6] = [
        (&[&"xyz", &"--journal", &folder], "expected at least 4 hexadecimal digits"),
        (&[&"00000000", &"--events", &path], "it may be in another log"),
        (&[&"00000000", &"--journal", &folder], "name where events are stored with --events"),
        (&[&"00000000", &"--journal", &empty], "name the data folder of `bellwether run`"),
        (&[&"--series", &"up", &"--at", &at, &"--journal", &folder], "try a shorter selector"),
        (
            &[&"--series", &"rate(up[5m])", &"--at", &at, &"--journal", &folder],
            "expected a selector",
        ),
    ];
    for (arguments, mend) in cases {
        let (code, out, err) = explain(arguments);
        // What nobody can mean is wrong usage.
        let expected = if mend.starts_with("expected") { 2 } else { 1 };
        assert_eq!((code, out.as_str()), (expected, ""), "{err}");
        assert!(err.contains(mend), "{mend}: {err}");
    }
    let wrong: [&[&dyn AsRef<OsStr>]; 5] = [
        &[],
        &[&"--series", &"up"],
        &[&"abcd", &"--at", &at],
        &[&"abcd", &"--events", &path, &"--url", &"http://h"],
        &[&"--series", &"up", &"--at", &"noon"],
    ];
    for arguments in wrong {
        assert_eq!(explain(arguments).0, 2);
    }
}

/// What the journal of `data` gives was not all that `run` had learned from, and that is said of `event` and of a moment.
fn is_said_to_be_not_all(data: &Path, event: &str) {
    let (_, out, err) = explain(&[&event, &"--journal", &data]);
    assert!(
        err.contains("warning: what a `warm-start` or `replay --write-state` had"),
        "{out}{err}"
    );
    let moment = at(120);
    let series = "queue_depth{instance=\"host-0\"}";
    let journal = data.join("journal");
    let arguments: [&dyn AsRef<OsStr>; 6] =
        [&"--series", &series, &"--at", &moment, &"--journal", &journal];
    let (code, out, err) = explain(&arguments);
    assert!(
        err.contains("was adopted at") && out.starts_with("BY THE JOURNAL ALONE"),
        "{out}{err}"
    );
    assert_eq!(code, 0);
    let (_, out, _) = explain(&[&arguments[..], &[&"--json"]].concat());
    let json: Value = serde_json::from_str(&out).unwrap();
    assert!(json["adopted_at_ms"].is_i64(), "{out}");
}

#[test]
fn a_journal_that_is_not_all_that_was_learned_from_is_said_to_be_so() {
    let all = events();
    let fired = all.iter().find(|event| event.alert).unwrap();
    // What `run` logged, and what it learned before anything came.
    let data = data_folder(&RECORDED.1);
    let warm = tempfile::tempdir().unwrap();
    let history = "../../fixtures/history/long.csv";
    let learn: [&dyn AsRef<OsStr>; 4] = [&"warm-start", &history, &"--data-dir", &warm.path()];
    let mut command = Command::cargo_bin("bellwether").unwrap();
    assert!(command.args(learn.map(AsRef::as_ref)).status().unwrap().success());
    let note = "adoptions.jsonl";
    fs::copy(warm.path().join(note), data.path().join(note)).unwrap();
    is_said_to_be_not_all(data.path(), &fired.id);
    let mut otherwise = fired.clone();
    otherwise.threshold += 1.0;
    let (_folder, path) = stored(&[serde_json::to_string(&otherwise).unwrap()]);
    let (code, out, _) = explain(&[&fired.id, &"--events", &path, &"--journal", &data.path()]);
    assert_eq!((code, out.contains("that is why, or may be: what a")), (1, true), "{out}");

    // What came before an adoption is as it was.
    let data = data_folder(&RECORDED.1);
    let window = "2024-01-01/2024-01-02";
    let write: [&dyn AsRef<OsStr>; 6] =
        [&"replay", &data.path(), &"--exclude", &window, &"--write-state", &data.path()];
    let mut command = Command::cargo_bin("bellwether").unwrap();
    assert!(command.args(write.map(AsRef::as_ref)).status().unwrap().success());
    assert!(data.path().join(note).exists());
    let (code, out, err) = explain(&[&fired.id, &"--journal", &data.path()]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
}
