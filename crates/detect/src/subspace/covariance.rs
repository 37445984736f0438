//! An exponentially forgetting covariance and its whitening by a Cholesky factor.
//!
//! Both are lower triangles, row by row, in `f32`: entries are bounded because standardised values are, and the
//! shrinkage keeps every pivot far above their rounding.

use serde::{Deserialize, Serialize};

use super::MEMORY;
use crate::saved::completed;

/// The factor is renewed every so many samples, in the beginning more often.
const RENEWAL_SAMPLES: u32 = 16;
/// What shrinkage is added while there are few samples for so many dimensions.
const YOUNG_SHRINKAGE: f64 = 0.5;
/// The mean variance is at least this: a group where little moves must not make little of it huge.
const MEAN_VARIANCE_MIN: f32 = 0.01;
/// Columns that are summed side by side.
const LANES: usize = 8;

/// Second moments of vectors around zero, and the factor that whitens such vectors.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub(super) struct Covariance {
    moments: Box<[f32]>,
    /// Factor of the shrunk moments in units of `deviation`; the diagonal is inverted.
    factor: Box<[f32]>,
    dimensions: usize,
    shrinkage: f64,
    deviation: f32,
    samples: f64,
    since_renewal: u32,
}

completed!(Covariance);

impl Covariance {
    /// Of vectors of `dimensions` numbers. `shrinkage`, 0 to 1: the share of the identity in the long run.
    pub(super) fn new(dimensions: usize, shrinkage: f64) -> Self {
        let entries = row_start(dimensions);
        let mut new = Self {
            moments: vec![0.0; entries].into(),
            factor: vec![0.0; entries].into(),
            dimensions,
            shrinkage,
            deviation: 1.0,
            samples: 0.0,
            since_renewal: 0,
        };
        new.renew();
        new
    }

    fn completed(self) -> Option<Self> {
        let entries = self.moments.len();
        // A triangle has more entries than dimensions, so that nothing overflows.
        let fits = self.dimensions <= entries && entries == row_start(self.dimensions);
        (fits && self.factor.len() == entries).then_some(self)
    }

    /// Numbers in a vector.
    pub(super) fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Total weight of what was learned, at most [`MEMORY`].
    pub(super) fn samples(&self) -> f64 {
        self.samples
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.moments) + size_of_val(&*self.factor)
    }

    /// Whitens `vector`, or the leading part of one, in place: each number becomes its departure from
    /// what those before it predict, in deviations.
    pub(super) fn whiten(&self, vector: &mut [f32]) {
        for index in 0..vector.len() {
            let row = &self.factor[row_start(index)..row_start(index + 1)];
            let (before, rest) = vector.split_at_mut(index);
            rest[0] = (rest[0] / self.deviation - dot(&row[..index], before)) * row[index];
        }
    }

    /// Learns `vector` with `weight`, 0 to 1.
    pub(super) fn learn(&mut self, vector: &[f32], weight: f64) {
        self.samples = (self.samples + weight).min(MEMORY);
        let gain = (weight / self.samples.max(1.0)) as f32;
        for (index, &value) in vector.iter().enumerate() {
            let row = &mut self.moments[row_start(index)..row_start(index + 1)];
            for (moment, &other) in row.iter_mut().zip(vector) {
                *moment += gain * (value * other - *moment);
            }
        }
        self.since_renewal += 1;
        if f64::from(self.since_renewal) >= f64::from(RENEWAL_SAMPLES).min(1.0 + self.samples / 8.0)
        {
            self.renew();
        }
    }

    /// Factors the shrunk moments (Cholesky–Banachiewicz, row by row).
    fn renew(&mut self) {
        self.since_renewal = 0;
        let dimensions = self.dimensions;
        let trace: f32 = (0..dimensions).map(|i| self.moments[row_start(i) + i]).sum();
        let mean_variance = (trace / dimensions as f32).max(MEAN_VARIANCE_MIN);
        self.deviation = mean_variance.sqrt();
        let young = YOUNG_SHRINKAGE * dimensions as f64 / (dimensions as f64 + self.samples);
        let shrinkage = (self.shrinkage + (1.0 - self.shrinkage) * young) as f32;
        let kept = (1.0 - shrinkage) / mean_variance;
        for row in 0..dimensions {
            let (above, present) = self.factor.split_at_mut(row_start(row));
            let moments = &self.moments[row_start(row)..row_start(row + 1)];
            for column in 0..row {
                let other = &above[row_start(column)..row_start(column + 1)];
                let explained = dot(&present[..column], &other[..column]);
                present[column] = (kept * moments[column] - explained) * other[column];
            }
            let explained = dot(&present[..row], &present[..row]);
            // In exact arithmetic a pivot is never below the shrinkage.
            let pivot = (kept * moments[row] + shrinkage - explained).max(shrinkage);
            present[row] = 1.0 / pivot.sqrt();
        }
    }
}

/// Where row `index` of a packed lower triangle starts.
fn row_start(index: usize) -> usize {
    index * (index + 1) / 2
}

/// The scalar product, in a fixed order of additions that a machine can do side by side.
fn dot(left: &[f32], right: &[f32]) -> f32 {
    let (left, left_rest) = left.as_chunks::<LANES>();
    let (right, right_rest) = right.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for (left, right) in left.iter().zip(right) {
        for lane in 0..LANES {
            sums[lane] += left[lane] * right[lane];
        }
    }
    let rest: f32 = left_rest.iter().zip(right_rest).map(|(left, right)| left * right).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Noise;

    /// The squared Mahalanobis distance by Gauss–Jordan elimination on the batch covariance.
    fn reference(vectors: &[Vec<f64>], shrinkage: f64, probe: &[f64]) -> f64 {
        let n = probe.len();
        let moment = |i: usize, j: usize| {
            vectors.iter().map(|vector| vector[i] * vector[j]).sum::<f64>() / vectors.len() as f64
        };
        let unit = ((0..n).map(|i| moment(i, i)).sum::<f64>() / n as f64).max(0.01);
        let young = 0.5 * n as f64 / (n + vectors.len()) as f64;
        let shrinkage = shrinkage + (1.0 - shrinkage) * young;
        let entry =
            |i, j| (1.0 - shrinkage) * moment(i, j) / unit + if i == j { shrinkage } else { 0.0 };
        let mut rows: Vec<Vec<f64>> = (0..n)
            .map(|i| (0..n).map(|j| entry(i, j)).chain([probe[i] / unit.sqrt()]).collect())
            .collect();
        for i in 0..n {
            let pivot = rows[i][i];
            rows[i].iter_mut().for_each(|value| *value /= pivot);
            let pivot_row = rows[i].clone();
            for row in (0..n).filter(|&row| row != i) {
                let factor = rows[row][i];
                rows[row].iter_mut().zip(&pivot_row).for_each(|(v, p)| *v -= factor * p);
            }
        }
        (0..n).map(|i| probe[i] / unit.sqrt() * rows[i][n]).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn streaming_whitening_gives_the_batch_distance(
            seed in any::<u64>(), n in 1_usize..20, count in 1_usize..9, shrinkage in 0.01..0.9_f64,
        ) {
            // A multiple of the renewal interval, so that the factor is of all that was learned.
            let count = 128 + 16 * count;
            let mut noise = Noise::new(seed);
            let mut vectors = Vec::new();
            for _ in 0..count {
                let common = noise.normal();
                vectors.push((0..n).map(|_| common + 0.3 * noise.normal()).collect::<Vec<f64>>());
            }
            let mut covariance = Covariance::new(n, shrinkage);
            for vector in &vectors {
                let vector: Vec<f32> = vector.iter().map(|&value| value as f32).collect();
                covariance.learn(&vector, 1.0);
            }
            covariance.renew();
            let probe: Vec<f64> = (0..n).map(|_| 3.0 * noise.normal()).collect();
            let mut white: Vec<f32> = probe.iter().map(|&value| value as f32).collect();
            covariance.whiten(&mut white);
            let streaming: f64 = white.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
            let batch = reference(&vectors, shrinkage, &probe);
            prop_assert!((streaming - batch).abs() <= 2e-3 * batch + 1e-6, "{streaming} {batch}");
        }
    }

    #[test]
    fn the_leading_part_is_whitened_as_if_it_were_the_whole() {
        let mut noise = Noise::new(1);
        let mut covariance = Covariance::new(6, 0.1);
        for _ in 0..200 {
            let vector: Vec<f32> = (0..6).map(|_| noise.normal() as f32).collect();
            covariance.learn(&vector, 1.0);
        }
        let mut whole = [1.0, -2.0, 0.5, 3.0, 0.0, 1.0];
        let mut part = [1.0, -2.0, 0.5];
        covariance.whiten(&mut whole);
        covariance.whiten(&mut part);
        assert_eq!(whole[..3], part);
    }

    #[test]
    fn what_never_varies_does_not_break_the_factor() {
        let mut covariance = Covariance::new(4, 0.01);
        for _ in 0..1_000 {
            covariance.learn(&[0.0; 4], 1.0);
        }
        let mut vector = [10.0, 0.0, -10.0, 0.0];
        covariance.whiten(&mut vector);
        assert!(vector.iter().all(|value| value.is_finite()) && vector[0] > 100.0);
    }

    #[test]
    fn a_weight_of_zero_teaches_nothing() {
        let mut covariance = Covariance::new(2, 0.1);
        (0..32).for_each(|_| covariance.learn(&[1.0, 0.5], 1.0));
        let before = covariance.moments.clone();
        covariance.learn(&[9.0, -9.0], 0.0);
        assert_eq!(before, covariance.moments);
    }
}
