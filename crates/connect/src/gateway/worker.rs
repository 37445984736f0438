//! The threads of a gateway: those that split requests and produce their records, and the keeper.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bellwether_engine::{Outcome, Routing};
use bellwether_runtime::{Reply, Request, SubmitError};
use bellwether_series::Timestamp;
use rdkafka::message::{Header, OwnedHeaders};

use super::Shared;
use super::families::Room;
use super::pending::Pending;
use super::split::{Part, Splitter};
use super::stats::Kind;

/// Pause before another attempt to queue a record when the producer's queue is full.
const FULL_PAUSE: Duration = Duration::from_millis(5);
/// How often the brokers are asked for the topic.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// Of the bytes that may be under way, what families may take for one request: one in so many.
const FAMILIES_SHARE: usize = 8;

/// The configuration by which requests are split.
pub(super) struct InForce {
    pub(super) routing: Routing,
    /// The header that names the tenant of a record; `None` where everything is of one.
    pub(super) tenant_header: Option<String>,
}

/// Splits requests until nobody hands any over.
pub(super) fn split_all(shared: &Shared, queue: &crossbeam_channel::Receiver<(Request, Reply)>) {
    for (request, reply) in queue {
        if let Err((reply, error)) = take(shared, request, reply) {
            shared.account.answered(false);
            reply(Err(error));
        }
    }
}

/// Produces the records of a request.
fn take(shared: &Shared, request: Request, reply: Reply) -> Result<(), (Reply, SubmitError)> {
    let Request { tenant, write, received_at, received } = request;
    // Nothing is kept of how it came.
    drop(received);
    let Some(partitions) = shared.topic.partitions() else {
        return Err((reply, SubmitError::Unreachable));
    };
    let in_force = Arc::clone(&shared.in_force.read());
    let tenant = tenant.as_deref().unwrap_or_default();
    let Some(sender) = in_force.routing.of_tenant(tenant) else {
        return Err((reply, SubmitError::UnknownTenant));
    };
    let settings = in_force.routing.settings();
    let options = &shared.options;
    let share = options.buffer_bytes_max / FAMILIES_SHARE / partitions.get() as usize;
    let room = Room {
        families: settings.series.metadata_max,
        bytes: share.min(options.record_bytes_max).max(settings.series.labels.value_bytes_max),
    };
    let news = shared.families.news(tenant, &write, received_at, room);
    let splitter = Splitter {
        sender: &sender,
        partitions,
        newest: received_at.plus_ms(settings.ordering.future_max_ms),
        record_bytes_max: options.record_bytes_max,
    };
    let (parts, mut outcome) = splitter.split(&write, &news.families);
    if news.refused > 0 {
        outcome.refused_families = news.refused;
        shared.account.count(|figures| figures.families_refused += news.refused);
    }
    let told: Vec<Box<str>> = news.families.iter().map(|told| told.family.into()).collect();
    let reply = answering(shared, tenant.into(), told, received_at, reply);
    if parts.is_empty() {
        reply(Ok(outcome));
        return Ok(());
    }
    let pending = Arc::new(Pending::new(parts.len(), outcome, reply));
    let header = in_force.tenant_header.as_deref();
    let headers = header.map(|key| OwnedHeaders::new().insert(Header { key, value: Some(tenant) }));
    produce(shared, &parts, headers.as_ref(), received_at, &pending);
    Ok(())
}

/// `reply`, and what else is to be done when a request is answered.
fn answering(
    shared: &Shared,
    tenant: Box<str>,
    told: Vec<Box<str>>,
    at: Timestamp,
    reply: Reply,
) -> Reply {
    let (account, families) = (Arc::clone(&shared.account), Arc::clone(&shared.families));
    Box::new(move |result: Result<Outcome, SubmitError>| {
        account.answered(result.is_ok());
        if result.is_ok() && !told.is_empty() {
            account.count(|figures| figures.families_told += told.len() as u64);
            families.note(&tenant, told, at);
        }
        reply(result);
    })
}

/// Hands all parts to the producer. While that is full it waits, and others wait behind it.
fn produce(
    shared: &Shared,
    parts: &[Part],
    headers: Option<&OwnedHeaders>,
    at: Timestamp,
    pending: &Arc<Pending>,
) {
    let until = Instant::now() + shared.options.confirm_timeout;
    for part in parts {
        while let Err(undelivered) = shared.topic.send(part, headers.cloned(), at, pending) {
            if undelivered.is_queue_full && Instant::now() < until {
                std::thread::sleep(FULL_PAUSE);
                continue;
            }
            tracing::debug!(error = undelivered.error, "record is not produced");
            shared.account.failed(Kind::Part(part.value.len()), &undelivered);
            pending.record_done(false);
            break;
        }
    }
}

/// Looks after the topic until `stop` says so: whether it can be reached, how many partitions it has, and heartbeats. `clock` tells
/// the wall-clock time.
pub(super) fn keep(shared: &Shared, stop: &Receiver<()>, clock: &dyn Fn() -> Timestamp) {
    let mut known = Known::default();
    let mut ask_due = Instant::now();
    let mut beat_due = Instant::now();
    loop {
        if Instant::now() >= ask_due {
            notice(shared, &mut known);
            ask_due = Instant::now() + ASK_EVERY;
        }
        shared.topic.replace_failed();
        if Instant::now() >= beat_due && shared.topic.partitions().is_some() {
            shared.topic.beat(clock());
            beat_due = Instant::now() + shared.options.heartbeat_every;
        }
        let next =
            if shared.topic.partitions().is_some() { ask_due.min(beat_due) } else { ask_due };
        match stop.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// What is known of the topic, to notice changes by.
#[derive(Debug, Default)]
struct Known {
    /// How many partitions it had when it was reached last; 0 before the first time.
    partitions: u32,
    /// Whether it could be reached the last time; `None` before the first.
    is_reached: Option<bool>,
}

/// Asks for the topic, and says in the log what has changed.
fn notice(shared: &Shared, known: &mut Known) {
    let topic = &shared.options.topic;
    let asked = shared.topic.ask();
    let was_reached = known.is_reached.replace(asked.is_ok());
    let now = match asked {
        Ok(now) => now,
        Err(error) => {
            if was_reached != Some(false) {
                tracing::warn!(topic, error, "topic cannot be reached");
            }
            return;
        }
    };
    if was_reached != Some(true) {
        tracing::info!(topic, partitions = now, "topic can be reached");
    }
    let before = std::mem::replace(&mut known.partitions, now);
    if before > 0 && before != now {
        tracing::warn!(
            topic,
            before,
            now,
            "the number of partitions has changed: series move, and what was learned of them does not"
        );
        shared.account.count(|figures| figures.partition_changes += 1);
        shared.families.forget();
    }
}
