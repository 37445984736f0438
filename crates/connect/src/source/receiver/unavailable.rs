//! Why a request is answered 503: nothing of it is taken, and it is to be sent again.

use bellwether_runtime::SubmitError;

/// Why requests were answered 503. Indexes [`super::ReceiverStats::unavailable`].
pub const UNAVAILABLE_REASONS: [&str; 10] = [
    "queue",
    "decodes",
    "memory",
    "tenant",
    "recovering",
    "journal",
    "reload",
    "stopping",
    "topic",
    "unconfirmed",
];

/// See [`UNAVAILABLE_REASONS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum Unavailable {
    /// The engine's queue is full.
    Queue,
    /// As many bodies are decoded as may be at a time.
    Decodes,
    /// Bodies take as much memory as they may.
    Memory,
    /// The tenant has its share.
    Tenant,
    /// What was learned before is still being read.
    Recovering,
    /// The journal cannot be written, or has no room for so large a request.
    Journal,
    /// The tenants have just changed.
    Reload,
    /// It is ending.
    Stopping,
    /// A gateway cannot reach its topic.
    Topic,
    /// Brokers have not confirmed all that a gateway made of it.
    Unconfirmed,
}

impl Unavailable {
    /// For a human.
    pub(in crate::source) fn text(self) -> &'static str {
        match self {
            Self::Queue => "queue is full",
            Self::Decodes => "too many requests at a time",
            Self::Memory => "too many bodies at a time",
            Self::Tenant => "tenant has too many requests under way",
            Self::Recovering => "engine is recovering",
            Self::Journal => "journal cannot be written",
            Self::Reload => "tenants have changed",
            Self::Stopping => "engine is stopping",
            Self::Topic => "topic cannot be reached",
            Self::Unconfirmed => "brokers have not confirmed the request",
        }
    }
}

impl From<SubmitError> for Unavailable {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Full => Self::Queue,
            SubmitError::Recovering => Self::Recovering,
            // Only records of topics have turns.
            SubmitError::Unrecorded | SubmitError::OutOfTurn => Self::Journal,
            SubmitError::UnknownTenant => Self::Reload,
            SubmitError::Unreachable => Self::Topic,
            SubmitError::Unconfirmed => Self::Unconfirmed,
            _ => Self::Stopping,
        }
    }
}
