//! The recent past of a series, from which every shingle of it can be read.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::bounds::{Point, WIDTH};

/// Samples that are kept; positions in the ring fit `u16`.
pub(super) const KEPT: usize = 8192;
/// Samples that the longest shingle spans.
pub(super) const SPAN_MAX: usize = WIDTH * COARSE;
/// Samples that one value of a coarse shingle is the mean of.
const COARSE: usize = 4;
/// The first samples are repeated behind the ring's end, so that each shingle is contiguous.
const REPEATED: usize = SPAN_MAX - 1;

/// How much of the past a shingle spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    /// The last eight values: spikes, steps, short shapes.
    Fine,
    /// The means of the last eight blocks of four values: slower shapes.
    Coarse,
}

impl Grain {
    /// Samples that a shingle spans.
    pub(super) const fn span(self) -> usize {
        match self {
            Self::Fine => WIDTH,
            Self::Coarse => SPAN_MAX,
        }
    }
}

/// A ring of the last values.
#[derive(Debug, Clone)]
pub(super) struct Ring {
    values: Vec<f32>,
    next: usize,
    samples: u64,
}

impl Ring {
    pub(super) fn new() -> Self {
        Self { values: vec![0.0; KEPT + REPEATED], next: 0, samples: 0 }
    }

    pub(super) fn push(&mut self, value: f32) {
        self.values[self.next] = value;
        if self.next < REPEATED {
            self.values[KEPT + self.next] = value;
        }
        self.next = (self.next + 1) % KEPT;
        self.samples = self.samples.saturating_add(1);
    }

    pub(super) const fn samples(&self) -> u64 {
        self.samples
    }

    pub(super) const fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<f32>()
    }

    /// Where the newest shingle of `grain` starts.
    pub(super) fn newest(&self, grain: Grain) -> u16 {
        ((self.next + KEPT - grain.span()) % KEPT) as u16
    }

    /// How many samples ago the one at `at` was pushed, counting from 1; [`KEPT`] for the next to go.
    pub(super) fn age(&self, at: u16) -> usize {
        (self.next + KEPT - usize::from(at) - 1) % KEPT + 1
    }

    /// The shingles of `grain`.
    pub(super) const fn shingles(&self, grain: Grain) -> Shingles<'_> {
        Shingles { ring: self, grain }
    }
}

/// What was pushed, as far as it is kept, in the order of places.
#[derive(Serialize, Deserialize)]
struct Pushed<'r> {
    samples: u64,
    values: Cow<'r, [f32]>,
}

/// How many of so many samples are kept.
fn kept(samples: u64) -> usize {
    samples.min(KEPT as u64) as usize
}

impl Serialize for Ring {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let values = self.values[..kept(self.samples)].into();
        Pushed { samples: self.samples, values }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Ring {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Pushed { samples, values } = Pushed::deserialize(deserializer)?;
        if values.len() != kept(samples) {
            return Err(serde::de::Error::custom("another number of values than were pushed"));
        }
        let mut ring = Self { samples, next: (samples % KEPT as u64) as usize, ..Self::new() };
        ring.values[..values.len()].copy_from_slice(&values);
        ring.values.copy_within(..REPEATED, KEPT);
        Ok(ring)
    }
}

/// The shingles of one grain, by where they start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shingles<'r> {
    ring: &'r Ring,
    grain: Grain,
}

impl Shingles<'_> {
    #[inline]
    pub(super) fn point(&self, at: u16) -> Point {
        let values = &self.ring.values[usize::from(at)..][..self.grain.span()];
        match self.grain {
            Grain::Fine => std::array::from_fn(|block| values[block]),
            Grain::Coarse => std::array::from_fn(|block| {
                let four = &values[block * COARSE..][..COARSE];
                0.25 * ((four[0] + four[1]) + (four[2] + four[3]))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shingles_are_whole_across_the_seam() {
        let mut ring = Ring::new();
        for sample in 0..KEPT + 50 {
            ring.push(sample as f32);
            if sample < SPAN_MAX {
                continue;
            }
            let fine = ring.shingles(Grain::Fine).point(ring.newest(Grain::Fine));
            assert!((fine[7] - sample as f32).abs() < 0.5 && (fine[0] - fine[7] + 7.0).abs() < 0.5);
            let coarse = ring.shingles(Grain::Coarse).point(ring.newest(Grain::Coarse));
            assert!((coarse[7] - sample as f32 + 1.5).abs() < 0.1);
            assert!((coarse[0] - sample as f32 + 29.5).abs() < 0.1);
            assert_eq!(ring.age(ring.newest(Grain::Coarse)), SPAN_MAX);
        }
    }
}
