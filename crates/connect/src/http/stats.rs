//! What a server counts.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::connection::Phase;

/// Why a connection was closed before its client wanted that. Indexes [`ServerStats::closed`].
pub const CLOSE_REASONS: [&str; 7] =
    ["handshake", "head", "body", "response", "idle", "room", "address"];

/// Why a request was refused before anybody looked at it. Indexes [`ServerStats::refused`].
pub const REFUSALS: [&str; 7] = [
    "no_credentials",
    "wrong_credentials",
    "too_many_failures",
    "rate_limit",
    "busy",
    "head_too_large",
    "wrong_host",
];

/// Counters of a server, all since its start but for those that say otherwise.
#[derive(Debug, Default)]
pub struct ServerStats {
    /// Connections that are open now.
    pub connections: AtomicUsize,
    /// Connections closed, by [`CLOSE_REASONS`]: the time for a phase was over, or they made room.
    pub closed: [AtomicU64; CLOSE_REASONS.len()],
    /// TLS handshakes that failed: wrong or no certificate, no version in common, no TLS at all.
    pub handshakes_failed: AtomicU64,
    /// Requests refused, by [`REFUSALS`].
    pub refused: [AtomicU64; REFUSALS.len()],
    /// Times that a connection of HTTP/2 had as many requests at a time as it may.
    pub connections_full: AtomicU64,
    /// Addresses forgotten that had failed to log in, because too many others had as well.
    pub failed_addresses_forgotten: AtomicU64,
}

/// See [`REFUSALS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    NoCredentials,
    WrongCredentials,
    TooManyFailures,
    RateLimit,
    Busy,
    HeadTooLarge,
    WrongHost,
}

impl ServerStats {
    pub(super) fn count_refusal(&self, refusal: Refusal) {
        self.refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection of HTTP/1.1 that ended for `error`, if it was a limit that ended it.
    pub(super) fn count_failed(&self, error: &hyper::Error) {
        if error.is_parse_too_large() {
            self.count_refusal(Refusal::HeadTooLarge);
        }
    }

    pub(super) fn count_full(&self) {
        self.connections_full.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_forgotten_address(&self) {
        self.failed_addresses_forgotten.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection whose time was over in `phase`.
    pub(super) fn count_closed(&self, phase: Phase) {
        let index = match phase {
            Phase::Handshake => 0,
            Phase::Head => 1,
            Phase::Body => 2,
            // The handler bounds its own time; it is counted with what follows.
            Phase::Handling | Phase::Response => 3,
            Phase::Idle => 4,
            Phase::Expired => 5,
        };
        self.closed[index].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection that was not taken because its address has too many.
    pub(super) fn count_refused_address(&self) {
        self.closed[CLOSE_REASONS.len() - 1].fetch_add(1, Ordering::Relaxed);
    }
}
