//! What sources hand to the runtime and what they get back.

use std::sync::Arc;

use bellwether_engine::Outcome;
use bellwether_series::Timestamp;
use bellwether_wire::Format;
use bellwether_wire::remote_write::WriteRequest;

use crate::source::Source;

/// One decoded request, as a source received it.
#[derive(Debug)]
pub struct Request {
    /// Whose it is; `None` where the source knows of no tenants.
    pub tenant: Option<Arc<str>>,
    /// The decoded body.
    pub write: WriteRequest,
    /// Wall-clock time of receipt; the only `now` that the engine ever sees.
    pub received_at: Timestamp,
    /// What the journal keeps of it; a runtime without a journal needs none.
    pub received: Option<Received>,
}

/// A request as it was received, for the journal.
#[derive(Debug)]
pub struct Received {
    /// Where it came from.
    pub source: Source,
    /// How the body is written.
    pub format: Format,
    /// The body, as it came.
    pub body: Vec<u8>,
}

/// Called once, on a thread of the runtime, when it is clear what became of a request.
pub type Reply = Box<dyn FnOnce(Result<Outcome, SubmitError>) + Send>;

/// Why a request was not taken at all. The sender is told to try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The queue to the recorder is full.
    #[error("queue is full")]
    Full,
    /// The runtime is stopping.
    #[error("engine is stopping")]
    Stopping,
    /// What was learned before is still being read.
    #[error("engine is recovering")]
    Recovering,
    /// There is no such tenant in the configuration in force: it has just changed.
    #[error("tenants have changed")]
    UnknownTenant,
    /// A record of a topic before this one was refused. That one and those behind it are to be submitted again, in order.
    #[error("a record of the partition before this one was not taken")]
    OutOfTurn,
    /// The journal cannot be written, or has no room for so large a request.
    #[error("journal cannot be written")]
    Unrecorded,
    /// The topic that requests are handed on to cannot be reached, or does not exist.
    #[error("topic cannot be reached")]
    Unreachable,
    /// The brokers have not confirmed all of the request, and part of it may be in the topic: it is to be sent again.
    #[error("brokers have not confirmed the request")]
    Unconfirmed,
}

/// Where sources put their requests.
pub trait Ingest: Send + Sync {
    /// Whether a request would be taken at this moment. To be asked before work is put into reading one; the answer may
    /// be another by the time it is submitted.
    ///
    /// # Errors
    /// Why it would not.
    fn check(&self) -> Result<(), SubmitError>;

    /// Hands `request` over without blocking; `reply` hears what became of it.
    ///
    /// # Errors
    /// When the request was not taken; `reply` is then never called.
    fn submit(&self, request: Request, reply: Reply) -> Result<(), SubmitError>;
}

/// Where the runtime gets the time of records that no source brings.
pub trait Clock: Send + Sync {
    /// The wall-clock time.
    fn now(&self) -> Timestamp;
}
