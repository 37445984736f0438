//! What of history a replay is given: some of the series, up to some time, perhaps with faults put in.

use bellwether_engine::NumberedSample;
use bellwether_series::{Fingerprint, LabelSet, Timestamp};

use super::faults::Faults;
use super::halving::Share;
use super::score::{BLOCKS, Blocks};
use crate::history::Tap;
use crate::journal::widen;

/// The label by whose value series belong together: what shares one is judged as a group.
const INSTANCE: &str = "instance";

/// What decides whether a series is in a share: that of its instance, or its own.
pub(super) fn unit(labels: &LabelSet) -> u64 {
    let key = labels.get(INSTANCE).map_or_else(
        || labels.fingerprint(),
        |instance| Fingerprint::of_parts(&[instance.as_bytes()]),
    );
    key.as_u128() as u64
}

/// Looks at all rows and lets none through.
#[derive(Debug, Default)]
pub(super) struct Scout {
    pub(super) series: Vec<LabelSet>,
    /// The first and the last time.
    pub(super) times: Option<(Timestamp, Timestamp)>,
}

impl Tap for Scout {
    fn begin(&mut self) {
        *self = Self::default();
    }

    fn tap(&mut self, series: &[LabelSet], rows: &mut Vec<NumberedSample>) {
        self.series.extend_from_slice(series.get(self.series.len()..).unwrap_or_default());
        for row in rows.drain(..) {
            widen(&mut self.times, row.at);
        }
    }
}

/// Counts the rows of each block, and lets none through.
#[derive(Debug)]
pub(super) struct Census {
    blocks: Blocks,
    samples: [u64; BLOCKS],
}

impl Tap for Census {
    fn begin(&mut self) {
        self.samples = [0; BLOCKS];
    }

    fn tap(&mut self, _: &[LabelSet], rows: &mut Vec<NumberedSample>) {
        for row in rows.drain(..) {
            self.count(row.at);
        }
    }
}

impl Census {
    pub(super) fn new(blocks: Blocks) -> Self {
        Self { blocks, samples: [0; BLOCKS] }
    }

    /// Counts a sample of that event time.
    pub(super) fn count(&mut self, at: Timestamp) {
        if let Some(block) = self.blocks.of(at.as_ms()) {
            self.samples[block] += 1;
        }
    }

    /// The first block without a sample, from 0.
    pub(super) fn empty(&self) -> Option<usize> {
        self.samples.iter().position(|&samples| samples == 0)
    }
}

/// Lets a share through.
#[derive(Debug)]
pub(super) struct Sieve {
    share: Share,
    end_ms: i64,
    series: Vec<LabelSet>,
    is_kept: Vec<bool>,
    faults: Option<Faults>,
}

impl Sieve {
    pub(super) fn new(share: Share, blocks: &Blocks, faults: Option<Faults>) -> Self {
        let end_ms = blocks.end_ms(share.blocks);
        Self { share, end_ms, series: Vec::new(), is_kept: Vec::new(), faults }
    }

    /// The faults that were put in, by the name of the series.
    pub(super) fn faults(&self) -> impl Iterator<Item = (&LabelSet, &[(i64, i64)])> {
        let all = self.faults.iter().flat_map(Faults::windows);
        all.filter_map(|(number, windows)| Some((self.series.get(number)?, windows)))
    }
}

impl Tap for Sieve {
    fn begin(&mut self) {
        self.series.clear();
        self.is_kept.clear();
        if let Some(faults) = &mut self.faults {
            faults.begin();
        }
    }

    fn tap(&mut self, series: &[LabelSet], rows: &mut Vec<NumberedSample>) {
        for labels in series.get(self.series.len()..).unwrap_or_default() {
            self.series.push(labels.clone());
            self.is_kept.push(self.share.has(unit(labels)));
        }
        let is_kept = |row: &NumberedSample| {
            row.at.as_ms() < self.end_ms && self.is_kept.get(row.series as usize) == Some(&true)
        };
        rows.retain(is_kept);
        if let Some(faults) = &mut self.faults {
            faults.put_into(series, rows);
        }
    }
}
