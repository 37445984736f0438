//! The runtime as its users see it: same events as the engine, overload refused, nothing taken lost.

mod adopt;
mod durable;
mod events;
mod load;
mod lost;
mod operate;
mod stubborn;
mod support;
mod tenants;
mod topics;
