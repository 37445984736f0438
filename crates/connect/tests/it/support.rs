//! What the tests share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bellwether_connect::http::{Guard, SecurityOptions, ServerLimits, serve};
use bellwether_detect::Severity;
use bellwether_engine::{ChangeKind, Event, FORMAT_VERSION, SignalKind};
use bellwether_series::{Fingerprint, LabelSet, Timestamp};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longest wait for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server on a free port of loopback; it stops when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) guard: Arc<Guard>,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    pub(crate) async fn start(app: Router, limits: ServerLimits) -> Self {
        Self::guarded(app, limits, open_guard()).await
    }

    pub(crate) fn on(listener: TcpListener, app: Router, limits: ServerLimits) -> Self {
        Self::guarded_on(listener, app, limits, open_guard())
    }

    pub(crate) async fn guarded(app: Router, limits: ServerLimits, guard: Arc<Guard>) -> Self {
        Self::guarded_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), app, limits, guard)
    }

    fn guarded_on(
        listener: TcpListener,
        app: Router,
        limits: ServerLimits,
        guard: Arc<Guard>,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = serve(listener, app, limits, Arc::clone(&guard), stop.clone());
        Self { address, guard, stop, task: tokio::spawn(serving) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A guard that lets everybody in.
pub(crate) fn open_guard() -> Arc<Guard> {
    Arc::new(Guard::new(SecurityOptions::default()).unwrap())
}

/// An HTTP client without retries.
pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap()
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "never: {what}");
}

/// An event of the series of `instance`.
pub(crate) fn event(instance: &str, change: ChangeKind, severity: Severity) -> Event {
    let labels = LabelSet::from_pairs([("__name__", "load"), ("instance", instance)]).unwrap();
    let at = Timestamp::from_ms(1_060_000);
    let resolved = change == ChangeKind::Resolved;
    Event {
        version: FORMAT_VERSION,
        id: format!("{}-1", labels.fingerprint()),
        episode_id: labels.fingerprint(),
        sequence: 1,
        change,
        severity,
        reason: None,
        alert: true,
        at_ms: at,
        starts_at_ms: Timestamp::from_ms(1_000_000),
        ends_at_ms: resolved.then_some(at),
        rule: Arc::from("MetricAnomaly"),
        fingerprint: labels.fingerprint(),
        labels,
        signal: SignalKind::Value,
        value: 9.0,
        expected: 2.0,
        lower: 1.0,
        upper: 3.0,
        surprise: 6.0,
        peak_surprise: 6.0,
        threshold: 5.0,
        threshold_raised_by: 0.0,
        detectors: Vec::new(),
        config_digest: Arc::from("c"),
        state_digest: Fingerprint::from_u128(0),
        explanation: "expected 2, saw 9".to_owned(),
    }
}
