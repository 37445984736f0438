//! Remote write against another decoder, and against hostile bodies.

mod hostile;
mod oracle;
mod otlp;
mod otlp_proto;
mod proto;
mod remote_write_2;
