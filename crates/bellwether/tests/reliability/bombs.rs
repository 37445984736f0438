//! Bodies that are made to cost much more than they weigh, many at once: memory stays bounded, and nobody is the worse for it.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use bellwether_wire::remote_write::compress;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::figures::{grouped, p99};
use crate::http;
use crate::load::fleets;
use crate::overload::most_resident;
use crate::poll::seconds;
use crate::sender::Sender;
use crate::server::Server;
use crate::setting;

const AT_ONCE: usize = 200;
const MIB: usize = 1 << 20;
/// The default of `remote_write.decoded_bytes_max`, and of `body_bytes_max`.
const DECODED_BYTES_MAX: usize = 32 * MIB;
const WRITE: &str = "POST /api/v1/write HTTP/1.0\r\nContent-Encoding: snappy\r\nContent-Type: application/x-protobuf";
const VERSION_2: &str = ";proto=io.prometheus.write.v2.Request";
const OTLP: &str =
    "POST /v1/metrics HTTP/1.0\r\nContent-Encoding: gzip\r\nContent-Type: application/x-protobuf";

struct Bomb {
    what: &'static str,
    /// Without its length.
    head: String,
    body: Vec<u8>,
    /// What it is answered when there is time for it.
    status: u16,
}

#[test]
fn bombs_cost_bounded_memory() {
    let rounds = setting::pick(2, 10);
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start_in(dir.path(), "bombed", "");
    let address = server.address();
    let fleet = &fleets(1, 500)[0];
    let sender = Sender::new(address);
    for step in 0..50 {
        sender.deliver(&fleet.body(step), seconds(60));
    }
    let bombs = bombs();
    let before_bytes = server.resident_bytes();
    let (mut answers, most_bytes) = most_resident(&server, || {
        (0..rounds).flat_map(|_| throw_all(address, &bombs)).collect::<Vec<_>>()
    });
    sender.deliver(&fleet.body(50), seconds(60));
    server.stop();

    for Bomb { what, status, .. } in &bombs {
        let of_this = answers.iter().filter(|answer| answer.what == *what);
        let statuses: BTreeSet<u16> = of_this.map(|answer| answer.status).collect();
        let rightly = statuses.contains(status) && statuses.is_subset(&[*status, 503].into());
        assert!(rightly, "{what}: {statuses:?} instead of {status} or 503");
    }
    let busy = answers.iter().filter(|answer| answer.status == 503).count();
    let mut took: Vec<Duration> = answers.iter_mut().map(|answer| answer.took).collect();
    let extra_bytes = most_bytes.saturating_sub(before_bytes) as usize;
    let allowed_bytes = memory_allowance_bytes();
    println!(
        "reliability bombs: {} of {} kinds, {AT_ONCE} at once, {} of them too many at a time, resident {} MiB more \
         of {} allowed, p99 {:.0?}",
        grouped(answers.len() as u64),
        bombs.len(),
        grouped(busy as u64),
        extra_bytes / MIB,
        allowed_bytes / MIB,
        p99(&mut took),
    );
    assert!(extra_bytes <= allowed_bytes, "{extra_bytes} of {allowed_bytes} bytes");
}

/// What bodies may take at most by default, docs/operating.md says: as many compressed and decoded ones as are decoded at a time,
/// what is being decoded, as much again that was, and the buffers of the connections, 64 KiB to be read and to be written each.
fn memory_allowance_bytes() -> usize {
    let decodes = 2 * thread::available_parallelism().map_or(1, usize::from);
    4 * decodes * DECODED_BYTES_MAX + AT_ONCE * (128 << 10)
}

struct Answer {
    what: &'static str,
    status: u16,
    took: Duration,
}

/// Sends as many as go at once, each on a connection of its own.
fn throw_all(address: SocketAddr, bombs: &[Bomb]) -> Vec<Answer> {
    thread::scope(|scope| {
        let thrown: Vec<_> = (0..AT_ONCE)
            .map(|index| {
                let Bomb { what, head, body, .. } = &bombs[index % bombs.len()];
                scope.spawn(move || {
                    let head = format!("{head}\r\nContent-Length: {}\r\n", body.len());
                    let started = Instant::now();
                    let status = http::exchange(address, &head, body).unwrap().status;
                    Answer { what, status, took: started.elapsed() }
                })
            })
            .collect();
        thrown.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn bombs() -> Vec<Bomb> {
    let write = |what, body| Bomb { what, head: WRITE.to_owned(), body, status: 400 };
    // Says that it holds four gigabytes.
    let mut declared = vec![0xff, 0xff, 0xff, 0xff, 0x0f];
    declared.resize(47, 0);
    vec![
        write("body of 47 bytes", declared),
        write("body of zeros", compress(&vec![0; DECODED_BYTES_MAX])),
        // Field 1, of no length: a series without labels or samples.
        write("body of empty series", compress(&[0x0a, 0].repeat(DECODED_BYTES_MAX / 2))),
        Bomb {
            what: "symbol that many series name",
            head: format!("{WRITE}{VERSION_2}"),
            body: compress(&long_symbol()),
            status: 400,
        },
        Bomb {
            what: "gzip of zeros",
            head: OTLP.to_owned(),
            body: gzip(&vec![0; 2 * DECODED_BYTES_MAX]),
            status: 413,
        },
        // A list is no label, however deep it is.
        Bomb {
            what: "nested attribute",
            head: OTLP.to_owned(),
            body: gzip(&nested_attribute()),
            status: 200,
        },
    ]
}

/// A request of remote write 2 of which each series has a name of a megabyte.
fn long_symbol() -> Vec<u8> {
    let (name, value) = (&b"__name__"[..], vec![b'a'; MIB]);
    let symbols = [&b""[..], name, &value].map(|symbol| field(4, symbol)).concat();
    // Of labels, the first symbol and the second.
    let series = field(5, &field(1, &[1, 2]));
    [symbols, series.repeat(100_000)].concat()
}

/// Metrics of a resource with an attribute that is a list of a list of a list.
fn nested_attribute() -> Vec<u8> {
    // From the inside out, which costs a copy each: so deep and not deeper.
    let value = (0..5000).fold(Vec::new(), |value, _| field(5, &field(1, &value)));
    let attribute = [field(1, b"key"), field(2, &value)].concat();
    field(1, &field(1, &field(1, &attribute)))
}

/// A field of protobuf that has a length.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(content);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
