//! The HTTP interface: the receiver, the API, probes and own metrics on one port.

pub(crate) mod answers;
mod api;
#[cfg(feature = "kafka")]
mod cell_metrics;
mod exposition;
#[cfg(feature = "kafka")]
pub(crate) mod gateway;
mod health;
#[cfg(feature = "kafka")]
mod kafka_metrics;
mod kept_metrics;
mod metrics;
mod outlet_metrics;
mod process;
mod reload;
mod server_metrics;
mod tenant_metrics;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bellwether_connect::source::{otlp, remote_write};

pub use api::takes_query;

use crate::health::{STALLED_MAX, stalled};
use crate::service::App;

const INDEX: &str = concat!(
    "bellwether ",
    env!("CARGO_PKG_VERSION"),
    "

POST /api/v1/write        Prometheus remote write 1.0 and 2.0 (also /api/v1/push)
POST /v1/metrics          OpenTelemetry metrics (OTLP/HTTP), protobuf or JSON
GET  /api/v1/anomalies    newest first; ?severity=info|warning|critical &episode=ID &since=TIME &limit=N
GET  /api/v1/series       what is watched; ?match=SELECTOR &limit=N
GET  /api/v1/profile      what memory is used for
GET  /api/v1/summary      how many anomalies, and where
GET  /metrics             own metrics
GET  /health              every part, as JSON; ?history=1 for what it was before
GET  /ready  /-/ready     whether samples are welcome
GET  /live   /-/healthy   whether the process works
POST /-/reload            read the configuration again; from this machine only
"
);

/// All routes.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let router = own_routes(app);
    if app.topics.is_worker() {
        // What is sent to a worker would be judged by that one alone: gateways take it.
        return router;
    }
    router
        .merge(remote_write::router(Arc::clone(&app.receiver)))
        .merge(otlp::router(Arc::clone(&app.receiver)))
}

/// Everything but the receiver.
fn own_routes(app: &Arc<App>) -> Router {
    Router::new()
        .route("/", get(|| async { INDEX }))
        .route("/api/v1/anomalies", get(api::anomalies))
        .route("/api/v1/series", get(api::series))
        .route("/api/v1/profile", get(api::profile))
        .route("/api/v1/summary", get(api::summary))
        .route("/metrics", get(metrics::metrics))
        .route("/health", get(health::health))
        .route("/ready", get(ready))
        .route("/-/ready", get(ready))
        .route("/live", get(live))
        .route("/-/healthy", get(live))
        .route("/-/reload", post(reload::reload))
        .fallback(|| async { ApiError(StatusCode::NOT_FOUND, "there is nothing here".to_owned()) })
        .with_state(Arc::clone(app))
}

/// An answer that says why there is no better one.
#[derive(Debug)]
struct ApiError(StatusCode, String);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.0, Json(serde_json::json!({ "error": self.1 }))).into_response();
        if self.0 == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("6"));
        }
        response
    }
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    probe(app.is_ready(), "ready\n", "not ready\n")
}

async fn live(State(app): State<Arc<App>>) -> Response {
    probe(stalled(&app) < STALLED_MAX, "healthy\n", "the engine has stalled\n")
}

fn probe(good: bool, yes: &'static str, no: &'static str) -> Response {
    if good { yes.into_response() } else { (StatusCode::SERVICE_UNAVAILABLE, no).into_response() }
}
