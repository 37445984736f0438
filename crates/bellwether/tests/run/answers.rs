//! Clients that ask the API for much and do not read it.

use std::io::{Read, Write};
use std::net::TcpStream;

use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::{RawSample, WriteRequestBuilder, compress};

use crate::exposition::total;
use crate::poll::{seconds, until};
use crate::server::Server;

const ALL: &str = "/api/v1/series?limit=10000";
/// Their labels are two fifths of what answers may take, and much more than the system keeps for a connection.
const SERIES: usize = 1000;
const LABEL_BYTES: usize = 4000;

#[test]
fn answers_that_nobody_reads_take_no_more_memory_than_they_may() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), "server: { answers_bytes_max: 30MiB }\n");
    server.write(&series(0..SERIES));
    server.until_decided(1);
    let mut readers: Vec<TcpStream> = (0..2).map(|_| asks(&server)).collect();
    for reader in &mut readers {
        let mut status = [0; 12];
        reader.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
    }
    let mut refused = [0; 1024];
    let bytes = asks(&server).read(&mut refused).unwrap();
    let refused = String::from_utf8_lossy(&refused[..bytes]).to_lowercase();
    assert!(refused.starts_with("http/1.1 503"), "{refused}");
    assert!(refused.contains("\r\nretry-after: "), "{refused}");
    let metrics = server.metrics();
    let counter = "bellwether_api_answers_refused_total{reason=\"memory\"} 1";
    assert!(metrics.contains(counter), "{metrics}");
    // Short answers find room, and long ones once the readers have gone.
    server.json("/api/v1/summary");
    drop(readers);
    until(seconds(20), "room for an answer", || (server.get(ALL).status == 200).then_some(()));
    let answer = server.json(ALL);
    let first = &answer["series"][0];
    assert_eq!(answer["series"].as_array().unwrap().len(), SERIES);
    assert_eq!(first["labels"]["a"].as_str().unwrap().len(), LABEL_BYTES);

    server.write(&series(SERIES..2 * SERIES));
    server.until_decided(2);
    let too_large = server.get(ALL);
    assert_eq!(too_large.status, 400, "{}", too_large.body);
    assert!(too_large.body.contains("`limit`"), "{}", too_large.body);
    assert!(total(&server.metrics(), "bellwether_api_answers_refused_total") >= 2.0);
}

/// A connection on which everything was asked for.
fn asks(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(seconds(60))).unwrap();
    stream.write_all(format!("GET {ALL} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
    stream
}

/// The body of a request with series that have long labels.
fn series(numbers: std::ops::Range<usize>) -> Vec<u8> {
    let now = Timestamp::from_ms(jiff::Timestamp::now().as_millisecond());
    let long = "x".repeat(LABEL_BYTES);
    let mut builder = WriteRequestBuilder::default();
    for number in numbers {
        let number = number.to_string();
        let labels = [("__name__", "m"), ("n", &number), ("a", &long), ("b", &long), ("c", &long)];
        builder.series(
            &LabelSet::from_pairs(labels).unwrap(),
            &[RawSample { timestamp: now, value: 1.0 }],
        );
    }
    compress(&builder.encode())
}
