//! `/health`: how each part is doing, and with `?history=1` how that has changed.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::ApiError;
use crate::health::watch::HealthChange;
use crate::health::{Health, Status};
use crate::service::App;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HealthQuery {
    /// 1 to have the history as well.
    #[serde(default)]
    history: u8,
}

#[derive(Debug, Serialize)]
pub(super) struct Answer {
    #[serde(flatten)]
    health: Health,
    /// Changes since the start, newest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<HealthChange>>,
}

pub(super) async fn health(
    State(app): State<Arc<App>>,
    query: Result<Query<HealthQuery>, QueryRejection>,
) -> Result<(StatusCode, Json<Answer>), ApiError> {
    let Query(query) =
        query.map_err(|error| ApiError(StatusCode::BAD_REQUEST, error.to_string()))?;
    let health = Health::of(&app);
    let code = match health.status {
        Status::Critical => StatusCode::SERVICE_UNAVAILABLE,
        Status::Healthy | Status::Degraded => StatusCode::OK,
    };
    let history = (query.history > 0).then(|| app.health_watch.history());
    Ok((code, Json(Answer { health, history })))
}
