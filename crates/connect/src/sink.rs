//! Where changes of alerts go out.

pub mod alertmanager;
