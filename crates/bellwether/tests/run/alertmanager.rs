//! A fake Alertmanager that takes everything and remembers what it was sent; also a webhook's receiver.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// The fake; it serves until the process ends.
pub(crate) struct Alertmanager {
    address: SocketAddr,
    requests: Receiver<Request>,
}

/// One request with alerts, or with one event.
pub(crate) struct Request {
    pub(crate) authorization: Option<String>,
    pub(crate) alerts: Vec<Value>,
}

impl Alertmanager {
    /// Starts it on a free port.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                thread::spawn(move || serve(&stream, &sender));
            }
        });
        Self { address, requests }
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request, which must come soon.
    pub(crate) fn next(&self, limit: Duration) -> Request {
        self.requests.recv_timeout(limit).expect("no alert was sent")
    }
}

/// Answers the requests of one connection.
fn serve(stream: &TcpStream, requests: &Sender<Request>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut bytes, mut authorization) = (0, None);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            match line.trim_end().split_once(": ") {
                None if line.trim_end().is_empty() => break,
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    bytes = value.parse().unwrap();
                }
                Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                    authorization = Some(value.to_owned());
                }
                _ => {}
            }
        }
        let mut body = vec![0; bytes];
        reader.read_exact(&mut body)?;
        let alerts = match serde_json::from_slice(&body).unwrap() {
            Value::Array(alerts) => alerts,
            event => vec![event],
        };
        // Nobody listens when the test is over.
        _ = requests.send(Request { authorization, alerts });
        (&*stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    }
}
