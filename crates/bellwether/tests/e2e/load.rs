//! Remote write requests as fast as they are answered, from several senders at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use jiff::Timestamp;

use crate::http;

/// Series in each request.
const SERIES: usize = 500;

/// Senders at work.
pub(crate) struct Load {
    shared: Arc<Shared>,
    senders: Vec<JoinHandle<Vec<String>>>,
}

#[derive(Default)]
struct Shared {
    accepted: AtomicU64,
    end_expected: AtomicBool,
    stop: AtomicBool,
}

/// What the senders met.
pub(crate) struct Report {
    /// Answers that a receiver must never give to valid requests, and failures before
    /// [`Load::expect_the_end`].
    pub(crate) unexpected: Vec<String>,
}

impl Load {
    /// Sets `senders` to work, each with series of its own.
    pub(crate) fn start(address: SocketAddr, senders: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let senders = (0..senders)
            .map(|sender| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || send(address, sender, &shared))
            })
            .collect();
        Self { shared, senders }
    }

    /// Requests accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// From now on a connection may fail: the receiver has been asked to end.
    pub(crate) fn expect_the_end(&self) {
        self.shared.end_expected.store(true, Ordering::SeqCst);
    }

    /// Ends the senders.
    pub(crate) fn stop(self) -> Report {
        self.shared.stop.store(true, Ordering::SeqCst);
        let unexpected =
            self.senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect();
        Report { unexpected }
    }
}

fn send(address: SocketAddr, sender: usize, shared: &Shared) -> Vec<String> {
    let mut unexpected = Vec::new();
    let mut at_ms = Timestamp::now().as_millisecond();
    while !shared.stop.load(Ordering::SeqCst) {
        at_ms += 1;
        let end_expected = shared.end_expected.load(Ordering::SeqCst);
        match http::post_remote_write(address, "/api/v1/write", &request(sender, at_ms)) {
            Ok(answer) if (200..300).contains(&answer.status) => {
                shared.accepted.fetch_add(1, Ordering::SeqCst);
            }
            // "Later, please" is a good answer under load.
            Ok(answer) if answer.status == 503 => {}
            Ok(answer) => unexpected.push(format!("{answer:?}")),
            // The end may have been asked for while this request was under way.
            Err(_) if end_expected || shared.end_expected.load(Ordering::SeqCst) => {}
            Err(error) => unexpected.push(error.to_string()),
        }
    }
    unexpected
}

/// A remote write 1.0 body: one sample at `at_ms` of each series of `sender`.
fn request(sender: usize, at_ms: i64) -> Vec<u8> {
    let mut body = Vec::new();
    for series in 0..SERIES {
        let mut message = Vec::new();
        for (name, value) in [
            ("__name__", "load_value"),
            ("sender", &sender.to_string()),
            ("series", &series.to_string()),
        ] {
            let mut label = Vec::new();
            put_bytes(&mut label, 0x0a, name.as_bytes());
            put_bytes(&mut label, 0x12, value.as_bytes());
            put_bytes(&mut message, 0x0a, &label);
        }
        let mut sample = vec![0x09];
        sample.extend_from_slice(&((at_ms % 17) as f64).to_le_bytes());
        sample.push(0x10);
        put_varint(&mut sample, at_ms as u64);
        put_bytes(&mut message, 0x12, &sample);
        put_bytes(&mut body, 0x0a, &message);
    }
    snap::raw::Encoder::new().compress_vec(&body).unwrap()
}

fn put_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
