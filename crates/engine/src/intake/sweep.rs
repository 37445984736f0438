//! Forgetting series and letting go of them, a little at a time: who sends something does not wait for a million that
//! do not.
//!
//! Each series is looked at once a minute of record time. The list of series is in parts, and each has its own moment of the
//! minute; so the faster records follow each other, the less there is to be done for one. When many have gone for one record, the
//! parts that are due wait for the next one. All of it follows from record time alone, so every replay does the same.

use super::{Intake, Work};
use crate::outputs::Counts;

/// Each series is looked at so often.
pub(super) const SWEEP_EVERY_MS: i64 = 60_000;
/// Parts of the list.
const PARTS: usize = 1000;
/// From one part to the next.
const PART_MS: i64 = SWEEP_EVERY_MS / PARTS as i64;
/// Neighbours in the list that are in one part.
const BLOCK: usize = 64;
/// How much is done at a time, which is no limit: when so many series have gone for a record, those of further parts go with the
/// next one, and all of them go. A few milliseconds, and as many in a second as a fleet of a million series loses in minutes.
pub(super) const BATCH_SERIES: usize = 4096;

impl Intake {
    /// Forgets series from which nothing was received for longer than their time to live, and lets go of those that are
    /// silent, as far as it is their turn.
    pub(super) fn sweep(&mut self, work: &mut [Work], counts: &mut Counts) {
        let late_ms = self.elapsed_ms - self.swept_ms;
        // Whole rounds that are late need not be made up for.
        self.swept_ms += (late_ms / SWEEP_EVERY_MS - 1).max(0) * SWEEP_EVERY_MS;
        let mut gone = 0;
        while self.elapsed_ms - self.swept_ms >= PART_MS && gone < self.batch_series {
            self.swept_ms += PART_MS;
            let part = (self.swept_ms / PART_MS) as usize % PARTS;
            gone += self.sweep_part(part, work);
            if part == 0 {
                self.clusters.forget_idle(self.oldest_ms());
            }
            // They are not counted: an engine that was restored knows none, and must do the same.
            let due = places(part, self.aliases.places());
            self.aliases.sweep(due, self.elapsed_ms, &self.entries, &self.hasher);
        }
        // As many as were let go of: what is out of memory has a bound of its own.
        let batch_series = gone.max(self.batch_series);
        counts.cold_forgotten += self.sweep_cold(self.oldest_ms(), batch_series, work);
    }

    /// How many of the part are gone.
    fn sweep_part(&mut self, part: usize, work: &mut [Work]) -> usize {
        let oldest_ms = self.oldest_ms();
        let silent_ms = self.elapsed_ms - self.settings.series.idle_after_ms;
        let mut gone = 0;
        for index in places(part, self.entries.len()) {
            let Some(entry) = &self.entries[index] else { continue };
            if entry.seen_ms < oldest_ms {
                self.forget(index, work);
                gone += 1;
            } else if entry.seen_ms < silent_ms {
                self.let_go(index, work);
                gone += 1;
            }
        }
        gone
    }

    /// What was not heard since then has outlived itself.
    fn oldest_ms(&self) -> i64 {
        self.elapsed_ms - self.settings.series.time_to_live_ms
    }
}

/// The places of a list of that length that are in `part`: each is in one.
fn places(part: usize, length: usize) -> impl Iterator<Item = usize> {
    let blocks = (part..length.div_ceil(BLOCK)).step_by(PARTS);
    blocks.flat_map(move |block| block * BLOCK..length.min((block + 1) * BLOCK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_in_one_part() {
        for length in [0, 1, BLOCK, BLOCK + 1, BLOCK * PARTS + 70] {
            let mut all: Vec<usize> = (0..PARTS).flat_map(|part| places(part, length)).collect();
            all.sort_unstable();
            assert_eq!(all, (0..length).collect::<Vec<_>>());
        }
    }
}
