//! Journal records: everything that happens to the engine, in the order in which it happened.

use std::sync::Arc;

use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::WriteRequest;
use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// The kinds of record; the numbers are those of the journal format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordKind {
    /// A request with samples, as it was received.
    Request = 1,
    /// Nothing arrived for a while.
    Heartbeat = 2,
    /// The configuration changed.
    Configuration = 3,
    /// An operator's word: exclude, adopt, silence, feedback.
    Control = 4,
}

/// One thing that happened.
#[derive(Debug)]
pub struct Record<'a> {
    /// Wall-clock time of receipt: the only `now` that the engine sees.
    pub received_at: Timestamp,
    /// What happened.
    pub body: RecordBody<'a>,
}

/// What happened.
#[derive(Debug)]
pub enum RecordBody<'a> {
    /// A request with samples.
    Request {
        /// Whose it is. Of no account without [`Settings::tenants`].
        tenant: &'a str,
        /// What it brings.
        write: &'a WriteRequest,
    },
    /// The same as a request with these samples and no metadata, for whoever knows its series by number.
    Samples(Samples<'a>),
    /// Nothing arrived for a while.
    Heartbeat,
    /// The configuration changed.
    Configuration(Arc<Settings>),
}

/// Samples of numbered series, as history has them: no label is encoded, hashed or compared for a sample.
#[derive(Debug, Clone, Copy)]
pub struct Samples<'a> {
    /// The labels of series 0, 1 and so on: the same in every record, but for what is added at the end.
    pub series: &'a [LabelSet],
    /// The samples, those of a series in the order in which a request would have them.
    pub rows: &'a [NumberedSample],
}

/// One sample of a numbered series.
#[derive(Debug, Clone, Copy)]
pub struct NumberedSample {
    /// Event time.
    pub at: Timestamp,
    /// Any bits, as in a [`RawSample`](bellwether_wire::remote_write::RawSample).
    pub value: f64,
    /// Index into [`Samples::series`].
    pub series: u32,
}

impl<'a> RecordBody<'a> {
    /// A request of nobody in particular.
    pub const fn request(write: &'a WriteRequest) -> Self {
        Self::Request { tenant: "", write }
    }

    /// The kind under which the journal files this record.
    pub const fn kind(&self) -> RecordKind {
        match self {
            Self::Request { .. } | Self::Samples(_) => RecordKind::Request,
            Self::Heartbeat => RecordKind::Heartbeat,
            Self::Configuration(_) => RecordKind::Configuration,
        }
    }
}

/// Time as records tell it: the sum of the steps between their receipts.
///
/// While the engine runs, a heartbeat is recorded every ten seconds. A longer step is a pause or a jump of the
/// wall clock, a negative one a jump back; neither may age a series, so steps are taken into
/// 0..=[`RecordClock::STEP_MS_MAX`].
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct RecordClock {
    elapsed_ms: i64,
    latest: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl RecordClock {
    const STEP_MS_MAX: i64 = 60_000;
    /// The furthest that a wall clock is set back and what it said before is believed: from a day ahead to a day behind, and the hour
    /// of daylight saving.
    const SET_BACK_MS_MAX: i64 = 49 * 3_600_000;

    /// Takes a record in and returns the milliseconds that have passed since the first.
    pub(crate) fn advance(&mut self, received_at: Timestamp) -> i64 {
        let step_ms = self.last.map_or(0, |last| received_at.ms_since(last));
        let step_ms = step_ms.clamp(0, Self::STEP_MS_MAX);
        let running = self.latest.map(|latest| latest.plus_ms(step_ms));
        // Whoever was further ahead was wrong: samples that are as far ahead must not freeze their series.
        let believed = running.filter(|at| at.ms_since(received_at) <= Self::SET_BACK_MS_MAX);
        self.latest = believed.max(Some(received_at));
        self.last = Some(received_at);
        self.elapsed_ms += step_ms;
        self.elapsed_ms
    }

    /// Milliseconds that have passed since the first record.
    pub(crate) fn elapsed_ms(&self) -> i64 {
        self.elapsed_ms
    }

    /// The latest time that it may be now: what the newest record says, or what an earlier one said plus the time since. A wall
    /// clock that is set back does not turn the present into the future, after however long a pause, unless it is set back so far
    /// that it cannot have been right before.
    pub(crate) fn latest_now(&self) -> Timestamp {
        self.latest.unwrap_or(Timestamp::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_of_the_wall_clock_age_nothing() {
        let mut clock = RecordClock::default();
        let mut at = |ms| clock.advance(Timestamp::from_ms(ms));
        assert_eq!(at(1_000_000), 0);
        assert_eq!(at(1_010_000), 10_000);
        assert_eq!(at(90_000_000), 70_000);
        assert_eq!(at(500), 70_000);
        assert_eq!(at(10_500), 80_000);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_make_the_present_the_future() {
        let mut clock = RecordClock::default();
        let mut latest = |ms| {
            clock.advance(Timestamp::from_ms(ms));
            clock.latest_now().as_ms()
        };
        assert_eq!(latest(10_000_000), 10_000_000);
        assert_eq!(latest(10_010_000), 10_010_000);
        assert_eq!(latest(6_410_000), 10_010_000);
        assert_eq!(latest(6_420_000), 10_020_000);
        assert_eq!(latest(99_000_000), 99_000_000);
        // After that pause it is set back again.
        assert_eq!(latest(95_400_000), 99_000_000);
        assert_eq!(latest(95_410_000), 99_010_000);
    }

    #[test]
    fn a_clock_that_was_years_ahead_for_a_moment_is_not_believed_once_it_is_set_right() {
        let mut clock = RecordClock::default();
        let mut latest = |ms| {
            clock.advance(Timestamp::from_ms(ms));
            clock.latest_now().as_ms()
        };
        let day_ms = 86_400_000;
        assert_eq!(latest(10_000), 10_000);
        assert_eq!(latest(10_000 + 365 * day_ms), 10_000 + 365 * day_ms);
        assert_eq!(latest(20_000), 20_000);
        // From a day ahead to a day behind.
        assert_eq!(latest(20_000 + day_ms), 20_000 + day_ms);
        assert_eq!(latest(20_000 - day_ms), 20_000 + day_ms);
    }
}
