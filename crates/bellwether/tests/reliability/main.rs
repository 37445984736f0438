//! What Bellwether promises when things go wrong, each promise against the binary as a process, with its figure.
//!
//! Every row prints one line, `reliability ROW: FIGURES`, and fails when a figure is out of its bound. How long and how
//! often a row tries follows from `BELLWETHER_RELIABILITY`: `short`, which is the default and what `.ci/run` does on every
//! change, or `full`, which `.ci/accept` does.
//!
//! Needs what the end-to-end test needs, `libfaketime`, and to be root on Linux for a small file system in memory:
//!
//! ```text
//! BELLWETHER_PEERS="$(.ci/peers)" cargo test --release -p bellwether --test reliability -- \
//!     --test-threads=1 --nocapture
//! ```

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "../e2e/alerts.rs"]
#[expect(dead_code, reason = "shared with a test that needs more of it")]
mod alerts;
#[path = "../e2e/exposition.rs"]
mod exposition;
#[path = "../e2e/http.rs"]
#[expect(dead_code, reason = "shared with a test that needs more of it")]
mod http;
#[path = "../e2e/peers.rs"]
#[expect(dead_code, reason = "shared with a test that needs more of it")]
mod peers;
#[path = "../e2e/poll.rs"]
mod poll;
#[path = "../e2e/process.rs"]
#[cfg_attr(
    feature = "kafka",
    expect(dead_code, reason = "shared with a test that needs more of it")
)]
mod process;

mod clock;
mod events;
mod figures;
mod fleet;
mod journal;
mod load;
mod offer;
mod sender;
mod server;
mod setting;
mod volume;

mod bombs;
mod cardinality;
mod clocks;
mod disk_full;
mod duplicates;
mod fallback;
mod kills;
mod neighbour;
mod outage;
mod overload;
mod recovery;
mod senders;
mod soak;
mod stalled;
mod stops;
