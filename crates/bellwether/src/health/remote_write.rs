//! How the receiver of requests is doing.

use super::{Check, SILENT_MAX_MS, Status, Vitals};

pub(super) fn check(vitals: &Vitals) -> Check {
    let silent_ms = vitals.now_ms - vitals.last_received_ms.unwrap_or(vitals.started_ms);
    let message = match vitals.last_received_ms {
        None => "nothing received yet".to_owned(),
        Some(_) => format!("last request {} s ago", silent_ms.max(0) / 1000),
    };
    let status = if !vitals.ready {
        return super::check(Status::Degraded, "stopping, requests are refused".to_owned());
    } else if silent_ms > SILENT_MAX_MS && !vitals.has_other_sources {
        Status::Degraded
    } else {
        Status::Healthy
    };
    super::check(status, message)
}
