//! History from a server: whoever replays it several times asks for it once.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::*;

const START_S: i64 = 1_750_032_000;
const MINUTES: i64 = 300;

/// A queue that is about as long as ever, but for twenty minutes.
fn value(minute: i64) -> f64 {
    let noise = (minute * 7919 % 101) as f64 / 8.0;
    if (240..260).contains(&minute) { 900.0 + noise } else { 100.0 + noise }
}

/// Answers `query_range` with that queue, and tells each body that it was asked with.
fn serve() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, asked) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let form = form(&mut stream);
            let body = matrix(&form);
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length:";
            write!(stream, "{head} {}\r\n\r\n{body}", body.len()).unwrap();
            sender.send(form).unwrap();
        }
    });
    (url, asked)
}

/// The body of a request.
fn form(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).unwrap();
        assert!(count > 0, "the request is cut short");
        text.push_str(std::str::from_utf8(&chunk[..count]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() == length.unwrap().parse::<usize>().unwrap() {
            assert!(head.starts_with("POST /api/v1/query_range "), "{head}");
            return body.to_owned();
        }
    }
}

fn matrix(form: &str) -> String {
    let seconds = |name: &str| {
        let of = form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        of.unwrap().parse::<f64>().unwrap() as i64
    };
    let minutes = (seconds("start")..=seconds("end")).filter(|at| (at - START_S) % 60 == 0);
    let points: Vec<_> =
        minutes.map(|at| format!("[{at},\"{}\"]", value((at - START_S) / 60))).collect();
    let metric = r#"{"__name__":"queue_depth","host":"a"}"#;
    let series = format!(r#"{{"metric":{metric},"values":[{}]}}"#, points.join(","));
    format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{series}]}}}}"#)
}

/// The same as a file.
fn file(folder: &Path) -> PathBuf {
    let mut text = "timestamp,metric,host,value\n".to_owned();
    for minute in 0..MINUTES {
        writeln!(text, "{},queue_depth,a,{}", START_S + minute * 60, value(minute)).unwrap();
    }
    let path = folder.join("history.csv");
    fs::write(&path, text).unwrap();
    path
}

/// The URL, and from when to when it is asked how often.
fn asking(url: &str) -> Vec<String> {
    let time = |s| jiff::Timestamp::from_second(s).unwrap().to_string();
    let (start, end) = (time(START_S), time(START_S + MINUTES * 60));
    [url, "--start", &start, "--end", &end, "--step", "1m"].map(str::to_owned).to_vec()
}

/// Each was asked, and none twice.
fn assert_once(asked: &Receiver<String>) {
    let mut forms: Vec<_> = asked.try_iter().collect();
    let count = forms.len();
    forms.sort();
    forms.dedup();
    assert!(count > 0 && count == forms.len(), "{count} {forms:?}");
}

#[test]
fn both_configurations_replay_what_the_server_was_asked_for_once() {
    let scene = Scene::new();
    let of = |input: &[String]| {
        let (old, new) = (scene.path("old.yml"), scene.path("quiet.yml"));
        let mut arguments = vec!["--format".into(), "json".into(), "--old".into(), old];
        arguments.extend(["--new".into(), new]);
        arguments.extend(input.iter().map(PathBuf::from));
        let (code, out, err) = plan(&arguments);
        assert_eq!(code, 0, "{err}");
        (out, err)
    };
    let (url, asked) = serve();
    let (out, err) = of(&asking(&url));
    assert_once(&asked);
    assert!(err.contains("(server): values by query_range, every 60 s"), "{err}");
    let path = file(scene.folder.path());
    assert_eq!(out, of(&[path.to_str().unwrap().to_owned()]).0);
    assert!(out.contains("\"vanished\": 1"), "{out}");
}

#[test]
fn every_candidate_replays_what_the_server_was_asked_for_once() {
    let folder = tempfile::tempdir().unwrap();
    let tune = |input: &[String], more: &[&str]| {
        let output = folder.path().join("tuned.yml");
        let mut command = Command::cargo_bin("bellwether").unwrap();
        command.arg("tune").args(input).args(["--trials", "3", "--per-day", "1000"]);
        let done = command.args(more).arg("--output").arg(output).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    let (url, asked) = serve();
    let out = tune(&asking(&url), &[]);
    assert_once(&asked);
    // Going on with all that was tried is the same again, and the server is known to be the same.
    assert_eq!(tune(&asking(&url), &["--resume"]), out);
    let path = file(folder.path());
    assert_eq!(tune(&[path.to_str().unwrap().to_owned()], &[]), out);
}
