//! A history comes whole from a server that answers, refuses, breaks down and knows only a part of the protocol.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use bellwether_series::{MatchOp, Matcher};
use bellwether_wire::remote_read;
use bellwether_wire::remote_write::{Limits, WriteRequestBuilder, compress, decompress};

use super::*;
use std::sync::Arc;

const START_MS: i64 = 1_750_032_000_000;
const MINUTE_MS: i64 = 60_000;
const MINUTES: i64 = 500;

/// What the server is asked: a path and a body.
type Asked = (String, Vec<u8>);

/// Answers each request by `answer`, which knows how many came before; tells what was asked.
fn serve(
    answer: impl Fn(usize, &str, &[u8]) -> (u16, Vec<u8>) + Send + 'static,
) -> (SocketAddr, Receiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, asked) = channel();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let (path, body) = request(&mut stream);
            let (status, answer) = answer(number, &path, &body);
            // Not every test looks. Before the answer: with that, a test may.
            _ = sender.send((path, body));
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                answer.len()
            );
            // The client may have seen enough.
            _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&answer));
        }
    });
    (address, asked)
}

fn request(stream: &mut TcpStream) -> Asked {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            let start = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
            if bytes.len() >= start + length {
                let path = head.split(' ').nth(1).unwrap().to_owned();
                return (path, bytes[start..].to_vec());
            }
        }
        let count = stream.read(&mut chunk).unwrap();
        assert!(count > 0, "the request is cut short");
        bytes.extend_from_slice(&chunk[..count]);
    }
}

fn selector(name: &str) -> Selector {
    let matcher = Matcher::new("__name__", MatchOp::Equal, name).unwrap();
    let matchers = Matchers::new(vec![matcher]);
    Selector { text: matchers.to_string(), matchers }
}

fn query(address: SocketAddr) -> HistoryQuery {
    HistoryQuery {
        endpoint: Endpoint { url: format!("http://{address}/base/"), ..Endpoint::default() },
        selectors: vec![selector("load")],
        start: Timestamp::from_ms(START_MS),
        end: Timestamp::from_ms(START_MS + MINUTES * MINUTE_MS),
        step_ms: None,
        timeout: Duration::from_secs(20),
        retries_max: 2,
        answer_bytes_max: 1 << 20,
    }
}

fn value(minute: i64) -> f64 {
    (minute * 7919 % 1000) as f64 / 8.0
}

/// The answer of remote read with a sample a minute of two series, as one at any time would have them.
fn samples(question: &[u8]) -> Vec<u8> {
    // Of the question only the times matter: fields 1 and 2 of the first field.
    let question = decompress(question, &Limits::default()).unwrap();
    let (first, last) = times(&question);
    let mut builder = WriteRequestBuilder::default();
    for host in ["a", "b"] {
        let labels = LabelSet::from_pairs([("__name__", "load"), ("host", host)]).unwrap();
        let minutes =
            (0..MINUTES).filter(|minute| (first..=last).contains(&(START_MS + minute * MINUTE_MS)));
        let samples: Vec<_> = minutes
            .map(|minute| RawSample {
                timestamp: Timestamp::from_ms(START_MS + minute * MINUTE_MS),
                value: value(minute),
            })
            .collect();
        if !samples.is_empty() {
            builder.series(&labels, &samples);
        }
    }
    let result = builder.encode();
    let mut body = vec![0x0a];
    bellwether_series::put_varint(&mut body, result.len() as u64);
    body.extend(result);
    body
}

/// The times of the first query.
fn times(question: &[u8]) -> (i64, i64) {
    let mut at = 1;
    let varint = |at: &mut usize| bellwether_series::take_varint(question, at).unwrap();
    varint(&mut at);
    let number = |at: &mut usize| {
        *at += 1;
        varint(at) as i64
    };
    (number(&mut at), number(&mut at))
}

/// All samples of all pages by series and time, which are held to what pages promise.
fn read(query: HistoryQuery) -> Result<Vec<(String, i64, u64)>, ServerHistoryError> {
    let mut until = query.start;
    let stop = AtomicBool::new(false);
    let mut history = ServerHistory::open(query, &stop)?;
    let mut all = Vec::new();
    while let Some(page) = history.next_page()? {
        for SeriesPage { labels, samples } in page.series {
            for sample in samples {
                assert!(until <= sample.timestamp && sample.timestamp < page.until);
                all.push((labels.to_string(), sample.timestamp.as_ms(), sample.value.to_bits()));
            }
        }
        until = page.until;
    }
    all.sort();
    Ok(all)
}

fn expected() -> Vec<(String, i64, u64)> {
    let minutes = |host: &'static str| {
        (0..MINUTES).map(move |minute| {
            let series = format!("load{{host=\"{host}\"}}");
            (series, START_MS + minute * MINUTE_MS, value(minute).to_bits())
        })
    };
    minutes("a").chain(minutes("b")).collect()
}

#[test]
fn remote_read_gives_every_sample_once() {
    let (address, asked) = serve(|_, _, body| (200, compress(&samples(body))));
    assert_eq!(read(query(address)).unwrap(), expected());
    let asked: Vec<_> = asked.try_iter().collect();
    assert!(asked.iter().all(|(path, _)| path == "/base/api/v1/read"));
    assert!((3..10).contains(&asked.len()), "windows grow: {}", asked.len());
}

#[test]
fn what_is_too_much_is_asked_for_in_parts() {
    let (address, asked) = serve(|_, _, body| {
        let answer = samples(body);
        let is_too_much = answer.len() > 3000;
        if is_too_much {
            (400, b"exceeded sample limit (3)".to_vec())
        } else {
            (200, compress(&answer))
        }
    });
    assert_eq!(read(query(address)).unwrap(), expected());
    assert!(asked.try_iter().count() > 8);
    let (address, _) = serve(|_, _, body| (200, compress(&samples(body))));
    let small = HistoryQuery { answer_bytes_max: 1000, ..query(address) };
    assert_eq!(read(small).unwrap(), expected(), "our own limit");
}

#[test]
fn what_is_too_much_in_the_shortest_time_is_an_error() {
    let (address, _) = serve(|_, _, body| (200, compress(&samples(body))));
    let tiny = HistoryQuery { answer_bytes_max: 60, ..query(address) };
    let error = read(tiny).unwrap_err().to_string();
    assert!(error.contains(&format!("from_ms=`{START_MS}`, to_ms=`{START_MS}`")), "{error}");
    assert!(error.contains("body is too large"), "{error}");
}

#[test]
fn what_may_pass_is_tried_again_and_what_does_not_pass_is_told() {
    let (address, asked) = serve(|number, _, body| {
        let is_down = [0, 1, 3].contains(&number);
        if is_down { (503, b"starting".to_vec()) } else { (200, compress(&samples(body))) }
    });
    assert_eq!(read(query(address)).unwrap(), expected());
    assert!(asked.try_iter().count() > 5);
    let (address, asked) = serve(|_, _, _| (500, b"disk is broken".to_vec()));
    let error = read(query(address)).unwrap_err().to_string();
    let url = format!("url=`http://{address}/base/api/v1/read`");
    assert!(
        error.contains(&url) && error.contains("500 X: disk is broken")
            || error.contains("500 Internal Server Error: disk is broken"),
        "{error}"
    );
    assert_eq!(asked.try_iter().count(), 3, "two retries");
    let (address, asked) = serve(|_, _, _| (401, b"who are you?".to_vec()));
    let error = read(query(address)).unwrap_err().to_string();
    assert!(error.contains("401") && error.contains("who are you?"), "{error}");
    assert_eq!(asked.try_iter().count(), 1);
}

/// The answer of `query_range` to a form.
fn matrix(form: &[u8]) -> Vec<u8> {
    let form = String::from_utf8(form.to_vec()).unwrap();
    let field = |name: &str| {
        let of = form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        of.unwrap().to_owned()
    };
    let ms = |name| (field(name).parse::<f64>().unwrap() * 1000.0).round() as i64;
    let points = (ms("start")..=ms("end")).step_by(ms("step") as usize).map(|at| {
        let minute = (at - START_MS) / MINUTE_MS;
        format!("[{}.{:03},\"{}\"]", at / 1000, at % 1000, value(minute))
    });
    let points = points.collect::<Vec<_>>().join(",");
    let name = if field("query").contains("load") { "load" } else { "other" };
    format!(
        r#"{{"status":"success","data":{{"resultType":"matrix","result":[
        {{"metric":{{"__name__":"{name}","host":"a"}},"values":[{points}]}}]}}}}"#
    )
    .into_bytes()
}

#[test]
fn a_step_asks_query_range_of_every_selector() {
    let (address, asked) = serve(|_, path, body| {
        assert_eq!(path, "/base/api/v1/query_range");
        (200, matrix(body))
    });
    let selectors = vec![selector("load"), selector("other")];
    let query = HistoryQuery { step_ms: Some(MINUTE_MS / 2), selectors, ..query(address) };
    let all = read(query).unwrap();
    assert_eq!(all.len() as i64, 2 * 2 * MINUTES);
    assert!(all.iter().all(|(_, at, bits)| *bits == value((at - START_MS) / MINUTE_MS).to_bits()));
    assert!(asked.try_iter().count() >= 4);
}

#[test]
fn a_server_without_remote_read_is_asked_by_query_range() {
    for (status, text) in
        [(404, "not found"), (400, "unsupported path requested: \"/api/v1/read\"")]
    {
        let (address, _) = serve(move |_, path, body| match path {
            "/base/api/v1/read" => (status, text.as_bytes().to_vec()),
            _ => (200, matrix(body)),
        });
        let stop = AtomicBool::new(false);
        let history = ServerHistory::open(query(address), &stop).unwrap();
        assert_eq!(history.method(), Method::QueryRange { step_ms: DEFAULT_STEP_MS });
        assert_eq!(read(query(address)).unwrap(), expected()[..MINUTES as usize]);
    }
}

#[test]
fn nothing_is_waited_for_once_it_is_to_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = query(listener.local_addr().unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    let waiting = thread::spawn(move || {
        let mut history = ServerHistory::open(silent, &asked).unwrap();
        history.next_page().unwrap()
    });
    // It connects, is not answered, and ends all the same.
    let connection = Mutex::new(listener.accept().unwrap());
    stop.store(true, Ordering::Relaxed);
    assert_eq!(waiting.join().unwrap(), None);
    drop(connection);
}

#[test]
fn an_answer_that_is_none_is_told_with_what_is_wrong() {
    for (answer, expected) in [
        (b"junk".to_vec(), "answer is not that of remote read"),
        (compress(b"\x0a\x05"), "answer is not that of remote read"),
        (compress(&[0x0a, 6, 0x0a, 4, 0x0a, 0, 0x12, 0]), "labels of a series are not valid"),
    ] {
        let (address, _) = serve(move |_, _, _| (200, answer.clone()));
        let error = read(query(address)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let question = remote_read::encode(
        &[selector("m").matchers],
        Timestamp::from_ms(1),
        Timestamp::from_ms(2),
    );
    assert_eq!(times(&question), (1, 2), "how these tests read times");
}
