//! Judgements for the tests of the page.

use bellwether_detect::Expected;
use bellwether_detect::tail::TailShape;
use bellwether_engine::Score;
use bellwether_series::{Fingerprint, Timestamp};

/// A judgement of a series.
pub(super) fn score(fingerprint: Fingerprint, at: Timestamp, surprise: f64) -> Score {
    let tail = TailShape { frequency: 1e-3, index: 4.0 };
    let expected = Expected { center: 100.0, scale_below: 1.0, scale_above: 1.0, tail };
    Score { fingerprint, at, value: 100.0, surprise, expected }
}
