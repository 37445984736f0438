//! Receives Prometheus remote write 1.0.
//!
//! Checks run in a fixed order: method, admission, tenant, content type, encoding, size, snappy, protobuf; then
//! each series on its own, inside the engine. The status code decides whether a sender retries or
//! drops, so there are only six: 204 taken; 400 invalid and will be invalid again, the good part was
//! taken; 403 not as this tenant; 405; 415 another message or compression; 503 with `Retry-After`, nothing was taken. Never
//! 429 or 413: Prometheus drops on the one, vmagent retries for ever on the other.
//!
//! Specification: "Prometheus Remote-Write 1.0".

mod answer;
mod body;
mod headers;
mod stats;
mod tenants;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, Method};
use axum::response::Response;
use axum::routing::any;
use bellwether_engine::Outcome;
use bellwether_runtime::{Ingest, Received, Request as IngestRequest, Source, SubmitError};
use bellwether_series::Timestamp;
use bellwether_wire::Format;
use bellwether_wire::remote_write::{DecodeError, Limits, WriteRequest, decompress};
use parking_lot::RwLock;
use tokio::sync::{Semaphore, oneshot};

use crate::http::User;
use answer::{Answer, Invalid};
use body::{BodyBudget, HeldBody, ReadError, Share};
pub use stats::{DECODE_REASONS, ReceiverStats, STATUSES};
use tenants::{Place, Shared, Tenants};
pub use tenants::{TENANT_REFUSALS, TenantAccess, TenantFigures, TenantOptions};

/// Bodies up to this size, compressed, are decoded where they were read: a typical one takes 0.3 ms.
const INLINE_BYTES_MAX: usize = 256 * 1024;

/// The paths that senders are configured with: Prometheus' own, and that of Mimir and Cortex.
pub const PATHS: [&str; 2] = ["/api/v1/write", "/api/v1/push"];

/// What a receiver takes, and how much at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverOptions {
    /// Bounds on one request.
    pub limits: Limits,
    /// Most requests (at least 1; twice the cores is a good number) that are decoded at a time. As many bodies of the
    /// largest size are held in memory, those that wait for the engine included; beyond either the answer is 503.
    pub decodes_max: usize,
    /// How long an answer 503 is held back. A sender that minds no `Retry-After` is so kept from spending, on being refused,
    /// the time that those need who are not.
    pub refusal_delay: Duration,
}

impl Default for ReceiverOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            limits: Limits::default(),
            decodes_max: 2 * cores,
            refusal_delay: Duration::from_millis(100),
        }
    }
}

/// What the remote-write endpoints share.
pub struct Receiver {
    ingest: Arc<dyn Ingest>,
    limits: Limits,
    refusal_delay: Duration,
    decode_slots: Arc<Semaphore>,
    body_budget: Arc<BodyBudget>,
    decodes_max: usize,
    /// `None`: everything is of one.
    tenants: RwLock<Option<Arc<Tenants>>>,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
    stats: Arc<ReceiverStats>,
}

impl Receiver {
    /// A receiver that hands requests to `ingest`. `clock` tells the wall-clock time of receipt.
    pub fn new(
        ingest: Arc<dyn Ingest>,
        options: ReceiverOptions,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        let ReceiverOptions { limits, decodes_max, refusal_delay } = options;
        let decodes_max = decodes_max.clamp(1, Semaphore::MAX_PERMITS);
        let body_bytes_max = limits.body_bytes_max.saturating_add(limits.decoded_bytes_max);
        Self {
            ingest,
            decode_slots: Arc::new(Semaphore::new(decodes_max)),
            body_budget: BodyBudget::new(body_bytes_max.saturating_mul(decodes_max)),
            decodes_max,
            tenants: RwLock::default(),
            limits,
            refusal_delay,
            clock: Box::new(clock),
            stats: Arc::default(),
        }
    }

    /// Tells tenants apart from the next request on, as `options` say; `None`: everything is of one.
    pub fn tell_apart(&self, options: Option<TenantOptions>) {
        let shared = Shared {
            budget: Arc::clone(&self.body_budget),
            body_bytes_max: self
                .limits
                .body_bytes_max
                .saturating_add(self.limits.decoded_bytes_max),
            decodes_max: self.decodes_max,
        };
        let mut tenants = self.tenants.write();
        let tenant = |options| Arc::new(Tenants::new(options, tenants.as_deref(), &shared));
        *tenants = options.map(tenant);
    }

    /// What each tenant has sent; empty without tenants.
    pub fn tenants(&self) -> Vec<TenantFigures> {
        self.tenants.read().as_ref().map(|tenants| tenants.figures()).unwrap_or_default()
    }

    /// Counters since the start.
    pub fn stats(&self) -> &ReceiverStats {
        &self.stats
    }

    async fn answer(&self, request: Request) -> Answer {
        let (head, body) = request.into_parts();
        let retry_attempt = headers::retry_attempt(&head.headers);
        let place = match self.admit(&head, retry_attempt) {
            Ok(place) => place,
            Err(refusal) => {
                // The sender should hear the answer, and does not while it is still writing.
                body::discard(body, self.limits.body_bytes_max).await;
                return refusal;
            }
        };
        let origin = Origin { source: source_of(&head.extensions), place };
        self.receive(body, origin, retry_attempt).await.unwrap_or_else(|refusal| refusal)
    }

    /// Everything that can be refused before the body is read. The place of its tenant, if there are tenants.
    fn admit(&self, head: &Parts, retry_attempt: u32) -> Result<Option<Place>, Answer> {
        if head.method != Method::POST {
            return Err(Answer::NotPost);
        }
        // Before anything is read: under overload, decoding what is then refused would take the time of what is not.
        let refuse = |error: SubmitError| Answer::unavailable(&error.to_string(), retry_attempt);
        self.ingest.check().map_err(refuse)?;
        if self.decode_slots.available_permits() == 0 {
            return Err(Answer::unavailable("too many requests at a time", retry_attempt));
        }
        let place = self.place(head, retry_attempt)?;
        headers::check_content_type(&head.headers).map_err(Answer::Unsupported)?;
        headers::check_content_encoding(&head.headers).map_err(Answer::Unsupported)?;
        Ok(place)
    }

    /// A place among the requests of its tenant.
    fn place(&self, head: &Parts, retry_attempt: u32) -> Result<Option<Place>, Answer> {
        let Some(tenants) = self.tenants.read().clone() else { return Ok(None) };
        let tenant =
            tenants.of(&head.headers, head.extensions.get::<User>()).map_err(|refusal| {
                self.stats.count_tenant_refused(refusal);
                Answer::Forbidden(tenants.text(refusal))
            })?;
        match tenant.enter() {
            Some(place) => Ok(Some(place)),
            None => {
                Err(Answer::unavailable("tenant has too many requests under way", retry_attempt))
            }
        }
    }

    async fn receive(
        &self,
        body: Body,
        origin: Origin,
        retry_attempt: u32,
    ) -> Result<Answer, Answer> {
        let unavailable = |why| Answer::unavailable(why, retry_attempt);
        let refuse = |error| match error {
            ReadError::Undecodable(error) => self.undecodable(&error),
            ReadError::Broken => Answer::Invalid(Invalid::request("body was cut short")),
            ReadError::NoMemory => {
                origin.count_refused();
                unavailable("too many bodies at a time")
            }
        };
        let budget = origin.place.as_ref().map_or(&self.body_budget, |place| &place.budget);
        let read = body::read(body, self.limits.body_bytes_max, budget).await;
        let body = read.map_err(refuse)?;
        self.stats.count_body(body.len());
        let slots =
            [Some(&self.decode_slots), origin.place.as_ref().map(|place| &place.decode_slots)];
        let slot = slots.into_iter().flatten().map(|slots| Arc::clone(slots).try_acquire_owned());
        let slot = slot.collect::<Result<Vec<_>, _>>().map_err(|_| {
            origin.count_refused();
            unavailable("too many requests at a time")
        })?;
        let limits = self.limits.clone();
        let decoded = if body.len() <= INLINE_BYTES_MAX {
            let decoded = decode(body, &limits);
            drop(slot);
            decoded
        } else {
            let work = move || {
                let _slot = slot;
                decode(body, &limits)
            };
            let decoded = tokio::task::spawn_blocking(work).await;
            decoded.map_err(|_| unavailable("decoder is stopping"))?
        };
        let decoded = decoded.map_err(refuse)?;
        self.submit(decoded, origin, retry_attempt).await
    }

    fn undecodable(&self, error: &DecodeError) -> Answer {
        self.stats.count_undecodable(error);
        Answer::Invalid(Invalid::request(&error.to_string()))
    }

    /// Hands a request to the engine. It takes its place and its share of the memory until that has answered.
    async fn submit(
        &self,
        decoded: Decoded,
        origin: Origin,
        retry_attempt: u32,
    ) -> Result<Answer, Answer> {
        let Decoded { write, body, share } = decoded;
        self.stats.count_received(&write);
        let mut invalid = Invalid::parts(&write);
        let Origin { source, place } = origin;
        let tenant = place.as_ref().map(|place| Arc::clone(place.name()));
        let received = Some(Received {
            source: Source::Address(source),
            format: Format::REMOTE_WRITE_1,
            body,
        });
        let request = IngestRequest { tenant, write, received_at: (self.clock)(), received };
        let (sender, answer) = oneshot::channel();
        let stats = Arc::clone(&self.stats);
        // Counted here and not below: the sender may have hung up by then.
        let reply = Box::new(move |result: Result<Outcome, SubmitError>| {
            drop(share);
            if let Ok(outcome) = &result {
                stats.count_outcome(outcome);
                if let Some(place) = &place {
                    place.count_samples(
                        outcome.accepted_samples,
                        outcome.rejected_samples.iter().sum(),
                    );
                }
            }
            drop(place);
            let _ = sender.send(result);
        });
        let refuse = |error: SubmitError| Answer::unavailable(&error.to_string(), retry_attempt);
        self.ingest.submit(request, reply).map_err(refuse)?;
        let outcome = answer.await.unwrap_or(Err(SubmitError::Stopping)).map_err(refuse)?;
        invalid.add(&outcome);
        Ok(if invalid.is_empty() { Answer::Written } else { Answer::Invalid(invalid) })
    }
}

/// Where a request comes from.
struct Origin {
    source: Arc<str>,
    /// `None` without tenants.
    place: Option<Place>,
}

impl Origin {
    /// Counts it as refused for want of a share.
    fn count_refused(&self) {
        if let Some(place) = &self.place {
            place.count_refused();
        }
    }
}

/// A request as it came and as it was understood, and the share of the memory that both take.
struct Decoded {
    write: WriteRequest,
    body: Vec<u8>,
    share: Share,
}

fn decode(body: HeldBody, limits: &Limits) -> Result<Decoded, ReadError> {
    let decoded = decompress(&body, limits).map_err(ReadError::Undecodable)?;
    let (body, mut share) = body.into_parts();
    share.resize(body.len() + decoded.len())?;
    let write = WriteRequest::decode(decoded, limits).map_err(ReadError::Undecodable)?;
    Ok(Decoded { write, body, share })
}

/// The address that a request came from, if the server says it.
fn source_of(extensions: &Extensions) -> Arc<str> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map_or_else(|| Arc::from(""), |ConnectInfo(peer)| Arc::from(peer.to_string()))
}

/// The endpoints of `receiver`, at [`PATHS`].
pub fn router(receiver: Arc<Receiver>) -> Router {
    let routes = PATHS.iter().fold(Router::new(), |router, path| router.route(path, any(write)));
    routes.with_state(receiver)
}

async fn write(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    let answer = receiver.answer(request).await;
    if matches!(answer, Answer::Unavailable { .. }) {
        tokio::time::sleep(receiver.refusal_delay).await;
    }
    let response = answer.into_response();
    receiver.stats.count_request(response.status());
    response
}
