//! Takes requests in over HTTP, whatever their protocol.
//!
//! Checks run in a fixed order: method, admission, tenant, headers, size, compression, message; then each series on its own, inside
//! the engine. What a protocol has to itself is which headers mean which format, and how what became of a request is told
//! (`Protocol`): [`super::remote_write`] and [`super::otlp`].

mod answer;
mod body;
mod budget;
#[cfg(test)]
mod interleaved;
mod stats;
mod tenants;
mod unavailable;

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, atomic};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::header::ORIGIN;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Method};
use axum::response::Response;
use bellwether_engine::Outcome;
use bellwether_runtime::{Ingest, Received, Request as IngestRequest, Source, SubmitError};
use bellwether_series::Timestamp;
use bellwether_wire::remote_write::{DecodeError, Limits, WriteRequest};
use bellwether_wire::{Compression, Format};
use parking_lot::RwLock;
use tokio::sync::{Semaphore, oneshot};

use crate::http::User;
pub(super) use answer::{Answer, with_text};
use answer::{Refusal, Refused, Written};
use body::{HeldBody, ReadError, Share};
use budget::BodyBudget;
pub use stats::{DECODE_REASONS, PROTOCOLS, ReceiverStats, STATUSES};
use tenants::{Place, Shared, Tenants};
pub use tenants::{TENANT_REFUSALS, TenantAccess, TenantFigures, TenantOptions};
pub use unavailable::UNAVAILABLE_REASONS;
use unavailable::Unavailable;

/// Bodies up to this size, as received, are decoded where they were read: a typical one takes 0.3 ms.
const INLINE_BYTES_MAX: usize = 256 * 1024;
/// The same for gzip, which may hold a thousand times as much and takes longer.
const INLINE_GZIP_BYTES_MAX: usize = 16 * 1024;

/// What a receiver takes, and how much at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverOptions {
    /// Bounds on one request.
    pub limits: Limits,
    /// Most requests (at least 1; twice the cores is a good number) that are decoded at a time; beyond it the answer is 503.
    pub decodes_max: usize,
    /// Most memory of all bodies, those that wait for the engine included; beyond it the answer is 503. One body of the
    /// largest size that `limits` allow is taken whatever this says. `None`: as many of these as `decodes_max`.
    pub bodies_bytes_max: Option<usize>,
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
            bodies_bytes_max: None,
            refusal_delay: Duration::from_millis(100),
        }
    }
}

/// What a protocol has to itself.
pub(super) trait Protocol {
    /// Which one it is, for counting.
    fn name(&self) -> ProtocolName;

    /// What a body with these headers is written in.
    ///
    /// # Errors
    /// What is expected instead.
    fn format(&self, headers: &HeaderMap) -> Result<Format, &'static str>;

    /// How a sender is told what became of its request.
    fn respond(&self, answer: Answer) -> Response;
}

/// The protocols; index into [`PROTOCOLS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProtocolName {
    RemoteWrite,
    Otlp,
}

/// What all endpoints that take samples share.
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
        let ReceiverOptions { limits, decodes_max, bodies_bytes_max, refusal_delay } = options;
        let decodes_max = decodes_max.clamp(1, Semaphore::MAX_PERMITS);
        let body_bytes_max = limits.body_bytes_max.saturating_add(limits.decoded_bytes_max);
        let bodies_bytes_max =
            bodies_bytes_max.unwrap_or_else(|| body_bytes_max.saturating_mul(decodes_max));
        Self {
            ingest,
            decode_slots: Arc::new(Semaphore::new(decodes_max)),
            body_budget: BodyBudget::new(bodies_bytes_max.max(body_bytes_max)),
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

    /// Takes a request in, and says what became of it.
    pub(super) async fn serve(&self, protocol: &impl Protocol, request: Request) -> Response {
        let answer = self.answer(protocol, request).await;
        if let Some(why) = answer.why_unavailable() {
            self.stats.count_unavailable(why);
            tokio::time::sleep(self.refusal_delay).await;
        }
        match &answer {
            Answer::Undecodable { text, .. } => tracing::debug!(answer = ?text, "request refused"),
            Answer::Partial(refused, _) => {
                tracing::debug!(answer = ?refused.text(), "part of a request refused");
            }
            Answer::Written(_) | Answer::Refused(_) => {}
        }
        let response = protocol.respond(answer);
        self.stats.count_request(protocol.name(), response.status());
        response
    }

    async fn answer(&self, protocol: &impl Protocol, request: Request) -> Answer {
        let (head, body) = request.into_parts();
        let retry_attempt = retry_attempt(&head.headers);
        let (place, format) = match self.admit(protocol, &head, retry_attempt) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                // The sender should hear the answer, and does not while it is still writing.
                body::discard(body, self.limits.body_bytes_max).await;
                return refusal;
            }
        };
        let origin = Origin { source: source_of(&head.extensions), place, format };
        self.receive(body, origin, retry_attempt).await.unwrap_or_else(|refusal| refusal)
    }

    /// Everything that can be refused before the body is read. The place of its tenant, if there are tenants, and its format.
    fn admit(
        &self,
        protocol: &impl Protocol,
        head: &Parts,
        retry_attempt: u32,
    ) -> Result<(Option<Place>, Format), Answer> {
        if head.method != Method::POST {
            return Err(Refusal::NotPost.into());
        }
        // No sender of metrics has one, and no browser leaves it out.
        if head.headers.contains_key(ORIGIN) {
            return Err(Refusal::Forbidden("requests of web pages are not taken".to_owned()).into());
        }
        // Before anything is read: under overload, decoding what is then refused would take the time of what is not.
        let refuse = |error: SubmitError| Answer::unavailable(error, retry_attempt);
        self.ingest.check().map_err(refuse)?;
        if self.decode_slots.available_permits() == 0 {
            return Err(Answer::unavailable(Unavailable::Decodes, retry_attempt));
        }
        let place = self.place(head, retry_attempt)?;
        let format = protocol.format(&head.headers).map_err(Refusal::Unsupported)?;
        Ok((place, format))
    }

    /// A place among the requests of its tenant.
    fn place(&self, head: &Parts, retry_attempt: u32) -> Result<Option<Place>, Answer> {
        let Some(tenants) = self.tenants.read().clone() else { return Ok(None) };
        let tenant =
            tenants.of(&head.headers, head.extensions.get::<User>()).map_err(|refusal| {
                self.stats.count_tenant_refused(refusal);
                Refusal::Forbidden(tenants.text(refusal))
            })?;
        match tenant.enter() {
            Some(place) => Ok(Some(place)),
            None => Err(Answer::unavailable(Unavailable::Tenant, retry_attempt)),
        }
    }

    async fn receive(
        &self,
        body: Body,
        origin: Origin,
        retry_attempt: u32,
    ) -> Result<Answer, Answer> {
        let unavailable = |why: Unavailable| Answer::unavailable(why, retry_attempt);
        let refuse = |error| match error {
            ReadError::Undecodable(error) => self.undecodable(&error),
            ReadError::Broken => Answer::broken(),
            ReadError::Fault => Answer::fault(),
            ReadError::NoMemory => {
                origin.count_refused();
                unavailable(Unavailable::Memory)
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
            unavailable(Unavailable::Decodes)
        })?;
        let limits = self.limits.clone();
        let format = origin.format;
        let decoded = if body.len() <= inline_bytes_max(format) {
            let decoded = decode(body, format, &limits);
            drop(slot);
            decoded
        } else {
            let work = move || {
                let _slot = slot;
                decode(body, format, &limits)
            };
            let decoded = tokio::task::spawn_blocking(work).await;
            decoded.map_err(|_| unavailable(Unavailable::Stopping))?
        };
        let decoded = decoded.map_err(refuse)?;
        self.submit(decoded, origin, retry_attempt).await
    }

    fn undecodable(&self, error: &DecodeError) -> Answer {
        self.stats.count_undecodable(error);
        Answer::undecodable(error)
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
        let (mut refused, mut written) = (Refused::parts(&write), Written::parts(&write));
        let Origin { source, place, format } = origin;
        let tenant = place.as_ref().map(|place| Arc::clone(place.name()));
        let received = Some(Received { source: Source::Address(source), format, body });
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
        let refuse = |error: SubmitError| Answer::unavailable(error, retry_attempt);
        self.ingest.submit(request, reply).map_err(refuse)?;
        let outcome = answer.await.unwrap_or(Err(SubmitError::Stopping)).map_err(refuse)?;
        refused.add(&outcome);
        written.samples = outcome.accepted_samples;
        Ok(if refused.is_empty() {
            Answer::Written(written)
        } else {
            Answer::Partial(refused, written)
        })
    }
}

/// Where a request comes from.
struct Origin {
    source: Arc<str>,
    /// `None` without tenants.
    place: Option<Place>,
    /// What its body is written in.
    format: Format,
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

fn decode(body: HeldBody, format: Format, limits: &Limits) -> Result<Decoded, ReadError> {
    let write = held(|| format.decode(&body, limits))?.map_err(ReadError::Undecodable)?;
    let (body, mut share) = body.into_parts();
    share.resize(body.len() + write.held_bytes())?;
    Ok(Decoded { write, body, share })
}

/// What `decode` gives. A panic is a fault of ours, and no reason to be sent the same again for ever.
fn held<T>(decode: impl FnOnce() -> T) -> Result<T, ReadError> {
    catch_unwind(AssertUnwindSafe(decode)).map_err(|_| ReadError::Fault)
}

fn inline_bytes_max(format: Format) -> usize {
    match format.compression {
        Compression::Gzip => INLINE_GZIP_BYTES_MAX,
        Compression::None | Compression::Snappy => INLINE_BYTES_MAX,
    }
}

/// How many times Prometheus has retried this request; 0 for a first attempt.
fn retry_attempt(headers: &HeaderMap) -> u32 {
    let value = headers.get("retry-attempt").and_then(|value| value.to_str().ok());
    value.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// The address that a request came from, if the server says it.
fn source_of(extensions: &Extensions) -> Arc<str> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map_or_else(|| Arc::from(""), |ConnectInfo(peer)| Arc::from(peer.to_string()))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use tower::ServiceExt;

    use super::*;
    use crate::source::remote_write;

    /// An engine that is always well and ends at once.
    struct Stopping;

    impl Ingest for Stopping {
        fn check(&self) -> Result<(), SubmitError> {
            Ok(())
        }

        fn submit(
            &self,
            _: IngestRequest,
            _: bellwether_runtime::Reply,
        ) -> Result<(), SubmitError> {
            Err(SubmitError::Stopping)
        }
    }

    #[tokio::test]
    async fn no_more_bodies_are_decoded_at_a_time_than_may_be() {
        let options = ReceiverOptions {
            decodes_max: 2,
            refusal_delay: Duration::ZERO,
            ..ReceiverOptions::default()
        };
        let now = || Timestamp::from_ms(0);
        let receiver = Arc::new(Receiver::new(Arc::new(Stopping), options, now));
        let post = || {
            let request = Request::post(remote_write::PATHS[0]).body(Body::from(vec![0])).unwrap();
            remote_write::router(Arc::clone(&receiver)).oneshot(request)
        };
        let counted = || {
            let counts = receiver.stats().unavailable.iter();
            let counts = counts.map(|count| count.load(atomic::Ordering::Relaxed));
            UNAVAILABLE_REASONS
                .into_iter()
                .zip(counts)
                .filter(|&(_, count)| count > 0)
                .collect::<Vec<_>>()
        };
        let others = Arc::clone(&receiver.decode_slots).acquire_many_owned(2).await.unwrap();
        assert_eq!(post().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(counted(), [("decodes", 1)]);
        drop(others);
        assert_eq!(post().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(counted(), [("decodes", 1), ("stopping", 1)]);
    }

    #[test]
    fn a_decoder_that_panics_has_found_a_body_that_is_not_sent_again() {
        let held = held(|| -> () { panic!("on purpose") });
        assert!(matches!(held, Err(ReadError::Fault)));
        let Answer::Undecodable { text, .. } = Answer::fault() else { panic!() };
        assert!(text.contains("fault of Bellwether"), "{text}");
    }

    #[test]
    fn a_nonsensical_attempt_counts_as_the_first() {
        let attempt = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-attempt", value.parse().unwrap());
            retry_attempt(&headers)
        };
        assert_eq!(
            (attempt("3"), attempt("-1"), attempt("x"), attempt("99999999999")),
            (3, 0, 0, 0)
        );
        assert_eq!(retry_attempt(&HeaderMap::new()), 0);
    }
}
