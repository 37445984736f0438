//! The HTTP interface of a gateway: the receiver, probes and own metrics on one port.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use bellwether_connect::gateway::GatewayFigures;
use bellwether_connect::source::{otlp, remote_write};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::exposition::Families;
use super::process::process_metrics;
use super::{ApiError, metrics, probe, server_metrics, tenant_metrics};
use crate::gateway::GatewayApp;
use crate::health::{Check, Health, SILENT_MAX_MS, Status};

const INDEX: &str = concat!(
    "bellwether gateway ",
    env!("CARGO_PKG_VERSION"),
    "

POST /api/v1/write        Prometheus remote write 1.0 and 2.0 (also /api/v1/push)
POST /v1/metrics          OpenTelemetry metrics (OTLP/HTTP), protobuf or JSON
GET  /metrics             own metrics
GET  /health              every part, as JSON
GET  /ready  /-/ready     whether a broker answers and the topic exists
GET  /live   /-/healthy   whether the process works
"
);

/// All routes.
pub(crate) fn router(app: &Arc<GatewayApp>) -> Router {
    Router::new()
        .route("/", get(|| async { INDEX }))
        .route("/metrics", get(own_metrics))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/-/ready", get(ready))
        .route("/live", get(live))
        .route("/-/healthy", get(live))
        .fallback(|| async { ApiError(StatusCode::NOT_FOUND, "there is nothing here".to_owned()) })
        .with_state(Arc::clone(app))
        .merge(remote_write::router(Arc::clone(&app.receiver)))
        .merge(otlp::router(Arc::clone(&app.receiver)))
}

async fn ready(State(app): State<Arc<GatewayApp>>) -> Response {
    probe(app.gateway.is_ready(), "ready\n", "not ready\n")
}

/// Whoever can answer works: no broker that is away is mended by a restart.
async fn live() -> &'static str {
    "healthy\n"
}

async fn health(State(app): State<Arc<GatewayApp>>) -> (StatusCode, Json<Health>) {
    let health = health_of(&app);
    let code = match health.status {
        Status::Critical => StatusCode::SERVICE_UNAVAILABLE,
        Status::Healthy | Status::Degraded => StatusCode::OK,
    };
    (code, Json(health))
}

fn health_of(app: &GatewayApp) -> Health {
    let since = app.last_received().unwrap_or(app.started_at);
    let silent_ms = jiff::Timestamp::now().as_millisecond() - since.as_millisecond();
    let samples = if silent_ms > SILENT_MAX_MS {
        (Status::Degraded, format!("no samples for {} s", silent_ms / 1000))
    } else {
        (Status::Healthy, "samples come".to_owned())
    };
    let checks = [("source_remote_write", samples), ("topic", topic(&app.gateway.figures()))];
    let check = |(name, (status, message)): (&str, _)| (name.to_owned(), Check { status, message });
    Health::of_checks(checks.map(check).into())
}

/// How the topic is doing.
fn topic(figures: &GatewayFigures) -> (Status, String) {
    let error = figures.last_error.as_deref();
    if figures.partitions == 0 {
        let why = error.unwrap_or("no broker has answered yet");
        return (Status::Critical, format!("it cannot be reached, requests are refused: {why}"));
    }
    match error {
        Some(error) => (Status::Degraded, format!("the last record was not confirmed: {error}")),
        None => (Status::Healthy, format!("{} partitions", figures.partitions)),
    }
}

async fn own_metrics(State(app): State<Arc<GatewayApp>>, headers: HeaderMap) -> Response {
    metrics::exposed(Box::new(OwnMetrics(app)), &headers)
}

struct OwnMetrics(Arc<GatewayApp>);

impl fmt::Debug for OwnMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnMetrics")
    }
}

impl Collector for OwnMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let app = &self.0;
        let families = &mut Families(encoder);
        metrics::about(families, app.gateway.is_ready())?;
        let (success, success_at) = app.last_reload();
        metrics::reloads(families, success, success_at)?;
        server_metrics::metrics(families, &app.guard, &app.web)?;
        metrics::received(families, app.receiver.stats())?;
        if !app.receiver.tenants().is_empty() {
            tenant_metrics::sent(families, &app.receiver)?;
        }
        counters(families, &app.gateway.figures())?;
        gauges(families, app)?;
        metrics::health(families, &health_of(app))?;
        process_metrics(families, app.started_at)
    }
}

fn counters(families: &mut Families<'_>, figures: &GatewayFigures) -> fmt::Result {
    for (name, help, count) in [
        (
            "requests_confirmed",
            "Requests of which the brokers have confirmed every record",
            figures.requests_confirmed,
        ),
        (
            "requests_unconfirmed",
            "Requests answered 503 because not every record was confirmed",
            figures.requests_unconfirmed,
        ),
        ("records", "Records that brokers have confirmed", figures.records_confirmed),
        ("record_bytes", "Bytes of their values, before compression", figures.record_bytes),
        ("records_failed", "Records that were not confirmed", figures.records_failed),
        (
            "records_too_large",
            "Records that the topic does not take because of their size",
            figures.records_too_large,
        ),
        ("heartbeats", "Heartbeats that brokers have confirmed", figures.heartbeats),
        ("heartbeats_failed", "Heartbeats that were not confirmed", figures.heartbeats_failed),
        (
            "families_told",
            "Metric families of which all partitions were told what they are",
            figures.families_told,
        ),
        (
            "families_refused",
            "Metric families that nobody was told of because of a limit",
            figures.families_refused,
        ),
        (
            "partition_changes",
            "Times that the topic had another number of partitions",
            figures.partition_changes,
        ),
        (
            "producer_restarts",
            "Times that the producer failed for good and another one was started",
            figures.producer_restarts,
        ),
    ] {
        families.counter(&format!("bellwether_gateway_{name}"), help, &count)?;
    }
    Ok(())
}

fn gauges(families: &mut Families<'_>, app: &GatewayApp) -> fmt::Result {
    let figures = app.gateway.figures();
    for (name, help, value) in [
        ("partitions", "Partitions of the topic; 0 while it cannot be reached", figures.partitions),
        ("queue_depth", "Requests that wait to be split", figures.queue_depth),
        ("queue_capacity", "Requests that may wait to be split", app.options.queue_requests_max),
        (
            "under_way_bytes",
            "Bytes of records that wait for their confirmation",
            figures.under_way_bytes,
        ),
        (
            "under_way_bytes_max",
            "Bytes of records that may wait for their confirmation",
            app.options.buffer_bytes_max,
        ),
        (
            "families",
            "Metric families of which all partitions have been told lately",
            figures.families,
        ),
    ] {
        families.gauge(&format!("bellwether_gateway_{name}"), help, value as f64)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_has_its_own_words() {
        let well = GatewayFigures { partitions: 8, ..GatewayFigures::default() };
        assert_eq!(topic(&well), (Status::Healthy, "8 partitions".to_owned()));
        let error = Some("timed out".to_owned());
        let failing = GatewayFigures { last_error: error.clone(), ..well };
        let (status, message) = topic(&failing);
        assert!(status == Status::Degraded && message.ends_with("timed out"), "{message}");
        let (status, message) = topic(&GatewayFigures { partitions: 0, ..failing });
        assert!(status == Status::Critical && message.ends_with("timed out"), "{message}");
        assert_eq!(topic(&GatewayFigures::default()).0, Status::Critical);
    }
}
