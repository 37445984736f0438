//! How the journal is kept.

/// When what was committed is made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Before a commit returns. Nothing acknowledged is lost, whatever happens.
    EachCommit,
    /// By [`Journal::sync_if_due`](super::Journal::sync_if_due). When the machine stops, what was acknowledged within
    /// about this time is lost; when only the process stops, nothing is.
    Interval {
        /// Milliseconds, 1 or more.
        interval_ms: u64,
    },
    /// When a segment is full, and never else. When the machine stops, what the system had not written by itself
    /// is lost, up to a segment.
    Never,
}

/// How the journal is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalOptions {
    /// Its folder in the storage.
    pub folder: String,
    /// When what was committed is made durable. Default: each commit.
    pub sync: SyncPolicy,
    /// A segment with this many bytes is full. Default 64 MiB; it may exceed that by one group.
    pub segment_bytes_max: u64,
    /// Bytes that the payload of a record may have. Default and upper bound:
    /// [`PAYLOAD_BYTES_MAX`](super::PAYLOAD_BYTES_MAX).
    pub record_bytes_max: usize,
    /// Bytes that may wait for a commit; a single record may be larger. Default 16 MiB.
    pub group_bytes_max: usize,
    /// Bytes that covered segments are kept for replay within; 0 keeps none. Default 1 GiB.
    pub retention_bytes_max: u64,
    /// How long covered segments are kept for replay, in milliseconds. Default 24 hours.
    pub retention_ms_max: i64,
    /// Whether covered segments stay within that when the disk is full. Default no: they go for what comes.
    pub keep_when_full: bool,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            folder: "journal".to_owned(),
            sync: SyncPolicy::EachCommit,
            segment_bytes_max: 64 << 20,
            record_bytes_max: super::PAYLOAD_BYTES_MAX,
            group_bytes_max: 16 << 20,
            retention_bytes_max: 1 << 30,
            retention_ms_max: 24 * 60 * 60 * 1000,
            keep_when_full: false,
        }
    }
}

/// What there was when the journal was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The sequence that the next record gets.
    pub next_sequence: u64,
    /// What a crash left half written; it does not count.
    pub torn_tail: Option<super::TornTail>,
    /// Damage in the newest segment. Damage in earlier ones is found when they are read.
    pub gaps: Vec<super::Gap>,
    /// The journal ends below what a checkpoint covers, although its newest segment always stays: whatever came behind that
    /// is lost too, and nothing says how much it was. Begins where the journal ends.
    pub lost_end: Option<super::Gap>,
}

/// The journal's own figures; counts are since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JournalFigures {
    /// Segments on disk.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The oldest sequence that is still there, or the next one when none is.
    pub oldest_sequence: u64,
    /// Sequences below this one are committed.
    pub committed_below: u64,
    /// Whether it has failed and not recovered.
    pub failed: bool,
    /// Records committed.
    pub records: u64,
    /// Groups committed.
    pub commits: u64,
    /// Times that data were made durable.
    pub syncs: u64,
    /// Writes and syncs that failed, and attempts to recover that did.
    pub failures: u64,
    /// Records refused because they were too large.
    pub records_refused: u64,
    /// Times that a group was full.
    pub groups_full: u64,
    /// Segments that retention removed.
    pub segments_removed: u64,
    /// Segments kept for replay that were removed before their time, because the disk was full.
    pub segments_given_up: u64,
}
