//! Sends a fleet's samples to any receiver of remote write and prints, as one JSON object, how that went; `macro.py` is what
//! runs it.
//!
//! ```sh
//! cargo run --release -p bellwether-benches --example send -- \
//!     --address 127.0.0.1:2355 --series 0..10000 --steps 0..5
//! ```
//!
//! Each connection is a thread that owns a part of the series and sends it in time order, one request at a time, as a shard of
//! Prometheus does. What is timed is encoded beforehand. With a rate, latency counts from when a request was due, so that a
//! server that holds one up pays for those behind it as well.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bellwether_benches::{BATCH, Fleet};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A request that is answered 503 is sent again after this long, as often as it takes.
const RETRY_AFTER: Duration = Duration::from_millis(20);
const ANSWER_MAX: Duration = Duration::from_mins(1);

/// What to send.
#[derive(Debug, Clone)]
struct Options {
    /// Host and port.
    address: String,
    /// Which of the fleet's series.
    series: Range<usize>,
    /// Which of the fleet's steps.
    steps: Range<usize>,
    connections: usize,
    /// Samples a second, all connections together; 0 for as fast as they are taken.
    rate: f64,
    /// Nothing more is sent once it has taken so long.
    seconds_max: f64,
    /// Encode while sending: nothing is timed, and memory stays small.
    is_untimed: bool,
    /// Once everything is encoded say `ready`, and go on when there is a line on standard input.
    waits: bool,
}

/// What became of the requests of a connection.
#[derive(Debug, Default)]
struct Sent {
    latencies: Vec<Duration>,
    samples: usize,
    refusals: usize,
}

fn main() -> ExitCode {
    match options(std::env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut args: impl Iterator<Item = String>) -> anyhow::Result<Options> {
    let mut options = Options {
        address: "127.0.0.1:2355".to_owned(),
        series: 0..10_000,
        steps: 0..1,
        connections: 2,
        rate: 0.0,
        seconds_max: f64::INFINITY,
        is_untimed: false,
        waits: false,
    };
    while let Some(flag) = args.next() {
        let mut value = || args.next().with_context(|| format!("{flag} needs a value"));
        match flag.as_str() {
            "--address" => options.address = value()?,
            "--series" => options.series = range(&value()?)?,
            "--steps" => options.steps = range(&value()?)?,
            "--connections" => options.connections = value()?.parse::<usize>()?.max(1),
            "--rate" => options.rate = value()?.parse()?,
            "--seconds-max" => options.seconds_max = value()?.parse()?,
            "--untimed" => options.is_untimed = true,
            "--wait" => options.waits = true,
            _ => bail!("there is no such flag: {flag}"),
        }
    }
    Ok(options)
}

/// `FROM..TO`.
fn range(text: &str) -> anyhow::Result<Range<usize>> {
    let (from, to) = text.split_once("..").with_context(|| format!("not FROM..TO: {text}"))?;
    Ok(from.parse()?..to.parse()?)
}

fn run(options: &Options) -> anyhow::Result<()> {
    let parts = parts(&options.series, options.connections);
    let fleets: Vec<Fleet> = parts.into_iter().map(Fleet::of).collect();
    let ahead: Vec<Vec<Vec<u8>>> = if options.is_untimed {
        fleets.iter().map(|_| Vec::new()).collect()
    } else {
        let encode = |fleet: &Fleet| {
            let steps = options.steps.clone();
            steps.flat_map(|step| fleet.bodies(step).collect::<Vec<_>>()).collect()
        };
        fleets.iter().map(encode).collect()
    };
    if options.waits {
        println!("ready");
        std::io::stdin().lock().read_line(&mut String::new())?;
    }
    let started = Instant::now();
    let sent: Vec<Sent> = thread::scope(|scope| {
        let connections: Vec<_> = fleets
            .iter()
            .zip(&ahead)
            .map(|(fleet, bodies)| scope.spawn(move || connection(options, fleet, bodies, started)))
            .collect();
        connections
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect::<anyhow::Result<_>>()
    })?;
    report(&sent, started.elapsed());
    Ok(())
}

/// `series` in as many parts, each of whole requests as far as that can be.
fn parts(series: &Range<usize>, count: usize) -> Vec<Range<usize>> {
    let each = series.len().div_ceil(count).next_multiple_of(BATCH);
    let starts = series.clone().step_by(each.max(1));
    starts.map(|start| start..(start + each).min(series.end)).collect()
}

/// Sends what is encoded, or else encodes it bit by bit.
fn connection(
    options: &Options,
    fleet: &Fleet,
    ahead: &[Vec<u8>],
    started: Instant,
) -> anyhow::Result<Sent> {
    let mut server = Server::connect(&options.address)?;
    let mut sent = Sent::default();
    let requests_a_step = fleet.series().div_ceil(BATCH);
    // Connections have equal rates as far as they have equal parts.
    let share = fleet.series() as f64 / options.series.len() as f64;
    let per_second = options.rate * share / fleet.series().min(BATCH) as f64;
    let mut deliver = |number: usize, body: &[u8]| {
        if started.elapsed().as_secs_f64() > options.seconds_max {
            return Ok(());
        }
        let mut due = Instant::now();
        if options.rate > 0.0 {
            due = started + Duration::from_secs_f64(number as f64 / per_second);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        while !server.takes(body)? {
            sent.refusals += 1;
            thread::sleep(RETRY_AFTER);
        }
        sent.latencies.push(due.elapsed());
        let before = number % requests_a_step * BATCH;
        sent.samples += BATCH.min(fleet.series() - before);
        anyhow::Ok(())
    };
    if options.is_untimed {
        let bodies = options.steps.clone().flat_map(|step| fleet.bodies(step));
        bodies.enumerate().try_for_each(|(number, body)| deliver(number, &body))?;
    } else {
        ahead.iter().enumerate().try_for_each(|(number, body)| deliver(number, body))?;
    }
    Ok(sent)
}

/// A kept connection.
struct Server {
    address: String,
    stream: BufReader<TcpStream>,
}

impl Server {
    fn connect(address: &str) -> anyhow::Result<Self> {
        let stream =
            TcpStream::connect(address).with_context(|| format!("no server: {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        Ok(Self { address: address.to_owned(), stream: BufReader::new(stream) })
    }

    /// Whether the server takes a request; false if it is to be sent again.
    fn takes(&mut self, body: &[u8]) -> anyhow::Result<bool> {
        let head = format!(
            "POST /api/v1/write HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-protobuf\r\n\
             content-encoding: snappy\r\nx-prometheus-remote-write-version: 0.1.0\r\n\
             content-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let (status, text) = self.answer().context("no answer")?;
        match status {
            200 | 204 => Ok(true),
            503 => Ok(false),
            _ => bail!("answered {status}: {text}"),
        }
    }

    /// Status and text of an answer.
    fn answer(&mut self) -> anyhow::Result<(u16, String)> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split_whitespace().nth(1).and_then(|code| code.parse().ok());
        let status = status.with_context(|| format!("not HTTP: {line:?}"))?;
        let mut bytes = 0;
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(std::io::Error::from(ErrorKind::UnexpectedEof).into());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(length) = line.strip_prefix("content-length:") {
                bytes = length.trim().parse()?;
            } else if line.starts_with("transfer-encoding:") {
                bail!("chunks are not read");
            }
        }
        let mut text = vec![0; bytes];
        self.stream.read_exact(&mut text)?;
        Ok((status, String::from_utf8_lossy(&text).trim().to_owned()))
    }
}

fn report(sent: &[Sent], took: Duration) {
    let samples: usize = sent.iter().map(|sent| sent.samples).sum();
    let refusals: usize = sent.iter().map(|sent| sent.refusals).sum();
    let mut latencies: Vec<Duration> =
        sent.iter().flat_map(|sent| sent.latencies.iter().copied()).collect();
    latencies.sort_unstable();
    let millis = |share: f64| {
        let index =
            ((latencies.len() as f64 * share).ceil() as usize).clamp(1, latencies.len().max(1));
        latencies.get(index - 1).map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    };
    println!(
        "{{\"samples\": {samples}, \"refusals\": {refusals}, \"seconds\": {:.6}, \"p50_ms\": {:.3}, \
         \"p99_ms\": {:.3}, \"max_ms\": {:.3}}}",
        took.as_secs_f64(),
        millis(0.5),
        millis(0.99),
        millis(1.0)
    );
}
