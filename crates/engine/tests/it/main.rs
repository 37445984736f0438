//! Laws of the engine: what must not change the events, and what every sequence of events obeys.

mod laws;
mod order;
mod run;
mod scene;
