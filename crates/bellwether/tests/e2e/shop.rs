//! A small instrumented program to watch: a shop whose values are noisy in the way real ones are, with
//! a fault that can be switched on and off.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The running shop. Its thread ends with the test's process.
pub(crate) struct Shop {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    fault: AtomicBool,
    scrapes: AtomicU64,
}

impl Shop {
    /// Opens the shop on a free port; its noise follows from `seed`.
    pub(crate) fn start(seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let thread_shared = Arc::clone(&shared);
        thread::spawn(move || serve(&listener, &thread_shared, seed));
        Self { address, shared }
    }

    /// Where it is scraped.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often it has been scraped.
    pub(crate) fn scrapes(&self) -> u64 {
        self.shared.scrapes.load(Ordering::SeqCst)
    }

    /// Switches the fault: requests take ten times as long and many fail.
    pub(crate) fn set_fault(&self, on: bool) {
        self.shared.fault.store(on, Ordering::SeqCst);
    }
}

fn serve(listener: &TcpListener, shared: &Shared, seed: u64) {
    let mut state = State::new(seed);
    for stream in listener.incoming() {
        state.live(shared.fault.load(Ordering::SeqCst));
        // A scraper that hangs up is its own affair.
        if stream.and_then(|stream| answer(stream, &state.render())).is_ok() {
            shared.scrapes.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn answer(mut stream: TcpStream, body: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => request.extend_from_slice(&chunk[..read]),
        }
    }
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

/// What the shop measures.
struct State {
    noise: Noise,
    lived_until: Instant,
    latency_seconds: f64,
    queue_depth: f64,
    requests: f64,
    errors: f64,
}

impl State {
    fn new(seed: u64) -> Self {
        let noise = Noise(seed);
        let lived_until = Instant::now();
        Self {
            noise,
            lived_until,
            latency_seconds: 0.0,
            queue_depth: 0.0,
            requests: 0.0,
            errors: 0.0,
        }
    }

    /// Lives through the whole seconds since the last scrape, at least one. Whole ones, so that a scrape
    /// that is a little early or late changes no rate.
    fn live(&mut self, fault: bool) {
        let now = Instant::now();
        let seconds = (now - self.lived_until).as_secs_f64().round().max(1.0) as u64;
        self.lived_until = now;
        for _ in 0..seconds {
            self.requests += self.noise.around(200.0, 10.0).round();
            self.errors += self.noise.around(if fault { 80.0 } else { 8.0 }, 2.0).round();
        }
        self.latency_seconds = self.noise.around(0.12, 0.008) * if fault { 10.0 } else { 1.0 };
        self.queue_depth = self.noise.around(40.0, 4.0).round();
    }

    fn render(&self) -> String {
        let mut text = String::new();
        for (name, kind, help, value) in [
            ("shop_request_latency_seconds", "gauge", "Mean latency.", self.latency_seconds),
            ("shop_queue_depth", "gauge", "Orders that wait.", self.queue_depth),
            ("shop_requests_total", "counter", "Requests served.", self.requests),
            ("shop_errors_total", "counter", "Requests that failed.", self.errors),
        ] {
            writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}").unwrap();
        }
        text
    }
}

/// Seeded noise: `SplitMix64` (Steele, Lea and Flood 2014).
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Close to normal, and never negative: the sum of twelve uniform numbers.
    fn around(&mut self, mean: f64, deviation: f64) -> f64 {
        let sum: f64 = (0..12).map(|_| self.uniform()).sum();
        (mean + (sum - 6.0) * deviation).max(0.0)
    }
}

#[test]
fn noise_has_the_mean_and_deviation_that_were_asked_for() {
    let mut noise = Noise(1);
    let values: Vec<f64> = (0..10_000).map(|_| noise.around(50.0, 2.0)).collect();
    let mean = values.iter().sum::<f64>() / 1e4;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 1e4;
    assert!((mean - 50.0).abs() < 0.1, "{mean}");
    assert!((variance.sqrt() - 2.0).abs() < 0.1, "{variance}");
}
