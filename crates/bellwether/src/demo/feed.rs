//! The fleet as remote write requests over HTTP.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, SendError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::body::Bytes;
use bellwether_replay::fleet::{Fleet, MetricKind};
use bellwether_series::Timestamp;
use bellwether_wire::remote_write::{MetricType, RawSample, WriteRequestBuilder, compress};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};

/// Scrape rounds in a request.
const ROUNDS_PER_REQUEST: usize = 10;
/// Requests generated ahead of the one on its way.
const REQUESTS_AHEAD_MAX: usize = 16;
/// Pause after the receiver was full.
const RETRY: Duration = Duration::from_millis(20);
const TIMEOUT: Duration = Duration::from_secs(30);

/// The body of a request.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) compressed: Vec<u8>,
    pub(super) samples: u64,
    pub(super) rounds: u64,
    /// Time of the last scrape round in it.
    pub(super) until: Timestamp,
}

/// Generates the bodies of all requests, in order, on a thread of its own.
///
/// # Errors
/// When the system refuses a thread.
pub(super) fn generate(fleet: Fleet) -> std::io::Result<Receiver<Body>> {
    let (bodies, generated) = sync_channel(REQUESTS_AHEAD_MAX);
    thread::Builder::new().name("fleet".to_owned()).spawn(move || {
        // Fails when nobody wants them any more.
        _ = send_bodies(fleet, &bodies);
    })?;
    Ok(generated)
}

fn send_bodies(mut fleet: Fleet, bodies: &SyncSender<Body>) -> Result<(), SendError<Body>> {
    let mut builder = WriteRequestBuilder::default();
    put_metadata(&mut builder, &fleet);
    let mut series: Vec<Vec<RawSample>> = vec![Vec::new(); fleet.series().len()];
    let mut round = Vec::new();
    loop {
        let (mut samples, mut rounds, mut until) = (0, 0, None);
        for _ in 0..ROUNDS_PER_REQUEST {
            let Some(at) = fleet.next_step(&mut round) else { break };
            for observation in &round {
                let (timestamp, value) = (observation.timestamp, observation.value);
                series[observation.series].push(RawSample { timestamp, value });
            }
            samples += round.len() as u64;
            rounds += 1;
            until = Some(at);
        }
        let Some(until) = until else { return Ok(()) };
        for (one, samples) in fleet.series().iter().zip(&mut series) {
            if !samples.is_empty() {
                builder.series(&one.labels, samples);
                samples.clear();
            }
        }
        let compressed = compress(&builder.encode());
        bodies.send(Body { compressed, samples, rounds, until })?;
    }
}

/// What a Prometheus would have read from the scraped text.
fn put_metadata(builder: &mut WriteRequestBuilder, fleet: &Fleet) {
    let mut families: Vec<(&str, MetricType)> = fleet
        .series()
        .iter()
        .map(|series| {
            let kind = match series.kind {
                MetricKind::Gauge => MetricType::Gauge,
                MetricKind::Counter => MetricType::Counter,
            };
            (series.labels.metric_name(), kind)
        })
        .collect();
    families.sort_unstable_by_key(|&(name, _)| name);
    families.dedup_by_key(|&mut (name, _)| name);
    for (name, kind) in families {
        builder.metadata(name, kind, "", "");
    }
}

/// Sends requests one after the other, so that each series stays in order.
#[derive(Debug)]
pub(super) struct Sender {
    client: reqwest::Client,
    url: String,
}

impl Sender {
    /// Sends to the receiver at `address`.
    ///
    /// # Errors
    /// When there can be no HTTP client.
    pub(super) fn new(address: SocketAddr) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            // Loopback without TLS: no need for the system's certificates.
            .tls_certs_only([])
            .timeout(TIMEOUT)
            .build()
            .context("cannot build the HTTP client")?;
        Ok(Self { client, url: format!("http://{address}/api/v1/write") })
    }

    /// Sends a compressed body until the receiver takes it.
    ///
    /// # Errors
    /// When it does not.
    pub(super) async fn send(&self, compressed: Vec<u8>) -> anyhow::Result<()> {
        let body = Bytes::from(compressed);
        loop {
            let answer = self
                .client
                .post(&self.url)
                .header(CONTENT_TYPE, "application/x-protobuf")
                .header(CONTENT_ENCODING, "snappy")
                .header("X-Prometheus-Remote-Write-Version", "0.1.0")
                .body(body.clone())
                .send()
                .await
                .context("the receiver does not answer")?;
            match answer.status() {
                StatusCode::NO_CONTENT => return Ok(()),
                StatusCode::SERVICE_UNAVAILABLE => tokio::time::sleep(RETRY).await,
                status => {
                    let text = answer.text().await.unwrap_or_default();
                    bail!("the receiver refuses samples: status=`{status}`, answer=`{text}`")
                }
            }
        }
    }
}
