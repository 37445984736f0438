//! What a checkpoint holds: the whole state of the engine, so that it goes on after a restart as if there had been none.
//!
//! Four kinds of states can be saved, each by itself: that of the [`Intake`](crate::Intake), of each
//! [`Partition`](crate::Partition), of the [`AlertCap`](crate::AlertCap), and of a whole [`Engine`](crate::Engine), which is
//! made of the others.
//!
//! Those of one engine belong together if all were saved after the same record. Nobody has to wait for that: the intake may be
//! saved first, each partition after any later record, and the cap last. Then the records after the intake's are applied again,
//! each partition is [left out](crate::Work::leave_out) up to its own record, and so are the events that the cap has seen. What
//! comes after is the same in both ways.
//!
//! The format is that of `postcard`: fields one after the other without names, integers as varints, floats as their bits.
//! It begins with the kind, [`STATE_VERSION`] and the digest of the configuration. The states of detectors are plain records with
//! derived serde. What follows from the configuration or from other parts of the state is not written but found out
//! again: parameters, matchers, fingerprints, seats in banks, members of units, the look-up table. So it can never contradict.
//!
//! Whoever keeps the bytes keeps a checksum with them. Still, nothing read is trusted: memory is taken in proportion to the
//! bytes that are there, and whatever is used as an index is checked.

mod error;
mod reader;
mod writer;

use bellwether_series::Fingerprint;

pub use error::StateError;
pub(crate) use reader::Reader;
pub(crate) use writer::Writer;

/// Version of the format of saved states.
///
/// Raise it with every change that makes bytes mean something else: another field in a state or another order of fields,
/// another type of one, another constant that the length of an array follows from, another order of the default chain.
/// Also where equal bytes remain but a detector would understand them otherwise. There is no migration: a state of
/// another version is refused by name, and what it knew is learned anew or from the journal. `fixtures/state` holds a state
/// of this version, and a test says when the engine no longer saves that.
pub const STATE_VERSION: u32 = 6;

/// Stands for a fingerprint that was not read and is yet to be found out.
pub(crate) fn unknown_fingerprint() -> Fingerprint {
    Fingerprint::from_u128(0)
}

/// Whose state it is: the first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Intake = b'I',
    Partition = b'P',
    AlertCap = b'C',
    Engine = b'E',
}
