//! A way to the broker that can be closed for requests of one kind: whoever comes through it stays in the middle of what it does
//! for as long as a test wants, however fast it is.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};

use super::broker::free_address;

/// A kind of request: its `api_key` in the protocol of Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request(i16);

impl Request {
    /// Records.
    pub(super) const PRODUCE: Self = Self(0);
    /// A transaction is to be committed, or aborted.
    pub(super) const END_TRANSACTION: Self = Self(26);
}

/// A listener that passes on what it gets, request by request.
pub(super) struct Gate {
    address: SocketAddr,
    behind: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    closed: Mutex<Closed>,
    changed: Condvar,
}

#[derive(Default)]
struct Closed {
    /// What is not passed on.
    request: Option<Request>,
    /// Requests that are held.
    held: usize,
    /// Nobody comes any more.
    is_over: bool,
}

impl Gate {
    /// A gate that is open.
    pub(super) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, behind) = (listener.local_addr().unwrap(), free_address());
        let state = Arc::new(State::default());
        let of_thread = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if of_thread.closed.lock().is_over {
                    return;
                }
                let state = Arc::clone(&of_thread);
                // Whoever comes while the broker is away finds nobody there.
                thread::spawn(move || state.pass(client, behind).ok());
            }
        });
        Self { address, behind, state }
    }

    /// Where clients find it.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the broker is to listen for it.
    pub(super) fn behind(&self) -> SocketAddr {
        self.behind
    }

    /// Holds such requests from now on, and whatever comes behind one over the same connection.
    pub(super) fn close_for(&self, request: Request) {
        self.state.closed.lock().request = Some(request);
    }

    /// How many requests it holds.
    pub(super) fn held(&self) -> usize {
        self.state.closed.lock().held
    }

    /// Passes everything on.
    pub(super) fn open(&self) {
        self.state.closed.lock().request = None;
        self.state.changed.notify_all();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let mut closed = self.state.closed.lock();
        (closed.request, closed.is_over) = (None, true);
        self.state.changed.notify_all();
        drop(closed);
        // So that the listener looks.
        TcpStream::connect(self.address).ok();
    }
}

impl State {
    /// Passes on what `client` asks and what the broker answers, until one of them ends it.
    fn pass(&self, mut client: TcpStream, behind: SocketAddr) -> io::Result<()> {
        let mut broker = TcpStream::connect(behind)?;
        client.set_nodelay(true)?;
        broker.set_nodelay(true)?;
        let (mut answers, mut asker) = (broker.try_clone()?, client.try_clone()?);
        thread::spawn(move || {
            io::copy(&mut answers, &mut asker).ok();
            asker.shutdown(Shutdown::Both).ok();
        });
        let passed = self.pass_requests(&mut client, &mut broker);
        // What was passed on is answered to nobody then.
        broker.shutdown(Shutdown::Write).ok();
        passed
    }

    fn pass_requests(&self, client: &mut TcpStream, broker: &mut TcpStream) -> io::Result<()> {
        loop {
            let mut size = [0; 4];
            client.read_exact(&mut size)?;
            let mut request = vec![0; u32::from_be_bytes(size) as usize];
            client.read_exact(&mut request)?;
            self.wait(Request(i16::from_be_bytes([request[0], request[1]])));
            broker.write_all(&size)?;
            broker.write_all(&request)?;
        }
    }

    fn wait(&self, request: Request) {
        let mut closed = self.closed.lock();
        if closed.request != Some(request) {
            return;
        }
        closed.held += 1;
        self.changed.wait_while(&mut closed, |closed| closed.request == Some(request));
        closed.held -= 1;
    }
}
