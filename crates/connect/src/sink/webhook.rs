//! Posts every event to a URL, signed, one after the other.
//!
//! The receiver's view is in `docs/webhook.md`. One event is one POST of its JSON form; the next waits for
//! it, so a receiver hears of an episode's changes in order. What fails is repeated with the same
//! `Idempotency-Key` until it is taken, refused for good or too old.
//!
//! ```text
//! Event ─▶ bounded queue ◀─ task ─▶ POST, signed ─┬─▶ 2xx: done
//!              ▲                                   ├─▶ 408, 425, 429, 5xx, no answer: again, after a pause
//!              └───────────────────────────────────┘   anything else: lost, counted
//! ```
//!
//! The URL's path and query may be secrets (Slack and others put a token there): logs show neither.

mod attempt;
mod delivery;
mod queue;
mod signature;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use bellwether_detect::Severity;
use bellwether_engine::Event;
use bellwether_runtime::{EventSink, SinkStats};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use crate::outbound::{Backoff, Endpoint, EndpointError, Outbound};
use crate::secret::Secret;
use crate::sink::vital::vital;
use attempt::Poster;
use delivery::Delivery;
use queue::Queue;
use signature::Signer;

/// First pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause, as a multiple of the first.
const PAUSE_GROWTH_MAX: u32 = 60;

/// Where a webhook is and what it gets.
#[derive(Debug, Clone, PartialEq)]
pub struct WebhookOptions {
    /// What metrics and health call it.
    pub name: String,
    /// Where to post. The URL is used as it is, a query included.
    pub endpoint: Endpoint,
    /// Key of the signature; none, no signature. Not empty.
    pub secret: Option<Secret>,
    /// Least severity that is posted. Since severity only rises in an episode, and its end has the
    /// highest, the end of what was posted is posted too.
    pub severity: Severity,
    /// How long one request may take, in milliseconds. Above 0.
    pub timeout_ms: u64,
    /// How long after its publication an event is still tried, in milliseconds. Above 0.
    pub give_up_after_ms: u64,
    /// Events that may wait; beyond it the oldest is lost. At least 1.
    pub queue_events_max: usize,
}

/// Why a webhook cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// Nothing can be sent to the URL.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A value is out of range.
    #[error("option is out of range: option=`{option}`")]
    OutOfRange {
        /// Name of the field.
        option: &'static str,
    },
    /// Started outside a tokio runtime.
    #[error("no tokio runtime is running")]
    NoRuntime,
}

/// A webhook and the task that posts to it. Dropping it stops posting at once.
pub struct Webhook {
    name: String,
    severity: Severity,
    delivery: Arc<Delivery>,
    task: AbortOnDropHandle<()>,
    /// Disconnected once the task has ended, however it did. Nothing is ever sent.
    ended: Mutex<Receiver<()>>,
}

impl Webhook {
    /// Starts the task that posts, on the current tokio runtime.
    ///
    /// # Errors
    /// When an option is invalid, no runtime is running, or the TLS root certificates of the system
    /// cannot be loaded (for `https` only).
    pub fn start(options: WebhookOptions) -> Result<Self, WebhookError> {
        Self::start_with_pause(options, FIRST_PAUSE)
    }

    /// Like [`Self::start`], with another first pause after a failure than one second. Pauses grow up to 60
    /// times the first.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with_pause(
        options: WebhookOptions,
        first_pause: Duration,
    ) -> Result<Self, WebhookError> {
        options.check()?;
        let runtime = Handle::try_current().map_err(|_| WebhookError::NoRuntime)?;
        let timeout = Duration::from_millis(options.timeout_ms);
        let outbound = Outbound::new(&options.endpoint, "", timeout)?;
        let poster = Poster::new(outbound, options.secret.as_ref().map(Signer::new));
        let give_up_after = Duration::from_millis(options.give_up_after_ms);
        let queue = Queue::new(options.queue_events_max, give_up_after);
        let backoff = Backoff { first: first_pause, longest: first_pause * PAUSE_GROWTH_MAX };
        let delivery = Delivery::new(options.name.clone(), poster, queue, backoff);
        let delivery = Arc::new(delivery);
        let (running, ended) = sync_channel(0);
        let task = Arc::clone(&delivery);
        let task = runtime.spawn(vital(async move {
            task.run().await;
            drop(running);
        }));
        Ok(Self {
            name: options.name,
            severity: options.severity,
            delivery,
            task: AbortOnDropHandle::new(task),
            ended: Mutex::new(ended),
        })
    }
}

impl WebhookOptions {
    fn check(&self) -> Result<(), WebhookError> {
        let in_range = [
            ("secret", self.secret.as_ref().is_none_or(|secret| !secret.expose().is_empty())),
            ("timeout_ms", self.timeout_ms > 0),
            ("give_up_after_ms", self.give_up_after_ms > 0),
            ("queue_events_max", self.queue_events_max > 0),
        ];
        match in_range.into_iter().find(|(_, good)| !good) {
            Some((option, _)) => Err(WebhookError::OutOfRange { option }),
            None => Ok(()),
        }
    }
}

impl EventSink for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    fn publish(&self, event: &Arc<Event>) {
        if event.severity >= self.severity {
            self.delivery.publish(event, Instant::now());
        }
    }

    fn undelivered(&self) -> Vec<Arc<Event>> {
        self.delivery.undelivered()
    }

    fn stats(&self) -> SinkStats {
        self.delivery.stats()
    }

    /// Tries what waits once more, in order. The runtime must be running for it: on its only thread this
    /// would wait in vain.
    fn close(&self, limit: Duration) {
        self.delivery.stop();
        // Either way it is over: the task has ended, or the time is up.
        let _ = self.ended.lock().recv_timeout(limit);
        self.task.abort();
        let lost_events = self.delivery.abandon();
        if lost_events > 0 {
            tracing::warn!(
                sink = self.name,
                lost_events,
                "webhook did not take all events in time"
            );
        }
    }
}
