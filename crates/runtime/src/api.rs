//! What sources hand to the runtime and what they get back.

use bellwether_engine::Outcome;
use bellwether_series::Timestamp;
use bellwether_wire::remote_write::WriteRequest;

/// One decoded request, as a source received it.
#[derive(Debug)]
pub struct Request {
    /// The decoded body.
    pub write: WriteRequest,
    /// Wall-clock time of receipt; the only `now` that the engine ever sees.
    pub received_at: Timestamp,
}

/// Called once, on the sequencer's thread, when a request has been sequenced.
pub type Reply = Box<dyn FnOnce(Outcome) + Send>;

/// Why a request was not taken at all. The sender is told to try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The queue to the sequencer is full.
    #[error("queue is full")]
    Full,
    /// The runtime is stopping.
    #[error("engine is stopping")]
    Stopping,
}

/// Where sources put their requests.
pub trait Ingest: Send + Sync {
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
