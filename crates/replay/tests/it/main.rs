//! Golden replays: the corpus in `fixtures/replay` must give, byte for byte, what lies in
//! `fixtures/replay/golden`.
//!
//! After a change that is meant to change scores or events, write the goldens anew and look at the difference;
//! after a change of the corpus itself, which `fixture.rs` generates, write that first:
//!
//! ```sh
//! UPDATE_FIXTURES=1 cargo test -p bellwether-replay --test it
//! UPDATE_GOLDEN=1 cargo test -p bellwether-replay --test it
//! ```

mod eval;
mod events;
mod exclude;
mod fixture;
mod golden;
mod hand_written_alerts;
mod history;
mod rows;
