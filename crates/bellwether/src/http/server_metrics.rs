//! Own figures about the HTTP server: who is connected, who was refused.

use std::fmt;
use std::sync::atomic::Ordering;

use bellwether_connect::http::{CLOSE_REASONS, Guard, REFUSALS};

use super::answers::{Answers, REFUSALS as ANSWERS_REFUSED};
use super::exposition::Families;
use crate::run::web::LiveWeb;

pub(super) fn metrics(families: &mut Families<'_>, guard: &Guard, web: &LiveWeb) -> fmt::Result {
    let stats = guard.stats();
    families.gauge(
        "bellwether_http_connections",
        "Open connections",
        stats.connections.load(Ordering::Relaxed) as f64,
    )?;
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    families.counters(
        "bellwether_http_connections_closed",
        "Connections closed because their time was over or another one needed the room",
        "reason",
        CLOSE_REASONS.iter().zip(stats.closed.iter().map(load)),
    )?;
    families.counter(
        "bellwether_http_handshakes_failed",
        "TLS handshakes that failed",
        &load(&stats.handshakes_failed),
    )?;
    families.counters(
        "bellwether_http_requests_refused",
        "Requests refused before anybody looked at them",
        "reason",
        REFUSALS.iter().zip(stats.refused.iter().map(load)),
    )?;
    families.counter(
        "bellwether_http_connections_full",
        "Times that a connection of HTTP/2 had as many requests at a time as it may",
        &load(&stats.connections_full),
    )?;
    families.counter(
        "bellwether_http_failed_addresses_forgotten",
        "Addresses forgotten that had failed to log in, because too many others had as well",
        &load(&stats.failed_addresses_forgotten),
    )?;
    families.gauge(
        "bellwether_web_config_last_reload_successful",
        "Whether the last attempt to read the web configuration succeeded",
        f64::from(u8::from(web.is_current())),
    )
}

/// Own figures about the API.
pub(super) fn answers(families: &mut Families<'_>, answers: &Answers) -> fmt::Result {
    families.counters(
        "bellwether_api_answers_refused",
        "Answers of the API that were not given, for want of memory or time",
        "reason",
        ANSWERS_REFUSED.iter().zip(answers.refused()),
    )
}
