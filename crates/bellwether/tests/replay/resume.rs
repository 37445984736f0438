//! Ctrl-C while a server is asked, and going on.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use assert_cmd::cargo::CommandCargoExt;
use tempfile::TempDir;

const SERIES: i64 = 24;

/// The body of a request.
fn body(stream: &mut TcpStream) -> String {
    let (mut text, mut chunk) = (String::new(), [0; 4096]);
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.unwrap().parse().unwrap() {
                return body.to_owned();
            }
        }
        let count = stream.read(&mut chunk).unwrap();
        text.push_str(str::from_utf8(&chunk[..count]).unwrap());
    }
}

/// The answer of `query_range`: a value a minute of each series, of which one breaks.
fn answer(form: &str) -> String {
    let field = |name: &str| {
        let value = form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        value.unwrap().parse::<f64>().unwrap() as i64
    };
    let series = (0..SERIES).map(|series| {
        let points = (field("start")..=field("end")).step_by(60).map(|at| {
            let minute = at / 60 % 100_000;
            let noise = (minute + series) * 7919 % 101;
            let is_broken = series == 3 && (250..280).contains(&(at % 86_400 / 60));
            format!("[{at},\"{}\"]", if is_broken { 9000 + noise } else { 1000 + noise })
        });
        let points = points.collect::<Vec<_>>().join(",");
        format!(
            "{{\"metric\":{{\"__name__\":\"load\",\"host\":\"{series}\"}},\"values\":[{points}]}}"
        )
    });
    let series = series.collect::<Vec<_>>().join(",");
    format!(
        "{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\"result\":[{series}]}}}}"
    )
}

fn replay(url: &str, output: &Path, more: &[&str]) -> Command {
    let mut command = Command::cargo_bin("bellwether").unwrap();
    let times = ["--start", "2025-06-16T00:00:00Z", "--end", "2025-06-16T06:00:00Z"];
    command.args(["replay", url, "--step", "1m", "--sort-memory", "0", "--scores", "--output"]);
    command.arg(output).args(times).args(more);
    command
}

#[test]
fn ctrl_c_leaves_what_was_replayed_and_a_state_to_go_on_from() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // While it holds, the server answers three times and then no more.
    let holds = Arc::new(AtomicBool::new(true));
    let (sender, is_silent) = channel();
    let holding = Arc::clone(&holds);
    thread::spawn(move || {
        let mut silent = Vec::new();
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let answer = answer(&body(&mut stream));
            if holding.load(Ordering::SeqCst) && number >= 3 {
                silent.push(stream);
                _ = sender.send(());
                continue;
            }
            let length = answer.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            stream.write_all(format!("{head}{answer}").as_bytes()).unwrap();
        }
    });

    let interrupted = TempDir::new().unwrap();
    // On one thread nothing is asked for before what was answered is replayed.
    let alone = ["--threads", "1"];
    let mut child = replay(&url, interrupted.path(), &alone).spawn().unwrap();
    is_silent.recv().unwrap();
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let summary = fs::read_to_string(interrupted.path().join("summary.json")).unwrap();
    assert!(summary.contains("\"complete\": false"), "{summary}");
    assert!(interrupted.path().join("replay.checkpoint").exists());

    holds.store(false, Ordering::SeqCst);
    let done = replay(&url, interrupted.path(), &["--resume"]).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let whole = TempDir::new().unwrap();
    let done = replay(&url, whole.path(), &[]).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    for name in ["events.jsonl", "events.parquet", "summary.json", "report.html"] {
        let read = |folder: &TempDir| fs::read(folder.path().join(name)).unwrap();
        assert!(read(&interrupted) == read(&whole), "{name}");
    }
    // Their row groups end elsewhere.
    assert!(interrupted.path().join("scores.parquet").exists());
    let events = fs::read_to_string(whole.path().join("events.jsonl")).unwrap();
    assert!(events.contains("\"change\":\"firing\""), "{events}");
    assert!(!interrupted.path().join("replay.checkpoint").exists());
}

#[test]
fn what_a_server_lacks_is_said() {
    let output = TempDir::new().unwrap();
    let file = "../../fixtures/history/long.csv";
    for (arguments, expected, answer) in [
        (&["http://127.0.0.1:9", "--start", "2025-06-16"][..], "--start and --end", 2),
        (
            &["http://me:secret@127.0.0.1:9", "--start", "2025-06-16"],
            "a user name or password in a URL",
            1,
        ),
        (&[file, "--match", "up"], "no input is the URL", 2),
        (
            &[
                "http://127.0.0.1:9",
                "--start",
                "2025-06-16",
                "--end",
                "2025-06-17",
                "--retries",
                "0",
            ],
            "server does not give its history: url=`http://127.0.0.1:9/api/v1/read`",
            1,
        ),
    ] {
        let mut command = Command::cargo_bin("bellwether").unwrap();
        command.arg("replay").args(arguments).arg("--output").arg(output.path());
        let said = command.output().unwrap();
        let error = String::from_utf8_lossy(&said.stderr).into_owned();
        assert_eq!(said.status.code(), Some(answer), "{error}");
        assert!(error.contains(expected) && !error.contains("secret"), "{error}");
    }
}
