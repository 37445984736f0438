//! Connections that stall are closed soon, and others hardly notice them.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime;
use tokio::task::JoinSet;

use crate::figures::p99;
use crate::fleet::Fleet;
use crate::load::fleets;
use crate::poll::{seconds, until};
use crate::sender::Sender;
use crate::server::Server;
use crate::setting;

const CONNECTIONS: usize = 1000;
const CONNECT_EVERY: Duration = Duration::from_millis(2);
const GONE_MAX: Duration = seconds(15);
/// Who is not closed at all is given up after this long.
const STAYED_MAX: Duration = seconds(60);
const MEASURED: Duration = seconds(20);
/// They come from so many addresses, none of them that of the healthy sender.
const ADDRESSES: usize = 5;
/// So many seconds the slowest head takes that the server waits for.
const HEAD_LASTS: usize = 9;
const HEAD: &str = "POST /api/v1/write HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n\
     Content-Encoding: snappy\r\nContent-Length: 1000\r\n\r\n";

#[test]
fn stalled_connections_are_closed_and_others_hardly_notice() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start_in(dir.path(), "stalled", "");
    let address = server.address();
    let fleet = &fleets(1, 500)[0];
    let mut next = 0;
    healthy(address, fleet, &mut next, seconds(3));
    let files = server.total("process_open_fds");
    let calm = healthy(address, fleet, &mut next, MEASURED);
    let stalling = thread::spawn(move || stall_all(address));
    let disturbed = healthy(address, fleet, &mut next, MEASURED);
    let slowest = stalling.join().unwrap();
    let files_after = until(seconds(10), "its files to be closed", || {
        let open = server.total("process_open_fds");
        (open < files + 10.0).then_some(open)
    });
    println!(
        "reliability stalled: connections {CONNECTIONS}, last one gone after {slowest:.1?}, healthy p99 {calm:.1?} without and \
         {disturbed:.1?} with them, open files {files} before and {files_after} after"
    );
    server.stop();
    assert!(slowest <= GONE_MAX, "a stalled connection stayed for {slowest:?}");
    setting::demand(disturbed <= 2 * calm, &format!("p99 {disturbed:?} instead of {calm:?}"));
}

/// The 99th percentile of a sender that sends all the time.
fn healthy(address: SocketAddr, fleet: &Fleet, next: &mut usize, lasting: Duration) -> Duration {
    let sender = Sender::new(address);
    let started = Instant::now();
    let mut latencies = Vec::new();
    while started.elapsed() < lasting {
        let body = fleet.body(*next);
        *next += 1;
        let sent = Instant::now();
        sender.deliver(&body, seconds(60));
        latencies.push(sent.elapsed());
    }
    p99(&mut latencies)
}

/// Opens all connections, and says how long the longest one stayed.
fn stall_all(address: SocketAddr) -> Duration {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut stalled = JoinSet::new();
        for index in 0..CONNECTIONS {
            // Nothing at all, a head a byte a second, a body a byte a second, a head that just makes it and such a body.
            let (at_once, slowly) = match index % 4 {
                0 => ("", String::new()),
                1 => ("", HEAD.to_owned()),
                2 => (HEAD, HEAD.to_owned()),
                _ => {
                    let (begin, end) = HEAD.split_at(HEAD.len() - HEAD_LASTS);
                    (begin, end.to_owned() + HEAD)
                }
            };
            let from = Ipv4Addr::new(127, 0, 0, 2 + (index % ADDRESSES) as u8);
            stalled.spawn(stall(connect(from, address).await, at_once, slowly));
            // Faster than they are accepted, the system would drop some, and the server would never know them.
            tokio::time::sleep(CONNECT_EVERY).await;
        }
        stalled.join_all().await.into_iter().max().unwrap()
    })
}

async fn connect(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

async fn stall(stream: TcpStream, at_once: &str, slowly: String) -> Duration {
    let opened = Instant::now();
    let (mut reading, mut writing) = stream.into_split();
    let write = async {
        writing.write_all(at_once.as_bytes()).await?;
        for byte in slowly.as_bytes() {
            tokio::time::sleep(seconds(1)).await;
            writing.write_all(&[*byte]).await?;
        }
        std::future::pending::<std::io::Result<()>>().await
    };
    // Closed either way: an end, or an error because something was written after it.
    let mut answer = Vec::new();
    tokio::select! {
        _ = reading.read_to_end(&mut answer) => {}
        _ = write => {}
        () = tokio::time::sleep(STAYED_MAX) => {}
    }
    opened.elapsed()
}
