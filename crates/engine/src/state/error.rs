//! Why a saved state is refused.

use super::STATE_VERSION;

/// Why a saved state is refused; nothing of it was taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The bytes are no state, or that of something else. Look for where they were mixed up.
    #[error("bytes are not the state of this: first_byte=`{found:?}`")]
    Kind {
        /// The first byte, if there is one.
        found: Option<u8>,
    },
    /// Another version of the program saved it. Use that one, or do without.
    #[error("state is of another version: version=`{found}`, expected=`{STATE_VERSION}`")]
    Version {
        /// Its version.
        found: u32,
    },
    /// It was saved under another configuration. Restore with that one, then change it by a record.
    #[error("state was saved under another configuration: saved=`{saved}`, current=`{current}`")]
    Configuration {
        /// Digest of the configuration under which it was saved.
        saved: String,
        /// Digest of the one that is in force.
        current: String,
    },
    /// The bytes are cut short, or are none that a state is written as. Use an older checkpoint.
    #[error("state is cut short or damaged: part=`{part}`, offset=`{offset}`")]
    Damaged {
        /// What was being read.
        part: &'static str,
        /// Where that began, in bytes.
        offset: usize,
        /// What is wrong with it.
        source: postcard::Error,
    },
    /// Each part can be read, but they contradict each other. Use an older checkpoint.
    #[error("state contradicts itself: part=`{part}`, offset=`{offset}`, fault=`{fault}`")]
    Contradiction {
        /// What was being read.
        part: &'static str,
        /// Where it ended, in bytes.
        offset: usize,
        /// What is wrong.
        fault: &'static str,
    },
    /// More bytes than the state has. Use an older checkpoint.
    #[error("bytes follow the state: offset=`{offset}`, left_bytes=`{left_bytes}`")]
    Trailing {
        /// Where the state ended, in bytes.
        offset: usize,
        /// Bytes behind it.
        left_bytes: usize,
    },
}
