//! A sender of remote write requests on one connection that stays open.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::Client;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::runtime::{self, Runtime};

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Pause before a request is sent again; nothing but the load depends on it.
const PAUSE: Duration = Duration::from_millis(20);

/// Names the tenant, where the configuration says so.
const TENANT_HEADER: HeaderName = HeaderName::from_static("x-scope-orgid");

/// What a receiver answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) has_retry_after: bool,
    #[expect(dead_code, reason = "shown when a test fails")]
    pub(crate) body: String,
}

/// A sender. It blocks.
pub(crate) struct Sender {
    runtime: Runtime,
    client: Client,
    url: String,
}

impl Sender {
    /// To the receiver at `address`. It connects when it first sends.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self::with(address, HeaderMap::new())
    }

    /// The same as a tenant.
    pub(crate) fn of(address: SocketAddr, tenant: &'static str) -> Self {
        let name = HeaderValue::from_static(tenant);
        Self::with(address, HeaderMap::from_iter([(TENANT_HEADER, name)]))
    }

    fn with(address: SocketAddr, headers: HeaderMap) -> Self {
        static PROVIDER: OnceLock<()> = OnceLock::new();
        PROVIDER.get_or_init(|| {
            // Fails only when somebody else has installed it.
            _ = rustls::crypto::ring::default_provider().install_default();
        });
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = Client::builder().no_proxy().timeout(TIMEOUT);
        let client = client.default_headers(headers).build().unwrap();
        Self { runtime, client, url: format!("http://{address}/api/v1/write") }
    }

    /// Sends `body` once; `None` when the connection failed before the answer was there.
    pub(crate) fn post(&self, body: &[u8]) -> Option<Answer> {
        let request = self
            .client
            .post(&self.url)
            .header("Content-Type", "application/x-protobuf")
            .header("Content-Encoding", "snappy")
            .header("X-Prometheus-Remote-Write-Version", "0.1.0")
            .body(body.to_vec());
        self.runtime.block_on(async {
            let answer = request.send().await.ok()?;
            let status = answer.status().as_u16();
            let has_retry_after = answer.headers().contains_key("Retry-After");
            Some(Answer { status, has_retry_after, body: answer.text().await.ok()? })
        })
    }

    /// Sends `body` until it is taken, as Prometheus does.
    ///
    /// # Panics
    /// When it is refused for good, or not taken within `limit`.
    pub(crate) fn deliver(&self, body: &[u8], limit: Duration) {
        self.deliver_counting(body, limit, &AtomicU64::new(0));
    }

    /// The same, and adds each time that it was not taken to `failures` at once.
    pub(crate) fn deliver_counting(&self, body: &[u8], limit: Duration, failures: &AtomicU64) {
        let started = Instant::now();
        loop {
            match self.post(body) {
                Some(Answer { status: 204, .. }) => return,
                Some(Answer { status: 503, has_retry_after: true, .. }) | None => {}
                Some(answer) => panic!("a valid request was refused: {answer:?}"),
            }
            failures.fetch_add(1, Ordering::SeqCst);
            assert!(started.elapsed() < limit, "not taken within {limit:?}");
            thread::sleep(PAUSE);
        }
    }
}
