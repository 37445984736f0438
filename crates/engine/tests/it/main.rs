//! Laws of the engine: what must not change the events, and what every sequence of events obeys.

mod calm;
mod damage;
mod gates;
mod idle;
mod laws;
mod order;
mod pairs;
mod restart;
mod run;
mod scene;
mod state_fixture;
mod world;
